//! Regular expressions: the subset AWS supports.

use crate::PatternError;
use regex::bytes::{Regex, RegexBuilder};

/// What one expression may compile to, in bytes.
const COMPILED_LIMIT_BYTES: usize = 256 * 1024;

/// An expression that is found anywhere in a text.
#[derive(Debug, Clone)]
pub(crate) struct Expression(Regex);

impl Expression {
    /// Letters, digits, some symbols, and the operators `^ $ ? [ ] { } | \ * + .`; no groups.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::new("a regular expression is empty."));
        }
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let allowed = match character {
                // What is escaped stands for itself, or is one of the classes, or a byte in hexadecimal.
                '\\' => characters.next().is_some_and(|escaped| {
                    escaped.is_ascii_punctuation() || matches!(escaped, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'x')
                }),
                other => other.is_ascii_alphanumeric() || "_#=@/;,-:^$?[]{}|*+.".contains(other),
            };
            if !allowed {
                return Err(PatternError::new(format!("{character:?} is not supported in regular expressions.")));
            }
        }
        let compiled = RegexBuilder::new(text)
            .unicode(false)
            .size_limit(COMPILED_LIMIT_BYTES)
            .dfa_size_limit(COMPILED_LIMIT_BYTES)
            .nest_limit(16)
            .build();
        match compiled {
            Ok(regex) => Ok(Self(regex)),
            Err(_) => Err(PatternError::new(format!("%{text}% is not a regular expression that can be used."))),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}
