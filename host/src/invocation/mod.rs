//! The narrow waist: everything that runs a function passes through [`Invoker::invoke`].
//!
//! A trigger makes an [`Invocation`]; the invoker resolves the qualifier to one version, admits it against the
//! concurrency limits, runs it in an environment and answers an [`Outcome`]. A function that fails is an
//! outcome; an [`InvokeError`] means that it did not run to an end of its own.

mod attached;
mod failure;
mod http_context;
pub mod http_event;
mod invoker;
pub mod lineage;
mod overload;
mod record;
mod snapshots;
mod streamed;
mod streaming;

pub use crate::catalog::Unfinished;
pub use crate::catalog::concurrency::ThrottleReason;
pub use invoker::Invoker;
pub use overload::Overload;
pub use snapshots::Snapshotter;
pub use streaming::{
    Config as StreamingConfig, StreamEnd, StreamEnded, StreamHead, StreamedOutcome, StreamedResponse, body_failure,
};
mod labels;

use crate::ids::{FunctionRef, Version};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use std::sync::Arc;
use std::time::Duration;

/// The largest event and the largest buffered response of a synchronous invocation (Lambda quota: 6 MB).
pub const PAYLOAD_LIMIT_BYTES: usize = 6 * 1024 * 1024;

/// The largest streamed response, unless configured otherwise (Lambda quota: 200 MB by default).
pub const STREAM_LIMIT_MB: u64 = 200;

/// The error of a body stream.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A streamed HTTP body, either way.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Who asked; a metrics label and part of the log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The `Invoke` API.
    Api,
    /// An HTTP route.
    Http,
    /// A schedule.
    Schedule,
    /// A queue's event source mapping.
    Queue,
    /// The `Invoke` API, asynchronously.
    Asynchronous,
}

/// What a function gets.
pub enum Payload {
    /// An event, usually JSON.
    Event(Bytes),
    /// A real request, with what its route knows about it.
    Http(Box<HttpPayload>),
}

/// A request on its way to a function.
pub struct HttpPayload {
    /// The request; its body may still be arriving.
    pub request: http::Request<Body>,
    /// What matched, for the payload-2.0 event of an event function.
    pub route: http_event::RouteContext,
}

/// One call of a function.
pub struct Invocation {
    /// The function and the qualifier the caller named.
    pub target: FunctionRef,
    /// Its input.
    pub payload: Payload,
    /// A UUID, in the logs, the context and the answer.
    pub request_id: uuid::Uuid,
    /// Who asked.
    pub source: Source,
    /// `X-Amzn-Trace-Id`, as received.
    pub trace_id: Option<Arc<str>>,
    /// The caller's `ClientContext`, JSON text.
    pub client_context: Option<Arc<str>>,
    /// Whether to answer the last 4 kB of this invocation's log.
    pub tail_log: bool,
}

/// How the environment that served an invocation came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StartKind {
    /// Instantiated for this invocation.
    Cold,
    /// Had served before.
    Warm,
    /// Initialised ahead under provisioned concurrency.
    Provisioned,
}

/// What a function answered.
pub enum Response {
    /// A buffered response, usually JSON.
    Event(Bytes),
    /// A real response; its body may still be coming.
    Http(Box<http::Response<Body>>),
}

/// A function's failure, as Lambda's error document has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// `true` where the function itself answered the error, `false` where it was cut off, trapped or exited.
    pub handled: bool,
    /// Such as `Sandbox.Timedout` or a type of the function's own.
    pub error_type: String,
    /// For people.
    pub error_message: String,
    /// Frames, where there are any.
    pub stack_trace: Vec<String>,
    /// All of it as the function put it, JSON text, where it did.
    pub document: Option<Arc<str>>,
}

/// An invocation that reached the function.
pub struct Outcome {
    /// The version that ran.
    pub executed_version: Version,
    /// What came of it.
    pub result: Result<Response, FunctionError>,
    /// How its environment came about.
    pub start: StartKind,
    /// From the guest's call to its answer (of a streamed response: to its head).
    pub duration: Duration,
    /// Time of the init phase, where this invocation waited for one.
    pub init_duration: Option<Duration>,
    /// The last 4 kB of its log, where asked for.
    pub log_tail: Option<Vec<u8>>,
}

/// Why an invocation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvokeError {
    /// The caller's fault; do not retry.
    #[error("Function not found: {arn}")]
    FunctionNotFound {
        /// The ARN asked for, qualifier included.
        arn: String,
    },
    /// The code is not there yet; retry while it is pending. The caller's fault.
    #[error("The operation cannot be performed at this time. The function is currently in the following state: {0}")]
    NotReady(Unfinished),
    /// Nobody's fault; retry later.
    #[error("Rate Exceeded.")]
    Throttled(ThrottleReason),
    /// The caller's fault: the event is not what this kind of function takes.
    #[error("{0}")]
    InvalidPayload(String),
    /// The caller's fault: the event is larger than [`PAYLOAD_LIMIT_BYTES`].
    #[error(
        "{size_bytes} byte payload is too large for the RequestResponse invocation type (limit {PAYLOAD_LIMIT_BYTES} bytes)"
    )]
    PayloadTooLarge {
        /// What was sent.
        size_bytes: usize,
    },
    /// The chain of invocations has come through this function too often. Nobody's fault but the loop's; do not retry.
    #[error(
        "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your \
         function's invocation."
    )]
    RecursiveLoop,
    /// The daemon is draining; retry elsewhere or later.
    #[error("The service is shutting down.")]
    ShuttingDown,
    /// The platform's fault; the text is for the log and the caller alike.
    #[error("{0}")]
    Platform(String),
}

impl InvokeError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::ShuttingDown | Self::Platform(_))
    }
}

/// Runs functions. [`triggers`](crate) hold it as a trait object, so that each can be tested against one that records.
pub trait Invoke: Send + Sync + 'static {
    /// Runs one invocation to its answer. Dropping the future cancels the invocation and ends its environment.
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>>;

    /// Runs one invocation and answers as soon as its response begins; the response streams. Dropping the future before
    /// that ends the invocation as [`Invoke::invoke`] does; dropping the body later closes the guest's stream.
    fn invoke_streamed(&self, invocation: Invocation) -> BoxFuture<'_, Result<StreamedOutcome, InvokeError>> {
        Box::pin(async { Ok(StreamedOutcome::whole(self.invoke(invocation).await?)) })
    }
}
