//! Event patterns: which events a rule or a filter lets through, [as EventBridge defines them][aws].
//!
//! A pattern is an object in the shape of an event whose leaves are arrays of conditions. All fields must hold;
//! of a field's conditions one must. EventBridge rules, pipes and Lambda's event source mappings share them.
//!
//! Pure: no clock, no I/O. Nothing that a pattern or an event holds can make a match fail otherwise than with
//! `false`, and nesting is bounded by [`MAX_DEPTH`] on the pattern's side, so neither can exhaust the stack.
//! Length limits are the caller's, since they differ by service; what a pattern may multiply to is bounded here
//! by [`MAX_ALTERNATIVES`] and [`MAX_FIELDS`].
//! Refused, with EventBridge's own reasons: whatever its compiler refuses.
//!
//! Numbers compare by value, so `300` matches `300.0`: what EventBridge does, though not what its text says.
//!
//! [aws]: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]

mod cidr;
mod compile;
mod condition;
mod error;
mod number;
mod tree;
mod wildcard;

use serde_json::Value;

pub use compile::{MAX_ALTERNATIVES, MAX_DEPTH, MAX_FIELDS};
pub use error::PatternError;
pub use wildcard::MAX_WILDCARDS;

use tree::Node;

/// A checked pattern, ready to match. Cheap to match from many threads at once.
#[derive(Debug, Clone)]
pub struct Pattern {
    alternatives: Vec<Node>,
}

impl Pattern {
    /// Reads a pattern from its JSON text. Of a name given twice in one object the last counts.
    ///
    /// # Errors
    /// A [`PatternError`] with EventBridge's reason, or the JSON parser's for text that is no JSON.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let value: Value = serde_json::from_str(text).map_err(|error| PatternError::new(error.to_string()))?;
        Self::from_value(&value)
    }

    /// Reads a pattern from JSON already parsed.
    ///
    /// # Errors
    /// A [`PatternError`] with EventBridge's reason.
    pub fn from_value(value: &Value) -> Result<Self, PatternError> {
        compile::compile(value).map(|alternatives| Self { alternatives })
    }

    /// Whether the pattern lets an event through. An event that is not an object never passes.
    pub fn matches(&self, event: &Value) -> bool {
        event.is_object() && self.alternatives.iter().any(|alternative| alternative.matches(event))
    }
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
