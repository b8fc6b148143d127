//! [`Invoker`]: resolve, admit, run, record.
//!
//! An event is handled within the caller's future. So is a request to an HTTP guest until its response's head is there; since a head
//! leaves before its guest ends, what is left then runs on in a task of its own.

use super::attached::{Abandoned, Attached};
use super::failure::{self, Limits};
use super::http_event::{self, CollectError};
use super::record::{self, FailedInit, Record};
use super::streamed::{self, Broken, NoteOnDrop};
use super::streaming::{self, StreamEnd, StreamEnded, StreamHead, StreamedOutcome, StreamedResponse};
use super::{
    Body, FunctionError, HttpPayload, Invocation, Invoke, InvokeError, Outcome, Overload, PAYLOAD_LIMIT_BYTES, Payload,
    Response, Source, StartKind, ThrottleReason, http_context, lineage,
};
use crate::catalog::concurrency::Permit;
use crate::catalog::{self, Catalog, Function, Target};
use crate::clock::SharedClock;
use crate::sandbox::calls::response_stream::{Gathered, PIECES, StreamSink};
use crate::sandbox::environment::HttpResponse;
use crate::sandbox::extensions::{Begun as BegunInvocation, ShutdownReason};
use crate::sandbox::pool::{Lease, StartFailure, Worker};
use crate::sandbox::{Failure, StartError};
use crate::shutdown::{Phase, Shutdown};
use crate::storage::functions::{GuestKind, RecursiveLoop};
use crate::telemetry::logs::LogStore;
use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wasmtime_wasi_http::WasiBody;

/// Runs functions of a catalog.
pub struct Invoker {
    catalog: Arc<Catalog>,
    logs: Arc<LogStore>,
    clock: SharedClock,
    shutdown: Shutdown,
    streaming: streaming::Config,
    overload: Arc<Overload>,
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

    fn invoke_streamed(&self, invocation: Invocation) -> BoxFuture<'_, Result<StreamedOutcome, InvokeError>> {
        Box::pin(Invoker::invoke_streamed(self, invocation))
    }
}

/// An invocation that has what it needs to run, or failed before its guest was called.
enum Begun {
    Ready { target: Arc<Target>, admitted: Admitted, input: Input, call: Call, answers_http: bool },
    Failed(Outcome),
}

impl Invoker {
    /// An invoker of the functions in `catalog`.
    pub fn new(catalog: Arc<Catalog>, logs: Arc<LogStore>, clock: SharedClock, shutdown: Shutdown) -> Self {
        let overload = Overload::new(Duration::ZERO);
        Self { catalog, logs, clock, shutdown, streaming: streaming::Config::default(), overload }
    }

    /// The same with other limits of streamed responses.
    pub fn with_streaming(self, streaming: streaming::Config) -> Self {
        Self { streaming, ..self }
    }

    /// The same, refusing what clients wait for as far as `overload` says.
    pub fn with_overload(self, overload: Arc<Overload>) -> Self {
        Self { overload, ..self }
    }

    /// Runs one invocation to its answer. See [`Invoke::invoke`].
    pub async fn invoke(&self, invocation: Invocation) -> Result<Outcome, InvokeError> {
        let (target, admitted, input, call, answers_http) = match self.begin(invocation).await? {
            Begun::Ready { target, admitted, input, call, answers_http } => {
                (target, admitted, input, call, answers_http)
            }
            Begun::Failed(outcome) => return Ok(outcome),
        };
        match input {
            Input::Event(event) => self.handle_event(target, admitted, event, &call, answers_http).await,
            Input::Request(request) => {
                let (outcome, _) = Box::pin(self.serve(target, admitted, *request, call)).await?;
                if answers_http { Ok(outcome) } else { Ok(Box::pin(buffered(outcome)).await) }
            }
        }
    }

    /// Runs one invocation whose response streams. See [`Invoke::invoke_streamed`].
    pub async fn invoke_streamed(&self, invocation: Invocation) -> Result<StreamedOutcome, InvokeError> {
        let (target, admitted, input, call) = match self.begin(invocation).await? {
            Begun::Ready { target, admitted, input, call, .. } => (target, admitted, input, call),
            Begun::Failed(outcome) => return Ok(StreamedOutcome::whole(outcome)),
        };
        match input {
            Input::Event(event) if takes_events(target.version.record.code.kind) => {
                self.stream_event(target, admitted, event, call).await
            }
            Input::Event(event) => {
                Ok(StreamedOutcome::whole(self.handle_event(target, admitted, event, &call, false).await?))
            }
            Input::Request(request) => {
                let (outcome, end) = self.serve(target, admitted, *request, call).await?;
                let mut streamed = StreamedOutcome::whole(outcome);
                if let Ok(response) = streamed.result {
                    let body = streaming::limited(response.body, self.streaming);
                    streamed.result = Ok(StreamedResponse { body, end, ..response });
                }
                Ok(streamed)
            }
        }
    }

    /// Resolves and admits.
    async fn begin(&self, invocation: Invocation) -> Result<Begun, InvokeError> {
        let Invocation { target, payload, request_id, source, trace_id, client_context, tail_log } = invocation;
        let headers = match &payload {
            Payload::Http(http) => Some(http.request.headers()),
            Payload::Event(_) => None,
        };
        let (function, target) = self.catalog.resolve(&target, headers).map_err(|error| match error {
            catalog::Error::FunctionNotFound { arn } => InvokeError::FunctionNotFound { arn },
            catalog::Error::NotReady(state) => InvokeError::NotReady(state),
            other => InvokeError::Platform(other.to_string()),
        })?;
        // Other sources have what they work off on disk, and a pace of their own.
        if matches!(source, Source::Api | Source::Http) && self.overload.refuses() {
            target.series.function().throttle(ThrottleReason::Overload.into());
            return Err(InvokeError::Throttled(ThrottleReason::Overload));
        }
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
        match self.admit(&function, &target).await {
            Ok(admitted) => Ok(Begun::Ready { target, admitted, input, call, answers_http }),
            Err(NotStarted::Refused(error)) => {
                if let InvokeError::Throttled(reason) = error {
                    target.series.function().throttle(reason.into());
                }
                Err(error)
            }
            Err(NotStarted::InitFailed(failure)) => self.init_failed(&target, &call, failure).map(Begun::Failed),
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
                let event = http_event::request_event(&parts, &body, &route, request_id, account);
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
        // Before the start takes memory of its own: of a crowd, all but a few wait here.
        pool.turn().await;
        // Boxed, as other ways that are seldom taken: each invocation would carry room for it.
        match Box::pin(pool.start()).await {
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
            let status = failure::init_status(&error);
            record::write_failed_init(
                &self.logs,
                target,
                (Arc::clone(&stream), call.trace_id.clone()),
                now_ms,
                FailedInit { duration: failure.duration, printed: failure.log, init_start: failure.init_start },
                status,
            );
            let record = Record {
                target,
                request_id: call.request_id,
                source: call.source,
                trace_id: call.trace_id.as_ref(),
                start: StartKind::Cold,
                log_stream: stream,
                started_ms: now_ms,
                ended_ms: now_ms,
                duration: Duration::ZERO,
                init_duration: Some(failure.duration),
                peak_memory_bytes: 0,
                init_start: None,
                is_restored: false,
                environment_init: failure.duration,
                lines: Vec::new(),
                error: Some(&error),
                extensions: None,
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
        call: &Call,
        answers_http: bool,
    ) -> Result<Outcome, InvokeError> {
        let Admitted { mut lease, permit, start, init_duration } = admitted;
        let Some(worker) = lease.worker() else {
            return Err(InvokeError::Platform("a lease without environment".into()));
        };
        let kind = target.version.record.code.kind;
        let limits = target.version.limits;
        let started_ms = self.clock.now_ms();
        let started = Instant::now();
        set_context(&mut worker.context, &target, call, started_ms);
        tell_extensions(worker, &target, call, started_ms);
        let mut gathered = None;
        let answered = match kind {
            GuestKind::Command => Box::pin(worker.environment.run(event, limits)).await,
            _ => {
                worker.environment.stream_to(StreamSink::gather(PAYLOAD_LIMIT_BYTES as u64));
                let returned = worker.environment.handle(&event, &worker.context, limits).await;
                gathered = worker.environment.end_stream().into_gathered();
                match returned {
                    Err(Failure::StreamTooLarge { .. }) => {
                        Err(Failure::ResponseTooLarge { size_bytes: PAYLOAD_LIMIT_BYTES.saturating_add(1) })
                    }
                    Ok(last) if let Some(gathered) = &mut gathered => {
                        let mut bytes = std::mem::take(&mut gathered.bytes);
                        bytes.extend_from_slice(&last);
                        Ok(bytes)
                    }
                    returned => returned,
                }
            }
        };
        let duration = started.elapsed();
        let answered = answered.and_then(|response| match response.len() {
            size_bytes if size_bytes > PAYLOAD_LIMIT_BYTES => Err(Failure::ResponseTooLarge { size_bytes }),
            _ => Ok(response),
        });
        let keep = answered.as_ref().map_or_else(Failure::keeps_environment, |_| true);
        let error = answered.as_ref().err().map(|failure| worded(failure, call, &target));
        let times = Times { start, started_ms, ended_ms: self.clock.now_ms(), duration, init_duration };
        let record = record_of(&target, call, worker, times, error.as_ref());
        let log_tail = record.write(&self.logs, call.tail_log);
        let ended = Ended { start, keep, reason: reason_of(answered.as_ref().err()) };
        give_back(&self.catalog, &self.shutdown, lease, permit, ended);
        let result = match (answered, error) {
            (Ok(response), _) => match gathered.filter(|_| answers_http) {
                Some(Gathered { content_type, .. }) => http_event::streamed_response(&content_type, response.into())
                    .map(|response| Response::Http(Box::new(response)))
                    .map_err(|error| unhandled("Runtime.InvalidResponse", error.to_string())),
                None => Ok(Response::Event(response.into())),
            },
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

    /// Runs an HTTP guest and answers at the head of its response; what is left of it then runs on in a task of its own.
    async fn serve(
        &self,
        target: Arc<Target>,
        admitted: Admitted,
        request: http::Request<Body>,
        call: Call,
    ) -> Result<(Outcome, StreamEnd), InvokeError> {
        let Admitted { mut lease, permit, start, init_duration } = admitted;
        let (respond, head) = oneshot::channel();
        let (report_end, end) = StreamEnd::channel();
        let limits = target.version.limits;
        let request_id = call.request_id;
        let executed_version = target.version.record.version;
        let words = self::limits(&target);
        let started = Instant::now();
        let started_ms = self.clock.now_ms();
        let request = http_context::prepare(request, &target, &call.as_context(), started_ms);
        let broken = Broken::default();
        let failed = broken.clone();
        let abandoned = Abandoned::default();
        let caller = abandoned.clone();
        let (logs, clock, catalog) = (Arc::clone(&self.logs), Arc::clone(&self.clock), Arc::clone(&self.catalog));
        let shutdown = self.shutdown.clone();
        let run = async move {
            let Some(worker) = lease.worker() else { return };
            tell_extensions(worker, &target, &call, started_ms);
            // Until the head is there, the invocation ends with its caller.
            let serving = worker.environment.serve(request.map(guest_body), respond, limits);
            let served = caller.unless(pin!(serving)).await;
            let error = served.as_ref().err().map(|failure| worded(failure, &call, &target));
            let times =
                Times { start, started_ms, ended_ms: clock.now_ms(), duration: started.elapsed(), init_duration };
            let record = record_of(&target, &call, worker, times, error.as_ref());
            let log_tail = record.write(&logs, call.tail_log);
            if served.is_err() {
                failed.note();
            }
            let ended = Ended { start, keep: served.is_ok(), reason: reason_of(served.as_ref().err()) };
            give_back(&catalog, &shutdown, lease, permit, ended);
            // Where nobody streams the response, nobody listens once its head is out.
            let _ = report_end.send(StreamEnded { error, log_tail });
        };
        let mut guest = Attached::new(run, abandoned, &self.shutdown);
        let answered: Result<HttpResponse, Failure> = match guest.until(head).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Failure::NoResponse(format!("{error:#}"))),
            // The guest ended first: the task knows how.
            Err(_) => Err(Failure::Host("the invocation was cut off".into())),
        };
        let outcome = |result, log_tail| Outcome {
            executed_version,
            result,
            start,
            duration: started.elapsed(),
            init_duration,
            log_tail,
        };
        let failure = match answered {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let body = streamed::body(guest.gather(body).await, broken);
                guest.let_go();
                let response = http::Response::from_parts(head, body);
                return Ok((outcome(Ok(Response::Http(Box::new(response))), None), end));
            }
            Err(failure) => failure,
        };
        let ended = guest.until(end.wait()).await;
        guest.let_go();
        let error = match ended.error {
            Some(error) if !matches!(failure, Failure::NoResponse(_)) => error,
            None if !matches!(failure, Failure::NoResponse(_)) => {
                let silent = Failure::NoResponse("it returned without one".into());
                failure::function_error(silent, request_id, words)
            }
            _ => failure::function_error(failure, request_id, words),
        };
        Ok((outcome(Err(error), ended.log_tail), StreamEnd::channel().1))
    }

    /// Runs an event function in a task of its own and answers when its response begins.
    async fn stream_event(
        &self,
        target: Arc<Target>,
        admitted: Admitted,
        event: Bytes,
        call: Call,
    ) -> Result<StreamedOutcome, InvokeError> {
        let Admitted { mut lease, permit, start, init_duration } = admitted;
        let (begin, begun) = oneshot::channel();
        let (pieces, reader) = mpsc::channel(PIECES.saturating_add(1));
        // A place for what the function returns: it has ended by then and waits for nobody.
        let last = pieces.clone().try_reserve_owned().ok();
        let (report_end, end) = StreamEnd::channel();
        let (report_whole, whole) = oneshot::channel();
        let limits = target.version.limits;
        let executed_version = target.version.record.version;
        let limit_bytes = self.streaming.max_response_bytes();
        let broken = Broken::default();
        let failed = broken.clone();
        let abandoned = CancellationToken::new();
        let cancelled = abandoned.clone();
        let (logs, clock, catalog) = (Arc::clone(&self.logs), Arc::clone(&self.clock), Arc::clone(&self.catalog));
        let shutdown = self.shutdown.clone();
        let task = async move {
            let Some(worker) = lease.worker() else { return };
            let mut failed = NoteOnDrop::new(failed);
            let (started, started_ms) = (Instant::now(), clock.now_ms());
            set_context(&mut worker.context, &target, &call, started_ms);
            tell_extensions(worker, &target, &call, started_ms);
            worker.environment.stream_to(StreamSink::forward(limit_bytes, begin, pieces));
            let handling = worker.environment.handle(&event, &worker.context, limits);
            let answered = tokio::select! {
                // Until the response begins, the invocation ends with its caller.
                () = cancelled.cancelled() => Err(Failure::Host("the caller went away".into())),
                answered = handling => answered,
            };
            let sink = worker.environment.end_stream();
            let has_begun = sink.has_begun();
            let answered = answered.and_then(|response| match response.len() {
                size_bytes if size_bytes > PAYLOAD_LIMIT_BYTES => Err(Failure::ResponseTooLarge { size_bytes }),
                _ => Ok(response),
            });
            let keep = answered.as_ref().map_or_else(Failure::keeps_environment, |_| true);
            let error = answered.as_ref().err().map(|failure| worded(failure, &call, &target));
            let times =
                Times { start, started_ms, ended_ms: clock.now_ms(), duration: started.elapsed(), init_duration };
            let record = record_of(&target, &call, worker, times, error.as_ref());
            let log_tail = record.write(&logs, call.tail_log);
            let reason = reason_of(answered.as_ref().err());
            if let Ok(response) = answered {
                failed.disarm();
                match last {
                    Some(last) if has_begun && !response.is_empty() => drop(last.send(response.into())),
                    _ if has_begun => {}
                    // Where nobody waits any more, nobody wants it.
                    _ => drop(report_whole.send(Bytes::from(response))),
                }
            }
            drop(failed);
            drop(sink);
            give_back(&catalog, &shutdown, lease, permit, Ended { start, keep, reason });
            let _ = report_end.send(StreamEnded { error, log_tail });
        };
        let abandon = abandoned.drop_guard();
        self.shutdown.spawn(Phase::Intake, "streamed-invocation", task);
        let outcome = |result, log_tail| StreamedOutcome { executed_version, start, result, log_tail };
        if let Ok(content_type) = begun.await {
            abandon.disarm();
            let head = StreamHead::Event { content_type, is_whole: false };
            return Ok(outcome(Ok(StreamedResponse { head, body: streamed::pieces(reader, broken), end }), None));
        }
        let whole = whole.await;
        let ended = end.wait().await;
        abandon.disarm();
        Ok(match (whole, ended.error) {
            (Ok(bytes), None) => {
                outcome(Ok(streaming::whole(bytes, StreamEnded { error: None, log_tail: ended.log_tail })), None)
            }
            (_, Some(error)) => outcome(Err(error), ended.log_tail),
            (Err(_), None) => return Err(InvokeError::Platform("a streamed invocation without an end".into())),
        })
    }
}

/// How an invocation leaves its environment.
#[derive(Debug, Clone, Copy)]
struct Ended {
    start: StartKind,
    keep: bool,
    /// Why the environment ends, where it is not kept.
    reason: ShutdownReason,
}

/// Whether guests of this kind are handed events and can stream what they answer.
fn takes_events(kind: GuestKind) -> bool {
    matches!(kind, GuestKind::Event | GuestKind::Runtime)
}

/// Returns an environment or ends it: at once where it has no extensions, else when they are done, and holds its concurrency until then.
fn give_back(catalog: &Arc<Catalog>, shutdown: &Shutdown, mut lease: Lease, permit: Option<Permit>, ended: Ended) {
    let extensions = lease.worker().and_then(|worker| worker.extensions.as_mut());
    match extensions {
        Some(extensions) if ended.keep && extensions.are_settled() => {
            extensions.rest();
            let keep = !extensions.have_failed();
            finish(catalog, lease, permit, Ended { keep, ..ended });
        }
        Some(_) if ended.keep => {
            let catalog = Arc::clone(catalog);
            shutdown.spawn(Phase::Work, "extensions", async move {
                let mut ended = ended;
                if let Some(extensions) = lease.worker().and_then(|worker| worker.extensions.as_ref()) {
                    extensions.settled().await;
                    extensions.rest();
                    ended.keep = !extensions.have_failed();
                }
                finish(&catalog, lease, permit, ended);
            });
        }
        Some(extensions) => {
            extensions.will_end_for(ended.reason);
            finish(catalog, lease, permit, ended);
        }
        None => finish(catalog, lease, permit, ended),
    }
}

/// Returns an environment or ends it; a provisioned one that is gone is missed.
fn finish(catalog: &Catalog, lease: Lease, permit: Option<Permit>, ended: Ended) {
    let reused = if ended.keep { lease.give_back() } else { false };
    if ended.start == StartKind::Provisioned && !reused {
        catalog.provisioning().notify_one();
    }
    drop(permit);
}

/// What extensions are told where an environment ends with its invocation.
fn reason_of(failure: Option<&Failure>) -> ShutdownReason {
    match failure {
        None => ShutdownReason::Spindown,
        Some(Failure::TimedOut) => ShutdownReason::Timeout,
        Some(_) => ShutdownReason::Failure,
    }
}

/// Tells the environment's extensions, if it has any, what begins.
fn tell_extensions(worker: &Worker, target: &Target, call: &Call, started_ms: i64) {
    if let Some(extensions) = &worker.extensions {
        extensions.begin(&BegunInvocation {
            request_id: call.request_id,
            version: target.version.record.version,
            invoked_function_arn: &target.arn,
            trace_id: call.trace_id.as_deref(),
            started_ms,
        });
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

/// When an invocation ran, for how long, and how its environment came about.
struct Times {
    start: StartKind,
    started_ms: i64,
    ended_ms: i64,
    duration: Duration,
    init_duration: Option<Duration>,
}

/// What is to be counted and logged of an invocation that ran; takes what the guest printed.
fn record_of<'a>(
    target: &'a Target,
    call: &'a Call,
    worker: &'a mut Worker,
    times: Times,
    error: Option<&'a FunctionError>,
) -> Record<'a> {
    Record {
        target,
        request_id: call.request_id,
        source: call.source,
        trace_id: call.trace_id.as_ref(),
        start: times.start,
        log_stream: Arc::clone(&worker.log_stream),
        started_ms: times.started_ms,
        ended_ms: times.ended_ms,
        duration: times.duration,
        init_duration: times.init_duration,
        peak_memory_bytes: worker.environment.peak_memory_bytes(),
        init_start: worker.init_start.take(),
        is_restored: worker.is_restored,
        environment_init: worker.init_duration,
        lines: worker.environment.io().take_log(),
        error,
        extensions: worker.extensions.as_deref(),
    }
}

/// A failure in Lambda's words.
fn worded(failure: &Failure, call: &Call, target: &Target) -> FunctionError {
    failure::function_error(failure.clone(), call.request_id, limits(target))
}

/// A request's body as the sandbox takes it.
fn guest_body(body: Body) -> WasiBody {
    body.map_err(|error| wasmtime_wasi_http::Error::InternalError(Some(error.to_string()))).boxed_unsync()
}

/// The outcome of an HTTP guest that was invoked with an event: its response becomes a document.
async fn buffered(outcome: Outcome) -> Outcome {
    let Ok(Response::Http(response)) = outcome.result else { return outcome };
    let (parts, body) = response.into_parts();
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

fn unhandled(error_type: &str, error_message: String) -> FunctionError {
    FunctionError {
        handled: false,
        error_type: error_type.to_owned(),
        error_message,
        stack_trace: Vec::new(),
        document: None,
    }
}

fn too_large() -> FunctionError {
    let limits = Limits { timeout: Duration::ZERO, cpu: None, memory_size_mb: 0 };
    failure::function_error(Failure::ResponseTooLarge { size_bytes: 0 }, Uuid::nil(), limits)
}
