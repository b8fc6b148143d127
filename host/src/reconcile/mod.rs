//! From what is declared in the configuration to what is there: at start and at SIGHUP.
//!
//! - Layers: changed content publishes a new version, and functions that name the layer get it.
//! - Functions: changed code or configuration updates `$LATEST` and publishes a new version; aliases declared with
//!   `latest-published` move to it. What is unchanged is left as it is, so a second run does nothing.
//! - Queues, schedules, mappings: created where they are missing, changed where they differ.
//! - Routes: replaced as a whole, last, so that what they name is there.
//!
//! The file speaks for what it declares and for nothing else. What was created through the API, and what is no longer declared
//! (a function, an alias, a queue, a reservation), is left alone: a slip in a file must not delete a queue full of messages. What
//! went from one reading of the file to the next is told. A key that is left out of a declaration with a default
//! is set to that default; `layers`, `reserved_concurrency` and `provisioned_concurrency`, which have none, are left as they are.
//!
//! First everything is looked at: packages are read and their guests recognised. If that fails anywhere, nothing is changed.
//! What fails after that (a full disk, a guest that does not compile) is told with its key; the rest is still brought about, and the next
//! run takes up what is missing. One run at a time.

mod aliases;
mod functions;
mod layers;
mod mappings;
mod plan;
mod queues;
mod schedules;
#[cfg(test)]
mod tests;

pub use mappings::MappingPort;
pub use schedules::SchedulePort;

use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::config::{Config, ConfigError, Problem};
use crate::ids::{FunctionRef, QueueName};
use crate::storage::queues::Queues;
use crate::triggers::http::Router;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What a run works on.
pub struct Parts {
    /// Functions, versions, aliases, concurrency.
    pub catalog: Arc<Catalog>,
    /// Queues.
    pub queues: Arc<dyn Queues>,
    /// The scheduler.
    pub schedules: Arc<dyn SchedulePort>,
    /// Event source mappings.
    pub mappings: Arc<dyn MappingPort>,
    /// Routes.
    pub router: Arc<Router>,
    /// Wall time.
    pub clock: SharedClock,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was created or changed, a line each.
    pub changes: Vec<String>,
    /// How many declarations were met already.
    pub unchanged: usize,
    /// What deserves a look: no longer declared, or naming what is not there.
    pub notes: Vec<String>,
    /// What could not be brought about.
    pub problems: Vec<Problem>,
}

impl Outcome {
    /// Writes the outcome to the daemon's log.
    pub fn log(&self) {
        for change in &self.changes {
            tracing::info!(%change, "reconciled");
        }
        for note in &self.notes {
            tracing::warn!(%note, "reconciled");
        }
        for problem in &self.problems {
            tracing::error!(%problem, "not reconciled");
        }
        let (changes, unchanged, problems) = (self.changes.len(), self.unchanged, self.problems.len());
        tracing::info!(changes, unchanged, problems, "the configuration's declarations are reconciled");
    }
}

/// Brings about what is declared.
pub struct Reconciler {
    parts: Parts,
    /// What the last reading declared; held during a run.
    declared: Mutex<BTreeSet<String>>,
}

impl Reconciler {
    /// For one daemon.
    pub fn new(parts: Parts) -> Self {
        Self { parts, declared: Mutex::default() }
    }

    /// Brings about what `config` declares.
    ///
    /// # Errors
    /// A package that cannot be read or holds no guest, with its place in the file; nothing was changed.
    pub async fn apply(&self, config: &Config) -> Result<Outcome, ConfigError> {
        let mut declared = self.declared.lock().await;
        let plan = plan::plan(&self.parts.catalog, config).await?;
        let archives = layers::read_all(config).await?;
        let mut run = Run { parts: &self.parts, config, outcome: Outcome::default() };
        run.layers(archives).await;
        for (index, package) in plan.into_iter().enumerate() {
            if let Some(function) = config.functions.get(index) {
                run.function(index, function, package).await;
            }
        }
        run.queues().await;
        run.schedules().await;
        run.mappings().await;
        run.routes();
        let now = names(config);
        for gone in declared.difference(&now) {
            run.outcome.notes.push(format!("{gone} is no longer declared and was left as it is"));
        }
        *declared = now;
        Ok(run.outcome)
    }
}

/// Every declared thing by kind and name.
fn names(config: &Config) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    names.extend(config.layers.iter().map(|layer| format!("layer {}", layer.name)));
    for function in &config.functions {
        names.insert(format!("function {}", function.name));
        names.extend(function.aliases.iter().map(|alias| format!("alias {}:{}", function.name, alias.name)));
    }
    names.extend(config.queues.iter().map(|queue| format!("queue {}", queue.name)));
    names.extend(config.schedules.iter().map(|schedule| format!("schedule {}/{}", schedule.group, schedule.name)));
    let mappings = config.mappings.iter();
    names.extend(mappings.map(|mapping| format!("mapping of {} to {}", mapping.queue, shown(&mapping.target()))));
    names
}

/// `name` or `name:qualifier`.
fn shown(target: &FunctionRef) -> String {
    match &target.qualifier {
        Some(qualifier) => format!("{}:{qualifier}", target.name),
        None => target.name.to_string(),
    }
}

/// One run under way.
struct Run<'a> {
    parts: &'a Parts,
    config: &'a Config,
    outcome: Outcome,
}

impl Run<'_> {
    fn changed(&mut self, what: impl Into<String>) {
        self.outcome.changes.push(what.into());
    }

    fn failed(&mut self, key: &str, error: impl Display) {
        self.outcome.problems.push(self.config.places.problem(key, error.to_string()));
    }

    /// Notes a target that does not exist (yet): it may be created later, so this is no error.
    fn look_for(&mut self, target: &FunctionRef, what: &str) {
        if !self.parts.catalog.exists(target) {
            self.outcome.notes.push(format!("{what} names {}, which does not exist", shown(target)));
        }
    }

    /// Notes a dead-letter queue that does not exist (yet).
    async fn look_for_queue(&mut self, queue: &QueueName, what: &str) {
        match self.parts.queues.get(queue.clone()).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.outcome.notes.push(format!("{what} names the dead-letter queue {queue}, which does not exist"));
            }
            Err(error) => self.outcome.notes.push(format!("the dead-letter queue {queue} of {what}: {error}")),
        }
    }

    fn routes(&mut self) {
        let config = self.config;
        for route in &config.routes {
            let target = FunctionRef { name: route.function.clone(), qualifier: route.qualifier.clone() };
            self.look_for(&target, &format!("the route {} {}", route.method, route.path));
        }
        // Checked when the file was read; what is wrong all the same must not take the routes in use away.
        if let Err(error) = self.parts.router.replace(&config.routes) {
            self.failed("routes", error);
        }
    }
}
