//! What is to become of an event after an attempt, as a value. No clock, no I/O.

use super::{Config, Dropped, Settings};
use crate::invocation::{FunctionError, InvokeError, Outcome, Response};
use crate::storage::async_events::EventSummary;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest error text kept, in characters.
const MESSAGE_CHARS: usize = 16 * 1024;

/// The longest document of a function's own that is kept whole; a longer one is made anew of its type and message.
const DOCUMENT_BYTES: usize = 64 * 1024;

/// How an attempt failed; kept with the event, for records and dead letters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// 200 where the function ran, else the HTTP status a synchronous caller would have seen.
    pub(super) status_code: u16,
    /// The version that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) executed_version: Option<String>,
    /// `Unhandled` where the function ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) function_error: Option<String>,
    /// Lambda's error document.
    pub(super) payload: Value,
}

impl Failure {
    /// For people.
    pub(super) fn message(&self) -> &str {
        self.payload.get("errorMessage").and_then(Value::as_str).unwrap_or_default()
    }

    fn of_function(version: String, error: FunctionError) -> Self {
        let mut error = error;
        if let Some((end, _)) = error.error_message.char_indices().nth(MESSAGE_CHARS) {
            error.error_message.truncate(end);
        }
        error.stack_trace.truncate(64);
        error.document = error.document.filter(|text| text.len() <= DOCUMENT_BYTES);
        Self {
            status_code: 200,
            executed_version: Some(version),
            function_error: Some("Unhandled".to_owned()),
            payload: error.to_document(),
        }
    }

    fn of_platform(status_code: u16, error_type: &str, message: impl ToString) -> Self {
        let payload = json!({ "errorType": error_type, "errorMessage": message.to_string() });
        Self { status_code, executed_version: None, function_error: None, payload }
    }

    /// The function may not run at all.
    pub(super) fn switched_off() -> Self {
        Self::of_platform(429, "TooManyRequestsException", "Rate Exceeded.")
    }
}

/// What is to become of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// The function succeeded.
    Delivered {
        /// The version that ran.
        version: String,
        /// What it answered.
        response: Bytes,
    },
    /// It failed, and is tried again.
    Retry {
        /// When.
        due_at_ms: i64,
        /// How it failed.
        failure: Failure,
    },
    /// The function could not run; the attempt does not count.
    Throttled(Failure),
    /// It is not tried again.
    GiveUp {
        /// Why not.
        why: Dropped,
        /// How the attempt failed.
        failure: Failure,
    },
    /// The daemon stops.
    Left,
}

/// Judges an attempt. The function's attempts so far, this one apart, are those of `event`.
pub(super) fn judge(
    result: Result<Outcome, InvokeError>,
    event: &EventSummary,
    settings: &Settings,
    config: &Config,
    now_ms: i64,
) -> Verdict {
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => return not_invoked(&error),
    };
    let version = outcome.executed_version.to_string();
    let failure = match outcome.result {
        Ok(Response::Event(response)) => return Verdict::Delivered { version, response },
        // The invoker answers events with events.
        Ok(Response::Http(_)) => return Verdict::Delivered { version, response: Bytes::new() },
        Err(error) => Failure::of_function(version, error),
    };
    if event.attempts >= settings.maximum_retry_attempts {
        return Verdict::GiveUp { why: Dropped::RetriesExhausted, failure };
    }
    let doubled = 1u64.checked_shl(event.attempts).unwrap_or(u64::MAX);
    let pause_ms = config.first_retry_pause_ms.saturating_mul(doubled);
    // One that becomes too old in its pause is given up at that moment.
    let due_at_ms = now_ms.saturating_add_unsigned(pause_ms).min(expires_at_ms(event, settings));
    Verdict::Retry { due_at_ms, failure }
}

/// When an event is too old.
pub(super) fn expires_at_ms(event: &EventSummary, settings: &Settings) -> i64 {
    event.accepted_at_ms.saturating_add(i64::from(settings.maximum_event_age_s).saturating_mul(1_000))
}

fn not_invoked(error: &InvokeError) -> Verdict {
    let give_up = |why, status, code| Verdict::GiveUp { why, failure: Failure::of_platform(status, code, error) };
    match error {
        InvokeError::ShuttingDown => Verdict::Left,
        InvokeError::Throttled(_) => Verdict::Throttled(Failure::of_platform(429, "TooManyRequestsException", error)),
        InvokeError::NotReady(_) => Verdict::Throttled(Failure::of_platform(409, "ResourceConflictException", error)),
        InvokeError::Platform(_) => Verdict::Throttled(Failure::of_platform(500, "ServiceException", error)),
        InvokeError::FunctionNotFound { .. } => give_up(Dropped::FunctionNotFound, 404, "ResourceNotFoundException"),
        InvokeError::InvalidPayload(_) => give_up(Dropped::RetriesExhausted, 400, "InvalidRequestContentException"),
        InvokeError::PayloadTooLarge { .. } => give_up(Dropped::RetriesExhausted, 413, "RequestTooLargeException"),
        InvokeError::RecursiveLoop => give_up(Dropped::RecursiveLoop, 400, "RecursiveInvocationException"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use crate::ids::{FunctionRef, Version};
    use crate::invocation::{StartKind, ThrottleReason};
    use std::time::Duration;

    fn event(attempts: u32) -> EventSummary {
        EventSummary {
            id: 1,
            request_id: uuid::Uuid::nil(),
            target: FunctionRef::parse("f").unwrap(),
            accepted_at_ms: 1_000,
            due_at_ms: 1_000,
            attempts,
            dead_at_ms: None,
        }
    }

    fn outcome(result: Result<Response, FunctionError>) -> Result<Outcome, InvokeError> {
        Ok(Outcome {
            executed_version: Version::Number(3),
            result,
            start: StartKind::Warm,
            duration: Duration::ZERO,
            init_duration: None,
            log_tail: None,
        })
    }

    fn failed() -> Result<Outcome, InvokeError> {
        outcome(Err(FunctionError {
            handled: true,
            error_type: "T".into(),
            error_message: "m".into(),
            stack_trace: vec![],
            document: None,
        }))
    }

    fn judged(result: Result<Outcome, InvokeError>, attempts: u32, settings: &Settings) -> Verdict {
        judge(result, &event(attempts), settings, &Config::default(), 2_000)
    }

    #[test]
    fn failures_are_retried_after_one_and_two_minutes_and_then_given_up() {
        let settings = Settings::default();
        for (attempts, due) in [(0, Some(62_000)), (1, Some(122_000)), (2, None)] {
            match (judged(failed(), attempts, &settings), due) {
                (Verdict::Retry { due_at_ms, failure }, Some(due)) => {
                    assert_eq!((due_at_ms, failure.status_code, failure.message()), (due, 200, "m"));
                    assert_eq!(failure.executed_version.as_deref(), Some("3"));
                }
                (Verdict::GiveUp { why: Dropped::RetriesExhausted, .. }, None) => {}
                (other, _) => panic!("{attempts}: {other:?}"),
            }
        }
        let none = Settings { maximum_retry_attempts: 0, ..settings };
        assert!(matches!(judged(failed(), 0, &none), Verdict::GiveUp { .. }));
    }

    #[test]
    fn a_pause_does_not_outlast_the_age() {
        let settings = Settings { maximum_event_age_s: 60, ..Settings::default() };
        assert!(matches!(judged(failed(), 0, &settings), Verdict::Retry { due_at_ms: 61_000, .. }));
    }

    #[test]
    fn what_is_not_the_functions_fault_uses_up_no_attempt() {
        let settings = Settings::default();
        let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
        let throttled = judged(Err(InvokeError::Throttled(reason)), 2, &settings);
        assert!(matches!(throttled, Verdict::Throttled(Failure { status_code: 429, .. })));
        assert!(matches!(judged(Err(InvokeError::Platform("p".into())), 2, &settings), Verdict::Throttled(_)));
        assert_eq!(judged(Err(InvokeError::ShuttingDown), 2, &settings), Verdict::Left);
        let gone = judged(Err(InvokeError::FunctionNotFound { arn: "a".into() }), 0, &settings);
        assert!(matches!(gone, Verdict::GiveUp { why: Dropped::FunctionNotFound, .. }));
        let delivered = judged(outcome(Ok(Response::Event(Bytes::from_static(b"1")))), 2, &settings);
        assert_eq!(delivered, Verdict::Delivered { version: "3".into(), response: Bytes::from_static(b"1") });
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let error = FunctionError {
            handled: true,
            error_type: "T".into(),
            error_message: "é".repeat(MESSAGE_CHARS + 1),
            stack_trace: vec![String::new(); 100],
            document: None,
        };
        let failure = Failure::of_function("1".into(), error);
        assert_eq!(failure.message().chars().count(), MESSAGE_CHARS);
    }
}
