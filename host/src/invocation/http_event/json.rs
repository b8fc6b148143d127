//! JSON written as it is known to be: names and punctuation as they stand, and what came over the wire as strings.
//!
//! Every request to an event function is written out once, and most of that is the same each time. A serializer takes five times
//! the instructions for it, since it looks at each byte of names that hold nothing to escape.

use std::io::Write as _;

/// A document under way.
pub(super) struct Json(Vec<u8>);

impl Json {
    /// An empty one that takes `bytes` without being moved.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// A piece of the document, put there as it is.
    pub(super) fn raw(&mut self, json: &'static str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// A string.
    pub(super) fn text(&mut self, text: &str) {
        if is_plain(text.as_bytes()) {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        } else {
            // A string into memory: nothing can fail.
            let _ = serde_json::to_writer(&mut self.0, text);
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, number: i64) {
        // Into memory: nothing can fail.
        let _ = write!(self.0, "{number}");
    }

    /// An object whose values are strings.
    pub(super) fn object<N: AsRef<str>, V: AsRef<str>>(&mut self, members: impl Iterator<Item = (N, V)>) {
        let mut before = "{";
        for (name, value) in members {
            self.raw(before);
            self.text(name.as_ref());
            self.raw(":");
            self.text(value.as_ref());
            before = ",";
        }
        self.raw(if before == "{" { "{}" } else { "}" });
    }

    /// An array of strings.
    pub(super) fn array<V: AsRef<str>>(&mut self, values: impl Iterator<Item = V>) {
        let mut before = "[";
        for value in values {
            self.raw(before);
            self.text(value.as_ref());
            before = ",";
        }
        self.raw(if before == "[" { "[]" } else { "]" });
    }

    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Whether nothing in a string is escaped. Without a way out of the loop, which lets many bytes be looked at at once.
fn is_plain(text: &[u8]) -> bool {
    text.iter().fold(true, |plain, byte| plain & (*byte >= 0x20) & (*byte != b'"') & (*byte != b'\\'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn strings_are_what_a_serializer_makes_of_them() {
        let all: String = (0..=u32::from(u8::MAX)).filter_map(char::from_u32).collect();
        for text in ["", "plain", "h\u{e9}\u{1f600}", "a\"b", "a\\b", "\n", "\u{0}", "\u{7f}", &all] {
            let mut json = Json::with_capacity(0);
            json.text(text);
            assert_eq!(String::from_utf8(json.into_bytes()).unwrap(), serde_json::to_string(text).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn objects_and_arrays_may_be_empty() {
        let written = |write: &dyn Fn(&mut Json)| {
            let mut json = Json::with_capacity(0);
            write(&mut json);
            String::from_utf8(json.into_bytes()).unwrap()
        };
        let none: [&str; 0] = [];
        assert_eq!(written(&|json| json.array(none.iter())), "[]");
        assert_eq!(written(&|json| json.array(["a", "\""].iter())), r#"["a","\""]"#);
        assert_eq!(written(&|json| json.object(none.iter().zip(none))), "{}");
        assert_eq!(written(&|json| json.object([("a", "1"), ("b", "\n")].into_iter())), r#"{"a":"1","b":"\n"}"#);
        assert_eq!(written(&|json| json.number(-5)), "-5");
    }
}
