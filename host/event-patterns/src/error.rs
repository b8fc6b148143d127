//! Why a text is not an event pattern.
//!
//! Always the caller's fault and never worth a retry. The reasons are worded as EventBridge words them where
//! its answers are known, because callers and their tests read them.

/// What `InvalidEventPatternException` says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Event pattern is not valid. Reason: {reason}")]
pub struct PatternError {
    reason: String,
}

impl PatternError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// The reason alone, for services that put another sentence before it.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
