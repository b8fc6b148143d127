//! Extensions: components of layers that run beside a function and are told what its environment does.
//!
//! Each has a sandbox of its own (store, memory, `/tmp`), a slot, and a task ([`runner`]) that makes all calls into it, one at a time.
//! [`Extensions`] is the environment's handle on them: it tells of invocations and records without ever waiting, and with its
//! end the extensions end. What is not taken in time is dropped and counted ([`buffer`]).
//!
//! Bounds: the init phase's time for `on-init`, the function's time-out and processor time for `on-invoke`, [`TELEMETRY_LIMIT`] for each
//! `on-telemetry`, [`SHUTDOWN_LIMIT`] for the last records and `on-shutdown` together; the function's memory size for each.
//! An extension that fails later than in init never fails an invocation: the environment ends once that one is done.

mod buffer;
mod hub;
mod runner;

use super::bindings::{FunctionExtension, FunctionExtensionIndices, extension as wit};
use super::environment::{TimeLimits, within};
use super::host::Host;
use super::loaded::{CodeKey, Entry, Loaded};
use super::pool::Spec;
use super::slots::Slot;
use super::state::State;
use super::{Failure, StartError};
use crate::ids::Version;
use crate::shutdown::{Phase, Shutdown};
use crate::telemetry::capture::CapturedLine;
use crate::telemetry::json_log::JsonLog;
use crate::telemetry::logs::{LogBatch, LogLine, LogStore};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::labels::ExtensionPhase;
use crate::telemetry::record::{self, RecordSource, TelemetryRecord};
use crate::telemetry::report::{InitPhase, PlatformLine, Report, Status};
use buffer::{Buffer, Subscription};
use futures_util::future::try_join_all;
use hub::{Hub, State as HubState};
use runner::{Message, Runner};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;
use wasmtime::Store;
use wasmtime_wasi::filesystem::Dir;

pub use wit::ShutdownReason;

/// The time of one `on-telemetry`.
const TELEMETRY_LIMIT: Duration = Duration::from_secs(10);

/// The time of an extension's end (as Lambda's shutdown phase).
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// An invocation and the end: more is never under way.
const INBOX: usize = 2;

/// What extensions work with beside the sandbox.
pub struct Services {
    /// Where what they print goes.
    pub logs: Arc<LogStore>,
    /// Where they are counted.
    pub metrics: Arc<Metrics>,
    /// Where their tasks run.
    pub shutdown: Shutdown,
}

/// An extension that was compiled.
#[derive(Debug, Clone)]
pub struct ExtensionCode {
    /// Its name.
    pub name: Arc<str>,
    /// Its code.
    pub code: CodeKey,
    /// Its component, from which it is compiled again where native code is missing.
    pub component_path: PathBuf,
}

/// What the extensions of a version's environments have in common.
#[derive(Debug)]
pub struct ExtensionsSpec {
    /// Which there are.
    pub code: Vec<ExtensionCode>,
    /// The function's handler.
    pub handler: String,
    /// The function's log group.
    pub log_group: Arc<str>,
    /// How the function logs, where that is JSON.
    pub json_log: Option<JsonLog>,
    /// Limits of one `on-invoke`.
    pub limits: TimeLimits,
}

/// An invocation that begins.
#[derive(Debug)]
pub struct Begun<'a> {
    /// Its id.
    pub request_id: Uuid,
    /// The version that runs.
    pub version: Version,
    /// As the caller named it.
    pub invoked_function_arn: &'a str,
    /// Its `X-Amzn-Trace-Id`.
    pub trace_id: Option<&'a str>,
    /// When, in milliseconds since the Unix epoch.
    pub started_ms: i64,
}

/// Why an environment's extensions did not start.
#[derive(Debug)]
pub(super) struct NotStarted {
    pub(super) error: StartError,
    /// What the one that failed printed.
    pub(super) log: Vec<CapturedLine>,
}

/// The extensions of one environment. They end when this is dropped.
pub struct Extensions {
    hub: Arc<Hub>,
    members: Box<[Member]>,
    initialization: &'static str,
    is_json: bool,
    init_started_ms: i64,
    reason: ShutdownReason,
}

struct Member {
    inbox: mpsc::Sender<Message>,
    hears_invocations: bool,
}

/// An extension's sandbox, with the call that comes into it.
struct Sandbox {
    store: Store<State>,
    guest: FunctionExtension,
    _loaded: Arc<Loaded>,
    _slot: Slot,
}

impl Sandbox {
    async fn instantiate(loaded: Arc<Loaded>, state: State, slot: Slot) -> Result<Self, StartError> {
        let mut store = Store::new(loaded.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let Entry::Extension(indices) = &loaded.entry else {
            return Err(StartError::Host("a function is no extension".into()));
        };
        let guest = Self::resolve(&loaded, indices, &mut store).await;
        let guest = guest.map_err(|error| StartError::from_wasmtime(&error, store.data()))?;
        store.data_mut().limits.start_running();
        Ok(Self { store, guest, _loaded: loaded, _slot: slot })
    }

    async fn resolve(
        loaded: &Loaded,
        indices: &FunctionExtensionIndices,
        store: &mut Store<State>,
    ) -> wasmtime::Result<FunctionExtension> {
        let instance = loaded.pre.instantiate_async(&mut *store).await?;
        indices.load(&mut *store, &instance)
    }

    /// Readies the store for a call: a full tick before the first yield, no refusal remembered.
    fn prepare(&mut self) {
        self.store.set_epoch_deadline(1);
        self.store.data_mut().limits.clear_denied();
    }

    fn failure(&self, error: &wasmtime::Error) -> Failure {
        Failure::from_wasmtime(error, self.store.data().limits.was_denied())
    }

    async fn init(&mut self, environment: &wit::Environment, limits: TimeLimits) -> Result<wit::Registration, Failure> {
        self.prepare();
        let exports = self.guest.lamina_function_extension();
        let answered = within(limits, pin!(exports.call_on_init(&mut self.store, environment))).await?;
        match answered {
            Ok(Ok(registration)) => Ok(registration),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn invoke(&mut self, event: &wit::InvokeEvent, limits: TimeLimits) -> Result<(), Failure> {
        self.prepare();
        let exports = self.guest.lamina_function_extension();
        let answered = within(limits, pin!(exports.call_on_invoke(&mut self.store, event))).await?;
        match answered {
            Ok(answer) => answer.map_err(Failure::from),
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn telemetry(&mut self, records: &[wit::TelemetryRecord], limits: TimeLimits) -> Result<(), Failure> {
        self.prepare();
        let exports = self.guest.lamina_function_extension();
        let answered = within(limits, pin!(exports.call_on_telemetry(&mut self.store, records))).await?;
        match answered {
            Ok(answer) => answer.map_err(Failure::from),
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn shutdown(&mut self, event: wit::ShutdownEvent, limits: TimeLimits) -> Result<(), Failure> {
        self.prepare();
        let exports = self.guest.lamina_function_extension();
        let answered = within(limits, pin!(exports.call_on_shutdown(&mut self.store, event))).await?;
        match answered {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn take_log(&self) -> Vec<CapturedLine> {
        self.store.data().io().take_log()
    }
}

/// One that has registered.
struct Registered {
    name: Arc<str>,
    sandbox: Sandbox,
    subscription: Option<Subscription>,
    hears_invocations: bool,
    hears_shutdown: bool,
    events: Arc<[&'static str]>,
    log: Vec<CapturedLine>,
}

impl Extensions {
    /// Starts all extensions of `spec` at once; answers when each has registered.
    pub(super) async fn start(
        host: &Host,
        spec: &Spec,
        of: &Arc<ExtensionsSpec>,
        log_stream: &Arc<str>,
        opt: Option<&Dir>,
        limit: Duration,
    ) -> Result<Self, NotStarted> {
        let unable = |reason: &str| NotStarted { error: StartError::Host(reason.into()), log: Vec::new() };
        let services = host.services().ok_or_else(|| unable("extensions are not served here"))?;
        let clock = Arc::clone(&host.shared().clock);
        let init_started_ms = clock.now_ms();
        let started = Instant::now();
        let starting = of.code.iter().map(|code| register(host, spec, of, code, log_stream, opt, started, limit));
        let registered = try_join_all(starting).await.inspect_err(|failed| {
            if matches!(failed.error, StartError::Guest(_)) {
                services.metrics.extensions.failed(ExtensionPhase::Init);
            }
        })?;
        let buffers = registered.iter().map(|one| {
            let dropped = services.metrics.extensions.records_dropped.clone();
            one.subscription.map(|subscription| Arc::new(Buffer::new(subscription, dropped)))
        });
        let hub = Arc::new(Hub::new(buffers.collect()));
        let initialization = if spec.keep { "provisioned-concurrency" } else { "on-demand" };
        let mut extensions = Self {
            hub: Arc::clone(&hub),
            members: Box::default(),
            initialization,
            is_json: of.json_log.is_some(),
            init_started_ms,
            reason: ShutdownReason::Spindown,
        };
        let context = &spec.context;
        let started = record::init_start(initialization, &context.function_name, &context.function_version);
        extensions.publish_platform(init_started_ms, "platform.initStart", || started);
        let now_ms = clock.now_ms();
        let mut lines = Vec::new();
        let mut members = Vec::with_capacity(registered.len());
        for (index, one) in registered.into_iter().enumerate() {
            if let Some(subscription) = one.subscription {
                let types = subscription.type_names();
                let told = record::telemetry_subscription(&one.name, &types);
                extensions.publish_platform(now_ms, "platform.telemetrySubscription", || told);
                let line = PlatformLine::TelemetrySubscription { name: Arc::clone(&one.name), types: types.into() };
                lines.push(LogLine::platform(now_ms, line));
            }
            let told = record::extension(&one.name, "Ready", &one.events, None);
            extensions.publish_platform(now_ms, "platform.extension", || told);
            let (name, events) = (Arc::clone(&one.name), Arc::clone(&one.events));
            lines.extend(one.log.into_iter().map(LogLine::from));
            let line = PlatformLine::Extension { name, state: "Ready", events, error_type: None };
            lines.push(LogLine::platform(now_ms, line));
            let (inbox, messages) = mpsc::channel(INBOX);
            members.push(Member { inbox, hears_invocations: one.hears_invocations });
            let runner = Runner {
                sandbox: one.sandbox,
                name: one.name,
                events: one.events,
                hears_shutdown: one.hears_shutdown,
                index,
                inbox: messages,
                hub: Arc::clone(&hub),
                spec: Arc::clone(of),
                log_stream: Arc::clone(log_stream),
                logs: Arc::clone(&services.logs),
                metrics: Arc::clone(&services.metrics),
                clock: Arc::clone(&clock),
                function: context.function_name.as_str().into(),
            };
            let stop = services.shutdown.token(Phase::Work);
            services.shutdown.spawn(Phase::Work, "extension", runner.run(stop));
        }
        extensions.members = members.into();
        write_lines(&services.logs, of, log_stream, lines, None);
        Ok(extensions)
    }

    fn publish_platform(&self, time_ms: i64, kind: &'static str, record: impl FnOnce() -> serde_json::Value) {
        if self.hub.wants(RecordSource::Platform) {
            self.hub.publish(None, &[TelemetryRecord::platform(time_ms, kind, &record())]);
        }
    }

    /// The function's own init phase is over.
    pub(super) fn initialized(&mut self, now_ms: i64, failure: Option<&Failure>) {
        let status = match failure {
            None => Status::Success,
            Some(Failure::TimedOut) => Status::Timeout,
            Some(Failure::Answered { error_type, .. }) => Status::Error(error_type.as_str().into()),
            Some(_) => Status::Error("Runtime.ExitError".into()),
        };
        let duration = Duration::from_millis(u64::try_from(now_ms.saturating_sub(self.init_started_ms)).unwrap_or(0));
        let initialization = self.initialization;
        self.publish_platform(now_ms, "platform.initRuntimeDone", || {
            record::init_runtime_done(initialization, &status)
        });
        self.publish_platform(now_ms, "platform.initReport", || {
            record::init_report(initialization, InitPhase::Init, duration, &status)
        });
        if failure.is_some() {
            self.will_end_for(ShutdownReason::Failure);
        }
    }

    /// Tells of an invocation. Does not wait.
    pub fn begin(&self, begun: &Begun<'_>) {
        self.hub.begin(begun.trace_id);
        self.publish_platform(begun.started_ms, "platform.start", || {
            record::start(begun.request_id, begun.version, begun.trace_id)
        });
        if !self.members.iter().any(|member| member.hears_invocations) {
            return;
        }
        let event = Arc::new(wit::InvokeEvent {
            request_id: begun.request_id.to_string(),
            deadline_ms: 0,
            invoked_function_arn: begun.invoked_function_arn.to_owned(),
            trace_id: begun.trace_id.map(str::to_owned),
        });
        for member in self.members.iter().filter(|member| member.hears_invocations) {
            self.hub.expect_one();
            // One that has failed takes nothing any more, and nobody waits for it.
            if member.inbox.try_send(Message::Invoke(Arc::clone(&event))).is_err() {
                self.hub.arrived();
            }
        }
    }

    /// Tells what the function printed in an invocation, and how that one ended. Does not wait.
    pub fn report(&self, lines: &[CapturedLine], json_log: Option<JsonLog>, ended_ms: i64, report: &Report) {
        if self.hub.wants(RecordSource::Function) && !lines.is_empty() {
            let kept = lines.iter().filter(|line| json_log.is_none_or(|log| log.keeps(&line.text)));
            let record = |line: &CapturedLine| {
                TelemetryRecord::line(line.timestamp_ms, RecordSource::Function, &line.text, self.is_json)
            };
            self.hub.publish(None, &kept.map(record).collect::<Vec<_>>());
        }
        self.publish_platform(ended_ms, "platform.runtimeDone", || record::runtime_done(report));
        self.publish_platform(ended_ms, "platform.report", || record::report(report));
    }

    /// Whether the environment is to end because an extension failed.
    pub fn have_failed(&self) -> bool {
        self.hub.state() == HubState::Failed
    }

    /// Whether no extension has anything to do with the invocation any more.
    pub fn are_settled(&self) -> bool {
        self.hub.state() != HubState::Waiting
    }

    /// Waits until every extension is done with the invocation, or one has failed. Each has a time limit, so this ends.
    pub async fn settled(&self) {
        self.hub.settled().await;
    }

    /// The invocation is over, and its environment free.
    pub fn rest(&self) {
        self.hub.rest();
    }

    /// Why the environment will end, where that is not for want of work.
    pub fn will_end_for(&mut self, reason: ShutdownReason) {
        self.reason = reason;
    }
}

impl Drop for Extensions {
    fn drop(&mut self) {
        self.hub.rest();
        let reason = if self.have_failed() { ShutdownReason::Failure } else { self.reason };
        for member in &self.members {
            // One that has failed is gone.
            let _ = member.inbox.try_send(Message::Shutdown(reason));
        }
    }
}

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extensions").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

/// Starts one and lets it register.
#[expect(clippy::too_many_arguments, reason = "what an environment is made of")]
async fn register(
    host: &Host,
    spec: &Spec,
    of: &ExtensionsSpec,
    code: &ExtensionCode,
    log_stream: &Arc<str>,
    opt: Option<&Dir>,
    started: Instant,
    limit: Duration,
) -> Result<Registered, NotStarted> {
    let failed = |error: StartError, log| {
        let error = match error {
            StartError::Guest(failure) => {
                StartError::Guest(Failure::Extension { name: code.name.to_string(), failure: Box::new(failure) })
            }
            other => other,
        };
        NotStarted { error, log }
    };
    let slot = host.slot(code.code.family).ok_or_else(|| failed(StartError::Full, Vec::new()))?;
    let loaded = host.load(&code.code, &code.component_path).await;
    let loaded = loaded.map_err(|error| failed(StartError::Host(error.to_string()), Vec::new()))?;
    let state = State::new(spec, code.code.kind, log_stream, host.shared(), opt.cloned());
    let timed_out = |_| failed(StartError::Guest(Failure::TimedOut), Vec::new());
    let instantiated = tokio::time::timeout(limit, Sandbox::instantiate(loaded, state, slot)).await;
    let mut sandbox = instantiated.map_err(timed_out)?.map_err(|error| failed(error, Vec::new()))?;
    let context = &spec.context;
    let environment = wit::Environment {
        extension_name: code.name.to_string(),
        function_name: context.function_name.clone(),
        function_version: context.function_version.clone(),
        handler: of.handler.clone(),
        memory_limit_mb: spec.memory_size_mb,
        log_group: context.log_group.clone(),
        log_stream: log_stream.as_ref().to_owned(),
    };
    let wall = limit.saturating_sub(started.elapsed());
    let registration = sandbox.init(&environment, TimeLimits { wall, cpu: None }).await;
    let subscription = registration.and_then(|registration| {
        let subscription = registration.telemetry.map(Subscription::checked).transpose();
        let refused =
            |message| Failure::Answered { error_type: "ValidationError".into(), message, stack_trace: Vec::new() };
        Ok((registration.events, subscription.map_err(refused)?))
    });
    let log = sandbox.take_log();
    let (events, subscription) = match subscription {
        Ok(registered) => registered,
        Err(failure) => return Err(failed(StartError::Guest(failure), log)),
    };
    let hears_invocations = events.contains(wit::Events::INVOKE);
    let hears_shutdown = events.contains(wit::Events::SHUTDOWN);
    let named = [(hears_invocations, "INVOKE"), (hears_shutdown, "SHUTDOWN")];
    Ok(Registered {
        name: Arc::clone(&code.name),
        sandbox,
        subscription,
        hears_invocations,
        hears_shutdown,
        events: named.into_iter().filter(|(heard, _)| *heard).map(|(_, name)| name).collect(),
        log,
    })
}

/// Writes to the function's log, in its format.
fn write_lines(
    logs: &LogStore,
    spec: &ExtensionsSpec,
    stream: &Arc<str>,
    lines: Vec<LogLine>,
    trace: Option<Arc<str>>,
) {
    let lines = match spec.json_log {
        Some(json) => json.lines(lines),
        None => lines,
    };
    logs.write(LogBatch { group: Arc::clone(&spec.log_group), stream: Arc::clone(stream), lines, trace });
}
