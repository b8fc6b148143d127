//! One attempt of one event, and what follows from it.

use super::destination::{self, Destination, Ended, Lost};
use super::verdict::{self, Failure, Verdict};
use super::{AsyncInvocations, Dropped, Settings};
use crate::ids::{FunctionMark, FunctionName};
use crate::invocation::lineage::{self, Lineage, RUNS_LIMIT};
use crate::invocation::{Invocation, Payload, Source};
use crate::storage::async_events::Event;
use crate::storage::{self, Pending};
use std::sync::Arc;
use std::time::Duration;

/// Pauses between tries of a failed write: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How a delivery ended, for its lane.
pub(super) enum End {
    /// What became of the event is on disk.
    Settled {
        /// Whether the function ran.
        ran: bool,
    },
    /// The function could not run; the event is still to be delivered.
    Throttled(Box<Event>),
    /// Nothing is known; the event stays where it is.
    Lost,
}

/// Attempts an event and settles what follows.
pub(super) async fn deliver(all: &Arc<AsyncInvocations>, mut event: Event) -> End {
    let parts = &all.parts;
    let target = event.summary.target.clone();
    let settings = parts.functions.settings(&target);
    let now_ms = parts.clock.now_ms();
    let attempts = event.summary.attempts;
    let last_failure = event.failure.as_deref().and_then(|text| serde_json::from_str::<Failure>(text).ok());
    let trace = lineage::rooted(event.trace_id.as_deref(), now_ms);
    let after_run = lineage::after(&trace, mark(all, &target.name));
    event.trace_id = Some(trace);
    if now_ms >= verdict::expires_at_ms(&event.summary, &settings) {
        if attempts > 0 {
            event.trace_id = Some(after_run);
        }
        return give_up(all, &event, attempts, &settings, Dropped::EventAgeExceeded, last_failure).await;
    }
    if settings.is_switched_off && (settings.on_failure.is_some() || settings.dead_letter_queue.is_some()) {
        let failure = last_failure.unwrap_or_else(Failure::switched_off);
        return give_up(all, &event, attempts, &settings, Dropped::SwitchedOff, Some(failure)).await;
    }
    let age_ms = now_ms.saturating_sub(event.summary.accepted_at_ms);
    let invocation = Invocation {
        target: target.clone(),
        payload: Payload::Event(event.payload.clone()),
        request_id: event.summary.request_id,
        source: Source::Asynchronous,
        trace_id: event.trace_id.as_deref().map(Arc::from),
        client_context: None,
        tail_log: false,
    };
    let result = parts.invoker.invoke(invocation).await;
    let verdict = verdict::judge(result, &event.summary, &settings, &all.config, parts.clock.now_ms());
    if !matches!(verdict, Verdict::Throttled(_) | Verdict::Left) {
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or_default());
        parts.observer.started(&target.name, age);
    }
    let tried = attempts.saturating_add(1);
    match verdict {
        Verdict::Left => End::Lost,
        Verdict::Throttled(failure) => {
            event.failure = serde_json::to_string(&failure).ok();
            End::Throttled(Box::new(event))
        }
        Verdict::Retry { due_at_ms, failure } => {
            let id = event.summary.id;
            let text = serde_json::to_string(&failure).ok();
            match persist(all, || parts.events.reschedule(id, tried, due_at_ms, text.clone())).await {
                Some(_) => End::Settled { ran: true },
                None => End::Lost,
            }
        }
        Verdict::GiveUp { why, failure } => {
            let ran = failure.function_error.is_some();
            let attempts = if ran { tried } else { attempts };
            if attempts > 0 {
                event.trace_id = Some(after_run);
            }
            give_up(all, &event, attempts, &settings, why, Some(failure)).await
        }
        Verdict::Delivered { version, response } => {
            event.trace_id = Some(after_run);
            if let Some(to) = &settings.on_success {
                let ended = Ended::Succeeded { version: &version, response: &response };
                let record = destination::record(all.home(), &event, tried, parts.clock.now_ms(), &ended);
                if hand_on(all, || destination::send_record(all, to, &record, &event)).await.is_none() {
                    return End::Lost;
                }
            }
            settle(all, &event, true).await
        }
    }
}

/// What stands for a function in a lineage.
fn mark(all: &AsyncInvocations, function: &FunctionName) -> FunctionMark {
    FunctionMark::of(&all.home().function_arn(function, None))
}

/// Whether the record of an event that was stopped would go round the same loop: functions whose failures go to each other would hand
/// it back and forth for ever without running.
fn goes_round(all: &AsyncInvocations, event: &Event, why: Dropped, to: &Destination) -> bool {
    let Destination::Function(function) = to else { return false };
    let lineage = event.trace_id.as_deref().map(Lineage::of).unwrap_or_default();
    why == Dropped::RecursiveLoop && lineage.runs(mark(all, &function.name)) >= RUNS_LIMIT
}

/// Hands an event given up to whatever wants it, or keeps it as a dead one.
async fn give_up(
    all: &Arc<AsyncInvocations>,
    event: &Event,
    attempts: u32,
    settings: &Settings,
    why: Dropped,
    failure: Option<Failure>,
) -> End {
    let function = &event.summary.target.name;
    let ran = why == Dropped::RetriesExhausted;
    let mut is_kept = false;
    if let Some(to) = settings.on_failure.as_ref().filter(|to| !goes_round(all, event, why, to)) {
        let ended = Ended::GivenUp { why, failure: failure.as_ref() };
        let record = destination::record(all.home(), event, attempts, all.now_ms(), &ended);
        match hand_on(all, || destination::send_record(all, to, &record, event)).await {
            Some(sent) => is_kept |= sent,
            None => return End::Lost,
        }
    }
    if let Some(queue) = &settings.dead_letter_queue {
        match hand_on(all, || destination::send_dead_letter(all, queue, event, failure.as_ref())).await {
            Some(sent) => is_kept |= sent,
            None => return End::Lost,
        }
    }
    tracing::debug!(%function, request_id = %event.summary.request_id, ?why, "an event was given up");
    let end = if is_kept {
        settle(all, event, ran).await
    } else {
        let (id, now_ms) = (event.summary.id, all.now_ms());
        let text = failure.and_then(|failure| serde_json::to_string(&failure).ok());
        match persist(all, || all.parts.events.bury(id, attempts, now_ms, text.clone())).await {
            Some(_) => End::Settled { ran },
            None => End::Lost,
        }
    };
    if matches!(end, End::Settled { .. }) {
        all.parts.observer.dropped(function, why);
    }
    end
}

/// Removes an event that is done with.
async fn settle(all: &AsyncInvocations, event: &Event, ran: bool) -> End {
    let id = event.summary.id;
    match persist(all, || all.parts.events.remove(id)).await {
        Some(_) => End::Settled { ran },
        None => End::Lost,
    }
}

/// Sends, again and again while storage fails. `Some(false)` where it can never arrive, `None` where the daemon stops first.
async fn hand_on<'a, F>(all: &AsyncInvocations, send: impl Fn() -> F) -> Option<bool>
where
    F: Future<Output = Result<(), Lost<'a>>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match send().await {
            Ok(()) => return Some(true),
            Err(Lost::Never { event, why }) => {
                all.parts.observer.undeliverable(&event.target.name);
                tracing::warn!(function = %event.target.name, request_id = %event.request_id, why, "a record of an event was lost");
                return Some(false);
            }
            Err(Lost::Storage(error)) => wait(all, &error, &mut pause).await?,
        }
    }
}

/// Writes, again and again while storage fails; `None` where the daemon stops first.
async fn persist<'a, T>(all: &'a AsyncInvocations, write: impl Fn() -> Pending<'a, T>) -> Option<T> {
    let mut pause = FIRST_PAUSE;
    loop {
        match write().await {
            Ok(answer) => return Some(answer),
            Err(error) => wait(all, &error, &mut pause).await?,
        }
    }
}

async fn wait(all: &AsyncInvocations, error: &storage::Error, pause: &mut Duration) -> Option<()> {
    if matches!(error, storage::Error::Closed) {
        return None;
    }
    tracing::error!(%error, "what became of an event could not be stored; trying again");
    let stop = all.shutdown.token(crate::shutdown::Phase::Intake);
    let slept = stop.run_until_cancelled(all.parts.clock.sleep(*pause)).await;
    *pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    slept
}
