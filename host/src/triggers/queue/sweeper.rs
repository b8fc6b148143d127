//! Removes at intervals what queues no longer need: expired messages, those of purged and deleted queues, old deduplication ids.

use crate::clock::SharedClock;
use crate::storage::queues::Queues;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Things removed in one write.
const STEP: usize = 1000;

/// Sweeps until `stop`, every `interval` and at once. A failed sweep is tried again at the next interval.
pub(super) async fn run(queues: Arc<dyn Queues>, clock: SharedClock, interval: Duration, stop: CancellationToken) {
    loop {
        match queues.sweep(clock.now_ms(), STEP).await {
            Ok(removed) if removed >= STEP && !stop.is_cancelled() => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "queues could not be swept"),
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = clock.sleep(interval) => {}
        }
    }
}
