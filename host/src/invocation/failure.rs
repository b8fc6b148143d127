//! A guest's failure in Lambda's words: error type and message of the answer, and the status of the REPORT line.
//!
//! Types as Lambda uses them today; `Sandbox.CpuTimeExceeded` and `Runtime.NoResponse` are Lamina's own, for limits that
//! Lambda does not have.

use super::{FunctionError, PAYLOAD_LIMIT_BYTES};
use crate::sandbox::Failure;
use crate::telemetry::report::Status;
use std::time::Duration;
use uuid::Uuid;

/// What is needed to word a failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) cpu: Option<Duration>,
    pub(super) memory_size_mb: u32,
}

/// Words `failure` for the caller.
pub(super) fn function_error(failure: Failure, request_id: Uuid, limits: Limits) -> FunctionError {
    let cut_off = |error_type: &str, message: String| FunctionError {
        handled: false,
        error_type: error_type.to_owned(),
        error_message: format!("RequestId: {request_id} Error: {message}"),
        stack_trace: Vec::new(),
        document: None,
    };
    match failure {
        Failure::Answered { error_type, message, stack_trace } => {
            FunctionError { handled: true, error_type, error_message: message, stack_trace, document: None }
        }
        Failure::Documented { document, .. } => FunctionError {
            handled: true,
            error_type: document.error_type,
            error_message: document.message,
            stack_trace: Vec::new(),
            document: Some(document.text.into()),
        },
        Failure::Trapped { message, frames } => {
            let error = cut_off("Runtime.ExitError", format!("Runtime exited with error: {message}"));
            FunctionError { stack_trace: frames, ..error }
        }
        Failure::Exited { status: 0 } => {
            cut_off("Runtime.ExitError", "Runtime exited without providing a reason".into())
        }
        Failure::Exited { status } => {
            cut_off("Runtime.ExitError", format!("Runtime exited with error: exit status {status}"))
        }
        Failure::OutOfMemory => cut_off(
            "Runtime.OutOfMemory",
            format!("Runtime exited with error: memory size of {} MB exceeded", limits.memory_size_mb),
        ),
        Failure::TimedOut => {
            cut_off("Sandbox.Timedout", format!("Task timed out after {:.2} seconds", limits.timeout.as_secs_f64()))
        }
        Failure::CpuTimeExceeded => cut_off(
            "Sandbox.CpuTimeExceeded",
            format!("Task used more than {} ms of CPU time", limits.cpu.unwrap_or_default().as_millis()),
        ),
        Failure::ResponseTooLarge { .. } => FunctionError {
            handled: false,
            error_type: "Function.ResponseSizeTooLarge".into(),
            error_message: format!(
                "Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT_BYTES} bytes)."
            ),
            stack_trace: Vec::new(),
            document: None,
        },
        Failure::StreamTooLarge { limit_bytes } => stream_too_large(limit_bytes),
        Failure::NoResponse(reason) => from_document(&reason)
            .unwrap_or_else(|| cut_off("Runtime.NoResponse", format!("The guest gave no response: {reason}"))),
        Failure::Extension { name, failure } => {
            let (error_type, words) = extension_words(*failure, limits);
            cut_off(error_type, format!("The extension {name} did not start: {words}"))
        }
        Failure::Host(reason) => cut_off("Runtime.Unknown", reason),
    }
}

/// Why an extension did not start: its type, as Lambda has them but for `Extension.Timeout`, and in words.
fn extension_words(failure: Failure, limits: Limits) -> (&'static str, String) {
    match failure {
        Failure::Answered { error_type, message, .. } => ("Extension.InitError", format!("{error_type}: {message}")),
        Failure::TimedOut => {
            ("Extension.Timeout", format!("it had not registered after {:.2} seconds", limits.timeout.as_secs_f64()))
        }
        Failure::Exited { status } => ("Extension.Crash", format!("exit status {status}")),
        Failure::Trapped { message, .. } => ("Extension.Crash", message),
        Failure::OutOfMemory => ("Extension.Crash", format!("memory size of {} MB exceeded", limits.memory_size_mb)),
        other => ("Extension.Crash", format!("{other:?}")),
    }
}

/// A streamed response that went past the limit of streams.
pub(super) fn stream_too_large(limit_bytes: u64) -> FunctionError {
    FunctionError {
        handled: false,
        error_type: "Function.ResponseSizeTooLarge".into(),
        error_message: format!("Response payload size exceeded maximum streamed payload size ({limit_bytes} bytes)."),
        stack_trace: Vec::new(),
        document: None,
    }
}

/// The SDK's HTTP handlers report their errors as Lambda's error document within `wasi:http`'s error code.
fn from_document(text: &str) -> Option<FunctionError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        error_type: String,
        error_message: String,
        #[serde(default)]
        stack_trace: Vec<String>,
    }
    let document: Document = serde_json::from_str(text.get(text.find('{')?..=text.rfind('}')?)?).ok()?;
    Some(FunctionError {
        handled: true,
        error_type: document.error_type,
        error_message: document.error_message,
        stack_trace: document.stack_trace,
        document: None,
    })
}

/// How the INIT_REPORT line tells it: whoever words the error, no environment came of it.
pub(super) fn init_status(error: &FunctionError) -> Status {
    match error.error_type.as_str() {
        "Sandbox.Timedout" if !error.handled => Status::Timeout,
        "" => Status::Error("Runtime.Unknown".into()),
        error_type => Status::Error(error_type.into()),
    }
}

/// How the REPORT line tells it.
pub(super) fn status(error: Option<&FunctionError>) -> Status {
    match error {
        None => Status::Success,
        Some(error) if error.handled => Status::Success,
        Some(error) if error.error_type == "Sandbox.Timedout" => Status::Timeout,
        Some(error) => Status::Error(error.error_type.as_str().into()),
    }
}

impl FunctionError {
    /// Lambda's error document, as text: to the letter where the function made it.
    pub fn to_text(&self) -> String {
        self.document.as_deref().map_or_else(|| self.to_document().to_string(), str::to_owned)
    }

    /// Lambda's error document.
    pub fn to_document(&self) -> serde_json::Value {
        if let Some(Ok(document)) = self.document.as_deref().map(serde_json::from_str) {
            return document;
        }
        let mut document = serde_json::json!({ "errorType": self.error_type, "errorMessage": self.error_message });
        if let (true, Some(members)) = (self.handled || !self.stack_trace.is_empty(), document.as_object_mut()) {
            members.insert("stackTrace".into(), self.stack_trace.clone().into());
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { timeout: Duration::from_secs(3), cpu: None, memory_size_mb: 128 };

    #[test]
    fn each_failure_has_lambdas_words() {
        let id = Uuid::nil();
        for (failure, error_type, message) in [
            (Failure::TimedOut, "Sandbox.Timedout", "Error: Task timed out after 3.00 seconds"),
            (Failure::Exited { status: 1 }, "Runtime.ExitError", "Error: Runtime exited with error: exit status 1"),
            (Failure::OutOfMemory, "Runtime.OutOfMemory", "memory size of 128 MB exceeded"),
            (Failure::ResponseTooLarge { size_bytes: 7 }, "Function.ResponseSizeTooLarge", "(6291456 bytes)."),
        ] {
            let error = function_error(failure, id, LIMITS);
            assert_eq!(error.error_type, error_type);
            assert!(error.error_message.ends_with(message), "{}", error.error_message);
            assert!(!error.handled);
        }
    }

    #[test]
    fn an_error_document_inside_an_error_code_is_read() {
        let text = r#"ErrorCode::InternalError(Some({"errorType":"Bad","errorMessage":"no","stackTrace":[]}))"#;
        let error = function_error(Failure::NoResponse(text.into()), Uuid::nil(), LIMITS);
        assert_eq!((error.error_type.as_str(), error.error_message.as_str(), error.handled), ("Bad", "no", true));
        let other = function_error(Failure::NoResponse("}{".into()), Uuid::nil(), LIMITS);
        assert_eq!(other.error_type, "Runtime.NoResponse");
    }
}
