//! The task that keeps storage in step with what was begun and what has ended.
//!
//! Steps and ends are written in the order in which they came, as many as there are in one transaction. A firing that ended before its
//! step was written needs no record of its own; so that this is the common case, a batch waits [`LINGER`] for its firings unless
//! one of them waits for it.

use crate::clock::SharedClock;
use crate::storage::schedules::{Advance, Firing, Schedules};
use crate::storage::{Error, Pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// Orders in one transaction.
const BATCH: usize = 4_096;
/// How long a batch gathers.
const LINGER: Duration = Duration::from_millis(10);
/// Pauses between tries of a failed write: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A firing as this task knows it.
pub(super) struct Ticket {
    pub(super) firing: Firing,
    done: AtomicBool,
    recorded: AtomicBool,
}

impl Ticket {
    /// Of a firing that is about to begin, or (`recorded`) that storage has as unfinished.
    pub(super) fn new(firing: Firing, recorded: bool) -> Arc<Self> {
        Arc::new(Self { firing, done: AtomicBool::new(false), recorded: AtomicBool::new(recorded) })
    }

    /// Says that the firing has ended; to be followed by [`Order::Done`].
    pub(super) fn done(&self) {
        self.done.store(true, Ordering::Release);
    }
}

/// What is to be written.
pub(super) enum Order {
    /// A schedule went on to its next firing.
    Step {
        /// Without its unfinished firings.
        advance: Advance,
        /// The firings begun with it.
        begun: Vec<Arc<Ticket>>,
        /// Cancelled once the step is on disk, where a firing waits for that.
        written: Option<CancellationToken>,
    },
    /// A firing ended, after its step was ordered.
    Done(Arc<Ticket>),
}

/// Writes until `flush` is cancelled and nothing is left to be written.
pub(super) async fn run(
    schedules: Arc<dyn Schedules>,
    clock: SharedClock,
    mut orders: UnboundedReceiver<Order>,
    flush: CancellationToken,
) {
    let mut batch = Vec::new();
    loop {
        let flushing = tokio::select! {
            biased;
            received = orders.recv_many(&mut batch, BATCH) => received == 0,
            () = flush.cancelled() => true,
        };
        if flushing && batch.is_empty() {
            return;
        }
        let awaited = batch.iter().any(|order| matches!(order, Order::Step { written: Some(_), .. }));
        if !awaited {
            tokio::select! {
                () = clock.sleep(LINGER) => {}
                () = flush.cancelled() => {}
            }
        }
        while batch.len() < BATCH
            && let Ok(order) = orders.try_recv()
        {
            batch.push(order);
        }
        write(&*schedules, &clock, batch.drain(..)).await;
    }
}

async fn write(schedules: &dyn Schedules, clock: &SharedClock, batch: impl Iterator<Item = Order>) {
    let (mut steps, mut finished, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for order in batch {
        match order {
            Order::Step { mut advance, begun, written } => {
                for ticket in begun.iter().filter(|ticket| !ticket.done.load(Ordering::Acquire)) {
                    ticket.recorded.store(true, Ordering::Release);
                    advance.unfinished.push(ticket.firing.fire_at_ms);
                }
                steps.push(advance);
                waiting.extend(written);
            }
            Order::Done(ticket) if ticket.recorded.load(Ordering::Acquire) => finished.push(ticket.firing.clone()),
            Order::Done(_) => {}
        }
    }
    let advancing = async {
        if !steps.is_empty() {
            until_written(clock, || schedules.advance(steps.clone())).await;
        }
        for written in waiting {
            written.cancel();
        }
    };
    let finishing = async {
        if !finished.is_empty() {
            until_written(clock, || schedules.finish(finished.clone())).await;
        }
    };
    tokio::join!(advancing, finishing);
}

/// Tries until it succeeds. What storage refuses for good stays as it was on disk: after a restart those firings are repeated.
async fn until_written<'a, T>(clock: &SharedClock, write: impl Fn() -> Pending<'a, T>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match write().await {
            Ok(_) => return,
            Err(error) if error.is_retryable() => {
                tracing::error!(%error, "the progress of schedules could not be stored; trying again");
            }
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the progress of schedules could not be stored; a restart will repeat firings");
                return;
            }
        }
        clock.sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}
