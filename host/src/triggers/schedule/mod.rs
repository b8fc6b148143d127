//! Schedules as a trigger: EventBridge Scheduler's schedules, fired on time and at least once.
//!
//! All schedules are in memory ([`table`]), in the order in which they are due. One task takes those that are due, moves each to its next
//! firing and begins the firings, each a task of its own ([`firing`]): invoke, retry as the schedule's policy says, give up to
//! the dead-letter queue. A second task writes all that down ([`commit`]).
//!
//! # What a crash does
//!
//! Storage has, for each schedule, its next firing, and a record of firings begun and not finished. The step to the next firing and the
//! record of the firings it begins are one transaction. A firing and the write of its step run at the same time, since
//! whichever comes first, nothing is lost:
//!
//! - a crash before the write: the schedule is still at that firing, which is therefore missed and repeated (unless its policy is `skip`);
//! - a crash after the write and before the firing's end: it is on record and is repeated;
//! - a crash after its end and before that is written: it is repeated once more. That is the price of at-least-once, as EventBridge
//!   Scheduler promises; the window is one commit, and the execution id is the same, so that a target can tell.
//!
//! Under the policy `skip` a missed firing is left out, so there a firing waits for the write of its step: else the first of these crashes
//! would lose one that had begun. A firing that ends before its step is written, the usual case, never gets a record. A schedule deleted
//! after its completion is deleted only when its last firing has ended.
//!
//! # What is missed
//!
//! Firings that came due while the daemon was down, or more than a minute ago while it was stalled or its clock was stepped, are *missed*:
//! `skip` leaves them out, `once` makes up for them with the latest, `all` makes up for each, to at most [`Config::made_up`] of the latest.
//!
//! # Bounds
//!
//! [`Config`]. Attempts wait for one another at [`Config::in_flight`]; pauses between attempts hold no place. A schedule with
//! [`Config::unfinished_per_schedule`] firings waits, and at [`Config::unfinished`] all do; what then comes to be a minute late is missed.
//! A throttled attempt does not use up retries; like all, it ends at the maximum event age, counted from the firing's first attempt since
//! the daemon started.
//!
//! A deleted schedule's attempt in flight ends by itself, and nothing is attempted after it; an update holds from the next attempt on.
//! Memory follows storage within one put or delete, and changes of one schedule wait for one another.

mod commit;
mod dead_letter;
pub mod event;
mod firing;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod timing;

pub use timing::InvalidSchedule;

use crate::clock::SharedClock;
use crate::ids::Home;
use crate::invocation::Invoke;
use crate::shutdown::{Phase, Shutdown};
use crate::storage::queues::Queues;
use crate::storage::schedules::{
    Advance, Firing, MissedPolicy, Next, PutMode, PutOutcome, ScheduleGroupRecord, ScheduleKey, ScheduleRecord,
    ScheduleState, Schedules,
};
use crate::storage::{self, Error};
use commit::{Order, Ticket};
use firing::FiringTask;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use table::{Bounds, Live, Table, Taken};
use target::Target;
use timing::Timing;
use tokio::sync::{Notify, OwnedSemaphorePermit, RwLock, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// The wall time is looked at this often at least, so that a stepped clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Schedules taken under one lock.
const TAKEN: usize = 256;
/// Locks that changes of single schedules share.
const STRIPES: usize = 64;

/// The scheduler's settings. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Attempts in flight.
    pub in_flight: usize,
    /// Firings begun and not finished, those that pause between attempts included.
    pub unfinished: usize,
    /// As `unfinished`, of one schedule.
    pub unfinished_per_schedule: usize,
    /// Missed firings of a schedule that the policy `all` makes up for.
    pub made_up: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { in_flight: 1_000, unfinished: 100_000, unfinished_per_schedule: 1_000, made_up: 100 }
    }
}

/// A setting that cannot work. The configuration's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: must be from 1 to 1000000")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: usize,
}

impl Config {
    /// Checks each setting.
    ///
    /// # Errors
    /// The first that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("in_flight", self.in_flight),
            ("unfinished", self.unfinished),
            ("unfinished_per_schedule", self.unfinished_per_schedule),
            ("made_up", self.made_up),
        ] {
            if !(1..=1_000_000).contains(&value) {
                return Err(ConfigError { key, value });
            }
        }
        Ok(())
    }
}

/// Told of firings, for metrics; must be quick and not block.
pub trait ScheduleObserver: Send + Sync + 'static {
    /// A firing's first attempt begins, so late; `None` where it is made up for or repeated after a restart.
    fn fired(&self, lateness: Option<Duration>);
    /// So many missed firings were left out.
    fn missed(&self, firings: u64);
    /// A firing was given up.
    fn failed(&self);
}

/// Observes nothing.
impl ScheduleObserver for () {
    fn fired(&self, _: Option<Duration>) {}
    fn missed(&self, _: u64) {}
    fn failed(&self) {}
}

/// What a scheduler is made of.
#[derive(Clone)]
pub struct Parts {
    /// Where schedules are kept.
    pub schedules: Arc<dyn Schedules>,
    /// Queues as targets and for dead letters.
    pub queues: Arc<dyn Queues>,
    /// What runs functions.
    pub invoker: Arc<dyn Invoke>,
    /// Who is told.
    pub observer: Arc<dyn ScheduleObserver>,
    /// Time.
    pub clock: SharedClock,
    /// Whose schedules these are.
    pub home: Home,
}

/// Why a schedule could not be put.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PutError {
    /// The caller's fault.
    #[error(transparent)]
    Invalid(#[from] InvalidSchedule),
    /// The platform's.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// All schedules, running.
pub struct Scheduler {
    parts: Parts,
    config: Config,
    shutdown: Shutdown,
    table: Mutex<Table>,
    orders: mpsc::UnboundedSender<Order>,
    in_flight: Semaphore,
    backlog: Arc<Semaphore>,
    /// The next due time may be sooner than it was.
    changed: Notify,
    /// Held shared by changes of one schedule, alone by those of a group.
    changes: RwLock<()>,
    stripes: Vec<tokio::sync::Mutex<()>>,
}

impl Scheduler {
    /// Loads all schedules and fires them until `shutdown` begins; then firings in flight are finished and the rest is left to the next
    /// start. A stored schedule that cannot be read is kept, does not fire, and is logged.
    ///
    /// # Errors
    /// Storage's, when schedules cannot be loaded.
    pub async fn start(parts: Parts, config: Config, shutdown: Shutdown) -> storage::Result<Arc<Self>> {
        let started_ms = parts.clock.now_ms();
        let records = parts.schedules.load().await?;
        let unfinished = parts.schedules.unfinished().await?;
        let (orders, received) = mpsc::unbounded_channel();
        let scheduler = Arc::new(Self {
            table: Mutex::default(),
            orders,
            in_flight: Semaphore::new(config.in_flight),
            backlog: Arc::new(Semaphore::new(config.unfinished)),
            changed: Notify::new(),
            changes: RwLock::default(),
            stripes: std::iter::repeat_with(tokio::sync::Mutex::default).take(STRIPES).collect(),
            parts,
            config,
            shutdown,
        });
        let mut lives = HashMap::with_capacity(records.len());
        for record in records {
            let timing = Timing::of(&record);
            if let Err(error) = &timing {
                tracing::error!(schedule = %record.key, %error, "a stored schedule cannot fire");
            }
            let key = record.key.clone();
            lives.insert(key, scheduler.table.lock().insert(record, timing.ok(), started_ms));
        }
        let flush = scheduler.shutdown.token(Phase::Flush);
        let (schedules, clock) = (Arc::clone(&scheduler.parts.schedules), Arc::clone(&scheduler.parts.clock));
        scheduler.shutdown.spawn(Phase::Flush, "schedule commits", commit::run(schedules, clock, received, flush));
        scheduler.shutdown.spawn(Phase::Intake, "scheduler", Arc::clone(&scheduler).run(lives, unfinished));
        Ok(scheduler)
    }

    /// Whose schedules these are.
    pub fn home(&self) -> &Home {
        &self.parts.home
    }

    /// The time by which schedules are fired.
    pub fn clock(&self) -> &SharedClock {
        &self.parts.clock
    }

    /// Creates or replaces a schedule. Its revision, the times of its creation and change and its next firing are set here; a new rate without
    /// a start date fires at once. An update that does not change when it fires keeps the next firing. Once begun, this goes on even if
    /// the caller stops waiting.
    ///
    /// # Errors
    /// What is wrong with the schedule, or storage's.
    pub async fn put(self: &Arc<Self>, record: ScheduleRecord, mode: PutMode) -> Result<PutOutcome, PutError> {
        let scheduler = Arc::clone(self);
        self.through(async move { scheduler.put_through(record, mode).await }).await?
    }

    /// Deletes a schedule; `false` if there is none.
    ///
    /// # Errors
    /// Storage's.
    pub async fn delete(self: &Arc<Self>, key: ScheduleKey) -> storage::Result<bool> {
        let scheduler = Arc::clone(self);
        self.through(async move {
            let _shared = scheduler.changes.read().await;
            let _alone = scheduler.stripe(&key).await;
            let deleted = scheduler.parts.schedules.delete(key.clone()).await?;
            scheduler.table.lock().remove(&key);
            Ok(deleted)
        })
        .await?
    }

    /// One schedule.
    ///
    /// # Errors
    /// Storage's.
    pub async fn get(&self, key: ScheduleKey) -> storage::Result<Option<ScheduleRecord>> {
        self.parts.schedules.get(key).await
    }

    /// As [`Schedules::list`].
    ///
    /// # Errors
    /// Storage's.
    pub async fn list(
        &self,
        group: Option<String>,
        prefix: String,
        after: Option<ScheduleKey>,
        limit: usize,
    ) -> storage::Result<Vec<ScheduleRecord>> {
        self.parts.schedules.list(group, prefix, after, limit).await
    }

    /// Creates or replaces a group.
    ///
    /// # Errors
    /// Storage's.
    pub async fn put_group(&self, group: ScheduleGroupRecord, mode: PutMode) -> storage::Result<PutOutcome> {
        self.parts.schedules.put_group(group, mode).await
    }

    /// One group.
    ///
    /// # Errors
    /// Storage's.
    pub async fn get_group(&self, name: String) -> storage::Result<Option<ScheduleGroupRecord>> {
        self.parts.schedules.get_group(name).await
    }

    /// As [`Schedules::list_groups`].
    ///
    /// # Errors
    /// Storage's.
    pub async fn list_groups(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> storage::Result<Vec<ScheduleGroupRecord>> {
        self.parts.schedules.list_groups(prefix, after, limit).await
    }

    /// Deletes a group with its schedules; `false` if there is none. The default group only loses its schedules.
    ///
    /// # Errors
    /// Storage's.
    pub async fn delete_group(self: &Arc<Self>, name: String) -> storage::Result<bool> {
        let scheduler = Arc::clone(self);
        self.through(async move {
            let _alone = scheduler.changes.write().await;
            let Some(keys) = scheduler.parts.schedules.delete_group(name).await? else { return Ok(false) };
            let mut table = scheduler.table.lock();
            for key in &keys {
                table.remove(key);
            }
            Ok(true)
        })
        .await?
    }

    /// Runs a change in a task of its own, so that memory follows storage even if the caller goes away in between.
    async fn through<T: Send + 'static>(&self, change: impl Future<Output = T> + Send + 'static) -> storage::Result<T> {
        let (answer, answered) = oneshot::channel();
        self.shutdown.spawn(Phase::Work, "schedule change", async move {
            // Nobody may be waiting any more.
            drop(answer.send(change.await));
        });
        answered.await.map_err(|_| Error::Closed)
    }

    async fn stripe(&self, key: &ScheduleKey) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or_default();
        match self.stripes.get(index) {
            Some(stripe) => Some(stripe.lock().await),
            None => None,
        }
    }

    async fn put_through(&self, mut record: ScheduleRecord, mode: PutMode) -> Result<PutOutcome, PutError> {
        let _shared = self.changes.read().await;
        let _alone = self.stripe(&record.key).await;
        let now_ms = self.parts.clock.now_ms();
        let before = match mode {
            PutMode::Create => None,
            PutMode::Update | PutMode::Either => self.table.lock().before(&record.key),
        };
        record.modified_at_ms = now_ms;
        record.created_at_ms = before.as_ref().map_or(now_ms, |before| before.record.created_at_ms);
        let timing = Timing::of(&record)?;
        Target::of(&record.target)?;
        target::dead_letter_queue(&record.target)?;
        let enabled = record.state == ScheduleState::Enabled;
        let same = before.as_ref().filter(|before| {
            enabled && before.record.state == ScheduleState::Enabled && before.timing.as_ref() == Some(&timing)
        });
        record.next_fire_at_ms = match (same, &before) {
            _ if !enabled => None,
            (Some(same), _) => same.next_ms,
            (None, Some(_)) => timing.next_after(now_ms),
            (None, None) => timing.next_after(now_ms.saturating_sub(1)),
        };
        let kept = same.is_some();
        let outcome = self.parts.schedules.put(record.clone(), mode).await?;
        let PutOutcome::Stored(revision) = outcome else { return Ok(outcome) };
        record.revision = revision;
        let live = {
            let mut table = self.table.lock();
            // It may have fired while it was being stored.
            let moved_on = table.before(&record.key).filter(|now| kept && now.next_ms != record.next_fire_at_ms);
            if let Some(now) = moved_on {
                let next = now.next_ms.map_or(Next::Finished, Next::FireAt);
                let advance = Advance {
                    key: record.key.clone(),
                    revision,
                    expected_next_fire_at_ms: record.next_fire_at_ms,
                    next,
                    unfinished: Vec::new(),
                };
                self.order(Order::Step { advance, begun: Vec::new(), written: None });
                record.next_fire_at_ms = now.next_ms;
            }
            table.insert(record, Some(timing), i64::MIN)
        };
        self.retire(&live);
        self.changed.notify_one();
        Ok(outcome)
    }

    fn order(&self, order: Order) {
        // Fails only when the writing task was cut off at the end; then the firing is repeated after the restart.
        drop(self.orders.send(order));
    }

    /// Deletes a schedule that is to be deleted once it is complete, if it is.
    fn retire(&self, live: &Arc<Live>) {
        // The order is given under the lock, so that it comes after that of the last step.
        let mut table = self.table.lock();
        if let Some((key, revision)) = table.retire(live) {
            let advance =
                Advance { key, revision, expected_next_fire_at_ms: None, next: Next::Delete, unfinished: Vec::new() };
            self.order(Order::Step { advance, begun: Vec::new(), written: None });
        }
    }

    async fn run(self: Arc<Self>, lives: HashMap<ScheduleKey, Arc<Live>>, unfinished: Vec<Firing>) {
        let stop = self.shutdown.token(Phase::Intake);
        stop.run_until_cancelled(async {
            for firing in unfinished {
                if let Some(live) = lives.get(&firing.key) {
                    let backlog = self.room().await;
                    self.begin(live, Ticket::new(firing, true), None, None, backlog);
                }
            }
            for live in lives.into_values() {
                self.retire(&live);
            }
            loop {
                let wait = self.tick().await;
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = self.parts.clock.sleep(wait) => {}
                }
            }
        })
        .await;
    }

    /// A place among all unfinished firings.
    async fn room(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.backlog).acquire_owned().await {
            Ok(permit) => permit,
            // Never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Fires what is due and gives how long to wait for the next.
    async fn tick(self: &Arc<Self>) -> Duration {
        let bounds = Bounds {
            taken: TAKEN,
            unfinished_per_schedule: self.config.unfinished_per_schedule,
            made_up: self.config.made_up,
        };
        loop {
            // Waits for room before anything is taken.
            let mut room = Some(self.room().await);
            let now = self.parts.clock.now();
            let taken = self.table.lock().take_due(now.as_millisecond(), &bounds);
            if taken.is_empty() {
                let due_ms = self.table.lock().next_due_ms();
                let until_due = due_ms.and_then(|due_ms| {
                    let due = jiff::Timestamp::from_millisecond(due_ms).ok()?;
                    Some(due.duration_since(now).unsigned_abs())
                });
                return until_due.map_or(LONGEST_SLEEP, |until_due| until_due.min(LONGEST_SLEEP));
            }
            for taken in taken {
                self.step(taken, &mut room).await;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn step(self: &Arc<Self>, taken: Taken, room: &mut Option<OwnedSemaphorePermit>) {
        let Taken { live, revision, from_ms, plan, offset_ms } = taken;
        let record = live.record.load();
        if plan.left_out > 0 {
            tracing::warn!(schedule = %record.key, firings = plan.left_out, "missed firings were left out");
            self.parts.observer.missed(plan.left_out);
        }
        let made_up = plan.made_up.iter().map(|at_ms| (*at_ms, None));
        let on_time = plan.fire.iter().map(|at_ms| (*at_ms, Some(at_ms.saturating_add(offset_ms))));
        let firings: Vec<_> = made_up
            .chain(on_time)
            .map(|(fire_at_ms, due_ms)| (Ticket::new(Firing { key: record.key.clone(), fire_at_ms }, false), due_ms))
            .collect();
        let written = (record.missed == MissedPolicy::Skip && !firings.is_empty()).then(CancellationToken::new);
        let advance = Advance {
            key: record.key.clone(),
            revision,
            expected_next_fire_at_ms: Some(from_ms),
            next: plan.next.map_or(Next::Finished, Next::FireAt),
            unfinished: Vec::new(),
        };
        let begun = firings.iter().map(|(ticket, _)| Arc::clone(ticket)).collect();
        // Counted before the step is ordered: else a schedule might be deleted as complete in between.
        let counted: Vec<_> = firings.into_iter().map(|firing| (firing, live.begin())).collect();
        self.order(Order::Step { advance, begun, written: written.clone() });
        drop(record);
        if counted.is_empty() {
            self.retire(&live);
        }
        for ((ticket, due_ms), unfinished) in counted {
            let backlog = match room.take() {
                Some(backlog) => backlog,
                None => self.room().await,
            };
            self.spawn(FiringTask {
                scheduler: Arc::clone(self),
                live: Arc::clone(&live),
                ticket,
                due_ms,
                written: written.clone(),
                backlog,
                unfinished,
            });
        }
    }

    fn begin(
        self: &Arc<Self>,
        live: &Arc<Live>,
        ticket: Arc<Ticket>,
        due_ms: Option<i64>,
        written: Option<CancellationToken>,
        backlog: OwnedSemaphorePermit,
    ) {
        let (scheduler, live) = (Arc::clone(self), Arc::clone(live));
        let unfinished = live.begin();
        self.spawn(FiringTask { scheduler, live, ticket, due_ms, written, backlog, unfinished });
    }

    fn spawn(&self, firing: FiringTask) {
        self.shutdown.spawn(Phase::Work, "firing of a schedule", firing.run());
    }
}
