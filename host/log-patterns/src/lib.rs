//! Filter patterns of CloudWatch Logs: which log events a search, a tail or a subscription lets through, [as AWS defines them][aws].
//!
//! Four kinds: terms (`ERROR -"no such" ?a ?b`), a regular expression (`%4\d\d%`), a JSON selector (`{ $.code = 4* && $.ms > 10 }`)
//! and space-delimited fields (`[ip, ..., status = 4*, bytes > 1000]`).
//!
//! Pure: no clock, no I/O. A pattern is bounded by [`MAX_LENGTH`] characters and [`MAX_DEPTH`] parentheses, an expression by what
//! it compiles to; a match takes time linear in the message, but for wildcards, which take the product of both lengths.
//! Where AWS's text leaves a choice: `!=` needs the field to be there; a term that begins with `?` counts for nothing beside others.
//!
//! [aws]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html

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

mod condition;
mod expression;
mod fields;
mod json;
mod scanner;
mod terms;
#[cfg(test)]
mod tests;

/// The longest pattern, in characters.
pub const MAX_LENGTH: usize = 1024;

/// Parentheses within each other.
pub const MAX_DEPTH: usize = 32;

/// Regular expressions in one JSON or space-delimited pattern (AWS's quota).
pub const MAX_EXPRESSIONS: usize = 2;

/// Why a pattern is none: for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern: {0}")]
pub struct PatternError(String);

impl PatternError {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A checked pattern. Cheap to match from many threads at once.
#[derive(Debug, Clone, Default)]
pub struct Pattern(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Terms(terms::Terms),
    Json(json::Node),
    Fields(fields::Fields),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Terms(terms::Terms::default())
    }
}

impl Pattern {
    /// Reads a pattern. The empty one matches everything.
    ///
    /// # Errors
    /// A [`PatternError`] that says what is wrong, where the text is no pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.chars().count() > MAX_LENGTH {
            return Err(PatternError::new(format!("it is longer than {MAX_LENGTH} characters.")));
        }
        let trimmed = text.trim();
        Ok(Self(match trimmed.chars().next() {
            Some('{') => Kind::Json(json::parse(trimmed)?),
            Some('[') => Kind::Fields(fields::Fields::parse(trimmed)?),
            _ => Kind::Terms(terms::Terms::parse(trimmed)?),
        }))
    }

    /// Whether an event's message matches.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::Terms(terms) => terms.matches(message),
            Kind::Json(node) => serde_json::from_str(message).is_ok_and(|value| node.matches(&value)),
            Kind::Fields(fields) => fields.extract(message).is_some(),
        }
    }

    /// Whether it matches whatever an event says.
    pub fn matches_all(&self) -> bool {
        matches!(&self.0, Kind::Terms(terms) if terms.is_empty())
    }

    /// What a match takes out of a message: named fields (`$1` where one has no name), or what a JSON selector selects.
    /// `None` where the message does not match.
    pub fn extract(&self, message: &str) -> Option<Vec<(String, String)>> {
        match &self.0 {
            Kind::Terms(terms) => terms.matches(message).then(Vec::new),
            Kind::Json(node) => {
                let value = serde_json::from_str(message).ok()?;
                node.matches(&value).then(|| node.extract(&value))
            }
            Kind::Fields(fields) => fields.extract(message),
        }
    }

    /// A text that every match contains, to look for first.
    pub fn contained(&self) -> Option<&str> {
        match &self.0 {
            Kind::Terms(terms) => terms.contained(),
            Kind::Json(_) | Kind::Fields(_) => None,
        }
    }

    /// How many regular expressions it has.
    pub fn expressions(&self) -> usize {
        match &self.0 {
            Kind::Terms(terms) => terms.expressions(),
            Kind::Json(node) => node.expressions(),
            Kind::Fields(fields) => fields.expressions(),
        }
    }
}
