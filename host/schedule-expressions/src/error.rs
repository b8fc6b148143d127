//! Why a text is not a schedule expression.
//!
//! Always the caller's fault and never worth a retry: the same text fails the same way.

/// Names the part of the expression that is wrong and says why, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The {field} {reason}.")]
pub struct ParseError {
    field: &'static str,
    reason: String,
}

impl ParseError {
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }

    /// The part that is wrong: `"minutes field"`, `"rate value"`, `"expression"` and so on.
    pub fn field(&self) -> &'static str {
        self.field
    }
}
