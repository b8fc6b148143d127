//! Subscription filters of groups, and the feed of events that they have still to see.
//!
//! Whoever writes events to a group that has filters writes an entry of the feed in the same transaction: what is in the log is in the feed,
//! whatever happens to the daemon then. Each filter has a position in the feed, which [`LogStore::advance_subscription`] moves on; a crash
//! between a delivery and that lets the entries be seen again, never be missed. Entries behind which all filters of their group are go.
//!
//! A group without filters costs the writer nothing. An entry is one invocation's lines, or one put of a client's: the events themselves
//! stay where they are and are looked up, so one that retention or a deletion took meanwhile is not seen.

pub(super) mod feed;
#[cfg(test)]
mod tests;

use super::{Error, LogEvent, LogStore, writer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Filters of one group (CloudWatch Logs' quota).
pub const MAX_FILTERS: usize = 2;

/// Regular expressions in the patterns of one group's filters (CloudWatch Logs' quota).
pub const MAX_EXPRESSIONS: usize = 5;

/// Entries that one read of the feed gives at most.
const READ_ENTRIES: usize = 256;

/// Bytes of messages after which a read of the feed ends; at least one entry is read.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Filters with something to deliver that are told at once.
const PENDING_AT_ONCE: usize = 1_000;

/// A subscription filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// Its name, one of its group's.
    pub name: String,
    /// When it came to be, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// What it says.
    pub definition: FilterDefinition,
}

/// What a subscription filter says; checked by who sets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterDefinition {
    /// The filter pattern, as written.
    pub pattern: String,
    /// Regular expressions in it.
    pub expressions: usize,
    /// Where matching events go.
    pub destination_arn: String,
    /// `ByLogStream` or `Random`; it is for streams of Kinesis, and kept to be given back.
    pub distribution: String,
}

/// A filter with entries that it has not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSubscription {
    /// The group.
    pub group: Arc<str>,
    /// The filter.
    pub filter: SubscriptionFilter,
    /// When the first of the entries came in, in milliseconds since the Unix epoch.
    pub oldest_ms: i64,
    pub(super) group_id: i64,
    pub(super) position: i64,
}

/// Events that came in together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FedEvents {
    /// When, in milliseconds since the Unix epoch.
    pub ingestion_ms: i64,
    /// The trace header of the invocation that wrote them, if one did.
    pub trace: Option<String>,
    /// In order.
    pub events: Vec<LogEvent>,
}

/// What a read of the feed found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// In the order in which they came in.
    pub entries: Vec<FedEvents>,
    /// Whether there was nothing behind them at the time.
    pub done: bool,
    pub(super) position: i64,
}

impl LogStore {
    /// Sets a filter of a group. One that is there keeps its age and its position; a new one sees what comes in from now on.
    pub async fn put_subscription_filter(
        &self,
        group: impl Into<Arc<str>>,
        name: String,
        definition: FilterDefinition,
    ) -> Result<(), Error> {
        let group = group.into();
        self.call(|done| writer::Call::PutFilter { group, name, definition, done }).await?
    }

    /// Removes a filter, with what it had still to see.
    pub async fn delete_subscription_filter(&self, group: impl Into<Arc<str>>, name: String) -> Result<(), Error> {
        let group = group.into();
        self.call(|done| writer::Call::DeleteFilter { group, name, done }).await?
    }

    /// Filters of a group whose names start with `prefix`, after the one named `after`, in order of name.
    pub async fn subscription_filters(
        &self,
        group: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<SubscriptionFilter>, Error> {
        let (group, prefix, after) = (group.to_owned(), prefix.to_owned(), after.unwrap_or_default().to_owned());
        self.readers.read(move |connection| feed::filters(connection, &group, &prefix, &after, limit)).await
    }

    /// Filters with entries that they have not seen; of very many, those that wait longest.
    pub async fn pending_subscriptions(&self) -> Result<Vec<PendingSubscription>, Error> {
        self.readers.read(|connection| feed::pending(connection, PENDING_AT_ONCE)).await
    }

    /// What a filter has still to see, from its position on; not all of it, where it is much.
    pub async fn fed(&self, pending: &PendingSubscription) -> Result<FeedPage, Error> {
        let (group_id, position) = (pending.group_id, pending.position);
        self.readers.read(move |connection| feed::read(connection, group_id, position, READ_ENTRIES, READ_BYTES)).await
    }

    /// Notes that a filter has seen a page.
    pub async fn advance_subscription(&self, pending: &PendingSubscription, page: &FeedPage) -> Result<(), Error> {
        let (group_id, name, position) = (pending.group_id, pending.filter.name.clone(), page.position);
        self.call(|done| writer::Call::Advance { group_id, name, position, done }).await?
    }

    /// Waits until the feed has grown since this was last called.
    pub async fn feed_grown(&self) {
        self.feed_news.notified().await;
    }
}
