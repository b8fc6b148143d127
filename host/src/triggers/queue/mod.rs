//! Queues as a trigger: Lambda's event source mappings for SQS queues.
//!
//! A mapping is one task ([`poller`]) that receives, filters and gathers messages into batches, and a task for each batch in flight
//! ([`delivery`]). The task sleeps until messages arrive or become visible; an idle or disabled mapping does nothing.
//!
//! What succeeded is deleted; what failed stays invisible until the queue's visibility timeout and is then received again, until
//! the queue's redrive policy moves it. A throttled batch is kept in hand, invisible, and tried again with growing
//! pauses, and the mapping takes no further batch meanwhile: a throttle uses up no receives and so brings nothing to a dead-letter queue.
//! A batch that cannot be kept (the mapping is disabled or deleted, the daemon stops, twelve hours are over) is made visible at once.
//! Delivery is at least once; on FIFO queues in order within each group.
//!
//! Bounds: batches in flight a mapping ([`Options::concurrency`] and its own maximum), 6 MB an event (a larger batch is split),
//! about one batch more being gathered. Nothing here knows AWS's protocols; only the event's shape and the wording of refusals are Lambda's.
//! When a visibility timeout is shorter than its function's run, messages are delivered again; Lambda refuses such mappings, this does not.

mod delivery;
pub mod event;
mod filter;
pub mod message_attributes;
mod poller;
mod recursion;
mod settings;
mod sweeper;
#[cfg(test)]
mod tests;
mod verdict;

pub use settings::{MappingChange, MappingError, NewMapping};

use crate::clock::SharedClock;
use crate::ids::{FunctionRef, Home};
use crate::invocation::Invoke;
use crate::invocation::lineage::Lineage;
use crate::shutdown::{Phase, Shutdown};
use crate::storage::mappings::{MappingRecord, MappingState, Mappings};
use crate::storage::queues::Queues;
use parking_lot::RwLock;
use poller::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Why a mapping is as it is, where its owner made it so.
const USER_INITIATED: &str = "USER_INITIATED";

/// Knows which functions there are.
pub trait FunctionDirectory: Send + Sync + 'static {
    /// Whether the function and the version or alias named behind it exist.
    fn exists(&self, function: &FunctionRef) -> bool;

    /// Whether a chain of invocations that has come so far is stopped before the function.
    fn stops(&self, function: &FunctionRef, lineage: &Lineage) -> bool;
}

/// What happened to messages of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappingEvent {
    /// Messages were deleted because no filter let them through.
    Filtered {
        /// How many.
        messages: usize,
    },
    /// Messages moved to the dead-letter queue instead of being received again.
    DeadLettered {
        /// How many.
        messages: usize,
    },
    /// A batch was invoked to an end.
    Batch {
        /// Messages in it.
        messages: usize,
        /// Those of them that stay for another try.
        failed: usize,
    },
    /// A batch was throttled and is kept for another try.
    Throttled,
    /// Messages were made visible again without an outcome.
    GivenBack {
        /// How many.
        messages: usize,
    },
}

/// Told of all that happens, for metrics; must be quick and not block.
pub trait MappingObserver: Send + Sync + 'static {
    /// Something happened to a mapping.
    fn observed(&self, mapping: &MappingRecord, event: MappingEvent);
}

/// Observes nothing.
impl MappingObserver for () {
    fn observed(&self, _: &MappingRecord, _: MappingEvent) {}
}

/// What mappings are made of.
#[derive(Clone)]
pub struct Parts {
    /// Where mappings are kept.
    pub mappings: Arc<dyn Mappings>,
    /// Where messages come from.
    pub queues: Arc<dyn Queues>,
    /// What runs functions.
    pub invoker: Arc<dyn Invoke>,
    /// Which functions there are.
    pub functions: Arc<dyn FunctionDirectory>,
    /// Who is told.
    pub observer: Arc<dyn MappingObserver>,
    /// Time.
    pub clock: SharedClock,
    /// Whose queues these are.
    pub home: Home,
}

/// What bounds mappings.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Batches in flight a mapping at most, at least 1; a mapping's own maximum counts where it is lower.
    pub concurrency: usize,
    /// How long batches in flight may go on once the daemon stops; then their messages are made visible. Has to be shorter than
    /// the drain limit of [`Shutdown`].
    pub drain: Duration,
    /// How often queues are swept.
    pub sweep_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { concurrency: 100, drain: Duration::from_secs(20), sweep_interval: Duration::from_secs(60) }
    }
}

/// All event source mappings, running.
pub struct EventSourceMappings {
    parts: Parts,
    options: Options,
    shutdown: Shutdown,
    live: RwLock<BTreeMap<String, Live>>,
    /// Held from checking to storing a change.
    changes: tokio::sync::Mutex<()>,
}

/// A mapping and its poller.
struct Live {
    record: MappingRecord,
    poller: Option<Poller>,
}

struct Poller {
    plan: watch::Sender<Arc<Plan>>,
    stop: CancellationToken,
}

impl EventSourceMappings {
    /// Loads all mappings and polls for the enabled ones until `shutdown` begins. Sweeps queues too.
    ///
    /// # Errors
    /// Storage's, when mappings cannot be loaded. A mapping that cannot run is kept disabled and says why.
    pub async fn start(parts: Parts, options: Options, shutdown: Shutdown) -> Result<Arc<Self>, crate::storage::Error> {
        let records = parts.mappings.load().await?;
        let mappings = Arc::new(Self {
            parts,
            options,
            shutdown,
            live: RwLock::default(),
            changes: tokio::sync::Mutex::default(),
        });
        for record in records {
            mappings.run(record);
        }
        let (queues, clock) = (Arc::clone(&mappings.parts.queues), Arc::clone(&mappings.parts.clock));
        let stop = mappings.shutdown.token(Phase::Intake);
        let sweeper = sweeper::run(queues, clock, options.sweep_interval, stop);
        mappings.shutdown.spawn(Phase::Intake, "queue sweeper", sweeper);
        Ok(mappings)
    }

    /// Whose mappings these are.
    pub fn home(&self) -> &Home {
        &self.parts.home
    }

    /// One mapping.
    pub fn get(&self, uuid: &str) -> Option<MappingRecord> {
        self.live.read().get(uuid).map(|live| live.record.clone())
    }

    /// All mappings, in order of their ids.
    pub fn list(&self) -> Vec<MappingRecord> {
        self.live.read().values().map(|live| live.record.clone()).collect()
    }

    /// Creates a mapping; polling begins once it is stored. The answer's state is `Creating`.
    ///
    /// # Errors
    /// The caller's: an unknown function or queue, a value out of bounds, a mapping of both that there is. Or storage's.
    pub async fn create(&self, new: NewMapping) -> Result<MappingRecord, MappingError> {
        let _changing = self.changes.lock().await;
        let now_ms = self.parts.clock.now_ms();
        let record = settings::new_record(&self.parts, new, &self.list(), now_ms).await?;
        self.parts.mappings.put(record.clone()).await?;
        self.run(record.clone());
        Ok(MappingRecord { state: MappingState::Creating, ..record })
    }

    /// Changes a mapping; batches in flight go on as they were. The answer's state is `Enabling`, `Disabling` or `Updating`.
    ///
    /// # Errors
    /// As [`EventSourceMappings::create`], or that there is no such mapping.
    pub async fn update(&self, uuid: &str, change: MappingChange) -> Result<MappingRecord, MappingError> {
        let _changing = self.changes.lock().await;
        let old = self.get(uuid).ok_or_else(|| MappingError::NoSuchMapping(uuid.to_owned()))?;
        let now_ms = self.parts.clock.now_ms();
        let record = settings::changed_record(&self.parts, &old, change, &self.list(), now_ms)?;
        self.parts.mappings.put(record.clone()).await?;
        self.run(record.clone());
        let state = match (old.enabled, record.enabled) {
            (false, true) => MappingState::Enabling,
            (true, false) => MappingState::Disabling,
            _ => MappingState::Updating,
        };
        Ok(MappingRecord { state, ..record })
    }

    /// Changes a mapping's tags; `edit` may refuse.
    ///
    /// # Errors
    /// What `edit` refuses, that there is no such mapping, or storage's.
    pub async fn change_tags(
        &self,
        uuid: &str,
        edit: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), MappingError>,
    ) -> Result<(), MappingError> {
        let _changing = self.changes.lock().await;
        let mut record = self.get(uuid).ok_or_else(|| MappingError::NoSuchMapping(uuid.to_owned()))?;
        edit(&mut record.tags)?;
        self.parts.mappings.put(record.clone()).await?;
        if let Some(live) = self.live.write().get_mut(uuid) {
            live.record = record;
        }
        Ok(())
    }

    /// Deletes a mapping; batches in flight go on to their end. The answer's state is `Deleting`.
    ///
    /// # Errors
    /// That there is no such mapping, or storage's.
    pub async fn delete(&self, uuid: &str) -> Result<MappingRecord, MappingError> {
        let _changing = self.changes.lock().await;
        let record = self.get(uuid).ok_or_else(|| MappingError::NoSuchMapping(uuid.to_owned()))?;
        self.parts.mappings.delete(uuid.to_owned()).await?;
        if let Some(poller) = self.live.write().remove(uuid).and_then(|live| live.poller) {
            poller.stop.cancel();
        }
        Ok(MappingRecord { state: MappingState::Deleting, ..record })
    }

    /// Takes a stored record into memory and has it polled as it says now.
    fn run(&self, mut record: MappingRecord) {
        let plan = Plan::new(&self.parts.home, record.clone());
        if let Err(reason) = &plan {
            tracing::error!(mapping = record.uuid, reason, "an event source mapping cannot run");
            record.enabled = false;
            record.state = MappingState::Disabled;
            record.state_reason = reason.clone();
        }
        let mut live = self.live.write();
        let old = live.remove(&record.uuid).and_then(|live| live.poller);
        let poller = match (plan.ok(), old) {
            (Some(plan), Some(poller)) => {
                poller.plan.send_replace(Arc::new(plan));
                Some(poller)
            }
            (Some(plan), None) => Some(self.spawn(plan)),
            (None, Some(poller)) => {
                poller.stop.cancel();
                None
            }
            (None, None) => None,
        };
        live.insert(record.uuid.clone(), Live { record, poller });
    }

    fn spawn(&self, plan: Plan) -> Poller {
        let stop = self.shutdown.token(Phase::Intake).child_token();
        let (plan, plans) = watch::channel(Arc::new(plan));
        let ending = self.shutdown.token(Phase::Intake);
        let task = poller::run(self.parts.clone(), self.options, plans, stop.clone(), ending);
        self.shutdown.spawn(Phase::Intake, "event source mapping", task);
        Poller { plan, stop }
    }
}
