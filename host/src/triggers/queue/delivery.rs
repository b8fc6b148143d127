//! The task of one batch: invokes the function, deletes what succeeded, keeps hold of what was throttled.

use super::poller::Plan;
use super::verdict::Verdict;
use super::{MappingEvent, Parts, event, recursion};
use crate::invocation::lineage;
use crate::invocation::{Invocation, InvokeError, PAYLOAD_LIMIT_BYTES, Payload, Response, Source};
use crate::storage::mappings::FunctionResponseType;
use crate::storage::queues::{HandleOutcome, ReceiptHandle, ReceivedMessage};
use bytes::Bytes;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Pauses between tries of a throttled batch: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Tries of a write to the queue, and the pause after each but the last.
const WRITES: u32 = 5;
const WRITE_PAUSE: Duration = Duration::from_millis(200);

/// How many batches of a mapping are kept because of throttles.
#[derive(Clone)]
pub(super) struct Hold(watch::Sender<usize>);

impl Default for Hold {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Hold {
    pub(super) fn subscribe(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }

    pub(super) fn is_taken(&self) -> bool {
        *self.0.borrow() > 0
    }

    fn take(&self) -> Held {
        self.0.send_modify(|held| *held = held.saturating_add(1));
        Held(self.0.clone())
    }
}

/// One batch that is kept, for as long as this lives.
struct Held(watch::Sender<usize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held = held.saturating_sub(1));
    }
}

/// A batch on its way.
pub(super) struct Delivery {
    pub(super) parts: Parts,
    pub(super) plan: Arc<Plan>,
    pub(super) messages: Vec<ReceivedMessage>,
    /// The messages as records of the event, one each.
    pub(super) records: Vec<String>,
    /// Cancelled when throttled batches are to be given back.
    pub(super) enabled: CancellationToken,
    /// Cancelled when the daemon begins to end.
    pub(super) ending: CancellationToken,
    /// How long an invocation may go on after that.
    pub(super) drain: Duration,
    pub(super) hold: Hold,
}

/// How the invocation of an event ended.
enum Ended {
    Verdict(Verdict),
    /// Without an outcome; the messages go back.
    GivenUp,
}

impl Delivery {
    /// Delivers all messages: one event after another, where they do not fit in one.
    pub(super) async fn run(mut self) {
        let (messages, records) = (std::mem::take(&mut self.messages), std::mem::take(&mut self.records));
        (self.messages, self.records) = recursion::take_out(&self.parts, &self.plan, messages, records).await;
        if self.messages.is_empty() {
            return;
        }
        let fifo = self.plan.queue.is_fifo();
        let mut held_back: HashSet<Option<String>> = HashSet::new();
        let events = event::pack(&self.records, PAYLOAD_LIMIT_BYTES);
        for (index, (range, event)) in events.iter().enumerate() {
            let messages = self.messages.get(range.clone()).unwrap_or_default();
            if fifo && messages.iter().any(|message| held_back.contains(&message.group_id)) {
                // What comes before in the group has failed: all of the event waits with it.
                held_back.extend(messages.iter().map(|message| message.group_id.clone()));
                continue;
            }
            match self.invoke(messages, range, Bytes::copy_from_slice(event.as_bytes())).await {
                Ended::Verdict(verdict) => {
                    let verdict = if fifo { verdict.keeping_order(messages) } else { verdict };
                    held_back.extend(self.settle(messages, &verdict).await);
                }
                Ended::GivenUp => {
                    let left = events.iter().skip(index).map(|(range, _)| range.start).min().unwrap_or_default();
                    give_back(&self.parts, &self.plan, self.messages.get(left..).unwrap_or_default()).await;
                    return;
                }
            }
        }
    }

    /// Invokes the function, again and again while it is throttled.
    async fn invoke(&self, messages: &[ReceivedMessage], range: &Range<usize>, event: Bytes) -> Ended {
        let cut = async {
            self.ending.cancelled().await;
            self.parts.clock.sleep(self.drain).await;
        };
        tokio::pin!(cut);
        let (mut held, mut pause) = (None, FIRST_PAUSE);
        let mut visible = VisibleAt::unknown();
        loop {
            let invoked = tokio::select! {
                biased;
                invoked = self.parts.invoker.invoke(self.invocation(messages, event.clone())) => invoked,
                () = &mut cut => {
                    tracing::warn!(mapping = self.plan.record.uuid, "a batch was cut off by the shutdown; its messages go back");
                    return Ended::GivenUp;
                }
            };
            let error = match invoked {
                Ok(outcome) => return Ended::Verdict(self.verdict(outcome.result, messages)),
                Err(error) => error,
            };
            match error {
                InvokeError::Throttled(_)
                | InvokeError::NotReady(_)
                | InvokeError::ShuttingDown
                | InvokeError::FunctionNotFound { .. } => {
                    held.get_or_insert_with(|| self.hold.take());
                    self.parts.observer.observed(&self.plan.record, MappingEvent::Throttled);
                }
                InvokeError::InvalidPayload(_)
                | InvokeError::PayloadTooLarge { .. }
                | InvokeError::RecursiveLoop
                | InvokeError::Platform(_) => {
                    tracing::warn!(mapping = self.plan.record.uuid, %error, "a batch could not be invoked");
                    return Ended::Verdict(Verdict::Failure);
                }
            }
            // What is left of the batch stays invisible, events to come included.
            let kept = self.messages.get(range.start..).unwrap_or_default();
            if !visible.put_off(&self.parts, &self.plan, kept, pause).await {
                return Ended::GivenUp;
            }
            tokio::select! {
                biased;
                () = self.enabled.cancelled() => return Ended::GivenUp,
                () = self.parts.clock.sleep(pause) => {}
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    fn invocation(&self, messages: &[ReceivedMessage], event: Bytes) -> Invocation {
        // A trace is one message's: of several, none can speak for the batch, but all of them for what it comes from.
        let headers: Vec<String> = messages.iter().filter_map(event::trace_header).collect();
        let whole = messages.len() == headers.len();
        let trace_id = match headers.as_slice() {
            [only] if whole => Some(only.as_str().into()),
            headers => lineage::merged(headers.iter().map(String::as_str)).map(Arc::from),
        };
        Invocation {
            target: self.plan.target.clone(),
            payload: Payload::Event(event),
            request_id: uuid::Uuid::new_v4(),
            source: Source::Queue,
            trace_id,
            client_context: None,
            tail_log: false,
        }
    }

    fn verdict(
        &self,
        result: Result<Response, crate::invocation::FunctionError>,
        messages: &[ReceivedMessage],
    ) -> Verdict {
        let reports = self.plan.record.function_response_types.contains(&FunctionResponseType::ReportBatchItemFailures);
        match result {
            Err(_) => Verdict::Failure,
            Ok(Response::Http(response)) if !response.status().is_success() => Verdict::Failure,
            Ok(Response::Event(response)) if reports => Verdict::of_response(&response, messages),
            Ok(Response::Event(_) | Response::Http(_)) => Verdict::Success,
        }
    }

    /// Deletes what succeeded and leaves the rest. Gives the groups of what is left.
    async fn settle(&self, messages: &[ReceivedMessage], verdict: &Verdict) -> Vec<Option<String>> {
        let (mut done, mut kept) = (Vec::new(), Vec::new());
        for (place, message) in messages.iter().enumerate() {
            if verdict.keeps(place) {
                kept.push(message.group_id.clone());
            } else {
                done.push(message.receipt_handle);
            }
        }
        if !done.is_empty() {
            delete(&self.parts, &self.plan, done).await;
        }
        let event = MappingEvent::Batch { messages: messages.len(), failed: kept.len() };
        self.parts.observer.observed(&self.plan.record, event);
        kept
    }
}

/// Until when kept messages are known to be invisible.
struct VisibleAt(Option<i64>);

impl VisibleAt {
    fn unknown() -> Self {
        Self(None)
    }

    /// Makes sure that messages stay invisible for `pause` and half their timeout more; `false` if they cannot.
    async fn put_off(&mut self, parts: &Parts, plan: &Plan, messages: &[ReceivedMessage], pause: Duration) -> bool {
        let timeout_s = match parts.queues.get(plan.queue.clone()).await {
            Ok(Some(queue)) => queue.attributes.visibility_timeout_s,
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(mapping = plan.record.uuid, %error, "a queue could not be read");
                return false;
            }
        };
        let pause_s = u32::try_from(pause.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        let wanted_s = timeout_s.max(pause_s.saturating_mul(2));
        let now_ms = parts.clock.now_ms();
        let needed_ms = now_ms.saturating_add(i64::from(wanted_s).saturating_mul(500));
        if self.0.is_some_and(|visible_ms| visible_ms >= needed_ms.saturating_add(i64::from(pause_s) * 1000)) {
            return true;
        }
        let changes = messages.iter().map(|message| (message.receipt_handle, wanted_s)).collect();
        match parts.queues.change_visibility(plan.queue.clone(), changes, now_ms).await {
            Ok(Ok(outcomes)) => {
                self.0 = Some(now_ms.saturating_add(i64::from(wanted_s).saturating_mul(1000)));
                outcomes.iter().all(|outcome| *outcome == HandleOutcome::Done)
            }
            Ok(Err(_)) => false,
            Err(error) => {
                tracing::warn!(mapping = plan.record.uuid, %error, "throttled messages could not be kept");
                false
            }
        }
    }
}

/// Makes messages visible at once.
pub(super) async fn give_back(parts: &Parts, plan: &Plan, messages: &[ReceivedMessage]) {
    if messages.is_empty() {
        return;
    }
    parts.observer.observed(&plan.record, MappingEvent::GivenBack { messages: messages.len() });
    write(parts, plan, || {
        let changes = messages.iter().map(|message| (message.receipt_handle, 0)).collect();
        parts.queues.change_visibility(plan.queue.clone(), changes, parts.clock.now_ms())
    })
    .await;
}

/// Deletes messages.
pub(super) async fn delete(parts: &Parts, plan: &Plan, handles: Vec<ReceiptHandle>) {
    write(parts, plan, || parts.queues.delete_messages(plan.queue.clone(), handles.clone(), parts.clock.now_ms()))
        .await;
}

/// Tries a write a few times. One that fails for good brings nothing but another delivery.
async fn write<'a, T>(parts: &Parts, plan: &Plan, attempt: impl Fn() -> crate::storage::queues::OnQueue<'a, T>) {
    let mut pause = WRITE_PAUSE;
    for left in (0..WRITES).rev() {
        match attempt().await {
            Ok(_) => return,
            Err(error) if left > 0 && error.is_retryable() => {
                tracing::warn!(mapping = plan.record.uuid, %error, "messages could not be settled; trying again");
            }
            Err(error) => {
                tracing::error!(mapping = plan.record.uuid, %error, "messages could not be settled; they will come again");
                return;
            }
        }
        parts.clock.sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
}
