//! Asynchronous invocation: events are accepted durably and delivered behind the answer, as Lambda does it
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
//!
//! Each function with waiting events has a lane, one task that takes them in the order of their time and starts deliveries. Lanes share
//! [`Config::in_flight`]: a lane holds at most its share, one delivery of its own beside them, so a slow or throttled function
//! never keeps another's events from running. A throttled lane pauses as a whole, longer each time, and tries with one event; that
//! uses up no attempt.
//!
//! An event is on disk when [`AsyncInvocations::accept`] answers, and leaves it when it was delivered, handed to a destination or purged;
//! in between a crash or an ending daemon leaves it there, so it is delivered at least once. Lanes end with [`Phase::Intake`]: attempts
//! under way finish, nothing new is begun.

mod delivery;
mod destination;
mod lane;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
mod tests;
mod verdict;

pub use destination::{Destination, InvalidDestination};

use crate::clock::SharedClock;
use crate::ids::{FunctionName, FunctionRef, Home, QueueName};
use crate::invocation::Invoke;
use crate::shutdown::{Phase, Shutdown};
use crate::storage::async_events::{AsyncEvents, Event, EventId, EventSummary, NewEvent, Selection};
use crate::storage::queues::Queues;
use crate::storage::{self, async_events};
use lane::Lane;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The largest event of an asynchronous invocation (Lambda quota: 1 MB).
pub const PAYLOAD_LIMIT_BYTES: usize = 1 << 20;

/// How often dead events past their retention are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Events that one write removes or redrives.
const CHANGED_AT_ONCE: usize = 1_000;

/// The `[asynchronous]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Deliveries under way, all functions together.
    pub in_flight: u32,
    /// Pause before the first retry of a failed event; before the second it is twice as long.
    pub first_retry_pause_ms: u64,
    /// Pause after the first throttle of a function; it doubles with each further one.
    pub first_throttle_pause_ms: u64,
    /// The longest such pause.
    pub longest_throttle_pause_ms: u64,
    /// How long dead events are kept.
    pub dead_retention_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_flight: 256,
            first_retry_pause_ms: 60_000,
            first_throttle_pause_ms: 100,
            longest_throttle_pause_ms: 10_000,
            dead_retention_s: 1_209_600,
        }
    }
}

/// A key of the section with a value that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig {
    /// The key.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Config {
    /// Checks the bounds.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let bounds = [
            ("in_flight", u64::from(self.in_flight), 1, 10_000),
            ("first_retry_pause_ms", self.first_retry_pause_ms, 1, 21_600_000),
            ("first_throttle_pause_ms", self.first_throttle_pause_ms, 1, 300_000),
            ("longest_throttle_pause_ms", self.longest_throttle_pause_ms, self.first_throttle_pause_ms, 300_000),
            ("dead_retention_s", self.dead_retention_s, 60, 31_536_000),
        ];
        match bounds.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            None => Ok(()),
            Some((key, value, least, most)) => {
                Err(InvalidConfig { key, message: format!("{value}: must be from {least} to {most}") })
            }
        }
    }
}

/// How a function's events are treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// 0 to 2.
    pub maximum_retry_attempts: u32,
    /// 60 to 21,600.
    pub maximum_event_age_s: u32,
    /// What gets a record of each success.
    pub on_success: Option<Destination>,
    /// What gets a record of each event given up.
    pub on_failure: Option<Destination>,
    /// What gets the events given up themselves.
    pub dead_letter_queue: Option<QueueName>,
    /// The function may not run at all: its reserved concurrency is 0.
    pub is_switched_off: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            maximum_retry_attempts: 2,
            maximum_event_age_s: 21_600,
            on_success: None,
            on_failure: None,
            dead_letter_queue: None,
            is_switched_off: false,
        }
    }
}

/// What is to be known of functions.
pub trait FunctionSettings: Send + Sync + 'static {
    /// How events of `target` are treated now; the default where there is no such function.
    fn settings(&self, target: &FunctionRef) -> Settings;
}

/// Why an event was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// All attempts failed.
    RetriesExhausted,
    /// It became too old.
    EventAgeExceeded,
    /// There is no such function any more, or no such version or alias.
    FunctionNotFound,
    /// Its chain of invocations had come through the function too often.
    RecursiveLoop,
    /// The function may not run at all.
    SwitchedOff,
}

/// Told of what happens to events; must be quick and not block.
pub trait AsyncObserver: Send + Sync + 'static {
    /// Events were accepted.
    fn received(&self, function: &FunctionName, events: usize);
    /// An event was handed to the function, this long after its acceptance.
    fn started(&self, function: &FunctionName, age: Duration);
    /// An event was given up.
    fn dropped(&self, function: &FunctionName, why: Dropped);
    /// A record or a dead letter could not be delivered.
    fn undeliverable(&self, function: &FunctionName);
}

/// What asynchronous invocation works with.
pub struct Parts {
    /// Where events are kept.
    pub events: Arc<dyn AsyncEvents>,
    /// Where records and dead letters go.
    pub queues: Arc<dyn Queues>,
    /// Runs functions.
    pub invoker: Arc<dyn Invoke>,
    /// How events are treated.
    pub functions: Arc<dyn FunctionSettings>,
    /// Told of everything.
    pub observer: Arc<dyn AsyncObserver>,
    /// Time.
    pub clock: SharedClock,
    /// Region and account.
    pub home: Home,
}

/// All asynchronous invocations of this host.
pub struct AsyncInvocations {
    parts: Parts,
    config: Config,
    shutdown: Shutdown,
    in_flight: Arc<Semaphore>,
    lanes: Mutex<HashMap<FunctionName, Arc<Lane>>>,
}

/// Sees to it that an event is delivered whose caller went away before it heard that it was accepted.
struct Unheard<'a> {
    all: &'a Arc<AsyncInvocations>,
    function: &'a FunctionName,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        let (all, function) = (Arc::clone(self.all), self.function.clone());
        self.all.shutdown.spawn(Phase::Intake, "async-unheard", async move {
            // No event has this number: the write is only one that comes after the event's.
            if all.parts.events.remove(0).await.is_ok() {
                all.wake(&function);
            }
        });
    }
}

/// An event as the management sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<T> {
    /// The event.
    pub event: T,
    /// Whether it is being attempted, or about to be.
    pub in_flight: bool,
}

impl AsyncInvocations {
    /// Begins to deliver what is stored.
    pub async fn start(parts: Parts, config: Config, shutdown: Shutdown) -> storage::Result<Arc<Self>> {
        let in_flight = usize::try_from(config.in_flight).unwrap_or(Semaphore::MAX_PERMITS);
        let this = Arc::new(Self {
            parts,
            config,
            shutdown,
            in_flight: Arc::new(Semaphore::new(in_flight)),
            lanes: Mutex::default(),
        });
        for backlog in this.parts.events.backlog().await? {
            if backlog.waiting > 0 {
                this.wake(&backlog.function);
            }
        }
        let (sweeper, stop) = (Arc::clone(&this), this.shutdown.token(Phase::Intake));
        this.shutdown.spawn(Phase::Intake, "async-event-sweeper", async move {
            stop.run_until_cancelled_owned(sweeper.sweep()).await;
        });
        Ok(this)
    }

    /// Accepts an event; it is on disk when this answers. The caller has checked that the function exists and that the payload is
    /// JSON of at most [`PAYLOAD_LIMIT_BYTES`].
    pub async fn accept(self: &Arc<Self>, event: NewEvent) -> storage::Result<()> {
        let function = event.target.name.clone();
        self.accept_all(&function, vec![event]).await
    }

    /// Accepts events of one function, all or none, as [`AsyncInvocations::accept`] does; what a service of the daemon's own sends may be
    /// as large as the function takes it.
    pub async fn accept_all(self: &Arc<Self>, function: &FunctionName, events: Vec<NewEvent>) -> storage::Result<()> {
        let count = events.len();
        let unheard = Unheard { all: self, function };
        let accepted = self.parts.events.accept(events).await;
        std::mem::forget(unheard);
        accepted?;
        self.parts.observer.received(function, count);
        self.wake(function);
        Ok(())
    }

    /// The time as events have it.
    pub fn now_ms(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    /// Whether there is such a queue, for records or dead letters.
    pub async fn has_queue(&self, queue: &QueueName) -> storage::Result<bool> {
        Ok(self.parts.queues.get(queue.clone()).await?.is_some())
    }

    /// Region and account.
    pub fn home(&self) -> &Home {
        &self.parts.home
    }

    /// One event.
    pub async fn find(&self, request_id: Uuid) -> storage::Result<Option<Seen<Event>>> {
        let found = self.parts.events.find(request_id).await?;
        Ok(found.map(|event| Seen { in_flight: self.is_in_flight(&event.summary), event }))
    }

    /// Selected events behind `after`, in the order of their acceptance.
    pub async fn list(
        &self,
        selection: Selection,
        after: Option<EventId>,
        limit: usize,
    ) -> storage::Result<Vec<Seen<EventSummary>>> {
        let found = self.parts.events.list(selection, after, limit).await?;
        Ok(found.into_iter().map(|event| Seen { in_flight: self.is_in_flight(&event), event }).collect())
    }

    /// Makes selected events due at once, dead ones with all attempts and their age counted anew; answers how many.
    pub async fn redrive(self: &Arc<Self>, selection: Selection) -> storage::Result<usize> {
        let (mut after, mut count) = (None, 0usize);
        loop {
            let now_ms = self.parts.clock.now_ms();
            let redriven = self.parts.events.redrive(selection.clone(), after, CHANGED_AT_ONCE, now_ms).await?;
            let functions: HashSet<FunctionName> = redriven.iter().map(|event| event.target.name.clone()).collect();
            functions.iter().for_each(|function| self.wake(function));
            count = count.saturating_add(redriven.len());
            match redriven.last() {
                Some(last) if redriven.len() >= CHANGED_AT_ONCE => after = Some(last.id),
                _ => return Ok(count),
            }
        }
    }

    /// Removes selected events, but for those in flight; answers how many.
    pub async fn purge(&self, selection: Selection) -> storage::Result<usize> {
        let mut count = 0usize;
        loop {
            let held = self.lanes.lock().values().flat_map(|lane| lane.held()).collect();
            let purged = self.parts.events.purge(selection.clone(), held, CHANGED_AT_ONCE).await?;
            count = count.saturating_add(purged);
            if purged < CHANGED_AT_ONCE {
                return Ok(count);
            }
        }
    }

    /// What all functions' events amount to.
    pub async fn backlog(&self) -> storage::Result<Vec<async_events::Backlog>> {
        self.parts.events.backlog().await
    }

    fn is_in_flight(&self, event: &EventSummary) -> bool {
        self.lanes.lock().get(&event.target.name).is_some_and(|lane| lane.holds(event.id))
    }

    /// Deliveries that one lane may have under way, beside its first.
    fn share(&self) -> usize {
        let total = usize::try_from(self.config.in_flight).unwrap_or(usize::MAX);
        (total / self.lanes.lock().len().max(1)).max(1)
    }

    /// Tells a function's lane that something may be due; makes it where there is none.
    fn wake(self: &Arc<Self>, function: &FunctionName) {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get(function) {
            lane.signal();
            return;
        }
        let lane = Arc::new(Lane::new(function.clone()));
        lanes.insert(function.clone(), Arc::clone(&lane));
        drop(lanes);
        self.shutdown.spawn(Phase::Intake, "async-lane", lane.run(Arc::clone(self)));
    }

    async fn sweep(self: Arc<Self>) {
        loop {
            let retention_ms = i64::try_from(self.config.dead_retention_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
            let before_ms = self.parts.clock.now_ms().saturating_sub(retention_ms);
            match self.parts.events.sweep(before_ms, CHANGED_AT_ONCE).await {
                Ok(CHANGED_AT_ONCE) => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "dead events past their retention could not be removed"),
            }
            self.parts.clock.sleep(SWEEP_EVERY).await;
        }
    }
}
