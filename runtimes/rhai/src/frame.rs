//! What a call of the host's answers.

/// A result's frame: a byte that says what it is, then its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Tag 0: a response, or nothing where none is due.
    pub fn done(body: &[u8]) -> Self {
        Self::new(0, body)
    }

    /// Tag 1: an error's document. The environment may serve again: no call leaves anything behind in a script.
    pub fn error(document: &[u8]) -> Self {
        Self::new(1, document)
    }

    fn new(tag: u8, body: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(body.len().saturating_add(1));
        bytes.push(tag);
        bytes.extend_from_slice(body);
        Self(bytes)
    }

    /// All of it, as the host reads it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
