//! The task of one mapping: waits, receives, filters and gathers, and starts a delivery for each batch.
//!
//! It looks at its queue when messages arrive, when the next one becomes visible and when a delivery ends that held it back; between
//! that it sleeps. A batch ends when it is full, when its window is over, or when its event would be.

use super::delivery::{self, Delivery, Hold};
use super::filter::Filter;
use super::{MappingEvent, Options, Parts, event, settings};
use crate::ids::{FunctionRef, Home, QueueName};
use crate::invocation::PAYLOAD_LIMIT_BYTES;
use crate::storage::mappings::MappingRecord;
use crate::storage::queues::{MAXIMUM_VISIBILITY_MS, ReceivedMessage};
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Messages of the first receive of a batch, and of any later one at most.
const FIRST_RECEIVE: usize = 10;
const LARGEST_RECEIVE: usize = 1000;

/// How long to wait before looking again at a queue that said it had messages and gave none.
const PAUSE: Duration = Duration::from_millis(50);

/// How long to wait for a function that does not exist, and after storage has failed.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(10);

/// A mapping, read and checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) record: MappingRecord,
    pub(super) queue: QueueName,
    pub(super) target: FunctionRef,
    pub(super) filter: Filter,
}

impl Plan {
    /// Reads a record, or says why it cannot run.
    pub(super) fn new(home: &Home, record: MappingRecord) -> Result<Self, String> {
        let queue = settings::queue_of(home, &record.event_source_arn)
            .ok_or_else(|| format!("{} is not a queue of this account and region", record.event_source_arn))?;
        let filter = Filter::compile(&record.filters)
            .map_err(|reason| format!("Invalid filter pattern definition. {reason}"))?;
        Ok(Self { queue, target: settings::target(&record), filter, record })
    }

    fn batch_size(&self) -> usize {
        usize::try_from(self.record.batch_size).unwrap_or(usize::MAX).max(1)
    }

    fn concurrency(&self, options: &Options) -> usize {
        let own = self.record.maximum_concurrency.and_then(|own| usize::try_from(own).ok()).unwrap_or(usize::MAX);
        own.min(options.concurrency).max(1)
    }
}

/// Runs a mapping until `stop`, as its latest plan says, and then until its deliveries have ended. They are hurried along once `ending`,
/// the daemon's end, begins.
pub(super) async fn run(
    parts: Parts,
    options: Options,
    plans: watch::Receiver<Arc<Plan>>,
    stop: CancellationToken,
    ending: CancellationToken,
) {
    let plan = Arc::clone(&plans.borrow());
    let arrivals = parts.queues.arrivals(&plan.queue);
    let enabled = stop.child_token();
    let poller = Poller {
        parts,
        options,
        plans,
        stop,
        ending,
        arrivals,
        enabled,
        hold: Hold::default(),
        deliveries: JoinSet::new(),
    };
    poller.run(plan).await;
}

struct Poller {
    parts: Parts,
    options: Options,
    plans: watch::Receiver<Arc<Plan>>,
    stop: CancellationToken,
    ending: CancellationToken,
    arrivals: watch::Receiver<u64>,
    /// Cancelled when the mapping is disabled: deliveries that hold a throttled batch give it back then.
    enabled: CancellationToken,
    hold: Hold,
    deliveries: JoinSet<()>,
}

/// Why the poller woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// Time to look again.
    Look,
    /// The window of a batch is over.
    Window,
    /// There is another plan.
    Changed,
    /// The mapping ends.
    Stopped,
}

/// Messages on their way into a batch.
#[derive(Default)]
struct Batch {
    messages: Vec<ReceivedMessage>,
    records: Vec<String>,
    size_bytes: usize,
}

impl Batch {
    /// How many messages the next receive may take.
    fn wanted(&self, plan: &Plan) -> usize {
        let left = plan.batch_size().saturating_sub(self.messages.len());
        if plan.record.batching_window_s == 0 {
            return left;
        }
        let room_bytes = PAYLOAD_LIMIT_BYTES.saturating_sub(self.size_bytes);
        let fitting = match self.size_bytes.checked_div(self.messages.len()) {
            None => FIRST_RECEIVE,
            Some(average_bytes) => room_bytes.checked_div(average_bytes).unwrap_or(FIRST_RECEIVE),
        };
        left.min(fitting.clamp(1, LARGEST_RECEIVE))
    }

    fn is_full(&self, plan: &Plan) -> bool {
        self.messages.len() >= plan.batch_size() || self.size_bytes >= PAYLOAD_LIMIT_BYTES
    }
}

impl Poller {
    async fn run(mut self, mut plan: Arc<Plan>) {
        let mut held = self.hold.subscribe();
        loop {
            while self.deliveries.try_join_next().is_some() {}
            let woken = if !plan.record.enabled {
                self.enabled.cancel();
                self.wait(std::future::pending()).await
            } else if *held.borrow_and_update() > 0 {
                // A throttled batch is in hand: until it got through, another one would only join it.
                let free = async {
                    if held.wait_for(|held| *held == 0).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                };
                self.wait(free).await
            } else if self.deliveries.len() >= plan.concurrency(&self.options) {
                self.wait_for_delivery().await
            } else {
                if self.enabled.is_cancelled() {
                    self.enabled = self.stop.child_token();
                }
                self.gather(&plan).await
            };
            match woken {
                Woken::Stopped => break,
                Woken::Changed => plan = Arc::clone(&self.plans.borrow_and_update()),
                Woken::Look | Woken::Window => {}
            }
        }
        while self.deliveries.join_next().await.is_some() {}
    }

    /// Waits for `event`, another plan, or the end.
    async fn wait(&mut self, event: impl Future<Output = ()>) -> Woken {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Woken::Stopped,
            changed = self.plans.changed() => if changed.is_ok() { Woken::Changed } else { Woken::Stopped },
            () = event => Woken::Look,
        }
    }

    async fn wait_for_delivery(&mut self) -> Woken {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Woken::Stopped,
            changed = self.plans.changed() => if changed.is_ok() { Woken::Changed } else { Woken::Stopped },
            _ = self.deliveries.join_next() => Woken::Look,
        }
    }

    /// Gathers one batch and starts its delivery.
    async fn gather(&mut self, plan: &Arc<Plan>) -> Woken {
        let mut batch = Batch::default();
        let window = Duration::from_secs(plan.record.batching_window_s.into());
        let mut window_end = None;
        let woken = loop {
            if self.stop.is_cancelled() {
                break Woken::Stopped;
            }
            if batch.messages.is_empty() && self.hold.is_taken() {
                break Woken::Look;
            }
            if batch.messages.is_empty() && !self.parts.functions.exists(&plan.target) {
                let pause = self.parts.clock.sleep(UNAVAILABLE_PAUSE);
                break self.wait(pause).await;
            }
            // Before the look, so that no arrival falls between looking and waiting.
            self.arrivals.borrow_and_update();
            let seen = self.receive(plan, &mut batch).await;
            if window_end.is_none() && !batch.messages.is_empty() {
                window_end = Some(self.parts.clock.sleep(window));
            }
            if batch.is_full(plan) {
                break Woken::Look;
            }
            if let Some(end) = window_end.as_mut()
                && (window.is_zero() || end.now_or_never().is_some())
            {
                break Woken::Window;
            }
            let pause = match seen {
                Seen::Messages => {
                    // Others are let on this thread: filters can drop messages for a long time.
                    tokio::task::yield_now().await;
                    continue;
                }
                Seen::Nothing { next_ms } => next_ms.map(|ms| self.pause_until(ms)),
                Seen::NoQueue => None,
                Seen::Failed => Some(UNAVAILABLE_PAUSE),
            };
            let pause = pause.map(|pause| self.parts.clock.sleep(pause));
            let woken = tokio::select! {
                biased;
                () = self.stop.cancelled() => Woken::Stopped,
                changed = self.plans.changed() => if changed.is_ok() { Woken::Changed } else { Woken::Stopped },
                () = or_never(window_end.as_mut()) => Woken::Window,
                // After a failure storage gets its pause; a mark that is gone can only be waited out.
                Ok(()) = self.arrivals.changed(), if seen != Seen::Failed => Woken::Look,
                () = or_never(pause) => Woken::Look,
            };
            if woken != Woken::Look {
                break woken;
            }
        };
        let disabled = woken == Woken::Changed && !self.plans.borrow().record.enabled;
        if woken == Woken::Stopped || disabled {
            delivery::give_back(&self.parts, plan, &batch.messages).await;
        } else if !batch.messages.is_empty() {
            self.start_delivery(plan, batch);
        }
        woken
    }

    /// Receives once, deletes what no filter lets through and adds the rest to the batch.
    async fn receive(&self, plan: &Plan, batch: &mut Batch) -> Seen {
        let now_ms = self.parts.clock.now_ms();
        let wanted = batch.wanted(plan);
        let visibility_s = match self.visibility_s(plan).await {
            Ok(visibility_s) => visibility_s,
            Err(seen) => return seen,
        };
        let received = match self.parts.queues.receive(plan.queue.clone(), wanted, visibility_s, now_ms).await {
            Ok(Ok(received)) => received,
            Ok(Err(_)) => return Seen::NoQueue,
            Err(error) => return failed(plan, &error),
        };
        let dead_lettered = usize::try_from(received.dead_lettered).unwrap_or(usize::MAX);
        if dead_lettered > 0 {
            let event = MappingEvent::DeadLettered { messages: dead_lettered };
            self.parts.observer.observed(&plan.record, event);
        }
        if received.messages.is_empty() {
            if dead_lettered > 0 {
                return Seen::Messages;
            }
            return match self.parts.queues.next_visible_at(plan.queue.clone()).await {
                Ok(Ok(next_ms)) => Seen::Nothing { next_ms },
                Ok(Err(_)) => Seen::NoQueue,
                Err(error) => failed(plan, &error),
            };
        }
        let mut dropped = Vec::new();
        for message in received.messages {
            let record = event::record(&self.parts.home, &plan.record.event_source_arn, &message);
            if plan.filter.passes(&record) {
                batch.size_bytes = batch.size_bytes.saturating_add(record.len()).saturating_add(1);
                batch.messages.push(message);
                batch.records.push(record);
            } else {
                dropped.push(message.receipt_handle);
            }
        }
        if !dropped.is_empty() {
            let event = MappingEvent::Filtered { messages: dropped.len() };
            self.parts.observer.observed(&plan.record, event);
            delivery::delete(&self.parts, plan, dropped).await;
        }
        Seen::Messages
    }

    /// For how long received messages are invisible: while a batch is gathered they must not become visible again, so the window comes on
    /// top of the queue's own timeout, which begins with the delivery.
    async fn visibility_s(&self, plan: &Plan) -> Result<Option<u32>, Seen> {
        if plan.record.batching_window_s == 0 {
            return Ok(None);
        }
        match self.parts.queues.get(plan.queue.clone()).await {
            Ok(Some(queue)) => {
                let timeout_s = queue.attributes.visibility_timeout_s.saturating_add(plan.record.batching_window_s);
                Ok(Some(timeout_s.min(u32::try_from(MAXIMUM_VISIBILITY_MS / 1000).unwrap_or(u32::MAX))))
            }
            Ok(None) => Err(Seen::NoQueue),
            Err(error) => Err(failed(plan, &error)),
        }
    }

    fn pause_until(&self, at_ms: i64) -> Duration {
        let left_ms = at_ms.saturating_sub(self.parts.clock.now_ms());
        u64::try_from(left_ms).map_or(PAUSE, Duration::from_millis).max(PAUSE)
    }

    fn start_delivery(&mut self, plan: &Arc<Plan>, batch: Batch) {
        let delivery = Delivery {
            parts: self.parts.clone(),
            plan: Arc::clone(plan),
            messages: batch.messages,
            records: batch.records,
            enabled: self.enabled.clone(),
            ending: self.ending.clone(),
            drain: self.options.drain,
            hold: self.hold.clone(),
        };
        self.deliveries.spawn(delivery.run());
    }
}

/// What a look at the queue showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// There were messages, passed or dropped: look again.
    Messages,
    /// There were none.
    Nothing {
        /// When there will be one.
        next_ms: Option<i64>,
    },
    /// The queue does not exist: a message sent to a new one of its name wakes the poller.
    NoQueue,
    /// Storage failed.
    Failed,
}

fn failed(plan: &Plan, error: &crate::storage::Error) -> Seen {
    tracing::warn!(mapping = plan.record.uuid, %error, "messages could not be received");
    Seen::Failed
}

async fn or_never(future: Option<impl Future<Output = ()>>) {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
