//! The one thread that writes logs.

use super::block::Block;
use super::subscriptions::FilterDefinition;
use super::subscriptions::feed::{self, Feed};
use super::watch::{WatchedEvents, Watches};
use super::{
    Config, Error, EventId, Followers, LineText, LogBatch, LogEvent, Lost, MAX_GROUPS, MAX_QUEUED_BATCHES, MAX_TAGS,
    Queue, Taken, retention,
};
use crate::clock::SharedClock;
use lru::LruCache;
use prometheus::IntCounter;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};

/// Messages taken into one transaction.
const MAX_MESSAGES: usize = 32_768;

/// How many times as long lines are gathered where they are of many streams: each stream costs as much as some dozen lines. Who reads
/// waits for none of it ([`LogStore::query`](super::LogStore::query)).
const MAX_LINGERS: u32 = 100;

/// Lines of fewer streams are not gathered for longer.
const SCATTERED_STREAMS: usize = 32;

/// Streams whose row the writer knows without asking.
const KNOWN_STREAMS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

pub(super) enum Message {
    Batch(LogBatch),
    Put(Put),
    Call(Call),
}

/// What goes into one transaction with others.
enum Work {
    Batch(LogBatch),
    Put(Put),
}

/// What a client puts, and waits for.
pub(super) struct Put {
    pub(super) group: Arc<str>,
    pub(super) stream: Arc<str>,
    pub(super) events: Vec<(i64, String)>,
    pub(super) trace: Option<Arc<str>>,
    pub(super) done: oneshot::Sender<Result<(), Error>>,
    pub(super) _taken: Taken,
}

type Done = oneshot::Sender<Result<(), Error>>;

/// What callers wait for. Handled in order with the batches.
pub(super) enum Call {
    Flush(oneshot::Sender<()>),
    CreateGroup { name: Arc<str>, tags: BTreeMap<String, String>, done: Done },
    DeleteGroup { name: Arc<str>, done: Done },
    ChangeTags { name: Arc<str>, set: BTreeMap<String, String>, removed: Vec<String>, done: Done },
    CreateStream { group: Arc<str>, stream: Arc<str>, done: Done },
    DeleteStream { group: Arc<str>, stream: Arc<str>, done: Done },
    SetRetention { name: Arc<str>, hours: Option<u32>, done: Done },
    PutFilter { group: Arc<str>, name: String, definition: FilterDefinition, done: Done },
    DeleteFilter { group: Arc<str>, name: String, done: Done },
    Advance { group_id: i64, name: String, position: i64, done: Done },
    Maintain(oneshot::Sender<Result<bool, Error>>),
    Stop(oneshot::Sender<()>),
}

/// All the writer needs.
pub(super) struct Setup {
    pub(super) connection: Connection,
    pub(super) receiver: mpsc::Receiver<Message>,
    pub(super) queue: Arc<Queue>,
    pub(super) followers: Arc<Followers>,
    pub(super) watches: Arc<Watches>,
    pub(super) feed_news: Arc<Notify>,
    pub(super) clock: SharedClock,
    pub(super) config: Config,
    pub(super) written: IntCounter,
}

pub(super) struct Writer {
    setup: Setup,
    known: Known,
    last_id: EventId,
    feed: Feed,
    pass: retention::Pass,
    failing: bool,
    /// Whether a commit is fsynced.
    synced: bool,
}

/// Rows the writer has seen: group ids by name, stream ids by group and name.
struct Known {
    groups: HashMap<Arc<str>, i64>,
    streams: LruCache<(i64, Arc<str>), i64>,
}

impl Known {
    fn forget_all(&mut self) {
        self.groups.clear();
        self.streams.clear();
    }
}

impl Writer {
    pub(super) fn new(setup: Setup) -> Result<Self, Error> {
        // Every stream is updated with what a function prints, so this is the last such event of all.
        let last: Option<i64> =
            setup.connection.query_row("SELECT max(last_event_id) FROM log_streams", [], |row| row.get(0))?;
        setup.connection.set_prepared_statement_cache_capacity(48);
        Ok(Self {
            feed: Feed::open(&setup.connection)?,
            pass: retention::Pass::default(),
            setup,
            known: Known { groups: HashMap::new(), streams: LruCache::new(KNOWN_STREAMS) },
            last_id: EventId(last.unwrap_or(0)),
            failing: false,
            synced: false,
        })
    }

    /// Writes until told to stop or until the store is dropped.
    pub(super) fn run(mut self) {
        let linger = Duration::from_millis(self.setup.config.linger_ms.into());
        let mut inbox = Vec::new();
        while self.setup.receiver.blocking_recv_many(&mut inbox, MAX_MESSAGES) > 0 {
            let lingers = if !linger.is_zero() && may_wait(&inbox) { MAX_LINGERS } else { 0 };
            for lingered in 1..=lingers {
                std::thread::sleep(linger);
                let seen = inbox.len();
                while inbox.len() < MAX_MESSAGES {
                    let Ok(message) = self.setup.receiver.try_recv() else { break };
                    inbox.push(message);
                }
                let is_enough = inbox.len() >= MAX_MESSAGES || !may_wait(inbox.get(seen..).unwrap_or_default());
                // Told by what came first, so that looking costs little.
                if is_enough || (lingered == 1 && !is_scattered(&inbox)) {
                    break;
                }
            }
            let mut work = Vec::with_capacity(inbox.len());
            for message in inbox.drain(..) {
                let call = match message {
                    Message::Batch(batch) => {
                        work.push(Work::Batch(batch));
                        continue;
                    }
                    Message::Put(put) => {
                        work.push(Work::Put(put));
                        continue;
                    }
                    Message::Call(call) => call,
                };
                self.write(std::mem::take(&mut work));
                if let Call::Stop(done) = call {
                    // Nobody may wait for it any more.
                    let _ = done.send(());
                    return;
                }
                self.answer(call);
            }
            self.write(work);
        }
    }

    fn answer(&mut self, call: Call) {
        // A caller that no longer waits is none of the writer's business.
        match call {
            Call::Flush(done) | Call::Stop(done) => drop(done.send(())),
            Call::CreateGroup { name, tags, done } => drop(done.send(self.durably(|w| w.create_group(&name, &tags)))),
            Call::DeleteGroup { name, done } => drop(done.send(self.durably(|w| w.delete_group(&name)))),
            Call::ChangeTags { name, set, removed, done } => {
                drop(done.send(self.durably(|w| w.change_tags(&name, set, &removed))));
            }
            Call::CreateStream { group, stream, done } => {
                drop(done.send(self.durably(|w| w.create_stream(&group, &stream))));
            }
            Call::DeleteStream { group, stream, done } => {
                drop(done.send(self.durably(|w| w.delete_stream(&group, stream))));
            }
            Call::SetRetention { name, hours, done } => {
                drop(done.send(self.durably(|w| w.set_retention(&name, hours))));
            }
            Call::PutFilter { group, name, definition, done } => {
                drop(done.send(self.durably(|w| w.put_filter((&group, &name), &definition))));
            }
            Call::DeleteFilter { group, name, done } => {
                drop(done.send(self.durably(|w| w.feed.delete(&w.setup.connection, &group, &name))));
            }
            // Lost in a power cut it makes events come again, which they may.
            Call::Advance { group_id, name, position, done } => {
                let advanced = self.sync(false);
                drop(done.send(
                    advanced.and_then(|()| feed::advance(&mut self.setup.connection, group_id, &name, position)),
                ));
            }
            Call::Maintain(done) => drop(done.send(self.maintain())),
        }
    }

    /// Whether commits from here on are fsynced.
    fn sync(&mut self, synced: bool) -> Result<(), Error> {
        if self.synced != synced {
            let level = if synced { "FULL" } else { "NORMAL" };
            self.setup.connection.pragma_update(None, "synchronous", level)?;
            self.synced = synced;
        }
        Ok(())
    }

    fn durably(&mut self, change: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.sync(true)?;
        change(self)
    }

    /// Writes batches and puts in one transaction. Of batches, what cannot be written is counted as lost.
    fn write(&mut self, work: Vec<Work>) {
        let lost = std::mem::take(&mut *self.setup.queue.lost.lock());
        if work.is_empty() && lost.is_empty() {
            return;
        }
        let of = |work: &Work| match work {
            Work::Batch(batch) => batch.size_bytes(),
            Work::Put(_) => 0,
        };
        let size = work.iter().map(of).fold(0, usize::saturating_add);
        let before = self.last_id;
        match self.try_write(&work, &lost) {
            Ok(written) => {
                self.setup.written.inc_by(written.lines);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("function logs are written again");
                }
                self.tell_followers(&written.touched);
                if written.fed {
                    self.setup.feed_news.notify_one();
                }
                written.watched.into_values().for_each(|events| self.setup.watches.tell(events));
                let puts = work.into_iter().filter_map(|work| match work {
                    Work::Put(put) => Some(put),
                    Work::Batch(_) => None,
                });
                for (put, result) in puts.zip(written.puts) {
                    // Who no longer waits is none of the writer's business.
                    let _ = put.done.send(result);
                }
            }
            Err(error) => {
                self.last_id = before;
                self.known.forget_all();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "function logs cannot be written and are dropped");
                }
                self.setup.queue.remember(lost);
                for work in work {
                    match work {
                        Work::Batch(batch) => self.setup.queue.lose(batch),
                        Work::Put(put) => drop(put.done.send(Err(error.clone()))),
                    }
                }
            }
        }
        self.setup.queue.bytes.fetch_sub(size, Ordering::Relaxed);
    }

    fn try_write(&mut self, work: &[Work], lost: &Lost) -> Result<Written, Error> {
        let has_puts = work.iter().any(|work| matches!(work, Work::Put(_)));
        self.sync(has_puts)?;
        let now_ms = self.setup.clock.now_ms();
        let watched = self.setup.watches.groups();
        let transaction = self.setup.connection.transaction()?;
        let mut events = Events {
            transaction: &transaction,
            known: &mut self.known,
            now_ms,
            next_id: self.last_id.next().max(EventId::at(now_ms)),
            fed_groups: &self.feed.groups,
            next_position: self.feed.next,
            spans: HashMap::new(),
            open: None,
            text: String::new(),
            watched_groups: watched,
            written: Written::default(),
        };
        let mut pace = (!has_puts).then(Pace::begin);
        for stream in by_stream(work) {
            events.add(&stream)?;
            if let Some(pace) = &mut pace
                && self.setup.receiver.len() < MAX_QUEUED_BATCHES / 4
            {
                pace.step();
            }
        }
        for work in work {
            let Work::Put(put) = work else { continue };
            let result = match events.put(put) {
                Err(error @ (Error::GroupNotFound | Error::StreamNotFound)) => Err(error),
                other => Ok(other?),
            };
            events.written.puts.push(result);
        }
        for ((group, stream), count) in lost {
            events.add_text(
                group,
                stream,
                &format!("[lamina] {count} log lines dropped: the log writer fell behind"),
            )?;
        }
        events.close()?;
        events.update_streams()?;
        let Events { next_id, next_position, written, .. } = events;
        transaction.commit()?;
        self.feed.next = next_position;
        self.last_id = EventId(next_id.0.saturating_sub(1));
        Ok(written)
    }

    fn tell_followers(&self, touched: &HashMap<Arc<str>, EventId>) {
        let mut followers = self.setup.followers.lock();
        followers.retain(|group, news| {
            if let Some(&id) = touched.get(group) {
                news.send_replace(id);
            }
            news.receiver_count() > 0
        });
    }

    fn create_group(&mut self, name: &str, tags: &BTreeMap<String, String>) -> Result<(), Error> {
        let connection = &self.setup.connection;
        let exists = connection.prepare_cached("SELECT 1 FROM log_groups WHERE name = ?1")?.exists([name])?;
        if exists {
            return Err(Error::GroupExists);
        }
        let groups: usize = connection.query_row("SELECT count(*) FROM log_groups", [], |row| row.get(0))?;
        if groups >= MAX_GROUPS {
            return Err(Error::TooManyGroups);
        }
        connection.execute(
            "INSERT INTO log_groups (name, created_ms, tags) VALUES (?1, ?2, ?3)",
            params![name, self.setup.clock.now_ms(), json(tags)?],
        )?;
        Ok(())
    }

    fn change_tags(&mut self, name: &str, set: BTreeMap<String, String>, removed: &[String]) -> Result<(), Error> {
        let connection = &self.setup.connection;
        let tags: Option<String> =
            connection.query_row("SELECT tags FROM log_groups WHERE name = ?1", [name], |row| row.get(0)).optional()?;
        let tags = tags.ok_or(Error::GroupNotFound)?;
        let mut tags: BTreeMap<String, String> =
            serde_json::from_str(&tags).map_err(|error| Error::Failed(error.to_string()))?;
        tags.extend(set);
        tags.retain(|key, _| !removed.contains(key));
        if tags.len() > MAX_TAGS {
            return Err(Error::TooManyTags);
        }
        connection.execute("UPDATE log_groups SET tags = ?2 WHERE name = ?1", params![name, json(&tags)?])?;
        Ok(())
    }

    fn group_id(&self, name: &str) -> Result<i64, Error> {
        let id = self.setup.connection.query_row("SELECT id FROM log_groups WHERE name = ?1", [name], |row| row.get(0));
        id.optional()?.ok_or(Error::GroupNotFound)
    }

    fn create_stream(&mut self, group: &str, stream: &str) -> Result<(), Error> {
        let group_id = self.group_id(group)?;
        let made = self.setup.connection.execute(
            &format!("{NEW_STREAM} ON CONFLICT DO NOTHING"),
            params![group_id, stream, self.setup.clock.now_ms()],
        )?;
        if made == 0 { Err(Error::StreamExists) } else { Ok(()) }
    }

    fn delete_stream(&mut self, group: &str, stream: Arc<str>) -> Result<(), Error> {
        let group_id = self.group_id(group)?;
        let transaction = self.setup.connection.transaction()?;
        let deleted: Option<i64> = transaction
            .query_row(
                "DELETE FROM log_streams WHERE group_id = ?1 AND name = ?2 RETURNING id",
                params![group_id, stream],
                |row| row.get(0),
            )
            .optional()?;
        let id = deleted.ok_or(Error::StreamNotFound)?;
        transaction.execute("INSERT INTO deleted_streams (id, group_id) VALUES (?1, ?2)", params![id, group_id])?;
        transaction.commit()?;
        self.known.streams.pop(&(group_id, stream));
        Ok(())
    }

    fn delete_group(&mut self, name: &str) -> Result<(), Error> {
        let id = self.group_id(name)?;
        let transaction = self.setup.connection.transaction()?;
        transaction.execute("UPDATE log_groups SET name = NULL WHERE id = ?1", [id])?;
        transaction.execute("DELETE FROM subscription_filters WHERE group_id = ?1", [id])?;
        transaction.commit()?;
        self.known.groups.remove(name);
        self.feed.groups.remove(&id);
        Ok(())
    }

    fn put_filter(&mut self, names: (&str, &str), definition: &FilterDefinition) -> Result<(), Error> {
        let now_ms = self.setup.clock.now_ms();
        self.feed.put(&mut self.setup.connection, names, definition, now_ms)
    }

    fn set_retention(&mut self, name: &str, hours: Option<u32>) -> Result<(), Error> {
        let set = self
            .setup
            .connection
            .execute("UPDATE log_groups SET retention_hours = ?2 WHERE name = ?1", params![name, hours])?;
        if set == 0 { Err(Error::GroupNotFound) } else { Ok(()) }
    }

    fn maintain(&mut self) -> Result<bool, Error> {
        let now_ms = self.setup.clock.now_ms();
        // Deleted again after a power cut, if need be.
        self.sync(false)?;
        let step = retention::step(&mut self.setup.connection, &self.setup.config, &mut self.pass, now_ms)?;
        if step.removed_streams {
            self.known.streams.clear();
        }
        Ok(step.more)
    }
}

const NEW_STREAM: &str =
    "INSERT INTO log_streams (group_id, name, created_ms, first_event_ms, last_event_ms, last_event_id)
    VALUES (?1, ?2, ?3, 9223372036854775807, 0, 0)";

fn json(tags: &BTreeMap<String, String>) -> Result<String, Error> {
    serde_json::to_string(tags).map_err(|error| Error::Failed(error.to_string()))
}

/// What one transaction wrote.
#[derive(Default)]
struct Written {
    /// The last event of each group that functions wrote to.
    touched: HashMap<Arc<str>, EventId>,
    watched: HashMap<Arc<str>, WatchedEvents>,
    /// What became of each put, in order.
    puts: Vec<Result<(), Error>>,
    lines: u64,
    /// Whether the feed of subscription filters grew.
    fed: bool,
}

/// A stream's events in one transaction.
struct Span {
    first_ms: i64,
    last_ms: i64,
    /// The last that a function printed, or [`EventId::FIRST`].
    last_printed: EventId,
}

/// Where an event goes.
#[derive(Clone, Copy)]
struct Place<'a> {
    group: &'a Arc<str>,
    stream: &'a Arc<str>,
    group_id: i64,
    stream_id: i64,
}

/// Events on their way into one transaction.
struct Events<'a> {
    transaction: &'a Transaction<'a>,
    known: &'a mut Known,
    now_ms: i64,
    next_id: EventId,
    fed_groups: &'a HashSet<i64>,
    next_position: i64,
    spans: HashMap<i64, Span>,
    open: Option<Open>,
    text: String,
    watched_groups: HashSet<Arc<str>>,
    written: Written,
}

/// A block that takes more events.
struct Open {
    group: Arc<str>,
    group_id: i64,
    stream_id: i64,
    first: EventId,
    block: Block,
}

/// Whether nobody waits for any of it.
fn may_wait(inbox: &[Message]) -> bool {
    inbox.iter().all(|message| matches!(message, Message::Batch(_)))
}

/// Whether it is a few messages each of many streams.
fn is_scattered(inbox: &[Message]) -> bool {
    let streams: HashSet<_> = inbox
        .iter()
        .filter_map(|message| match message {
            Message::Batch(LogBatch { group, stream, .. }) => Some((group, stream)),
            Message::Put(_) | Message::Call(_) => None,
        })
        .collect();
    streams.len() > SCATTERED_STREAMS && streams.len().saturating_mul(4) > inbox.len()
}

/// Rests of the writer within a transaction: on a machine whose processors are all taken, a long one would keep invocations waiting for as long.
struct Pace {
    worked_since: Instant,
}

impl Pace {
    /// How long it works, and then rests.
    const STRIDE: Duration = Duration::from_micros(500);

    fn begin() -> Self {
        Self { worked_since: Instant::now() }
    }

    /// Rests, if it is time to.
    fn step(&mut self) {
        if self.worked_since.elapsed() >= Self::STRIDE {
            std::thread::sleep(Self::STRIDE);
            self.worked_since = Instant::now();
        }
    }
}

/// Batches of one stream together, so that they share rows. Streams come in the order of their first batches, batches in theirs.
fn by_stream(work: &[Work]) -> Vec<Vec<&LogBatch>> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut streams: Vec<Vec<&LogBatch>> = Vec::new();
    for work in work {
        let Work::Batch(batch) = work else { continue };
        let place = *places.entry((&batch.group, &batch.stream)).or_insert(streams.len());
        match streams.get_mut(place) {
            Some(stream) => stream.push(batch),
            None => streams.push(vec![batch]),
        }
    }
    streams
}

impl Events<'_> {
    /// Adds batches of one stream.
    fn add(&mut self, batches: &[&LogBatch]) -> Result<(), Error> {
        let Some(LogBatch { group, stream, .. }) = batches.first() else { return Ok(()) };
        let (group_id, stream_id) = self.rows(group, stream)?;
        let place = Place { group, stream, group_id, stream_id };
        let is_fed = self.fed_groups.contains(&group_id);
        let mut text = std::mem::take(&mut self.text);
        for LogBatch { lines, trace, .. } in batches {
            let mut ids = Vec::new();
            for line in lines {
                let id = match &line.text {
                    LineText::Guest(bytes) => self.print(place, line.timestamp_ms, &String::from_utf8_lossy(bytes))?,
                    LineText::Platform(platform) => {
                        text.clear();
                        write!(text, "{platform}").map_err(|e| Error::Failed(e.to_string()))?;
                        self.print(place, line.timestamp_ms, &text)?
                    }
                };
                if is_fed {
                    ids.push(id);
                }
            }
            self.feed(group_id, ids, trace.as_deref())?;
        }
        self.text = text;
        Ok(())
    }

    /// Tells the group's subscription filters of events.
    fn feed(&mut self, group_id: i64, ids: Vec<EventId>, trace: Option<&str>) -> Result<(), Error> {
        if ids.is_empty() || !self.fed_groups.contains(&group_id) {
            return Ok(());
        }
        feed::append(self.transaction, (group_id, self.next_position), self.now_ms, ids, trace)?;
        self.next_position = self.next_position.saturating_add(1);
        self.written.fed = true;
        Ok(())
    }

    fn add_text(&mut self, group: &Arc<str>, stream: &Arc<str>, text: &str) -> Result<(), Error> {
        let (group_id, stream_id) = self.rows(group, stream)?;
        let id = self.print(Place { group, stream, group_id, stream_id }, self.now_ms, text)?;
        self.feed(group_id, vec![id], None)
    }

    /// An event of a function's: into the open block, where it fits in there, else into a new one.
    fn print(&mut self, place: Place<'_>, timestamp_ms: i64, text: &str) -> Result<EventId, Error> {
        let id = self.next_id;
        self.next_id = id.next();
        match &mut self.open {
            Some(open)
                if open.stream_id == place.stream_id
                    && open.block.has_room()
                    // Ids follow each other within a millisecond only.
                    && open.first.0.checked_add(open.block.count().into()) == Some(id.0) =>
            {
                open.block.push(timestamp_ms, text);
            }
            _ => {
                self.close()?;
                let Place { group, group_id, stream_id, .. } = place;
                let block = Block::of(timestamp_ms, text);
                self.open = Some(Open { group: Arc::clone(group), group_id, stream_id, first: id, block });
            }
        }
        self.watched(place, id, timestamp_ms, text);
        Ok(id)
    }

    /// Writes the open block, if there is one.
    fn close(&mut self) -> Result<(), Error> {
        let Some(Open { group, group_id, stream_id, first, block }) = self.open.take() else { return Ok(()) };
        let count = i64::from(block.count());
        let last = EventId(first.0.saturating_add(count.saturating_sub(1)));
        self.written.touched.insert(group, last);
        self.insert((group_id, stream_id), first, block.base_ms(), ToSqlOutput::from(block.bytes()))?;
        self.note(stream_id, block.span_ms(), Some(last));
        self.written.lines = self.written.lines.saturating_add(block.count().into());
        Ok(())
    }

    /// Events of a client's. Nothing is written where group or stream is not there.
    fn put(&mut self, put: &Put) -> Result<(), Error> {
        let group_id = self.find_group(&put.group)?.ok_or(Error::GroupNotFound)?;
        let stream_id = self.find_stream(group_id, &put.stream)?.ok_or(Error::StreamNotFound)?;
        let place = Place { group: &put.group, stream: &put.stream, group_id, stream_id };
        let mut ids = Vec::new();
        for (timestamp_ms, text) in &put.events {
            let id = self.free_put_id(group_id, *timestamp_ms)?;
            self.insert((group_id, stream_id), id, *timestamp_ms, ToSqlOutput::from(text.as_str()))?;
            self.note(stream_id, (*timestamp_ms, *timestamp_ms), None);
            self.written.lines = self.written.lines.saturating_add(1);
            self.watched(place, id, *timestamp_ms, text);
            ids.push(id);
        }
        self.feed(group_id, ids, put.trace.as_deref())?;
        if !put.events.is_empty() {
            let now = EventId::at(self.now_ms);
            let touched = self.written.touched.entry(Arc::clone(&put.group)).or_insert(now);
            *touched = now.max(*touched);
        }
        Ok(())
    }

    /// The first free id behind those put with the same timestamp; those of a full millisecond go into the next one.
    fn free_put_id(&self, group_id: i64, timestamp_ms: i64) -> Result<EventId, Error> {
        let mut ms = timestamp_ms;
        loop {
            let first = EventId::first_put(ms);
            let end = EventId::at(first.ms().saturating_add(1));
            let last: Option<i64> = self
                .transaction
                .prepare_cached("SELECT max(id) FROM log_events WHERE group_id = ?1 AND id >= ?2 AND id < ?3")?
                .query_row(params![group_id, first.0, end.0], |row| row.get(0))?;
            let id = last.map_or(first, |last| EventId(last).next_put());
            if id < end {
                return Ok(id);
            }
            ms = ms.saturating_add(1);
        }
    }

    fn insert(
        &self,
        (group_id, stream_id): (i64, i64),
        id: EventId,
        timestamp_ms: i64,
        message: ToSqlOutput<'_>,
    ) -> Result<(), Error> {
        let ingestion_ms = id.is_put().then_some(self.now_ms);
        self.transaction
            .prepare_cached(
                "INSERT INTO log_events (group_id, id, stream_id, timestamp_ms, message, ingestion_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![group_id, id.0, stream_id, timestamp_ms, message, ingestion_ms])?;
        Ok(())
    }

    /// Notes the times of a stream's events, and the last that a function printed.
    fn note(&mut self, stream_id: i64, (first_ms, last_ms): (i64, i64), last_printed: Option<EventId>) {
        let span = self.spans.entry(stream_id).or_insert(Span { first_ms, last_ms, last_printed: EventId::FIRST });
        span.first_ms = span.first_ms.min(first_ms);
        span.last_ms = span.last_ms.max(last_ms);
        span.last_printed = last_printed.unwrap_or(span.last_printed);
    }

    /// Keeps an event for who watches its group.
    fn watched(&mut self, place: Place<'_>, id: EventId, timestamp_ms: i64, text: &str) {
        if !self.watched_groups.contains(place.group) {
            return;
        }
        let group = Arc::clone(place.group);
        let watched = self.written.watched.entry(Arc::clone(&group));
        let watched =
            watched.or_insert_with(|| WatchedEvents { group, events: Vec::new(), left_out: 0, size_bytes: 0 });
        let (stream, ingestion_ms) = (Arc::clone(place.stream), self.now_ms);
        watched.push(LogEvent { id, stream, timestamp_ms, ingestion_ms, message: text.to_owned() });
    }

    /// The rows of group and stream, made where they are not there.
    fn rows(&mut self, group: &Arc<str>, stream: &Arc<str>) -> Result<(i64, i64), Error> {
        let group_id = match self.known.groups.get(group) {
            Some(&id) => id,
            None => {
                let id = self.group_row(group)?;
                self.known.groups.insert(Arc::clone(group), id);
                id
            }
        };
        let key = (group_id, Arc::clone(stream));
        if let Some(&id) = self.known.streams.get(&key) {
            return Ok((group_id, id));
        }
        let id = self.stream_row(group_id, stream)?;
        self.known.streams.put(key, id);
        Ok((group_id, id))
    }

    fn group_row(&self, name: &str) -> Result<i64, Error> {
        if let Some(id) = self.find_group(name)? {
            return Ok(id);
        }
        self.transaction
            .prepare_cached("INSERT INTO log_groups (name, created_ms) VALUES (?1, ?2)")?
            .execute(params![name, self.now_ms])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn find_group(&self, name: &str) -> Result<Option<i64>, Error> {
        let mut statement = self.transaction.prepare_cached("SELECT id FROM log_groups WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    fn stream_row(&self, group_id: i64, name: &str) -> Result<i64, Error> {
        if let Some(id) = self.find_stream(group_id, name)? {
            return Ok(id);
        }
        self.transaction.prepare_cached(NEW_STREAM)?.execute(params![group_id, name, self.now_ms])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn find_stream(&self, group_id: i64, name: &str) -> Result<Option<i64>, Error> {
        let mut statement =
            self.transaction.prepare_cached("SELECT id FROM log_streams WHERE group_id = ?1 AND name = ?2")?;
        Ok(statement.query_row(params![group_id, name], |row| row.get(0)).optional()?)
    }

    fn update_streams(&mut self) -> Result<(), Error> {
        let mut update = self.transaction.prepare_cached(
            "UPDATE log_streams SET first_event_ms = min(first_event_ms, ?2), last_event_ms = max(last_event_ms, ?3),
             last_event_id = max(last_event_id, ?4), last_ingestion_ms = ?5 WHERE id = ?1",
        )?;
        for (stream_id, span) in self.spans.drain() {
            update.execute(params![stream_id, span.first_ms, span.last_ms, span.last_printed.0, self.now_ms])?;
        }
        Ok(())
    }
}
