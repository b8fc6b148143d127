//! Subscription filters of log groups: events that match go to a function, as CloudWatch Logs sends them
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html>).
//!
//! One task reads the feed of the log database (`telemetry/logs/subscriptions`) behind the writer, makes messages of what a filter lets
//! through ([`message`]), and has them accepted as asynchronous events. Only then the filter moves on, so what is in the log database is
//! delivered at least once, and again after a crash in between. Neither the writer nor an invocation ever waits for it: the task reads on
//! a connection of its own, and where it is slow the feed grows.
//!
//! Bounds: a round takes one page of the feed from each filter, so that none keeps the others waiting; what waits for longer than
//! [`OLDEST_MS`] is given up, as on AWS. Events for a function that is not there, or may not be invoked, are skipped for as long.
//!
//! Recursive loops: the feed has the trace header of the invocation that wrote the events; it goes on to the function. Where the chain came
//! through the function too often its events are taken out, unless the function's recursion configuration allows them.

mod message;

use crate::clock::SharedClock;
use crate::ids::{FunctionRef, Home};
use crate::invocation::lineage::Lineage;
use crate::shutdown::{Phase, Shutdown};
use crate::storage;
use crate::storage::async_events::NewEvent;
use crate::telemetry::logs::{self, LogStore, PendingSubscription};
use crate::triggers::asynchronous::AsyncInvocations;
use lamina_log_patterns::Pattern;
use message::{Messages, Source};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Events are given up when they have waited that long: a day, as CloudWatch Logs retries.
const OLDEST_MS: i64 = 24 * 3_600_000;

/// How long events are gathered once some are there: fewer invocations, later.
const GATHER: Duration = Duration::from_millis(200);

/// Pause after storage failed.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);

/// Patterns that are kept parsed.
const KEPT_PATTERNS: usize = 256;

/// What is to be known of functions.
pub trait Destinations: Send + Sync + 'static {
    /// Whether the function is there, and `logs.amazonaws.com` may invoke it for events of a group with this ARN.
    fn may_invoke(&self, function: &FunctionRef, group_arn: &str) -> bool;

    /// Whether a chain of invocations came through the function too often.
    fn stops(&self, function: &FunctionRef, lineage: &Lineage) -> bool;
}

/// What became of events that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted for the function, durably.
    Delivered,
    /// The function is not there, or may not be invoked.
    Refused,
    /// They belong to a recursive loop.
    Recursive,
    /// They waited for too long.
    Expired,
    /// No invocation takes so much.
    TooLarge,
}

/// Told of what happens; must be quick and not block.
pub trait SubscriptionObserver: Send + Sync + 'static {
    /// Something became of events.
    fn events(&self, outcome: Outcome, count: usize);

    /// When the oldest event that waits came in, in milliseconds since the Unix epoch; `None` where none waits.
    fn oldest(&self, ingestion_ms: Option<i64>);
}

/// What subscriptions work with.
pub struct Parts {
    /// The log database.
    pub logs: Arc<LogStore>,
    /// Runs functions.
    pub asynchronous: Arc<AsyncInvocations>,
    /// What is to be known of functions.
    pub destinations: Arc<dyn Destinations>,
    /// Told of everything.
    pub observer: Arc<dyn SubscriptionObserver>,
    /// Time.
    pub clock: SharedClock,
    /// Region and account.
    pub home: Home,
}

/// The ARN by which permissions name a group.
pub fn group_arn(home: &Home, group: &str) -> String {
    home.arn("logs", &format!("log-group:{group}:*"))
}

/// Begins to deliver; ends with [`Phase::Intake`].
pub fn start(parts: Parts, shutdown: &Shutdown) {
    let stop = shutdown.token(Phase::Intake);
    let subscriptions = Subscriptions { parts, patterns: HashMap::new() };
    shutdown.spawn(Phase::Intake, "log-subscriptions", async move {
        stop.run_until_cancelled_owned(subscriptions.run()).await;
    });
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Logs(#[from] logs::Error),
    #[error(transparent)]
    Storage(#[from] storage::Error),
    #[error("a message could not be made: {0}")]
    Message(String),
}

struct Subscriptions {
    parts: Parts,
    patterns: HashMap<String, Arc<Pattern>>,
}

impl Subscriptions {
    async fn run(mut self) {
        let mut failing = false;
        loop {
            match self.round().await {
                Ok(more) => {
                    failing = false;
                    if more {
                        continue;
                    }
                }
                Err(Error::Logs(logs::Error::Closed)) => return,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "log events for subscription filters wait: they cannot be delivered");
                    }
                    self.parts.clock.sleep(STORAGE_PAUSE).await;
                    continue;
                }
            }
            self.parts.logs.feed_grown().await;
            self.parts.clock.sleep(GATHER).await;
        }
    }

    /// Delivers a page of each filter that has some; whether there is more.
    async fn round(&mut self) -> Result<bool, Error> {
        let pending = self.parts.logs.pending_subscriptions().await?;
        self.parts.observer.oldest(pending.iter().map(|pending| pending.oldest_ms).min());
        let mut more = false;
        for pending in &pending {
            more |= self.deliver(pending).await?;
        }
        if !more {
            self.parts.observer.oldest(None);
        }
        Ok(more)
    }

    /// Delivers a page of one filter; whether there is more.
    async fn deliver(&mut self, pending: &PendingSubscription) -> Result<bool, Error> {
        let parts = &self.parts;
        let page = parts.logs.fed(pending).await?;
        let definition = &pending.filter.definition;
        let target = FunctionRef::parse(&definition.destination_arn).ok();
        let now_ms = parts.clock.now_ms();
        let may_invoke = target
            .as_ref()
            .is_some_and(|target| parts.destinations.may_invoke(target, &group_arn(&parts.home, &pending.group)));
        let source = Source {
            owner: Arc::clone(&parts.home.account),
            group: Arc::clone(&pending.group),
            filter: pending.filter.name.clone(),
            extracts: definition.pattern.trim_start().starts_with('['),
            pattern: pattern(&mut self.patterns, &definition.pattern),
        };
        let (destinations, stopped_for) = (Arc::clone(&parts.destinations), target.clone());
        let oldest_ms = now_ms.saturating_sub(OLDEST_MS);
        let (page, messages) = tokio::task::spawn_blocking(move || {
            let mut messages = Messages::of(source);
            for entry in &page.entries {
                messages.add(entry, |trace| match (&stopped_for, trace) {
                    _ if entry.ingestion_ms < oldest_ms => Some(Outcome::Expired),
                    _ if !may_invoke => Some(Outcome::Refused),
                    (Some(target), Some(trace)) if destinations.stops(target, &Lineage::of(trace)) => {
                        Some(Outcome::Recursive)
                    }
                    _ => None,
                });
            }
            (page, messages.finish())
        })
        .await
        .map_err(|error| Error::Message(error.to_string()))?;
        let messages = messages.map_err(Error::Message)?;
        if let Some(target) = target.filter(|_| !messages.made.is_empty()) {
            let new = |made: message::Made| NewEvent {
                request_id: Uuid::new_v4(),
                target: target.clone(),
                payload: made.payload,
                trace_id: made.trace,
                accepted_at_ms: now_ms,
            };
            let events = messages.made.into_iter().map(new).collect();
            parts.asynchronous.accept_all(&target.name, events).await?;
        }
        parts.logs.advance_subscription(pending, &page).await?;
        for (outcome, count) in messages.counts {
            if !matches!(outcome, Outcome::Delivered) {
                tracing::debug!(group = %pending.group, filter = pending.filter.name, ?outcome, count, "log events were not delivered");
            }
            parts.observer.events(outcome, count);
        }
        Ok(!page.done)
    }
}

/// A filter's pattern. One that a newer release wrote, and this one does not know, matches nothing.
fn pattern(kept: &mut HashMap<String, Arc<Pattern>>, text: &str) -> Option<Arc<Pattern>> {
    if let Some(pattern) = kept.get(text) {
        return Some(Arc::clone(pattern));
    }
    let pattern = Arc::new(Pattern::parse(text).ok()?);
    if kept.len() >= KEPT_PATTERNS {
        kept.clear();
    }
    kept.insert(text.to_owned(), Arc::clone(&pattern));
    Some(pattern)
}
