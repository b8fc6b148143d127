//! [`Invoker`]: resolve, admit, run, record.
//!
//! An event is handled within the caller's future. A request to an HTTP guest runs in a task of its own, since its response
//! leaves before the guest ends; that task ends with the future until the response's head is there, and then goes on alone.

use super::failure::{self, Limits};
use super::http_event::{self, CollectError};
use super::record::{self, Record};
use super::streamed::{self, Broken};
use super::{
    Body, FunctionError, HttpPayload, Invocation, Invoke, InvokeError, Outcome, PAYLOAD_LIMIT_BYTES, Payload, Response,
    Source, StartKind, ThrottleReason, http_context, lineage,
};
use crate::catalog::concurrency::Permit;
use crate::catalog::{self, Catalog, Function, Target};
use crate::clock::SharedClock;
use crate::sandbox::environment::HttpResponse;
use crate::sandbox::pool::{Lease, StartFailure};
use crate::sandbox::{Failure, StartError};
use crate::shutdown::{Phase, Shutdown};
use crate::storage::functions::{GuestKind, RecursiveLoop};
use crate::telemetry::logs::LogStore;
use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wasmtime_wasi_http::WasiBody;

/// Runs functions of a catalog.
pub struct Invoker {
    catalog: Arc<Catalog>,
    logs: Arc<LogStore>,
    clock: SharedClock,
    shutdown: Shutdown,
}

/// The guest's input, in the form its kind takes.
enum Input {
    Event(Bytes),
    Request(Box<http::Request<Body>>),
}

/// What an invocation carries besides its input.
struct Call {
    request_id: Uuid,
    source: Source,
    trace_id: Option<Arc<str>>,
    client_context: Option<Arc<str>>,
    tail_log: bool,
}

/// An environment to run in, and the right to.
struct Admitted {
    lease: Lease,
    permit: Option<Permit>,
    start: StartKind,
    init_duration: Option<Duration>,
}

/// What ended an invocation before its guest was called.
enum NotStarted {
    Refused(InvokeError),
    InitFailed(StartFailure),
}

impl Invoke for Invoker {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(Invoker::invoke(self, invocation))
    }
}

impl Invoker {
    /// An invoker of the functions in `catalog`.
    pub fn new(catalog: Arc<Catalog>, logs: Arc<LogStore>, clock: SharedClock, shutdown: Shutdown) -> Self {
        Self { catalog, logs, clock, shutdown }
    }

    /// Runs one invocation to its answer. See [`Invoke::invoke`].
    pub async fn invoke(&self, invocation: Invocation) -> Result<Outcome, InvokeError> {
        let Invocation { target, payload, request_id, source, trace_id, client_context, tail_log } = invocation;
        let headers = match &payload {
            Payload::Http(http) => Some(http.request.headers()),
            Payload::Event(_) => None,
        };
        let (function, target) = self.catalog.resolve(&target, headers).map_err(|error| match error {
            catalog::Error::FunctionNotFound { arn } => InvokeError::FunctionNotFound { arn },
            other => InvokeError::Platform(other.to_string()),
        })?;
        let start = || lineage::new_root(self.clock.now_ms());
        let (trace, runs_before) = lineage::advance(trace_id.as_deref(), target.mark, start);
        if runs_before >= lineage::RUNS_LIMIT && target.recursive_loop == RecursiveLoop::Terminate {
            tracing::warn!(function = target.arn, %request_id, "a recursive loop was stopped");
            self.catalog.parts.metrics.recursive_invocations_dropped.inc();
            return Err(InvokeError::RecursiveLoop);
        }
        let call = Call { request_id, source, trace_id: Some(trace.into()), client_context, tail_log };
        let kind = target.version.record.code.kind;
        let answers_http = matches!(payload, Payload::Http(_));
        let input = self.input(kind, payload, request_id).await?;
        let admitted = match self.admit(&function, &target).await {
            Ok(admitted) => admitted,
            Err(NotStarted::Refused(error)) => {
                if let InvokeError::Throttled(reason) = error {
                    target.series.function().throttle(reason.into());
                }
                return Err(error);
            }
            Err(NotStarted::InitFailed(failure)) => return self.init_failed(&target, &call, failure),
        };
        match input {
            Input::Event(event) => self.handle_event(target, admitted, event, kind, &call).await,
            Input::Request(request) if answers_http => self.serve(target, admitted, *request, call).await,
            Input::Request(request) => {
                let outcome = self.serve(target, admitted, *request, call).await?;
                Ok(buffered(outcome).await)
            }
        }
    }

    /// Turns the payload into what a guest of `kind` takes. Bodies are read before anything is admitted: a slow client
    /// must not hold concurrency.
    async fn input(&self, kind: GuestKind, payload: Payload, request_id: Uuid) -> Result<Input, InvokeError> {
        let takes_request = matches!(kind, GuestKind::HttpP2 | GuestKind::HttpP3);
        match payload {
            Payload::Event(event) if event.len() > PAYLOAD_LIMIT_BYTES => {
                Err(InvokeError::PayloadTooLarge { size_bytes: event.len() })
            }
            Payload::Event(event) if takes_request => http_event::event_request(&event)
                .map(|request| Input::Request(Box::new(request)))
                .map_err(|error| InvokeError::InvalidPayload(error.to_string())),
            Payload::Event(event) => Ok(Input::Event(event)),
            Payload::Http(http) if takes_request => Ok(Input::Request(Box::new(http.request))),
            Payload::Http(http) => {
                let HttpPayload { request, route } = *http;
                let (parts, body) = request.into_parts();
                let body = http_event::collect(body, PAYLOAD_LIMIT_BYTES).await.map_err(|error| match error {
                    CollectError::TooLarge { limit_bytes } => {
                        InvokeError::PayloadTooLarge { size_bytes: limit_bytes.saturating_add(1) }
                    }
                    CollectError::Broken(error) => InvokeError::InvalidPayload(error.to_string()),
                })?;
                let account = &self.catalog.home().account;
                let event = http_event::request_event(&parts, &body, &route, request_id, account)
                    .map_err(|error| InvokeError::InvalidPayload(error.to_string()))?;
                // base64 and escapes make an event larger than its body.
                if event.len() > PAYLOAD_LIMIT_BYTES {
                    return Err(InvokeError::PayloadTooLarge { size_bytes: event.len() });
                }
                Ok(Input::Event(event))
            }
        }
    }

    /// Finds an environment: provisioned, else warm, else new; the latter two only within the concurrency limits.
    async fn admit(&self, function: &Arc<Function>, target: &Target) -> Result<Admitted, NotStarted> {
        let throttled = |reason| NotStarted::Refused(InvokeError::Throttled(reason));
        if function.concurrency.is_switched_off() {
            return Err(throttled(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded));
        }
        if let Some(lease) = target.provisioned.as_ref().and_then(|pool| pool.take_warm()) {
            return Ok(Admitted { lease, permit: None, start: StartKind::Provisioned, init_duration: None });
        }
        let permit = Some(function.concurrency.admit().map_err(throttled)?);
        let pool = &target.version.pool;
        if let Some(lease) = pool.take_warm() {
            return Ok(Admitted { lease, permit, start: StartKind::Warm, init_duration: None });
        }
        match pool.start().await {
            Ok(mut lease) => {
                let init_duration = lease.worker().map(|worker| worker.init_duration);
                Ok(Admitted { lease, permit, start: StartKind::Cold, init_duration })
            }
            Err(failure) => Err(match failure.error {
                StartError::Full => throttled(ThrottleReason::HostCapacity),
                StartError::Host(reason) => NotStarted::Refused(InvokeError::Platform(reason)),
                StartError::Guest(_) => NotStarted::InitFailed(failure),
            }),
        }
    }

    /// The outcome of an invocation whose environment failed in its init phase.
    fn init_failed(&self, target: &Target, call: &Call, failure: StartFailure) -> Result<Outcome, InvokeError> {
        let StartError::Guest(cause) = failure.error else {
            return Err(InvokeError::Platform(failure.error.to_string()));
        };
        let timeout = Duration::from_secs(self.catalog.init_timeout_s().into());
        let error = failure::function_error(cause, call.request_id, Limits { timeout, ..limits(target) });
        let now_ms = self.clock.now_ms();
        let mut log_tail = None;
        if let Some(stream) = failure.log_stream {
            let status = failure::status(Some(&error));
            record::write_failed_init(
                &self.logs,
                target,
                Arc::clone(&stream),
                now_ms,
                failure.duration,
                failure.log,
                status,
            );
            let record = Record {
                target,
                request_id: call.request_id,
                source: call.source,
                start: StartKind::Cold,
                log_stream: stream,
                started_ms: now_ms,
                ended_ms: now_ms,
                duration: Duration::ZERO,
                init_duration: Some(failure.duration),
                peak_memory_bytes: 0,
                lines: Vec::new(),
                error: Some(&error),
            };
            log_tail = record.write(&self.logs, call.tail_log);
        }
        Ok(Outcome {
            executed_version: target.version.record.version,
            result: Err(error),
            start: StartKind::Cold,
            duration: Duration::ZERO,
            init_duration: Some(failure.duration),
            log_tail,
        })
    }

    async fn handle_event(
        &self,
        target: Arc<Target>,
        admitted: Admitted,
        event: Bytes,
        kind: GuestKind,
        call: &Call,
    ) -> Result<Outcome, InvokeError> {
        let Admitted { mut lease, permit, start, init_duration } = admitted;
        let Some(worker) = lease.worker() else {
            return Err(InvokeError::Platform("a lease without environment".into()));
        };
        let limits = target.version.limits;
        let started_ms = self.clock.now_ms();
        let started = Instant::now();
        set_context(&mut worker.context, &target, call, started_ms);
        let answered = match kind {
            GuestKind::Command => worker.environment.run(event, limits).await,
            _ => worker.environment.handle(&event, &worker.context, limits).await,
        };
        let duration = started.elapsed();
        let answered = answered.and_then(|response| match response.len() {
            size_bytes if size_bytes > PAYLOAD_LIMIT_BYTES => Err(Failure::ResponseTooLarge { size_bytes }),
            _ => Ok(response),
        });
        let keep = answered.as_ref().map_or_else(Failure::keeps_environment, |_| true);
        let error = answered
            .as_ref()
            .err()
            .map(|failure| failure::function_error(failure.clone(), call.request_id, self::limits(&target)));
        let record = Record {
            target: &target,
            request_id: call.request_id,
            source: call.source,
            start,
            log_stream: Arc::clone(&worker.log_stream),
            started_ms,
            ended_ms: self.clock.now_ms(),
            duration,
            init_duration,
            peak_memory_bytes: worker.environment.peak_memory_bytes(),
            lines: worker.environment.io().take_log(),
            error: error.as_ref(),
        };
        let log_tail = record.write(&self.logs, call.tail_log);
        self.give_back(lease, start, keep);
        drop(permit);
        let result = match (answered, error) {
            (Ok(response), _) => Ok(Response::Event(response.into())),
            (Err(_), Some(error)) => Err(error),
            (Err(_), None) => return Err(InvokeError::Platform("a failure without words".into())),
        };
        Ok(Outcome {
            executed_version: target.version.record.version,
            result,
            start,
            duration,
            init_duration,
            log_tail,
        })
    }

    /// Runs an HTTP guest in a task of its own and answers at the head of its response.
    async fn serve(
        &self,
        target: Arc<Target>,
        admitted: Admitted,
        request: http::Request<Body>,
        call: Call,
    ) -> Result<Outcome, InvokeError> {
        let Admitted { mut lease, permit, start, init_duration } = admitted;
        let (respond, head) = oneshot::channel();
        let (report_end, end) = oneshot::channel::<(Failure, Option<Vec<u8>>)>();
        let limits = target.version.limits;
        let (request_id, tail_log) = (call.request_id, call.tail_log);
        let executed_version = target.version.record.version;
        let words = self::limits(&target);
        let started = Instant::now();
        let started_ms = self.clock.now_ms();
        let request = http_context::prepare(request, &target, &call.as_context(), started_ms);
        let broken = Broken::default();
        let failed = broken.clone();
        let abandoned = CancellationToken::new();
        let cancelled = abandoned.clone();
        let (logs, clock, catalog) = (Arc::clone(&self.logs), Arc::clone(&self.clock), Arc::clone(&self.catalog));
        let task = async move {
            let Some(worker) = lease.worker() else { return };
            let serving = worker.environment.serve(request.map(guest_body), respond, limits);
            let served = tokio::select! {
                // Until the head is there, the invocation ends with its caller.
                () = cancelled.cancelled() => Err(Failure::Host("the caller went away".into())),
                served = serving => served,
            };
            let error = served
                .as_ref()
                .err()
                .map(|f| failure::function_error(f.clone(), call.request_id, self::limits(&target)));
            let record = Record {
                target: &target,
                request_id: call.request_id,
                source: call.source,
                start,
                log_stream: Arc::clone(&worker.log_stream),
                started_ms,
                ended_ms: clock.now_ms(),
                duration: started.elapsed(),
                init_duration,
                peak_memory_bytes: worker.environment.peak_memory_bytes(),
                lines: worker.environment.io().take_log(),
                error: error.as_ref(),
            };
            let log_tail = record.write(&logs, call.tail_log);
            if served.is_err() {
                failed.note();
            }
            give_back(&catalog, lease, start, served.is_ok());
            drop(permit);
            let failure = served.err().unwrap_or_else(|| Failure::NoResponse("it returned without one".into()));
            // Nobody listens once the head is out.
            let _ = report_end.send((failure, log_tail));
        };
        let abandon = abandoned.drop_guard();
        self.shutdown.spawn(Phase::Intake, "http-invocation", task);
        let answered: Result<HttpResponse, Failure> = match head.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Failure::NoResponse(format!("{error:#}"))),
            // The guest ended first: the task knows how.
            Err(_) => Err(Failure::Host("the invocation was cut off".into())),
        };
        let mut log_tail = None;
        let result = match answered {
            Ok(response) => {
                abandon.disarm();
                let response = response.map(|body| streamed::body(body, broken));
                Ok(Response::Http(Box::new(response)))
            }
            Err(failure) => {
                let ended = end.await.ok();
                abandon.disarm();
                let own_words = matches!(failure, Failure::NoResponse(_));
                let (failure, tail) = match ended {
                    Some((_, tail)) if own_words => (failure, tail),
                    Some((failure, tail)) => (failure, tail),
                    None => (failure, None),
                };
                log_tail = tail.filter(|_| tail_log);
                Err(failure::function_error(failure, request_id, words))
            }
        };
        Ok(Outcome { executed_version, result, start, duration: started.elapsed(), init_duration, log_tail })
    }

    fn give_back(&self, lease: Lease, start: StartKind, keep: bool) {
        give_back(&self.catalog, lease, start, keep);
    }
}

/// Returns an environment or ends it; a provisioned one that is gone is missed.
fn give_back(catalog: &Catalog, lease: Lease, start: StartKind, keep: bool) {
    let reused = if keep { lease.give_back() } else { false };
    if start == StartKind::Provisioned && !reused {
        catalog.provisioning().notify_one();
    }
}

impl Call {
    fn as_context(&self) -> http_context::Call<'_> {
        http_context::Call {
            request_id: self.request_id,
            trace_id: self.trace_id.as_deref(),
            client_context: self.client_context.as_deref(),
        }
    }
}

fn limits(target: &Target) -> Limits {
    Limits {
        timeout: target.version.limits.wall,
        cpu: target.version.limits.cpu,
        memory_size_mb: target.version.record.configuration.memory_size_mb,
    }
}

/// Sets what differs between two invocations, into the strings of the last one.
fn set_context(context: &mut crate::sandbox::environment::Context, target: &Target, call: &Call, started_ms: i64) {
    let mut buffer = Uuid::encode_buffer();
    context.request_id.clear();
    context.request_id.push_str(call.request_id.hyphenated().encode_lower(&mut buffer));
    if context.invoked_function_arn != target.arn {
        context.invoked_function_arn.clone_from(&target.arn);
        context.qualifier.clone_from(&target.qualifier);
    }
    context.deadline_ms = deadline_ms(target, started_ms);
    context.trace_id = call.trace_id.as_deref().map(str::to_owned);
    context.client_context = call.client_context.as_deref().map(str::to_owned);
}

pub(super) fn deadline_ms(target: &Target, started_ms: i64) -> u64 {
    let timeout_ms = u64::try_from(target.version.limits.wall.as_millis()).unwrap_or(u64::MAX);
    u64::try_from(started_ms).unwrap_or(0).saturating_add(timeout_ms)
}

/// A request's body as the sandbox takes it.
fn guest_body(body: Body) -> WasiBody {
    body.map_err(|error| wasmtime_wasi_http::Error::InternalError(Some(error.to_string()))).boxed_unsync()
}

/// The outcome of an HTTP guest that was invoked with an event: its response becomes a document.
async fn buffered(outcome: Outcome) -> Outcome {
    let Ok(Response::Http(response)) = outcome.result else { return outcome };
    let (parts, body) = response.into_parts();
    let unhandled = |error_type: &str, error_message: String| FunctionError {
        handled: false,
        error_type: error_type.to_owned(),
        error_message,
        stack_trace: Vec::new(),
    };
    let result = match http_event::collect(body, PAYLOAD_LIMIT_BYTES).await {
        Ok(body) => match http_event::response_event(&parts, &body) {
            Ok(document) if document.len() <= PAYLOAD_LIMIT_BYTES => Ok(Response::Event(document)),
            Ok(_) => Err(too_large()),
            Err(error) => Err(unhandled("Runtime.InvalidResponse", error.to_string())),
        },
        Err(CollectError::TooLarge { .. }) => Err(too_large()),
        Err(CollectError::Broken(error)) => {
            Err(unhandled("Runtime.ExitError", format!("The response broke off: {error}")))
        }
    };
    Outcome { result, ..outcome }
}

fn too_large() -> FunctionError {
    let limits = Limits { timeout: Duration::ZERO, cpu: None, memory_size_mb: 0 };
    failure::function_error(Failure::ResponseTooLarge { size_bytes: 0 }, Uuid::nil(), limits)
}
