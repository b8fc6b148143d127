//! One firing, from its first attempt to its end.
//!
//! It ends delivered, given up (to the dead-letter queue, where there is one), or because its schedule was deleted. When the daemon stops it
//! is left where it is instead: an attempt in flight is finished, a pause is not waited out, and what is left stays on record and is
//! begun again after the restart, with all of its attempts.

use super::Scheduler;
use super::commit::{Order, Ticket};
use super::dead_letter::{self, GivenUp};
use super::event::Context;
use super::table::{Live, Unfinished};
use super::target::Target;
use crate::invocation::{FunctionError, Invocation, InvokeError, Payload, Response, Source};
use crate::shutdown::Phase;
use crate::storage::Error;
use crate::storage::queues::{NewMessage, NoSuchQueue};
use crate::storage::schedules::ScheduleRecord;
use bytes::Bytes;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Pauses after a failed attempt: the first, and the longest.
const RETRY_PAUSES: Pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(600) };
/// Pauses after a throttled one.
const THROTTLE_PAUSES: Pauses = Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(10) };

/// Pauses that double.
struct Pauses {
    first: Duration,
    longest: Duration,
}

impl Pauses {
    fn after(&self, failures: u32) -> Duration {
        let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// A firing that is about to begin.
pub(super) struct FiringTask {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) live: Arc<Live>,
    pub(super) ticket: Arc<Ticket>,
    /// When it was due; `None` where lateness says nothing, because it is made up for or repeated.
    pub(super) due_ms: Option<i64>,
    /// Cancelled once its step is on disk, where it has to wait for that.
    pub(super) written: Option<CancellationToken>,
    /// Its place among all unfinished firings.
    pub(super) backlog: OwnedSemaphorePermit,
    /// Its place among those of its schedule.
    pub(super) unfinished: Unfinished,
}

enum End {
    /// It will not be attempted again.
    Done,
    /// It will be, after a restart.
    Left,
}

/// How one attempt ended.
enum Attempt {
    Delivered,
    /// A further attempt may succeed.
    Failed(Fault),
    /// A further attempt may succeed; this one was not the target's failure.
    Throttled(Fault),
    /// No further attempt can succeed.
    Refused(Fault),
    /// The daemon stops.
    Stopping,
}

/// Why an attempt failed, for the dead-letter queue and the log.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) code: String,
    pub(super) message: String,
}

impl Fault {
    fn new(code: &str, message: impl ToString) -> Self {
        Self { code: code.to_owned(), message: message.to_string() }
    }
}

impl FiringTask {
    pub(super) async fn run(mut self) {
        let end = self.attempts().await;
        let Self { scheduler, live, ticket, backlog, unfinished, .. } = self;
        if matches!(end, End::Done) {
            ticket.done();
            scheduler.order(Order::Done(ticket));
        }
        drop((unfinished, backlog));
        if matches!(end, End::Done) {
            scheduler.retire(&live);
        }
    }

    async fn attempts(&mut self) -> End {
        let scheduler = Arc::clone(&self.scheduler);
        let stop = scheduler.shutdown.token(Phase::Intake);
        let gone = self.live.gone.clone();
        if let Some(written) = self.written.take() {
            tokio::select! {
                biased;
                () = gone.cancelled() => return End::Done,
                () = written.cancelled() => {}
                () = stop.cancelled() => return End::Left,
            }
        }
        let begun_ms = scheduler.parts.clock.now_ms();
        let (mut attempt, mut failures, mut throttles) = (1u32, 0u32, 0u32);
        loop {
            let permit = tokio::select! {
                biased;
                () = gone.cancelled() => return End::Done,
                () = stop.cancelled() => return End::Left,
                permit = scheduler.in_flight.acquire() => permit,
            };
            let record = self.live.record.load_full();
            if attempt == 1 {
                let late_ms = self.due_ms.map(|due_ms| scheduler.parts.clock.now_ms().saturating_sub(due_ms));
                let late = late_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default()));
                scheduler.parts.observer.fired(late);
            }
            let ended = self.attempt(&record, attempt).await;
            drop(permit);
            let (fault, pause) = match ended {
                Attempt::Delivered => return End::Done,
                Attempt::Stopping => return End::Left,
                Attempt::Refused(fault) => return self.give_up(&record, attempt, None, fault).await,
                Attempt::Throttled(fault) => {
                    throttles = throttles.saturating_add(1);
                    (fault, THROTTLE_PAUSES.after(throttles))
                }
                Attempt::Failed(fault) => {
                    failures = failures.saturating_add(1);
                    if failures > record.target.maximum_retry_attempts {
                        return self.give_up(&record, attempt, Some("MaximumRetryAttempts"), fault).await;
                    }
                    (fault, RETRY_PAUSES.after(failures))
                }
            };
            let age_ms = scheduler.parts.clock.now_ms().saturating_sub(begun_ms);
            let then_ms = age_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
            if then_ms > i64::from(record.target.maximum_event_age_s).saturating_mul(1_000) {
                return self.give_up(&record, attempt, Some("MaximumEventAgeInSeconds"), fault).await;
            }
            tracing::debug!(schedule = %record.key, attempt, code = fault.code, fault.message, "a firing will be retried");
            tokio::select! {
                biased;
                () = gone.cancelled() => return End::Done,
                () = stop.cancelled() => return End::Left,
                () = scheduler.parts.clock.sleep(pause) => {}
            }
            attempt = attempt.saturating_add(1);
        }
    }

    async fn attempt(&self, record: &ScheduleRecord, attempt: u32) -> Attempt {
        let context = self.context(record, attempt);
        match Target::of(&record.target) {
            Ok(Target::Function(target)) => {
                let invocation = Invocation {
                    target,
                    payload: Payload::Event(Bytes::from(context.payload())),
                    request_id: Uuid::new_v4(),
                    source: Source::Schedule,
                    trace_id: None,
                    client_context: None,
                    tail_log: false,
                };
                match self.scheduler.parts.invoker.invoke(invocation).await {
                    Ok(outcome) => finished(outcome.result).await,
                    Err(error) => not_invoked(&error),
                }
            }
            Ok(Target::Queue { name, group }) => {
                let queues = &self.scheduler.parts.queues;
                let body = context.payload();
                let deduplication_id = match &group {
                    None => None,
                    Some(_) => match queues.get(name.clone()).await {
                        // As the queue's own front end would have it.
                        Ok(Some(queue))
                            if queue.attributes.fifo.as_ref().is_some_and(|fifo| fifo.content_based_deduplication) =>
                        {
                            Some(format!("{:x}", Sha256::digest(body.as_bytes())))
                        }
                        Ok(_) => Some(context.execution_id()),
                        Err(error) => return storage_failed(&error),
                    },
                };
                let message = NewMessage { body, group_id: group, deduplication_id, ..NewMessage::default() };
                let now_ms = self.scheduler.parts.clock.now_ms();
                match queues.send(name, vec![message], now_ms).await {
                    Ok(Ok(_)) => Attempt::Delivered,
                    Ok(Err(error @ NoSuchQueue(_))) => {
                        Attempt::Refused(Fault::new("AWS.SimpleQueueService.NonExistentQueue", error))
                    }
                    Err(error) => storage_failed(&error),
                }
            }
            Err(error) => Attempt::Refused(Fault::new("ValidationException", error)),
        }
    }

    fn context<'a>(&'a self, record: &'a ScheduleRecord, attempt: u32) -> Context<'a> {
        let (home, fire_at_ms) = (&self.scheduler.parts.home, self.ticket.firing.fire_at_ms);
        Context { home, record, fire_at_ms, attempt }
    }

    async fn give_up(&self, record: &ScheduleRecord, attempt: u32, condition: Option<&str>, fault: Fault) -> End {
        self.scheduler.parts.observer.failed();
        tracing::warn!(
            schedule = %record.key, attempts = attempt, code = fault.code, fault.message,
            "a firing was given up"
        );
        let given_up = GivenUp { context: self.context(record, attempt), condition, fault };
        let stop = self.scheduler.shutdown.token(Phase::Intake);
        let parts = &self.scheduler.parts;
        tokio::select! {
            biased;
            () = dead_letter::send(&*parts.queues, &parts.clock, given_up) => End::Done,
            () = self.live.gone.cancelled() => End::Done,
            () = stop.cancelled() => End::Left,
        }
    }
}

/// What a function's answer means. A streamed response is read to its end: only then has the function ended.
async fn finished(result: Result<Response, FunctionError>) -> Attempt {
    match result {
        Ok(Response::Event(_)) => Attempt::Delivered,
        Ok(Response::Http(response)) => {
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                if let Err(error) = frame {
                    return Attempt::Failed(Fault::new("Runtime.ExitError", error));
                }
            }
            Attempt::Delivered
        }
        Err(error) => Attempt::Failed(Fault { code: error.error_type, message: error.error_message }),
    }
}

fn not_invoked(error: &InvokeError) -> Attempt {
    match error {
        InvokeError::Throttled(_) => Attempt::Throttled(Fault::new("TooManyRequestsException", error)),
        InvokeError::NotReady(_) => Attempt::Throttled(Fault::new("ResourceConflictException", error)),
        InvokeError::ShuttingDown => Attempt::Stopping,
        InvokeError::Platform(_) => Attempt::Failed(Fault::new("ServiceException", error)),
        InvokeError::FunctionNotFound { .. } => Attempt::Refused(Fault::new("ResourceNotFoundException", error)),
        InvokeError::InvalidPayload(_) => Attempt::Refused(Fault::new("InvalidRequestContentException", error)),
        InvokeError::RecursiveLoop => Attempt::Refused(Fault::new("RecursiveInvocationException", error)),
        InvokeError::PayloadTooLarge { .. } => Attempt::Refused(Fault::new("RequestTooLargeException", error)),
    }
}

fn storage_failed(error: &Error) -> Attempt {
    match error {
        Error::Closed => Attempt::Stopping,
        error => Attempt::Failed(Fault::new("ServiceException", error)),
    }
}
