//! `wildcard`: `*` stands for any characters, also none; `\*` and `\\` are the characters themselves.
//!
//! Bounds: at most [`MAX_WILDCARDS`] of them, and a match costs at most pattern length × text length.
//! AWS measures the complexity of its own automaton and publishes no figure; six are known to be refused.

use crate::PatternError;

/// The most `*` one pattern may have.
pub const MAX_WILDCARDS: usize = 5;

/// The literal pieces between the wildcards: one more than there are wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard(Vec<String>);

impl Wildcard {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut after_wildcard = false;
        let mut characters = text.char_indices();
        while let Some((position, character)) = characters.next() {
            match character {
                '*' if after_wildcard => {
                    return Err(PatternError::new(format!("Consecutive wildcard characters at pos {position}")));
                }
                '*' => pieces.push(std::mem::take(&mut piece)),
                '\\' => match characters.next() {
                    Some((_, escaped @ ('*' | '\\'))) => piece.push(escaped),
                    _ => {
                        // Counted from the opening quote, as AWS does.
                        let position = position.saturating_add(1);
                        return Err(PatternError::new(format!("Invalid escape character at pos {position}")));
                    }
                },
                other => piece.push(other),
            }
            after_wildcard = character == '*';
        }
        if pieces.len() > MAX_WILDCARDS {
            return Err(PatternError::new(
                "Rule is too complex - try using fewer wildcard characters or fewer repeating character \
                 sequences after a wildcard character",
            ));
        }
        pieces.push(piece);
        Ok(Self(pieces))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let (first, middle, last) = match self.0.as_slice() {
            [] => return text.is_empty(),
            [only] => return text == only,
            [first, middle @ .., last] => (first, middle, last),
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        // The leftmost place for each piece leaves the most room for the next.
        for piece in middle {
            match rest.split_once(piece.as_str()) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}
