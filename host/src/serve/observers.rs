//! What the parts of the daemon tell, on its way into the metrics.

use crate::catalog::Catalog;
use crate::listener::{Closed, Observer};
use crate::sandbox::Host;
use crate::sandbox::engine::Family;
use crate::storage::CommitObserver;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::labels::EnvironmentState;
use crate::triggers::http::{Answered, HttpMetrics};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Commits of storage.
pub(super) struct Commits(pub(super) Arc<Metrics>);

impl CommitObserver for Commits {
    fn committed(&self, latency: Duration, jobs: usize, _succeeded: bool) {
        self.0.storage.committed(jobs, latency);
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

/// Sets, at each scrape, what is counted elsewhere.
pub(super) fn sample_on_scrape(metrics: &Metrics, catalog: Arc<Catalog>, host: Arc<Host>) {
    metrics.on_scrape(move |metrics| {
        let (plain, concurrent) = (host.slots(Family::Plain), host.slots(Family::Concurrent));
        let (total, used) = (plain.total + concurrent.total, plain.used + concurrent.used);
        metrics.sandbox.set_slots(used as usize, total.saturating_sub(used) as usize);
        let cache = host.code_cache();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        metrics.sandbox.cache_entries.set(i64::try_from(count(&cache.entries)).unwrap_or(i64::MAX));
        metrics.sandbox.cache_size_bytes.set(i64::try_from(count(&cache.bytes)).unwrap_or(i64::MAX));
        for (counter, now) in [
            (&metrics.sandbox.cache_hits, count(&cache.hits)),
            (&metrics.sandbox.cache_misses, count(&cache.misses)),
            (&metrics.sandbox.cache_evictions, count(&cache.evictions)),
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
