//! Responses that leave while their function runs: what a streamed invocation answers.
//!
//! An answer comes as soon as the response begins. Its body then carries what the guest makes, at the reader's pace, and ends in an
//! error where the guest fails; [`StreamEnd`] tells afterwards how the invocation ended. Bounds: [`Config`].

use super::{Body, BodyError, FunctionError, Outcome, Response, STREAM_LIMIT_MB, StartKind, failure};
use crate::ids::Version;
use crate::sandbox::calls::response_stream::StreamTooLarge;
use bytes::Bytes;
use futures_channel::oneshot;
use http_body_util::{BodyExt, Empty, Full, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};

/// The `[response_streaming]` section of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The largest streamed response. Buffered ones are bounded by Lambda's 6 MB.
    pub max_response_mb: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_response_mb: STREAM_LIMIT_MB }
    }
}

impl Config {
    /// The limit in bytes.
    pub fn max_response_bytes(&self) -> u64 {
        self.max_response_mb.saturating_mul(1 << 20)
    }
}

/// An invocation whose response began, or that ended without one.
pub struct StreamedOutcome {
    /// The version that runs.
    pub executed_version: Version,
    /// How its environment came about.
    pub start: StartKind,
    /// The response, or why there is none.
    pub result: Result<StreamedResponse, FunctionError>,
    /// The last 4 kB of the log of an invocation without a response, where asked for.
    pub log_tail: Option<Vec<u8>>,
}

/// What a response begins with.
pub enum StreamHead {
    /// An event function's.
    Event {
        /// As the function called it.
        content_type: String,
        /// Whether the function answered in one piece, by returning it.
        is_whole: bool,
    },
    /// An HTTP function's.
    Http(Box<http::response::Parts>),
}

/// A response under way.
pub struct StreamedResponse {
    /// What it begins with.
    pub head: StreamHead,
    /// What follows; ends in an error where the function failed midway.
    pub body: Body,
    /// How it ends.
    pub end: StreamEnd,
}

/// How an invocation ended.
#[derive(Debug, Default)]
pub struct StreamEnded {
    /// The function's failure, if it failed.
    pub error: Option<FunctionError>,
    /// The last 4 kB of its log, where asked for.
    pub log_tail: Option<Vec<u8>>,
}

/// Tells how an invocation ended.
#[derive(Debug)]
pub struct StreamEnd(oneshot::Receiver<StreamEnded>);

impl StreamEnd {
    pub(super) fn channel() -> (oneshot::Sender<StreamEnded>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    fn ended(how: StreamEnded) -> Self {
        let (sender, end) = Self::channel();
        // The receiver is here.
        let _ = sender.send(how);
        end
    }

    /// Waits for the end.
    pub async fn wait(self) -> StreamEnded {
        self.0.await.unwrap_or_else(|_| StreamEnded {
            error: Some(FunctionError {
                handled: false,
                error_type: "Runtime.Unknown".into(),
                error_message: "The invocation was cut off.".into(),
                stack_trace: Vec::new(),
                document: None,
            }),
            log_tail: None,
        })
    }
}

/// What it means for an invocation that its response's body ended in `error`.
pub fn body_failure(error: &BodyError) -> FunctionError {
    match error.downcast_ref::<StreamTooLarge>() {
        Some(StreamTooLarge { limit_bytes }) => failure::stream_too_large(*limit_bytes),
        None => FunctionError {
            handled: false,
            error_type: "Runtime.ExitError".into(),
            error_message: format!("The response broke off: {error}"),
            stack_trace: Vec::new(),
            document: None,
        },
    }
}

/// Ends `body` in an error at the limit of streams.
pub(super) fn limited(body: Body, config: Config) -> Body {
    let limit_bytes = config.max_response_bytes();
    let limited = Limited::new(body, usize::try_from(limit_bytes).unwrap_or(usize::MAX));
    limited
        .map_err(move |error| match error.is::<LengthLimitError>() {
            true => StreamTooLarge { limit_bytes }.into(),
            false => error,
        })
        .boxed_unsync()
}

/// What a function returned in one piece.
pub(super) fn whole(bytes: Bytes, ended: StreamEnded) -> StreamedResponse {
    StreamedResponse {
        head: StreamHead::Event { content_type: "application/json".into(), is_whole: true },
        body: if bytes.is_empty() {
            Empty::new().map_err(|never| match never {}).boxed_unsync()
        } else {
            Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
        },
        end: StreamEnd::ended(ended),
    }
}

impl StreamedOutcome {
    /// A buffered outcome as one that streams.
    pub fn whole(outcome: Outcome) -> Self {
        let Outcome { executed_version, result, start, log_tail, .. } = outcome;
        let (result, log_tail) = match result {
            Ok(Response::Event(bytes)) => (Ok(whole(bytes, StreamEnded { error: None, log_tail })), None),
            Ok(Response::Http(response)) => {
                let (parts, body) = response.into_parts();
                let end = StreamEnd::ended(StreamEnded { error: None, log_tail });
                (Ok(StreamedResponse { head: StreamHead::Http(Box::new(parts)), body, end }), None)
            }
            Err(error) => (Err(error), log_tail),
        };
        Self { executed_version, start, result, log_tail }
    }
}
