//! The task that keeps provisioned environments there: made ahead, counted only when initialised, replaced when gone.

use super::{Catalog, LiveProvisioned};
use crate::sandbox::pool::Pool;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Environments started at once, all functions together: provisioning must not starve invocations.
const PARALLEL_STARTS: usize = 4;

/// How long after a failure the next attempt comes.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How often missing environments are looked for even if nothing says so.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keeps provisioned environments there.
#[derive(Debug)]
pub struct Provisioner {
    catalog: Arc<Catalog>,
}

impl Provisioner {
    /// For all functions of `catalog`.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let woken = self.catalog.provisioning();
        let clock = Arc::clone(&self.catalog.parts.clock);
        loop {
            let failed = tokio::select! {
                () = stop.cancelled() => return,
                failed = self.fill_all() => failed,
            };
            let pause = if failed { RETRY_AFTER } else { LOOK_EVERY };
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken.notified() => {}
                () = clock.sleep(pause) => {}
            }
        }
    }

    /// Makes what is missing and ends what is too much; answers whether an attempt failed.
    async fn fill_all(&self) -> bool {
        let mut failed = false;
        for function in self.catalog.functions.iter().map(|entry| Arc::clone(entry.value())).collect::<Vec<_>>() {
            let view = function.view();
            for provisioned in view.provisioned.values() {
                let shares: Vec<_> = provisioned.shares().map(|(pool, share)| (Arc::clone(pool), share)).collect();
                for (pool, share) in shares {
                    failed |= fill(provisioned, &pool, share).await;
                }
            }
        }
        failed
    }
}

/// Brings one pool to `share` environments.
async fn fill(provisioned: &LiveProvisioned, pool: &Arc<Pool>, share: u32) -> bool {
    pool.retire_broken();
    let (idle, busy) = pool.counts();
    let held = u32::try_from(idle).unwrap_or(u32::MAX).saturating_add(busy);
    if held > share {
        pool.shrink(usize::try_from(share.saturating_sub(busy)).unwrap_or(usize::MAX));
        return false;
    }
    let mut missing = share - held;
    let mut starting = FuturesUnordered::new();
    let mut failure = None;
    while failure.is_none() && (missing > 0 || !starting.is_empty()) {
        while missing > 0 && starting.len() < PARALLEL_STARTS {
            missing -= 1;
            starting.push(pool.start());
        }
        match starting.next().await {
            Some(Ok(lease)) => lease.keep_unused(),
            Some(Err(error)) => failure = Some(error.error.to_string()),
            None => break,
        }
    }
    // Those still starting are kept if they succeed.
    while let Some(started) = starting.next().await {
        if let Ok(lease) = started {
            lease.keep_unused();
        }
    }
    let failed = failure.is_some();
    if let Some(reason) = &failure {
        tracing::warn!(function = %provisioned.record.function, qualifier = %provisioned.record.qualifier, %reason,
            "a provisioned environment could not be started");
    }
    provisioned.set_failure(failure);
    failed
}
