//! The one thread that writes logs.

use super::{Config, Error, EventId, Followers, LineText, LogBatch, LogLine, Lost, Queue, retention};
use crate::clock::SharedClock;
use lru::LruCache;
use prometheus::IntCounter;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::HashMap;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Messages taken into one transaction.
const MAX_MESSAGES: usize = 4_096;

/// Streams whose row the writer knows without asking.
const KNOWN_STREAMS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

pub(super) enum Message {
    Batch(LogBatch),
    Call(Call),
}

/// What callers wait for. Handled in order with the batches.
pub(super) enum Call {
    Flush(oneshot::Sender<()>),
    CreateGroup { name: Arc<str>, done: oneshot::Sender<Result<(), Error>> },
    DeleteGroup { name: Arc<str>, done: oneshot::Sender<Result<(), Error>> },
    SetRetention { name: Arc<str>, hours: Option<u32>, done: oneshot::Sender<Result<(), Error>> },
    Maintain(oneshot::Sender<Result<bool, Error>>),
    Stop(oneshot::Sender<()>),
}

/// All the writer needs.
pub(super) struct Setup {
    pub(super) connection: Connection,
    pub(super) receiver: mpsc::Receiver<Message>,
    pub(super) queue: Arc<Queue>,
    pub(super) followers: Arc<Followers>,
    pub(super) clock: SharedClock,
    pub(super) config: Config,
    pub(super) written: IntCounter,
}

pub(super) struct Writer {
    setup: Setup,
    known: Known,
    last_id: EventId,
    failing: bool,
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
        // Every event's stream is updated with it, so this is the last event of all.
        let last: Option<i64> =
            setup.connection.query_row("SELECT max(last_event_id) FROM log_streams", [], |row| row.get(0))?;
        setup.connection.set_prepared_statement_cache_capacity(32);
        Ok(Self {
            setup,
            known: Known { groups: HashMap::new(), streams: LruCache::new(KNOWN_STREAMS) },
            last_id: EventId(last.unwrap_or(0)),
            failing: false,
        })
    }

    /// Writes until told to stop or until the store is dropped.
    pub(super) fn run(mut self) {
        let linger = Duration::from_millis(self.setup.config.linger_ms.into());
        let mut inbox = Vec::new();
        while self.setup.receiver.blocking_recv_many(&mut inbox, MAX_MESSAGES) > 0 {
            if !linger.is_zero() && inbox.iter().all(|m| matches!(m, Message::Batch(_))) {
                std::thread::sleep(linger);
                while inbox.len() < MAX_MESSAGES {
                    let Ok(message) = self.setup.receiver.try_recv() else { break };
                    inbox.push(message);
                }
            }
            let mut batches = Vec::with_capacity(inbox.len());
            for message in inbox.drain(..) {
                let call = match message {
                    Message::Batch(batch) => {
                        batches.push(batch);
                        continue;
                    }
                    Message::Call(call) => call,
                };
                self.write(std::mem::take(&mut batches));
                if let Call::Stop(done) = call {
                    // Nobody may wait for it any more.
                    let _ = done.send(());
                    return;
                }
                self.answer(call);
            }
            self.write(batches);
        }
    }

    fn answer(&mut self, call: Call) {
        // A caller that no longer waits is none of the writer's business.
        match call {
            Call::Flush(done) | Call::Stop(done) => drop(done.send(())),
            Call::CreateGroup { name, done } => drop(done.send(self.create_group(&name))),
            Call::DeleteGroup { name, done } => drop(done.send(self.delete_group(&name))),
            Call::SetRetention { name, hours, done } => drop(done.send(self.set_retention(&name, hours))),
            Call::Maintain(done) => drop(done.send(self.maintain())),
        }
    }

    /// Writes batches in one transaction. What cannot be written is counted as lost.
    fn write(&mut self, batches: Vec<LogBatch>) {
        let lost = std::mem::take(&mut *self.setup.queue.lost.lock());
        if batches.is_empty() && lost.is_empty() {
            return;
        }
        let size = batches.iter().map(LogBatch::size_bytes).fold(0, usize::saturating_add);
        let before = self.last_id;
        match self.try_write(&batches, &lost) {
            Ok((lines, touched)) => {
                self.setup.written.inc_by(lines);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("function logs are written again");
                }
                self.tell_followers(&touched);
            }
            Err(error) => {
                self.last_id = before;
                self.known.forget_all();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "function logs cannot be written and are dropped");
                }
                self.setup.queue.remember(lost);
                for batch in batches {
                    self.setup.queue.lose(batch);
                }
            }
        }
        self.setup.queue.bytes.fetch_sub(size, Ordering::Relaxed);
    }

    fn try_write(&mut self, batches: &[LogBatch], lost: &Lost) -> Result<(u64, HashMap<Arc<str>, EventId>), Error> {
        let now_ms = self.setup.clock.now_ms();
        let transaction = self.setup.connection.transaction()?;
        let mut events = Events {
            transaction: &transaction,
            known: &mut self.known,
            now_ms,
            next_id: self.last_id.next().max(EventId::at(now_ms)),
            touched: HashMap::new(),
            spans: HashMap::new(),
            text: String::new(),
            lines: 0,
        };
        for batch in batches {
            events.add(&batch.group, &batch.stream, &batch.lines)?;
        }
        for ((group, stream), count) in lost {
            events.add_text(
                group,
                stream,
                &format!("[lamina] {count} log lines dropped: the log writer fell behind"),
            )?;
        }
        events.update_streams()?;
        let Events { next_id, touched, lines, .. } = events;
        transaction.commit()?;
        self.last_id = EventId(next_id.0.saturating_sub(1));
        Ok((lines, touched))
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

    fn create_group(&mut self, name: &str) -> Result<(), Error> {
        let made = self.setup.connection.execute(
            "INSERT INTO log_groups (name, created_ms) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
            params![name, self.setup.clock.now_ms()],
        )?;
        if made == 0 { Err(Error::GroupExists) } else { Ok(()) }
    }

    fn delete_group(&mut self, name: &str) -> Result<(), Error> {
        let gone = self.setup.connection.execute("UPDATE log_groups SET name = NULL WHERE name = ?1", [name])?;
        self.known.groups.remove(name);
        if gone == 0 { Err(Error::GroupNotFound) } else { Ok(()) }
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
        let step = retention::step(&mut self.setup.connection, &self.setup.config, now_ms)?;
        if step.removed_streams {
            self.known.streams.clear();
        }
        Ok(step.more)
    }
}

/// Events on their way into one transaction.
struct Events<'a> {
    transaction: &'a Transaction<'a>,
    known: &'a mut Known,
    now_ms: i64,
    next_id: EventId,
    /// The last event of each group written to.
    touched: HashMap<Arc<str>, EventId>,
    /// By stream: its first and last timestamp here, and its last event.
    spans: HashMap<i64, (i64, i64, EventId)>,
    text: String,
    lines: u64,
}

impl Events<'_> {
    fn add(&mut self, group: &Arc<str>, stream: &Arc<str>, lines: &[LogLine]) -> Result<(), Error> {
        let (group_id, stream_id) = self.rows(group, stream)?;
        for line in lines {
            match &line.text {
                LineText::Guest(bytes) => {
                    self.insert(group_id, stream_id, line.timestamp_ms, &String::from_utf8_lossy(bytes))?;
                }
                LineText::Platform(platform) => {
                    let mut text = std::mem::take(&mut self.text);
                    text.clear();
                    write!(text, "{platform}").map_err(|e| Error::Failed(e.to_string()))?;
                    self.insert(group_id, stream_id, line.timestamp_ms, &text)?;
                    self.text = text;
                }
            }
        }
        self.touched.insert(Arc::clone(group), EventId(self.next_id.0.saturating_sub(1)));
        Ok(())
    }

    fn add_text(&mut self, group: &Arc<str>, stream: &Arc<str>, text: &str) -> Result<(), Error> {
        let (group_id, stream_id) = self.rows(group, stream)?;
        self.insert(group_id, stream_id, self.now_ms, text)?;
        self.touched.insert(Arc::clone(group), EventId(self.next_id.0.saturating_sub(1)));
        Ok(())
    }

    fn insert(&mut self, group_id: i64, stream_id: i64, timestamp_ms: i64, text: &str) -> Result<(), Error> {
        let id = self.next_id;
        self.transaction
            .prepare_cached(
                "INSERT INTO log_events (group_id, id, stream_id, timestamp_ms, message) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![group_id, id.0, stream_id, timestamp_ms, text])?;
        self.next_id = id.next();
        self.lines = self.lines.saturating_add(1);
        let span = self.spans.entry(stream_id).or_insert((timestamp_ms, timestamp_ms, id));
        *span = (span.0.min(timestamp_ms), span.1.max(timestamp_ms), id);
        Ok(())
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
        let found = self
            .transaction
            .prepare_cached("SELECT id FROM log_groups WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        if let Some(id) = found {
            return Ok(id);
        }
        self.transaction
            .prepare_cached("INSERT INTO log_groups (name, created_ms) VALUES (?1, ?2)")?
            .execute(params![name, self.now_ms])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn stream_row(&self, group_id: i64, name: &str) -> Result<i64, Error> {
        let found = self
            .transaction
            .prepare_cached("SELECT id FROM log_streams WHERE group_id = ?1 AND name = ?2")?
            .query_row(params![group_id, name], |row| row.get(0))
            .optional()?;
        if let Some(id) = found {
            return Ok(id);
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO log_streams (group_id, name, created_ms, first_event_ms, last_event_ms, last_event_id)
                 VALUES (?1, ?2, ?3, 9223372036854775807, 0, 0)",
            )?
            .execute(params![group_id, name, self.now_ms])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn update_streams(&mut self) -> Result<(), Error> {
        let mut update = self.transaction.prepare_cached(
            "UPDATE log_streams SET first_event_ms = min(first_event_ms, ?2), last_event_ms = max(last_event_ms, ?3),
             last_event_id = ?4 WHERE id = ?1",
        )?;
        for (stream_id, (first_ms, last_ms, last)) in self.spans.drain() {
            update.execute(params![stream_id, first_ms, last_ms, last.0])?;
        }
        Ok(())
    }
}
