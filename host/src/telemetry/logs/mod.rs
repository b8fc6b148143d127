//! Function logs: groups, streams and events, as CloudWatch Logs has them.
//!
//! A function's group is [`group_name`], an environment's stream [`stream_name`]. Events live in an SQLite database of their
//! own, written by one thread in batches. What functions print is not acknowledged data: `synchronous=NORMAL`, so a power cut may
//! lose the last moments. What clients put and change is: it is fsynced before the call returns. A damaged file is put aside and a
//! new one begun.
//!
//! - **An invocation never waits for its log.** [`LogStore::write`] hands a batch over or drops it: past
//!   [`Config::max_queued_bytes`], or [`MAX_QUEUED_BATCHES`] batches, lines are counted as dropped, and the stream says so in a line once it can.
//! - **An event's id is a time** (milliseconds, and a count within), so one key orders a group by time, and a time range is a range of
//!   ids: of what functions print the ingestion, which a timestamp may lie before by as much as [`CLOCK_SLACK_MS`], so that who
//!   follows a group misses nothing; of what clients put the timestamp, so that it is read in order whenever it came.
//! - **Bounded.** Events older than their group's retention go, then the oldest of all past [`Config::max_size_bytes`], in small
//!   steps between writes ([`LogStore::maintain`]). A read looks at no more than [`MAX_SCAN`] events before it answers. Who watches
//!   ([`LogStore::watch`]) and does not keep up is told that events were left out.

mod block;
mod reader;
mod retention;
mod schema;
mod subscriptions;
mod watch;
mod writer;

pub use subscriptions::{
    FedEvents, FeedPage, FilterDefinition, MAX_EXPRESSIONS, MAX_FILTERS, PendingSubscription, SubscriptionFilter,
};
pub use watch::{Watch, WatchedEvents};

#[cfg(test)]
mod tests;

use crate::clock::SharedClock;
use crate::ids::{FunctionName, Version};
use crate::telemetry::capture::CapturedLine;
use crate::telemetry::metrics::LogMetrics;
use crate::telemetry::report::PlatformLine;
use bytes::Bytes;
use jiff::Timestamp;
use lamina_log_patterns::Pattern;
use parking_lot::Mutex;
use prometheus::IntCounter;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch as news};
use uuid::Uuid;

/// Batches that may wait for the writer.
pub const MAX_QUEUED_BATCHES: usize = 65_536;

/// Events one read looks at before it answers with what it has.
pub const MAX_SCAN: usize = 50_000;

/// Bytes of messages one read answers, but for the first event (as CloudWatch Logs: 1 MB).
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// How far an event's timestamp may lie behind its ingestion: the longest invocation, and room for a clock that is set.
pub const CLOCK_SLACK_MS: i64 = 3_600_000;

/// Groups that clients may make (CloudWatch Logs' quota).
pub const MAX_GROUPS: usize = 1_000_000;

/// Tags of a group.
pub const MAX_TAGS: usize = 50;

/// Streams of which a full queue's losses are told apart; those of others are only counted.
const MAX_LOSING_STREAMS: usize = 1_024;

/// Bounds of function logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long events are kept where the group does not say, in hours; 0 keeps them.
    pub retention_hours: u32,
    /// Size of the database at which the oldest events go; 0 for no bound.
    pub max_size_bytes: u64,
    /// Lines that may wait for the writer, in bytes.
    pub max_queued_bytes: usize,
    /// How long the writer gathers lines before it writes them; up to 100 times that where they are of many streams,
    /// or until somebody reads.
    pub linger_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention_hours: 14 * 24,
            max_size_bytes: 2 * 1024 * 1024 * 1024,
            max_queued_bytes: 64 * 1024 * 1024,
            linger_ms: 20,
        }
    }
}

/// Why a log could not be read or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The caller's fault: there is no such group.
    #[error("The specified log group does not exist.")]
    GroupNotFound,
    /// The caller's fault: there is such a group.
    #[error("The specified log group already exists")]
    GroupExists,
    /// The caller's fault: the group has no such stream.
    #[error("The specified log stream does not exist.")]
    StreamNotFound,
    /// The caller's fault: the group has such a stream.
    #[error("The specified log stream already exists")]
    StreamExists,
    /// The caller's fault: there are [`MAX_GROUPS`] groups.
    #[error("Resource limit exceeded.")]
    TooManyGroups,
    /// The caller's fault: the group would have more than [`MAX_TAGS`] tags.
    #[error("The resource has too many tags; {MAX_TAGS} are allowed.")]
    TooManyTags,
    /// The caller's fault: the group would have more than [`MAX_FILTERS`] subscription filters, or these more than [`MAX_EXPRESSIONS`]
    /// regular expressions.
    #[error("Resource limit exceeded.")]
    TooManyFilters,
    /// The caller's fault: the group has no such subscription filter.
    #[error("The specified subscription filter does not exist.")]
    FilterNotFound,
    /// Nobody's fault: too much waits for the writer. Retry later.
    #[error("the log writer is too far behind")]
    Busy,
    /// The daemon is shutting down.
    #[error("the log store is closed")]
    Closed,
    /// The platform's fault; retry later.
    #[error("log store: {0}")]
    Failed(String),
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy | Self::Closed | Self::Failed(_))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A function's group: `/aws/lambda/<name>`.
pub fn group_name(function: &FunctionName) -> Arc<str> {
    format!("/aws/lambda/{function}").into()
}

/// A new environment's stream: `YYYY/MM/DD/[<version>]<32 hexadecimal digits>`, in UTC.
///
/// One an environment; where a function runs each invocation in a fresh one, its environments of a day better share one.
pub fn stream_name(version: Version, created: Timestamp, environment: Uuid) -> Arc<str> {
    let day = created.strftime("%Y/%m/%d");
    format!("{day}/[{version}]{}", environment.as_simple()).into()
}

/// One invocation's lines, or any others of one stream.
#[derive(Debug, Clone)]
pub struct LogBatch {
    /// The group; made when first written to.
    pub group: Arc<str>,
    /// The stream; made when first written to.
    pub stream: Arc<str>,
    /// In order.
    pub lines: Vec<LogLine>,
    /// The trace header of the invocation, for recursive loops to be seen.
    pub trace: Option<Arc<str>>,
}

/// One line, not yet written out.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// In milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// What it says.
    pub text: LineText,
}

/// What a line says.
#[derive(Debug, Clone)]
pub enum LineText {
    /// Output of the guest; bytes that are not UTF-8 are replaced.
    Guest(Bytes),
    /// A line of the platform's.
    Platform(PlatformLine),
}

impl From<CapturedLine> for LogLine {
    fn from(line: CapturedLine) -> Self {
        Self { timestamp_ms: line.timestamp_ms, text: LineText::Guest(line.text) }
    }
}

impl LogLine {
    /// A line of the platform's.
    pub fn platform(timestamp_ms: i64, line: PlatformLine) -> Self {
        Self { timestamp_ms, text: LineText::Platform(line) }
    }
}

impl LogBatch {
    /// Roughly what the batch occupies.
    fn size_bytes(&self) -> usize {
        let of = |line: &LogLine| match &line.text {
            LineText::Guest(text) => text.len(),
            LineText::Platform(_) => 128,
        };
        self.lines.iter().map(|line| of(line).saturating_add(64)).fold(64, usize::saturating_add)
    }
}

/// An event's place among those of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(i64);

impl EventId {
    /// Before every event.
    pub const FIRST: Self = Self(0);

    const COUNT_BITS: u32 = 20;

    /// Set in the counts of what clients put, so that it and what functions print take no id from each other.
    const PUT_BIT: i64 = 1 << (Self::COUNT_BITS - 1);

    /// The id as a number, for a cursor.
    pub fn to_raw(self) -> i64 {
        self.0
    }

    /// A cursor read back; every number is one.
    pub fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// The least id of events ingested at or after a time.
    pub fn at(ingestion_ms: i64) -> Self {
        Self(ingestion_ms.clamp(0, i64::MAX >> Self::COUNT_BITS) << Self::COUNT_BITS)
    }

    /// Whether a client put the event; a function printed it otherwise.
    pub fn is_put(self) -> bool {
        self.0 & Self::PUT_BIT != 0
    }

    /// The time in it, in milliseconds since the Unix epoch.
    pub fn ms(self) -> i64 {
        self.0 >> Self::COUNT_BITS
    }

    /// The next id for what functions print.
    fn next(self) -> Self {
        let next = Self(self.0.saturating_add(1));
        if next.is_put() { Self::at(next.ms().saturating_add(1)) } else { next }
    }

    /// The first id for what clients put with a timestamp.
    fn first_put(timestamp_ms: i64) -> Self {
        Self(Self::at(timestamp_ms).0 | Self::PUT_BIT)
    }

    /// The next id for what clients put.
    fn next_put(self) -> Self {
        let next = Self(self.0.saturating_add(1));
        if next.is_put() { next } else { Self::first_put(next.ms()) }
    }
}

/// An event as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Its place.
    pub id: EventId,
    /// Its stream.
    pub stream: Arc<str>,
    /// When the line was printed, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// When it came in, in milliseconds since the Unix epoch.
    pub ingestion_ms: i64,
    /// The line of a function, without a line ending, or what a client put, as it is.
    pub message: String,
}

impl LogEvent {
    /// What the event says as clients see it: a function's lines end, as Lambda has it.
    pub fn text(&self) -> Cow<'_, str> {
        if self.id.is_put() { Cow::Borrowed(&self.message) } else { Cow::Owned(format!("{}\n", self.message)) }
    }
}

/// Which events of a group to read.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// The group.
    pub group: Arc<str>,
    /// Which of its streams.
    pub streams: Streams,
    /// Timestamps from here on, in milliseconds since the Unix epoch.
    pub from_ms: Option<i64>,
    /// Timestamps before here.
    pub until_ms: Option<i64>,
    /// Go on behind this event: after it in the order of [`LogQuery::order`].
    pub cursor: Option<EventId>,
    /// Only messages that contain this text.
    pub contains: Option<String>,
    /// Only messages that match.
    pub pattern: Option<Arc<Pattern>>,
    /// Oldest or newest first.
    pub order: Order,
    /// At most so many events.
    pub limit: usize,
}

/// The order of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// From the oldest on.
    #[default]
    OldestFirst,
    /// From the newest back.
    NewestFirst,
}

/// A choice of streams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Streams {
    /// All of them.
    #[default]
    All,
    /// Those whose names start so.
    Prefix(String),
    /// Those named.
    Named(Vec<String>),
}

impl Streams {
    fn contain(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
            Self::Named(names) => names.iter().any(|n| n == name),
        }
    }
}

impl LogQuery {
    /// The first 1,000 events of a group.
    pub fn of(group: impl Into<Arc<str>>) -> Self {
        Self {
            group: group.into(),
            streams: Streams::All,
            from_ms: None,
            until_ms: None,
            cursor: None,
            contains: None,
            pattern: None,
            order: Order::OldestFirst,
            limit: 1_000,
        }
    }
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// In the order asked for.
    pub events: Vec<LogEvent>,
    /// The cursor to go on from.
    pub next: EventId,
    /// Whether there was nothing behind it at the time. Where it is `false`, the page may still be empty.
    pub done: bool,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// When it came to be, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// How long it keeps events, in hours; 0: for good; `None`: as the configuration says.
    pub retention_hours: Option<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Which groups to list.
#[derive(Debug, Clone)]
pub enum GroupNames {
    /// Those whose names start so.
    Prefix(String),
    /// Those whose names have this in them.
    Containing(String),
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStream {
    /// Its name.
    pub name: String,
    /// When it came to be, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Of its events, once it has had one.
    pub times: Option<StreamTimes>,
}

/// Times of a stream's events, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTimes {
    /// The earliest timestamp.
    pub first_event_ms: i64,
    /// The latest timestamp.
    pub last_event_ms: i64,
    /// When the last one came in.
    pub last_ingestion_ms: i64,
}

type Followers = Mutex<HashMap<Arc<str>, news::Sender<EventId>>>;

/// The log store; share it in an [`Arc`].
pub struct LogStore {
    sender: mpsc::Sender<writer::Message>,
    queue: Arc<Queue>,
    max_queued_bytes: usize,
    followers: Arc<Followers>,
    watches: Arc<watch::Watches>,
    feed_news: Arc<Notify>,
    readers: reader::Readers,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// What callers and the writer share.
struct Queue {
    bytes: AtomicUsize,
    lost: Mutex<Lost>,
    dropped: IntCounter,
}

/// Lines lost since the writer last asked, by group and stream.
type Lost = HashMap<(Arc<str>, Arc<str>), u64>;

impl LogStore {
    /// Opens the database at `path`, or makes it, and starts the writer's thread.
    pub fn open(path: &Path, config: &Config, clock: SharedClock, metrics: &LogMetrics) -> Result<Self, Error> {
        let connection = schema::open_or_replace(path)?;
        let (sender, receiver) = mpsc::channel(MAX_QUEUED_BATCHES);
        let queue = Arc::new(Queue {
            bytes: AtomicUsize::new(0),
            lost: Mutex::default(),
            dropped: metrics.lines_dropped.clone(),
        });
        let followers = Arc::new(Followers::default());
        let watches = Arc::new(watch::Watches::default());
        let feed_news = Arc::new(Notify::new());
        let writer = writer::Writer::new(writer::Setup {
            connection,
            receiver,
            queue: Arc::clone(&queue),
            followers: Arc::clone(&followers),
            watches: Arc::clone(&watches),
            feed_news: Arc::clone(&feed_news),
            clock,
            config: config.clone(),
            written: metrics.lines.clone(),
        })?;
        let runtime = tokio::runtime::Handle::try_current().ok();
        let thread = std::thread::Builder::new()
            .name("function-logs".to_owned())
            .spawn(move || {
                // The clock may be that of the caller's runtime, which only shows within it.
                let _runtime = runtime.as_ref().map(tokio::runtime::Handle::enter);
                writer.run();
            })
            .map_err(|e| Error::Failed(format!("cannot start the writer: {e}")))?;
        Ok(Self {
            sender,
            queue,
            max_queued_bytes: config.max_queued_bytes,
            followers,
            watches,
            feed_news,
            readers: reader::Readers::new(path),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands lines to the writer, or drops them where it is too far behind. Never waits, never fails.
    pub fn write(&self, batch: LogBatch) {
        if batch.lines.is_empty() {
            return;
        }
        let size = batch.size_bytes();
        let before = self.queue.bytes.fetch_add(size, Ordering::Relaxed);
        let refused = if before.saturating_add(size) > self.max_queued_bytes {
            Some(batch)
        } else {
            match self.sender.try_send(writer::Message::Batch(batch)) {
                Ok(()) => None,
                Err(error) => match error.into_inner() {
                    writer::Message::Batch(batch) => Some(batch),
                    writer::Message::Put(_) | writer::Message::Call(_) => None,
                },
            }
        };
        if let Some(batch) = refused {
            self.queue.bytes.fetch_sub(size, Ordering::Relaxed);
            self.queue.lose(batch);
        }
    }

    /// Waits until everything handed over before is written, or was dropped.
    pub async fn flush(&self) -> Result<(), Error> {
        self.call(writer::Call::Flush).await
    }

    /// Makes a group.
    pub async fn create_group(&self, name: impl Into<Arc<str>>, tags: BTreeMap<String, String>) -> Result<(), Error> {
        let name = name.into();
        self.call(|done| writer::Call::CreateGroup { name, tags, done }).await?
    }

    /// Deletes a group and, in time, its events. A later batch makes it anew, empty.
    pub async fn delete_group(&self, name: impl Into<Arc<str>>) -> Result<(), Error> {
        let name = name.into();
        self.call(|done| writer::Call::DeleteGroup { name, done }).await?
    }

    /// Sets tags of a group and removes others.
    pub async fn change_tags(
        &self,
        name: impl Into<Arc<str>>,
        set: BTreeMap<String, String>,
        removed: Vec<String>,
    ) -> Result<(), Error> {
        let name = name.into();
        self.call(|done| writer::Call::ChangeTags { name, set, removed, done }).await?
    }

    /// Makes a stream in a group.
    pub async fn create_stream(&self, group: impl Into<Arc<str>>, stream: impl Into<Arc<str>>) -> Result<(), Error> {
        let (group, stream) = (group.into(), stream.into());
        self.call(|done| writer::Call::CreateStream { group, stream, done }).await?
    }

    /// Deletes a stream, at once to whoever reads, and its events in time.
    pub async fn delete_stream(&self, group: impl Into<Arc<str>>, stream: impl Into<Arc<str>>) -> Result<(), Error> {
        let (group, stream) = (group.into(), stream.into());
        self.call(|done| writer::Call::DeleteStream { group, stream, done }).await?
    }

    /// Writes what a client puts into a stream that is there: timestamps and messages; `trace` is the request's trace header. Fsynced when
    /// this returns.
    pub async fn put(
        &self,
        group: impl Into<Arc<str>>,
        stream: impl Into<Arc<str>>,
        events: Vec<(i64, String)>,
        trace: Option<Arc<str>>,
    ) -> Result<(), Error> {
        let size = events.iter().map(|(_, text)| text.len().saturating_add(64)).fold(0, usize::saturating_add);
        let before = self.queue.bytes.fetch_add(size, Ordering::Relaxed);
        // Given back by the writer, which has it from here on.
        let taken = Taken { queue: Arc::clone(&self.queue), size };
        if before.saturating_add(size) > self.max_queued_bytes {
            return Err(Error::Busy);
        }
        let (done, answer) = oneshot::channel();
        let put = writer::Put { group: group.into(), stream: stream.into(), events, trace, done, _taken: taken };
        self.sender.send(writer::Message::Put(put)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Hands on what is written to some groups from now on.
    pub fn watch(&self, groups: Vec<Arc<str>>) -> Watch {
        self.watches.add(groups)
    }

    /// Sets how long a group keeps its events; 0: for good; `None`: as the configuration says.
    pub async fn set_retention(&self, name: impl Into<Arc<str>>, hours: Option<u32>) -> Result<(), Error> {
        let name = name.into();
        self.call(|done| writer::Call::SetRetention { name, hours, done }).await?
    }

    /// Deletes what retention and the size bound no longer allow, step by step, so that writes go on in between.
    pub async fn maintain(&self) -> Result<(), Error> {
        while self.call(writer::Call::Maintain).await?? {}
        Ok(())
    }

    /// Runs [`LogStore::maintain`] every so often, for as long as it is polled.
    pub async fn keep_maintained(&self, clock: SharedClock, every: Duration) {
        loop {
            clock.sleep(every).await;
            match self.maintain().await {
                Ok(()) => {}
                Err(Error::Closed) => return,
                Err(error) => tracing::warn!(%error, "function logs could not be tidied"),
            }
        }
    }

    /// Reads events, after those are written that were handed over before.
    pub async fn query(&self, query: LogQuery) -> Result<LogPage, Error> {
        self.catch_up().await;
        self.readers.read(move |connection| reader::query(connection, &query)).await
    }

    /// Has the writer write what it gathers. What is written can be read even where it has ended.
    async fn catch_up(&self) {
        let _ = self.flush().await;
    }

    /// Reads events, and where there is none yet (or no group), waits for one.
    pub async fn follow(&self, mut query: LogQuery) -> Result<LogPage, Error> {
        let mut news = self.subscribe(&query.group);
        loop {
            match self.query(query.clone()).await {
                Ok(page) if !page.events.is_empty() => return Ok(page),
                Ok(page) => {
                    query.cursor = Some(page.next);
                    if !page.done {
                        continue;
                    }
                }
                Err(Error::GroupNotFound) => {}
                Err(error) => return Err(error),
            }
            if news.changed().await.is_err() {
                return Err(Error::Closed);
            }
        }
    }

    /// The group of a name.
    pub async fn group(&self, name: &str) -> Result<LogGroup, Error> {
        let name = name.to_owned();
        self.readers.read(move |connection| reader::group(connection, &name)).await
    }

    /// Groups after the one named `after`, in order of name.
    pub async fn groups(&self, names: GroupNames, after: Option<&str>, limit: usize) -> Result<Vec<LogGroup>, Error> {
        let after = after.map(str::to_owned);
        self.readers.read(move |connection| reader::groups(connection, &names, after.as_deref(), limit)).await
    }

    /// Streams of a group whose names start with `prefix`, after the one named `after`, in order of name.
    pub async fn streams(
        &self,
        group: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<LogStream>, Error> {
        self.catch_up().await;
        let (group, prefix, after) = (group.to_owned(), prefix.to_owned(), after.map(str::to_owned));
        self.readers.read(move |connection| reader::streams(connection, &group, &prefix, after.as_deref(), limit)).await
    }

    /// Writes what is queued and ends the writer. Lines handed over later are dropped.
    pub async fn shutdown(&self) {
        // A writer that is gone already has nothing left to write.
        let _ = self.call(writer::Call::Stop).await;
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.followers.lock().clear();
        self.watches.clear();
    }

    fn subscribe(&self, group: &Arc<str>) -> news::Receiver<EventId> {
        let mut followers = self.followers.lock();
        followers.entry(Arc::clone(group)).or_insert_with(|| news::Sender::new(EventId::FIRST)).subscribe()
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> writer::Call) -> Result<T, Error> {
        let (done, answer) = oneshot::channel();
        self.sender.send(writer::Message::Call(call(done))).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)
    }
}

/// Room in the queue, until dropped.
struct Taken {
    queue: Arc<Queue>,
    size: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.queue.bytes.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl Queue {
    fn lose(&self, batch: LogBatch) {
        let lines = batch.lines.len() as u64;
        self.dropped.inc_by(lines);
        self.remember([((batch.group, batch.stream), lines)]);
    }

    /// Keeps losses to be told of, up to the bound on streams.
    fn remember(&self, losses: impl IntoIterator<Item = ((Arc<str>, Arc<str>), u64)>) {
        let mut lost = self.lost.lock();
        for (stream, lines) in losses {
            if let Some(count) = lost.get_mut(&stream) {
                *count = count.saturating_add(lines);
            } else if lost.len() < MAX_LOSING_STREAMS {
                lost.insert(stream, lines);
            }
        }
    }
}
