//! What the parts of the daemon tell, on its way into the metrics.

use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::ids::FunctionName;
use crate::invocation::Overload;
use crate::listener::{Closed, Observer};
use crate::sandbox::Host;
use crate::sandbox::engine::Family;
use crate::storage::CommitObserver;
use crate::storage::async_events::AsyncEvents;
use crate::storage::mappings::MappingRecord;
use crate::storage::queues::Queues;
use crate::telemetry::metrics::labels::{AsyncDrop, EnvironmentState, MessageOutcome, SubscriptionOutcome};
use crate::telemetry::metrics::{AsyncEventSample, Metrics, QueueSample};
use crate::triggers::asynchronous::{AsyncObserver, Dropped};
use crate::triggers::http::{Answered, HttpMetrics};
use crate::triggers::queue::{MappingEvent, MappingObserver};
use crate::triggers::schedule::ScheduleObserver;
use crate::triggers::subscription::{Outcome, SubscriptionObserver};
use crate::wire::access;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Commits of storage.
pub(super) struct Commits(pub(super) Arc<Metrics>);

impl CommitObserver for Commits {
    fn committed(&self, latency: Duration, jobs: usize, succeeded: bool) {
        // A failed commit is the caller's error, and in the log.
        if succeeded {
            self.0.storage.committed(jobs, latency);
        }
    }
}

/// Refusals of the AWS port.
pub(super) struct Gate(pub(super) Arc<Metrics>);

impl access::Observer for Gate {
    fn denied(&self, reason: &'static str) {
        self.0.api_denied.with_label_values(&[reason]).inc();
    }
}

/// Firings of schedules.
pub(super) struct Schedules(pub(super) Arc<Metrics>);

impl ScheduleObserver for Schedules {
    fn fired(&self, lateness: Option<Duration>) {
        self.0.schedules.firings.inc();
        if let Some(lateness) = lateness {
            self.0.schedules.lateness.observe(lateness.as_secs_f64());
        }
    }

    fn missed(&self, firings: u64) {
        self.0.schedules.missed.inc_by(firings);
    }

    fn failed(&self) {
        self.0.schedules.failed.inc();
    }
}

/// Messages and batches of event source mappings.
pub(super) struct Mappings(pub(super) Arc<Metrics>);

impl MappingObserver for Mappings {
    fn observed(&self, _mapping: &MappingRecord, event: MappingEvent) {
        let metrics = &self.0.mappings;
        match event {
            MappingEvent::Filtered { messages } => metrics.messages(MessageOutcome::Filtered, messages),
            MappingEvent::DeadLettered { messages } => metrics.messages(MessageOutcome::DeadLettered, messages),
            MappingEvent::Batch { messages, failed } => {
                metrics.batches.inc();
                metrics.messages(MessageOutcome::Succeeded, messages.saturating_sub(failed));
                metrics.messages(MessageOutcome::Failed, failed);
            }
            MappingEvent::Throttled => metrics.throttles.inc(),
            MappingEvent::GivenBack { messages } => metrics.messages(MessageOutcome::GivenBack, messages),
        }
    }
}

/// Events of asynchronous invocations.
pub(super) struct Asynchronous(pub(super) Arc<Metrics>);

impl AsyncObserver for Asynchronous {
    fn received(&self, function: &FunctionName, events: usize) {
        self.0.invocations.function(function).async_received(u64::try_from(events).unwrap_or(u64::MAX));
    }

    fn started(&self, function: &FunctionName, age: Duration) {
        self.0.invocations.function(function).async_age(age);
    }

    fn dropped(&self, function: &FunctionName, why: Dropped) {
        self.0.invocations.function(function).async_dropped(match why {
            Dropped::RetriesExhausted => AsyncDrop::RetriesExhausted,
            Dropped::EventAgeExceeded => AsyncDrop::EventAgeExceeded,
            Dropped::FunctionNotFound => AsyncDrop::FunctionNotFound,
            Dropped::RecursiveLoop => AsyncDrop::RecursiveLoop,
            Dropped::SwitchedOff => AsyncDrop::SwitchedOff,
        });
    }

    fn undeliverable(&self, function: &FunctionName) {
        self.0.invocations.function(function).async_undeliverable();
    }
}

/// Events of subscription filters.
pub(super) struct Subscriptions {
    metrics: Arc<Metrics>,
    /// When the oldest that waits came in; `i64::MAX` where none does.
    oldest_ms: Arc<AtomicI64>,
}

impl Subscriptions {
    pub(super) fn new(metrics: Arc<Metrics>, clock: SharedClock) -> Self {
        let oldest_ms = Arc::new(AtomicI64::new(i64::MAX));
        let seen = Arc::clone(&oldest_ms);
        metrics.on_scrape(move |metrics| {
            let oldest_ms = seen.load(Ordering::Relaxed);
            let lag_ms = clock.now_ms().saturating_sub(oldest_ms).max(0);
            let lag = Duration::from_millis(u64::try_from(lag_ms).unwrap_or(0));
            metrics.logs.subscriptions.lag.set(lag.as_secs_f64());
        });
        Self { metrics, oldest_ms }
    }
}

impl SubscriptionObserver for Subscriptions {
    fn events(&self, outcome: Outcome, count: usize) {
        let outcome = match outcome {
            Outcome::Delivered => SubscriptionOutcome::Delivered,
            Outcome::Refused => SubscriptionOutcome::Refused,
            Outcome::Recursive => SubscriptionOutcome::Recursive,
            Outcome::Expired => SubscriptionOutcome::Expired,
            Outcome::TooLarge => SubscriptionOutcome::TooLarge,
        };
        self.metrics.logs.subscriptions.events(outcome, count);
    }

    fn oldest(&self, ingestion_ms: Option<i64>) {
        self.oldest_ms.store(ingestion_ms.unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// Counts the asynchronous events of functions, again and again.
pub(super) async fn sample_async_events(metrics: Arc<Metrics>, events: Arc<dyn AsyncEvents>, clock: SharedClock) {
    loop {
        let now_ms = clock.now_ms();
        // A storage that fails leaves the last sample.
        if let Ok(backlog) = events.backlog().await {
            metrics.async_events.set(backlog.into_iter().map(|backlog| {
                let age_ms = backlog.oldest_accepted_at_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest).max(0));
                AsyncEventSample {
                    function: backlog.function.as_str().into(),
                    waiting: backlog.waiting,
                    dead: backlog.dead,
                    oldest_age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
                }
            }));
        }
        clock.sleep(SAMPLE_QUEUES_EVERY).await;
    }
}

/// How often queues are counted: that walks an index, so a scrape does not wait for it.
const SAMPLE_QUEUES_EVERY: Duration = Duration::from_secs(5);

/// Queues that are counted.
const SAMPLED_QUEUES: usize = 1_000;

/// Counts what queues hold, again and again.
pub(super) async fn sample_queues(metrics: Arc<Metrics>, queues: Arc<dyn Queues>, clock: SharedClock) {
    loop {
        let now_ms = clock.now_ms();
        let mut samples = Vec::new();
        for queue in queues.list(String::new(), None, SAMPLED_QUEUES).await.unwrap_or_default() {
            // A queue that is gone meanwhile, or a storage that fails, leaves out the sample.
            let Ok(Ok(stats)) = queues.stats(queue.name.clone(), now_ms).await else { continue };
            let age_ms = stats.oldest_enqueued_at_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest).max(0));
            samples.push(QueueSample {
                queue: queue.name.as_str().into(),
                available: stats.visible,
                in_flight: stats.in_flight,
                delayed: stats.delayed,
                oldest_age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
            });
        }
        metrics.queues.set(samples);
        clock.sleep(SAMPLE_QUEUES_EVERY).await;
    }
}

/// Connections and answers of the HTTP trigger.
pub(super) struct Http(pub(super) Arc<Metrics>);

impl Observer for Http {
    fn connection_opened(&self) {
        self.0.http.connections.inc();
    }

    fn connection_closed(&self, _why: Closed) {
        self.0.http.connections.dec();
    }
}

impl HttpMetrics for Http {
    fn answered(&self, answered: Answered<'_>) {
        self.0.http.answered(answered.status.as_u16());
    }
}

/// Sets, at each scrape, how late the host is.
pub(super) fn sample_lag(metrics: &Metrics, overload: Arc<Overload>) {
    metrics.on_scrape(move |metrics| metrics.lag.set(overload.lag().as_secs_f64()));
}

/// Sets, at each scrape, what is counted elsewhere.
pub(super) fn sample_on_scrape(metrics: &Metrics, catalog: Arc<Catalog>, host: Arc<Host>) {
    metrics.on_scrape(move |metrics| {
        let all = [Family::Plain, Family::Concurrent, Family::Runtime].map(|family| host.slots(family));
        let (total, used) = all
            .iter()
            .fold((0u32, 0u32), |(total, used), of| (total.saturating_add(of.total), used.saturating_add(of.used)));
        metrics.sandbox.set_slots(used as usize, total.saturating_sub(used) as usize);
        let cache = host.code_cache();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        metrics.sandbox.cache_entries.set(i64::try_from(count(&cache.entries)).unwrap_or(i64::MAX));
        metrics.sandbox.cache_size_bytes.set(i64::try_from(count(&cache.bytes)).unwrap_or(i64::MAX));
        let compiled = count(&cache.recompilations);
        let mapped = count(&cache.misses).saturating_sub(compiled);
        for (counter, now) in [
            (&metrics.sandbox.cache_hits, count(&cache.hits).saturating_add(mapped)),
            (&metrics.sandbox.cache_misses, compiled),
            (&metrics.sandbox.cache_evictions, count(&cache.evictions)),
            (&metrics.sandbox.restored, host.restored_environments()),
        ] {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
        for function in catalog.list() {
            let (mut idle, mut busy, mut starting, mut provisioned) = (0usize, 0u32, 0u32, 0usize);
            let view = function.view();
            for version in view.versions.values() {
                let (now_idle, now_busy) = version.pool.counts();
                (idle, busy, starting) = (idle + now_idle, busy + now_busy, starting + version.pool.starting());
            }
            for pool in view.provisioned.values().flat_map(|provisioned| provisioned.pools()) {
                let (now_idle, now_busy) = pool.counts();
                (provisioned, busy, starting) = (provisioned + now_idle, busy + now_busy, starting + pool.starting());
            }
            let series = metrics.invocations.function(&function.name);
            for (state, count) in [
                (EnvironmentState::Idle, idle),
                (EnvironmentState::Busy, busy as usize),
                (EnvironmentState::Initializing, starting as usize),
                (EnvironmentState::Provisioned, provisioned),
            ] {
                series.set_environments(state, i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    });
}
