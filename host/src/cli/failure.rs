//! What a command ends with when it does not succeed.

use std::fmt;
use std::process::ExitCode;

/// A failed command: what is wrong, whose fault it is, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
    /// The AWS error code, where the daemon refused.
    refusal: Option<String>,
}

impl Failure {
    /// The call, a file or a configuration is wrong: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into(), hint: None, refusal: None }
    }

    /// Something on this machine does not work: exit code 1.
    pub fn local(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), hint: None, refusal: None }
    }

    /// The function or the daemon failed: exit code 1.
    pub fn remote(message: impl Into<String>) -> Self {
        Self::local(message)
    }

    /// The daemon refused with an AWS error code: exit code 1.
    pub(super) fn refused(code: &str, message: &str) -> Self {
        let message = if message.is_empty() { code.to_owned() } else { format!("{message} ({code})") };
        Self { refusal: Some(code.to_owned()), ..Self::local(message) }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the daemon refused with this AWS error code.
    pub(super) fn is(&self, code: &str) -> bool {
        self.refusal.as_deref() == Some(code)
    }

    /// Whether what was asked for is not there.
    pub(super) fn is_not_found(&self) -> bool {
        self.is("ResourceNotFoundException")
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lamina: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
