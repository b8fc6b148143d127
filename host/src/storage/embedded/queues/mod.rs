//! Queues in SQLite. The records of all queues are also in memory; messages are not.
//!
//! - [`send`], [`receive`], [`settle`] (delete, change of visibility), [`sweep`]: the operations on messages, each inside the writer's transaction.
//! - [`groups`]: which groups of a FIFO queue can be received from.

mod groups;
mod receive;
mod send;
mod settle;
mod sweep;

use super::super::queues::{
    Created, HandleOutcome, NewMessage, NoSuchQueue, OnQueue, QueueAttributes, QueueRecord, QueueStats, Queues,
    ReceiptHandle, Received, SendOutcome,
};
use super::super::{Pending, Result};
use super::readers::Readers;
use super::writer::{Txn, Writer};
use super::{decode, encode};
use crate::ids::QueueName;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use tokio::sync::watch;

/// All queues by name.
pub(super) type Directory = BTreeMap<QueueName, Arc<Queue>>;

/// A queue as the backend knows it.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// Its number, in handles and for deduplication.
    id: i64,
    /// Whose messages are its.
    partition: i64,
    record: QueueRecord,
}

impl Queue {
    fn is_fifo(&self) -> bool {
        self.record.attributes.fifo.is_some()
    }

    /// Messages enqueued at this time or before are past their retention.
    fn retained_after_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(seconds_ms(self.record.attributes.retention_s))
    }
}

/// The tables of queues and messages.
pub(super) struct QueueTable {
    pub(super) writer: Arc<Writer>,
    pub(super) readers: Arc<Readers>,
}

impl QueueTable {
    /// Runs `work` on a queue in the writer's transaction.
    fn on_queue<T: Send + 'static>(
        &self,
        name: QueueName,
        mut work: impl FnMut(&mut Txn<'_>, &Arc<Queue>) -> Result<T> + Send + 'static,
    ) -> OnQueue<'_, T> {
        Box::pin(self.writer.write(move |txn| match txn.state.queues.get(&name).cloned() {
            Some(queue) => work(txn, &queue).map(Ok),
            None => Ok(Err(NoSuchQueue(name.clone()))),
        }))
    }

    /// Runs `work` on a queue as of the last commit.
    fn read_queue<T: Send + 'static>(
        &self,
        name: QueueName,
        work: impl FnOnce(&Connection, &Queue) -> Result<T> + Send + 'static,
    ) -> OnQueue<'_, T> {
        Box::pin(async move {
            let Some(queue) = self.writer.queues.load().get(&name).cloned() else { return Ok(Err(NoSuchQueue(name))) };
            self.readers.read(move |connection| work(connection, &queue)).await.map(Ok)
        })
    }
}

impl Queues for QueueTable {
    fn create(&self, record: QueueRecord) -> Pending<'_, Created> {
        Box::pin(self.writer.write(move |txn| {
            if let Some(found) = txn.state.queues.get(&record.name) {
                let same = found.record.attributes == record.attributes;
                let found = found.record.clone();
                return Ok(if same { Created::Same(found) } else { Created::Different(found) });
            }
            let (id, partition) = (txn.next_number()?, txn.next_number()?);
            store(txn, Queue { id, partition, record: record.clone() })?;
            Ok(Created::New)
        }))
    }

    fn put_attributes(&self, name: QueueName, attributes: QueueAttributes, now_ms: i64) -> OnQueue<'_, ()> {
        self.on_queue(name, move |txn, queue| {
            let mut queue = Queue::clone(queue);
            let old = queue.record.attributes.fifo.take();
            let new = attributes.fifo.clone();
            queue.record.attributes = attributes.clone();
            queue.record.attributes.fifo = old.map(|old| new.unwrap_or(old));
            queue.record.modified_at_ms = now_ms;
            store(txn, queue)
        })
    }

    fn put_tags(&self, name: QueueName, tags: BTreeMap<String, String>) -> OnQueue<'_, ()> {
        self.on_queue(name, move |txn, queue| {
            let mut queue = Queue::clone(queue);
            queue.record.tags = tags.clone();
            store(txn, queue)
        })
    }

    fn delete(&self, name: QueueName) -> OnQueue<'_, ()> {
        self.on_queue(name, |txn, queue| {
            let name = &queue.record.name;
            txn.connection.prepare_cached("DELETE FROM queue WHERE name = ?1")?.execute([name.as_str()])?;
            sweep::drop_partition(txn, queue.partition)?;
            Arc::make_mut(&mut txn.state.queues).remove(name);
            Ok(())
        })
    }

    fn get(&self, name: QueueName) -> Pending<'_, Option<QueueRecord>> {
        Box::pin(async move { Ok(self.writer.queues.load().get(&name).map(|queue| queue.record.clone())) })
    }

    fn list(&self, prefix: String, after: Option<String>, limit: usize) -> Pending<'_, Vec<QueueRecord>> {
        Box::pin(async move {
            let queues = self.writer.queues.load();
            let from = after.as_deref().map_or(prefix.as_str(), |after| after.max(prefix.as_str()));
            let page = queues
                .range::<str, _>((Bound::Included(from), Bound::Unbounded))
                .filter(|(name, _)| after.as_deref().is_none_or(|after| name.as_str() > after))
                .take_while(|(name, _)| name.as_str().starts_with(&prefix))
                .take(limit);
            Ok(page.map(|(_, queue)| queue.record.clone()).collect())
        })
    }

    fn send(&self, name: QueueName, messages: Vec<NewMessage>, now_ms: i64) -> OnQueue<'_, Vec<SendOutcome>> {
        self.on_queue(name, move |txn, queue| {
            let outcomes = messages.iter().map(|message| send::send(txn, queue, message, now_ms)).collect();
            txn.state.arrived.push(queue.record.name.clone());
            outcomes
        })
    }

    fn receive(&self, name: QueueName, max: usize, timeout_s: Option<u32>, now_ms: i64) -> OnQueue<'_, Received> {
        self.on_queue(name, move |txn, queue| receive::receive(txn, queue, max, timeout_s, now_ms))
    }

    fn delete_messages(
        &self,
        name: QueueName,
        handles: Vec<ReceiptHandle>,
        now_ms: i64,
    ) -> OnQueue<'_, Vec<HandleOutcome>> {
        self.on_queue(name, move |txn, queue| {
            handles.iter().map(|handle| settle::delete(txn, queue, handle, now_ms)).collect()
        })
    }

    fn change_visibility(
        &self,
        name: QueueName,
        changes: Vec<(ReceiptHandle, u32)>,
        now_ms: i64,
    ) -> OnQueue<'_, Vec<HandleOutcome>> {
        self.on_queue(name, move |txn, queue| {
            let change = |(handle, timeout_s): &(ReceiptHandle, u32)| {
                settle::change_visibility(txn, queue, handle, *timeout_s, now_ms)
            };
            changes.iter().map(change).collect()
        })
    }

    fn purge(&self, name: QueueName) -> OnQueue<'_, ()> {
        self.on_queue(name, |txn, queue| {
            sweep::drop_partition(txn, queue.partition)?;
            let partition = txn.next_number()?;
            store(txn, Queue { partition, ..Queue::clone(queue) })
        })
    }

    fn stats(&self, name: QueueName, now_ms: i64) -> OnQueue<'_, QueueStats> {
        self.read_queue(name, move |connection, queue| {
            // One transaction, so that the counts belong together.
            let transaction = connection.unchecked_transaction()?;
            let visible = "SELECT count(*) FROM message WHERE partition = ?1 AND visible_at_ms <= ?2";
            let visible =
                transaction.prepare_cached(visible)?.query_row((queue.partition, now_ms), |row| row.get(0))?;
            let hidden = "SELECT count(*) FILTER (WHERE token <> 0), count(*) FILTER (WHERE token = 0)
                FROM message WHERE partition = ?1 AND visible_at_ms > ?2";
            let (in_flight, delayed) = transaction
                .prepare_cached(hidden)?
                .query_row((queue.partition, now_ms), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let oldest = "SELECT min(enqueued_at_ms) FROM message WHERE partition = ?1";
            let oldest_enqueued_at_ms =
                transaction.prepare_cached(oldest)?.query_row([queue.partition], |row| row.get(0))?;
            Ok(QueueStats { visible, in_flight, delayed, oldest_enqueued_at_ms })
        })
    }

    fn next_visible_at(&self, name: QueueName) -> OnQueue<'_, Option<i64>> {
        self.read_queue(name, |connection, queue| {
            let sql = if queue.is_fifo() {
                "SELECT min(available_at_ms) FROM fifo_group WHERE partition = ?1"
            } else {
                "SELECT min(visible_at_ms) FROM message WHERE partition = ?1"
            };
            Ok(connection.prepare_cached(sql)?.query_row([queue.partition], |row| row.get(0))?)
        })
    }

    fn sweep(&self, now_ms: i64, limit: usize) -> Pending<'_, usize> {
        Box::pin(self.writer.write(move |txn| sweep::sweep(txn, now_ms, limit)))
    }

    fn arrivals(&self, queue: &QueueName) -> watch::Receiver<u64> {
        self.writer.arrivals.subscribe(queue)
    }
}

/// Reads all queues.
pub(super) fn read_directory(connection: &Connection) -> Result<Directory> {
    let mut statement = connection.prepare_cached("SELECT id, partition, record FROM queue")?;
    let mut rows = statement.query(())?;
    let mut queues = Directory::new();
    while let Some(row) = rows.next()? {
        let record: QueueRecord = decode(&row.get::<_, String>(2)?)?;
        queues.insert(record.name.clone(), Arc::new(Queue { id: row.get(0)?, partition: row.get(1)?, record }));
    }
    Ok(queues)
}

/// Creates or replaces a queue.
fn store(txn: &mut Txn<'_>, queue: Queue) -> Result<()> {
    let put = "INSERT OR REPLACE INTO queue (name, id, partition, record) VALUES (?1, ?2, ?3, ?4)";
    let name = queue.record.name.clone();
    txn.connection.prepare_cached(put)?.execute((name.as_str(), queue.id, queue.partition, encode(&queue.record)?))?;
    Arc::make_mut(&mut txn.state.queues).insert(name, Arc::new(queue));
    Ok(())
}

/// What says where a message stands.
struct Standing {
    partition: i64,
    visible_at_ms: i64,
    token: i64,
    received_at_ms: Option<i64>,
    fifo_group: Option<i64>,
}

fn standing(connection: &Connection, message: i64) -> Result<Option<Standing>> {
    let sql = "SELECT partition, visible_at_ms, token, received_at_ms, fifo_group FROM message WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Standing {
            partition: row.get(0)?,
            visible_at_ms: row.get(1)?,
            token: row.get(2)?,
            received_at_ms: row.get(3)?,
            fifo_group: row.get(4)?,
        })
    };
    Ok(connection.prepare_cached(sql)?.query_row([message], read).optional()?)
}

/// Removes a message; its group's standing is the caller's.
fn remove(connection: &Connection, message: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([message])?;
    connection.prepare_cached("DELETE FROM message_content WHERE id = ?1")?.execute([message])?;
    Ok(())
}

fn seconds_ms(seconds: u32) -> i64 {
    i64::from(seconds).saturating_mul(1000)
}
