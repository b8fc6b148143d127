//! Metrics, in Prometheus's text format.
//!
//! Every name, meaning and label is in this file, a struct a component; [`series`] holds the handles of functions. All names
//! start with `lamina_` (but for the `process_*` family, whose names are Prometheus's own) and use base units.
//!
//! - **Bounded.** Labels take values of fixed sets ([`labels`]), or names of functions and queues up to
//!   [`Config::max_label_sets`]; what goes beyond is counted under `_other`. Series of a deleted function go with it.
//! - **Cheap.** A component keeps the handles it counts with; an observation is a few atomic additions, no formatting, no lookup.
//! - **Truthful at scrape.** What would drift as a running count (pool slots, queue depth) is read when asked for, by the
//!   closures given to [`Metrics::on_scrape`]. They run on the scraping thread, one scrape at a time, and must not block for long.

pub mod labels;
pub mod series;

use labels::{
    AsyncState, ExtensionPhase, ImageOutcome, Label, MessageOutcome, MessageState, SlotState, StatusClass,
    SubscriptionOutcome,
};
use parking_lot::{Mutex, RwLock};
use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

pub use series::{FunctionSeries, InvocationMetrics, InvocationSeries};

/// The label value that stands for everything past a bound.
pub const OTHER: &str = "_other";

/// Bounds of the metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many sets of function, version and alias have series of their own, and how many functions and queues have.
    pub max_label_sets: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_label_sets: 1_000 }
    }
}

/// Why metrics failed. Always the platform's fault; do not retry.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct Error(#[from] prometheus::Error);

type ScrapeHook = Box<dyn Fn(&Metrics) + Send + Sync>;

/// All metrics of the daemon.
pub struct Metrics {
    /// Invocations, by function.
    pub invocations: InvocationMetrics,
    /// Invocations stopped because their chain came back to the function too often.
    pub recursive_invocations_dropped: IntCounter,
    /// How late the process gets to what is ready to run, in seconds.
    pub lag: Gauge,
    /// Sandboxes, compilation and the code cache.
    pub sandbox: SandboxMetrics,
    /// Extensions.
    pub extensions: ExtensionMetrics,
    /// Queues.
    pub queues: QueueMetrics,
    /// Event source mappings.
    pub mappings: MappingMetrics,
    /// Asynchronous events as they stand.
    pub async_events: AsyncEventMetrics,
    /// Schedules.
    pub schedules: ScheduleMetrics,
    /// Storage.
    pub storage: StorageMetrics,
    /// Requests that the AWS port refused for who sent them, by reason.
    pub api_denied: IntCounterVec,
    /// The HTTP trigger.
    pub http: HttpMetrics,
    /// Function logs.
    pub logs: LogMetrics,
    registry: Registry,
    hooks: RwLock<Vec<ScrapeHook>>,
    scraping: Mutex<()>,
}

/// Sandboxes, compilation and the code cache.
pub struct SandboxMetrics {
    /// Slots of the pooling allocator, by state; set at scrape through [`SandboxMetrics::set_slots`].
    slots: IntGaugeVec,
    /// Time to compile a deployment package to native code.
    pub compile_duration: Histogram,
    /// Packages without a trusted signature that were deployed nevertheless, as their code signing configuration says.
    pub signature_validation_errors: IntCounter,
    /// Native code found in memory or on disk.
    pub cache_hits: IntCounter,
    /// Native code that had to be compiled.
    pub cache_misses: IntCounter,
    /// Native code put out of memory to make room.
    pub cache_evictions: IntCounter,
    /// Native code mapped now.
    pub cache_entries: IntGauge,
    /// Size of the native code mapped now.
    pub cache_size_bytes: IntGauge,
    images: Vec<IntCounter>,
    /// Environments that went on from an image.
    pub restored: IntCounter,
}

/// Extensions of functions, all together.
pub struct ExtensionMetrics {
    failures: Vec<IntCounter>,
    /// Records of the Telemetry API that an extension has taken.
    pub records: IntCounter,
    /// Records that were lost: the extension was too slow for them, or failed.
    pub records_dropped: IntCounter,
}

/// Queues.
pub struct QueueMetrics {
    messages: IntGaugeVec,
    oldest_age: GaugeVec,
    max_queues: usize,
}

/// One queue as it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueSample {
    /// The queue's name.
    pub queue: Arc<str>,
    /// Messages that may be received now.
    pub available: u64,
    /// Messages received and not yet deleted.
    pub in_flight: u64,
    /// Messages whose delay has not passed.
    pub delayed: u64,
    /// Age of the oldest message that may be received; zero where there is none.
    pub oldest_age: Duration,
}

/// Asynchronous events as they stand; what happens to them is counted by function, in [`series`].
pub struct AsyncEventMetrics {
    events: IntGaugeVec,
    oldest_age: GaugeVec,
    max_functions: usize,
}

/// One function's asynchronous events as they stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AsyncEventSample {
    /// The function's name.
    pub function: Arc<str>,
    /// Events to be attempted, or being attempted.
    pub waiting: u64,
    /// Events given up and kept.
    pub dead: u64,
    /// Age of the oldest that waits; zero where there is none.
    pub oldest_age: Duration,
}

/// Schedules.
pub struct ScheduleMetrics {
    /// From the time a firing was due to the time its invocation began.
    pub lateness: Histogram,
    /// Firings begun.
    pub firings: IntCounter,
    /// Firings that came due while the daemon was down and were skipped by policy.
    pub missed: IntCounter,
    /// Firings given up: all attempts failed, or no attempt could succeed.
    pub failed: IntCounter,
}

/// Event source mappings, all together.
pub struct MappingMetrics {
    messages: Vec<IntCounter>,
    /// Batches that a function was invoked with to an end.
    pub batches: IntCounter,
    /// Batches that were throttled and kept in hand.
    pub throttles: IntCounter,
}

/// Storage.
pub struct StorageMetrics {
    /// From the first write of a group to the answer that it is on disk.
    pub commit_duration: Histogram,
    /// Writes that shared a commit.
    pub commit_writes: Histogram,
}

/// The HTTP trigger.
pub struct HttpMetrics {
    requests: Vec<IntCounter>,
    /// Open client connections.
    pub connections: IntGauge,
}

/// Function logs.
pub struct LogMetrics {
    /// Lines written to the log database.
    pub lines: IntCounter,
    /// Lines lost because the log writer fell behind or the database refused them.
    pub lines_dropped: IntCounter,
    /// Live tails.
    pub tails: TailMetrics,
    /// Subscription filters, all together.
    pub subscriptions: SubscriptionMetrics,
}

/// Live tails of log groups.
#[derive(Clone)]
pub struct TailMetrics {
    /// Sessions that are open.
    pub sessions: IntGauge,
    /// Events sent to them.
    pub sent: IntCounter,
    /// Events left out because there were more than a session gets, or than it took in time; whether it wanted them is not known of all.
    pub left_out: IntCounter,
}

/// Subscription filters of log groups.
pub struct SubscriptionMetrics {
    events: Vec<IntCounter>,
    /// Age of the oldest event that a filter has still to see; 0 where there is none. Set at scrape.
    pub lag: Gauge,
}

/// From 10 µs, a warm sandbox, to the longest an invocation may run.
const INVOCATION_BUCKETS: &[f64] = &[
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0, 60.0, 300.0, 900.0,
];
const INIT_BUCKETS: &[f64] = &[
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const COMPILE_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const COMMIT_BUCKETS: &[f64] = &[1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
const COMMIT_WRITES_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
const ASYNC_AGE_BUCKETS: &[f64] =
    &[1e-3, 2.5e-3, 5e-3, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0];
const LATENESS_BUCKETS: &[f64] =
    &[1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0];

impl Metrics {
    /// Registers everything, `build_info` with the given version and commit included.
    pub fn new(config: &Config, version: &str, commit: &str) -> Result<Self, Error> {
        let to = Registrar { registry: Registry::new_custom(Some("lamina".to_owned()), None)? };
        let info = to.gauge_vec("build_info", "Always 1; the labels say what runs.", &["version", "commit"])?;
        info.get_metric_with_label_values(&[version, commit])?.set(1);
        let metrics = Self {
            invocations: InvocationMetrics::new(
                series::Families {
                    invocations: to.counter_vec(
                        "invocations_total",
                        "Invocations that reached the function, failed ones included.",
                        &["function", "version", "alias", "source"],
                    )?,
                    durations: to.histogram_vec(
                        "invocation_duration_seconds",
                        "From the call of the guest to its end.",
                        &["function", "version", "alias", "start"],
                        INVOCATION_BUCKETS,
                    )?,
                    init_durations: to.histogram_vec(
                        "init_duration_seconds",
                        "Length of an environment's init phase.",
                        &["function", "version", "start"],
                        INIT_BUCKETS,
                    )?,
                    errors: to.counter_vec(
                        "invocation_errors_total",
                        "Invocations that ended in a function error, by error type.",
                        &["function", "error_type"],
                    )?,
                    throttles: to.counter_vec(
                        "throttles_total",
                        "Invocations refused for lack of concurrency or capacity, by reason.",
                        &["function", "reason"],
                    )?,
                    async_received: to.counter_vec(
                        "async_events_received_total",
                        "Events accepted for asynchronous invocation.",
                        &["function"],
                    )?,
                    async_dropped: to.counter_vec(
                        "async_events_dropped_total",
                        "Asynchronous events given up, by reason.",
                        &["function", "reason"],
                    )?,
                    async_undeliverable: to.counter_vec(
                        "async_destination_failures_total",
                        "Records and dead letters of asynchronous events that could not be delivered.",
                        &["function"],
                    )?,
                    async_ages: to.histogram_vec(
                        "async_event_age_seconds",
                        "From the acceptance of an event to each time the function was invoked with it.",
                        &["function"],
                        ASYNC_AGE_BUCKETS,
                    )?,
                    environments: to.gauge_vec(
                        "environments",
                        "Execution environments, by state.",
                        &["function", "state"],
                    )?,
                },
                config.max_label_sets,
            ),
            recursive_invocations_dropped: to.counter(
                "recursive_invocations_dropped_total",
                "Invocations stopped because their chain had come back to the function too often.",
            )?,
            lag: to.float_gauge("lag_seconds", "How late the process gets to what is ready to run.")?,
            sandbox: SandboxMetrics {
                slots: to.gauge_vec("sandbox_pool_slots", "Sandbox slots of this host, by state.", &["state"])?,
                compile_duration: to.histogram(
                    "compile_duration_seconds",
                    "Time to compile a deployment package to native code.",
                    COMPILE_BUCKETS,
                )?,
                signature_validation_errors: to.counter(
                    "signature_validation_errors_total",
                    "Packages without a trusted signature that were deployed under the policy Warn.",
                )?,
                cache_hits: to.counter(
                    "code_cache_hits_total",
                    "Times native code was found in the cache, in memory or on disk.",
                )?,
                cache_misses: to.counter("code_cache_misses_total", "Times native code had to be compiled.")?,
                cache_evictions: to
                    .counter("code_cache_evictions_total", "Times native code was put out of memory to make room.")?,
                cache_entries: to.gauge("code_cache_entries", "Packages whose native code is in memory.")?,
                cache_size_bytes: to.gauge("code_cache_size_bytes", "Size of the native code in memory.")?,
                images: {
                    let images = to.counter_vec(
                        "memory_images_total",
                        "Images of published versions' memory, by what came of making them.",
                        &["outcome"],
                    )?;
                    ImageOutcome::ALL
                        .iter()
                        .map(|outcome| images.get_metric_with_label_values(&[outcome.as_str()]))
                        .collect::<Result<_, _>>()?
                },
                restored: to.counter(
                    "restored_environments_total",
                    "Environments that went on from an image of their memory.",
                )?,
            },
            extensions: {
                let failures = to.counter_vec(
                    "extension_failures_total",
                    "Calls in which an extension failed, by what it was called for.",
                    &["phase"],
                )?;
                ExtensionMetrics {
                    failures: ExtensionPhase::ALL
                        .iter()
                        .map(|phase| failures.get_metric_with_label_values(&[phase.as_str()]))
                        .collect::<Result<_, _>>()?,
                    records: to.counter("telemetry_records_total", "Telemetry records that extensions took.")?,
                    records_dropped: to.counter(
                        "telemetry_records_dropped_total",
                        "Telemetry records lost because an extension was too slow for them or failed.",
                    )?,
                }
            },
            queues: QueueMetrics {
                messages: to.gauge_vec("queue_messages", "Messages of a queue, by state.", &["queue", "state"])?,
                oldest_age: to.float_gauge_vec(
                    "queue_oldest_message_age_seconds",
                    "Age of the oldest message that may be received; 0 where there is none.",
                    &["queue"],
                )?,
                max_queues: config.max_label_sets,
            },
            async_events: AsyncEventMetrics {
                events: to.gauge_vec(
                    "async_events",
                    "Asynchronous events of a function, by state.",
                    &["function", "state"],
                )?,
                oldest_age: to.float_gauge_vec(
                    "async_oldest_event_age_seconds",
                    "Age of the oldest asynchronous event that waits; 0 where there is none.",
                    &["function"],
                )?,
                max_functions: config.max_label_sets,
            },
            mappings: {
                let messages = to.counter_vec(
                    "mapping_messages_total",
                    "Messages that event source mappings received, by what became of them.",
                    &["outcome"],
                )?;
                MappingMetrics {
                    messages: MessageOutcome::ALL
                        .iter()
                        .map(|outcome| messages.get_metric_with_label_values(&[outcome.as_str()]))
                        .collect::<Result<_, _>>()?,
                    batches: to.counter("mapping_batches_total", "Batches of messages that were invoked to an end.")?,
                    throttles: to.counter(
                        "mapping_throttles_total",
                        "Times a batch of messages was throttled and kept for another try.",
                    )?,
                }
            },
            schedules: ScheduleMetrics {
                lateness: to.histogram(
                    "schedule_lateness_seconds",
                    "From the time a firing was due to the time its invocation began.",
                    LATENESS_BUCKETS,
                )?,
                firings: to.counter("schedule_firings_total", "Firings of schedules begun.")?,
                missed: to.counter(
                    "schedule_missed_total",
                    "Firings that came due while the daemon was down and were skipped by policy.",
                )?,
                failed: to.counter("schedule_failures_total", "Firings given up after their last attempt.")?,
            },
            storage: StorageMetrics {
                commit_duration: to.histogram(
                    "storage_commit_duration_seconds",
                    "From the first write of a group to the answer that the group is on disk.",
                    COMMIT_BUCKETS,
                )?,
                commit_writes: to.histogram(
                    "storage_commit_writes",
                    "Writes that shared one commit.",
                    COMMIT_WRITES_BUCKETS,
                )?,
            },
            api_denied: to.counter_vec(
                "api_denied_total",
                "Requests that the AWS APIs refused because of their signature or their caller's policy, by reason.",
                &["reason"],
            )?,
            http: {
                let requests = to.counter_vec(
                    "http_requests_total",
                    "Requests answered on the function routes, by class of status.",
                    &["class"],
                )?;
                HttpMetrics {
                    requests: StatusClass::ALL
                        .iter()
                        .map(|class| requests.get_metric_with_label_values(&[class.as_str()]))
                        .collect::<Result<_, _>>()?,
                    connections: to.gauge("http_connections", "Open client connections on the function routes.")?,
                }
            },
            logs: LogMetrics {
                lines: to.counter("log_lines_total", "Function log lines written.")?,
                lines_dropped: to.counter(
                    "log_lines_dropped_total",
                    "Function log lines lost because the log writer fell behind or failed.",
                )?,
                tails: {
                    let events = to.counter_vec(
                        "log_tail_events_total",
                        "Log events for live tails, by whether they were sent or left out of what was too much.",
                        &["outcome"],
                    )?;
                    TailMetrics {
                        sessions: to.gauge("log_tail_sessions", "Live tail sessions that are open.")?,
                        sent: events.get_metric_with_label_values(&["sent"])?,
                        left_out: events.get_metric_with_label_values(&["left_out"])?,
                    }
                },
                subscriptions: {
                    let events = to.counter_vec(
                        "log_subscription_events_total",
                        "Log events that matched a subscription filter, by what became of them.",
                        &["outcome"],
                    )?;
                    SubscriptionMetrics {
                        events: SubscriptionOutcome::ALL
                            .iter()
                            .map(|outcome| events.get_metric_with_label_values(&[outcome.as_str()]))
                            .collect::<Result<_, _>>()?,
                        lag: to.float_gauge(
                            "log_subscription_lag_seconds",
                            "Age of the oldest log event that a subscription filter has still to see; 0 where there is none.",
                        )?,
                    }
                },
            },
            registry: to.registry,
            hooks: RwLock::default(),
            scraping: Mutex::default(),
        };
        Ok(metrics)
    }

    /// Adds a closure that brings gauges up to date before each scrape.
    pub fn on_scrape(&self, hook: impl Fn(&Metrics) + Send + Sync + 'static) {
        self.hooks.write().push(Box::new(hook));
    }

    /// All metrics and those of the process, in Prometheus's text format ([`Metrics::CONTENT_TYPE`]).
    pub fn encode(&self) -> Result<String, Error> {
        let _one_at_a_time = self.scraping.lock();
        for hook in self.hooks.read().iter() {
            hook(self);
        }
        let mut families = self.registry.gather();
        families.extend(process_families());
        let mut out = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&families, &mut out)?;
        Ok(String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    /// The `Content-Type` of [`Metrics::encode`].
    pub const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;
}

#[cfg(target_os = "linux")]
fn process_families() -> Vec<prometheus::proto::MetricFamily> {
    use std::sync::LazyLock;
    static PROCESS: LazyLock<prometheus::process_collector::ProcessCollector> =
        LazyLock::new(prometheus::process_collector::ProcessCollector::for_self);
    PROCESS.collect()
}

#[cfg(not(target_os = "linux"))]
fn process_families() -> Vec<prometheus::proto::MetricFamily> {
    Vec::new()
}

impl SandboxMetrics {
    /// Sets the pool's slots.
    pub fn set_slots(&self, used: usize, free: usize) {
        for (state, count) in [(SlotState::Used, used), (SlotState::Free, free)] {
            if let Ok(gauge) = self.slots.get_metric_with_label_values(&[state.as_str()]) {
                gauge.set(to_i64(count as u64));
            }
        }
    }
}

impl QueueMetrics {
    /// Sets all queues at once; a queue not named has no series any more. Past the bound, queues are summed under `_other`
    /// (of the ages: the greatest).
    pub fn set(&self, samples: impl IntoIterator<Item = QueueSample>) {
        self.messages.reset();
        self.oldest_age.reset();
        let mut other: Option<QueueSample> = None;
        for (position, sample) in samples.into_iter().enumerate() {
            if position < self.max_queues {
                self.set_one(&sample);
                continue;
            }
            let other = other.get_or_insert_with(|| QueueSample { queue: OTHER.into(), ..QueueSample::default() });
            other.available = other.available.saturating_add(sample.available);
            other.in_flight = other.in_flight.saturating_add(sample.in_flight);
            other.delayed = other.delayed.saturating_add(sample.delayed);
            other.oldest_age = other.oldest_age.max(sample.oldest_age);
        }
        if let Some(other) = other {
            self.set_one(&other);
        }
    }

    fn set_one(&self, sample: &QueueSample) {
        for (state, count) in [
            (MessageState::Available, sample.available),
            (MessageState::InFlight, sample.in_flight),
            (MessageState::Delayed, sample.delayed),
        ] {
            if let Ok(gauge) = self.messages.get_metric_with_label_values(&[&sample.queue, state.as_str()]) {
                gauge.set(to_i64(count));
            }
        }
        if let Ok(gauge) = self.oldest_age.get_metric_with_label_values(&[&sample.queue]) {
            gauge.set(sample.oldest_age.as_secs_f64());
        }
    }
}

impl AsyncEventMetrics {
    /// Sets all functions at once; one not named has no series any more. Past the bound, functions are summed under `_other`
    /// (of the ages: the greatest).
    pub fn set(&self, samples: impl IntoIterator<Item = AsyncEventSample>) {
        self.events.reset();
        self.oldest_age.reset();
        let mut other: Option<AsyncEventSample> = None;
        for (position, sample) in samples.into_iter().enumerate() {
            if position < self.max_functions {
                self.set_one(&sample);
                continue;
            }
            let other = other.get_or_insert_with(|| AsyncEventSample { function: OTHER.into(), ..Default::default() });
            other.waiting = other.waiting.saturating_add(sample.waiting);
            other.dead = other.dead.saturating_add(sample.dead);
            other.oldest_age = other.oldest_age.max(sample.oldest_age);
        }
        if let Some(other) = other {
            self.set_one(&other);
        }
    }

    fn set_one(&self, sample: &AsyncEventSample) {
        for (state, count) in [(AsyncState::Waiting, sample.waiting), (AsyncState::Dead, sample.dead)] {
            if let Ok(gauge) = self.events.get_metric_with_label_values(&[&*sample.function, state.as_str()]) {
                gauge.set(to_i64(count));
            }
        }
        if let Ok(gauge) = self.oldest_age.get_metric_with_label_values(&[&*sample.function]) {
            gauge.set(sample.oldest_age.as_secs_f64());
        }
    }
}

impl StorageMetrics {
    /// Counts one commit of `writes` writes.
    pub fn committed(&self, writes: usize, took: Duration) {
        self.commit_duration.observe(took.as_secs_f64());
        self.commit_writes.observe(writes as f64);
    }
}

impl SandboxMetrics {
    /// Counts an image, or one that cannot be.
    pub fn image(&self, outcome: ImageOutcome) {
        if let Some(counter) = self.images.get(outcome.index()) {
            counter.inc();
        }
    }
}

impl ExtensionMetrics {
    /// Counts a failure.
    pub fn failed(&self, phase: ExtensionPhase) {
        if let Some(counter) = self.failures.get(phase.index()) {
            counter.inc();
        }
    }
}

impl MappingMetrics {
    /// Counts messages of which something became.
    pub fn messages(&self, outcome: MessageOutcome, count: usize) {
        if let Some(counter) = self.messages.get(outcome.index()) {
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}

impl SubscriptionMetrics {
    /// Counts events of which something became.
    pub fn events(&self, outcome: SubscriptionOutcome, count: usize) {
        if let Some(counter) = self.events.get(outcome.index()) {
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}

impl HttpMetrics {
    /// Counts one answered request.
    pub fn answered(&self, status: u16) {
        if let Some(counter) = self.requests.get(StatusClass::of(status).index()) {
            counter.inc();
        }
    }
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Makes and registers; the registry adds the prefix.
struct Registrar {
    registry: Registry,
}

impl Registrar {
    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> prometheus::Result<C> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::new(name, help)?)
    }

    fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(name, help)?)
    }

    fn float_gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.add(Gauge::new(name, help)?)
    }

    fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn float_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.add(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> prometheus::Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
    }
}

#[cfg(test)]
mod tests;
