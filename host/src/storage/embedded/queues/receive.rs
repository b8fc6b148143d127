//! Receiving: which messages, in which order, and what happens to those that were received too often or kept too long.

use super::super::super::queues::{ReceiptHandle, Received, ReceivedMessage};
use super::super::super::{Error, Result};
use super::super::writer::Txn;
use super::{Queue, groups, remove, seconds_ms};
use crate::ids::QueueName;
use rusqlite::Row;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Messages that one receive moves or drops at most, beside those it gives.
const DROPPED_A_RECEIVE: usize = 256;
/// Groups of a FIFO queue that one receive looks at beside those it takes from.
const GROUPS_A_RECEIVE: usize = 64;

const CANDIDATE: &str = "SELECT m.id, m.receive_count, m.enqueued_at_ms, m.first_received_at_ms, m.fifo_group, m.visible_at_ms FROM message m";

struct Candidate {
    id: i64,
    receive_count: u32,
    enqueued_at_ms: i64,
    first_received_at_ms: Option<i64>,
    fifo_group: Option<i64>,
    visible_at_ms: i64,
}

impl Candidate {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            receive_count: row.get(1)?,
            enqueued_at_ms: row.get(2)?,
            first_received_at_ms: row.get(3)?,
            fifo_group: row.get(4)?,
            visible_at_ms: row.get(5)?,
        })
    }
}

/// What is to become of a message that is visible.
enum Fate {
    Receive,
    Expire,
    DeadLetter,
}

/// The rules of one receive.
struct Rules<'a> {
    queue: &'a Queue,
    /// Where messages go after so many receives, if there is such a queue.
    dead_letters: Option<(Arc<Queue>, u32)>,
    retained_after_ms: i64,
}

impl<'a> Rules<'a> {
    fn new(txn: &Txn<'_>, queue: &'a Queue, now_ms: i64) -> Self {
        let dead_letters = queue.record.attributes.redrive.as_ref().and_then(|redrive| {
            let target = txn.state.queues.get(&redrive.dead_letter_queue)?;
            // One of the other kind cannot hold this one's messages; and a queue is not its own.
            let fits = target.is_fifo() == queue.is_fifo() && target.id != queue.id;
            fits.then(|| (target.clone(), redrive.max_receive_count))
        });
        Self { queue, dead_letters, retained_after_ms: queue.retained_after_ms(now_ms) }
    }

    fn fate(&self, message: &Candidate) -> Fate {
        if message.enqueued_at_ms <= self.retained_after_ms {
            return Fate::Expire;
        }
        match &self.dead_letters {
            Some((_, max)) if message.receive_count >= *max => Fate::DeadLetter,
            _ => Fate::Receive,
        }
    }
}

/// The messages of one receive, picked before any is changed.
#[derive(Default)]
struct Picked {
    receive: Vec<Candidate>,
    expire: Vec<Candidate>,
    dead_letter: Vec<Candidate>,
}

impl Picked {
    fn add(&mut self, rules: &Rules<'_>, message: Candidate) {
        match rules.fate(&message) {
            Fate::Receive => self.receive.push(message),
            Fate::Expire => self.expire.push(message),
            Fate::DeadLetter => self.dead_letter.push(message),
        }
    }

    fn is_full(&self, max: usize) -> bool {
        self.receive.len() >= max || self.expire.len() + self.dead_letter.len() >= DROPPED_A_RECEIVE
    }
}

/// Takes at most `max` messages.
pub(super) fn receive(
    txn: &mut Txn<'_>,
    queue: &Queue,
    max: usize,
    visibility_timeout_s: Option<u32>,
    now_ms: i64,
) -> Result<Received> {
    let rules = Rules::new(txn, queue, now_ms);
    let picked =
        if queue.is_fifo() { pick_fifo(txn, &rules, max, now_ms)? } else { pick_standard(txn, &rules, max, now_ms)? };
    let mut touched = BTreeSet::new();
    for message in &picked.expire {
        remove(txn.connection, message.id)?;
        touched.extend(message.fifo_group);
    }
    if let Some((target, _)) = &rules.dead_letters {
        for message in &picked.dead_letter {
            move_to(txn, target, message, &queue.record.name, now_ms)?;
            touched.extend(message.fifo_group);
        }
        if !picked.dead_letter.is_empty() {
            txn.state.arrived.push(target.record.name.clone());
        }
    }
    let timeout_s = visibility_timeout_s.unwrap_or(queue.record.attributes.visibility_timeout_s);
    let visible_at_ms = now_ms.saturating_add(seconds_ms(timeout_s));
    let mut messages = Vec::with_capacity(picked.receive.len());
    for message in &picked.receive {
        messages.push(take(txn, queue, message, visible_at_ms, now_ms)?);
        touched.extend(message.fifo_group);
    }
    touched.into_iter().try_for_each(|group| groups::refresh(txn, group))?;
    let dead_lettered = u32::try_from(picked.dead_letter.len()).unwrap_or(u32::MAX);
    Ok(Received { messages, dead_lettered })
}

/// Those visible longest first.
fn pick_standard(txn: &Txn<'_>, rules: &Rules<'_>, max: usize, now_ms: i64) -> Result<Picked> {
    let mut picked = Picked::default();
    let sql = format!("{CANDIDATE} WHERE m.partition = ?1 AND m.visible_at_ms <= ?2 ORDER BY m.visible_at_ms, m.id");
    let mut find = txn.connection.prepare_cached(&sql)?;
    let mut rows = find.query((rules.queue.partition, now_ms))?;
    while !picked.is_full(max)
        && let Some(row) = rows.next()?
    {
        picked.add(rules, Candidate::read(row)?);
    }
    Ok(picked)
}

/// From the groups available longest first, each group's messages from its first on.
fn pick_fifo(txn: &Txn<'_>, rules: &Rules<'_>, max: usize, now_ms: i64) -> Result<Picked> {
    let mut picked = Picked::default();
    let groups = "SELECT id FROM fifo_group WHERE partition = ?1 AND available_at_ms <= ?2 ORDER BY available_at_ms, id LIMIT ?3";
    let mut groups = txn.connection.prepare_cached(groups)?;
    let limit = i64::try_from(max.saturating_add(GROUPS_A_RECEIVE)).unwrap_or(i64::MAX);
    let mut groups = groups.query((rules.queue.partition, now_ms, limit))?;
    let sql = format!("{CANDIDATE} WHERE m.fifo_group = ?1 ORDER BY m.id");
    let mut find = txn.connection.prepare_cached(&sql)?;
    while !picked.is_full(max)
        && let Some(group) = groups.next()?
    {
        let mut rows = find.query([group.get::<_, i64>(0)?])?;
        while !picked.is_full(max)
            && let Some(row) = rows.next()?
        {
            let message = Candidate::read(row)?;
            if message.visible_at_ms > now_ms {
                break;
            }
            picked.add(rules, message);
        }
    }
    Ok(picked)
}

/// Moves a message to a dead-letter queue, where it counts as not yet received from there.
fn move_to(txn: &mut Txn<'_>, target: &Queue, message: &Candidate, source: &QueueName, now_ms: i64) -> Result<()> {
    // On FIFO queues retention starts again; on standard ones it goes on
    // (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html).
    let (group, enqueued_at_ms) = if message.fifo_group.is_some() {
        let name = "SELECT coalesce(group_id, '') FROM message_content WHERE id = ?1";
        let name: String = txn.connection.prepare_cached(name)?.query_row([message.id], |row| row.get(0))?;
        (Some(groups::enter(txn, target.partition, &name, now_ms)?), now_ms)
    } else {
        (None, message.enqueued_at_ms)
    };
    let update =
        "UPDATE message SET partition = ?2, visible_at_ms = ?3, enqueued_at_ms = ?4, token = 0, received_at_ms = NULL,
        fifo_group = ?5, dead_letter_source = ?6 WHERE id = ?1";
    txn.connection.prepare_cached(update)?.execute((
        message.id,
        target.partition,
        now_ms,
        enqueued_at_ms,
        group,
        source.as_str(),
    ))?;
    // It may come before those already there.
    group.map_or(Ok(()), |group| groups::refresh(txn, group))
}

/// Marks a message as received and reads it.
fn take(txn: &Txn<'_>, queue: &Queue, message: &Candidate, visible_at_ms: i64, now_ms: i64) -> Result<ReceivedMessage> {
    let token = loop {
        match rand::random::<i64>() {
            0 => {}
            token => break token,
        }
    };
    let receive_count = message.receive_count.saturating_add(1);
    let first_received_at_ms = message.first_received_at_ms.unwrap_or(now_ms);
    let update = "UPDATE message SET visible_at_ms = ?2, token = ?3, receive_count = ?4, received_at_ms = ?5, first_received_at_ms = ?6
        WHERE id = ?1 RETURNING dead_letter_source";
    let source: Option<String> = txn
        .connection
        .prepare_cached(update)?
        .query_row((message.id, visible_at_ms, token, receive_count, now_ms, first_received_at_ms), |row| row.get(0))?;
    let dead_letter_source =
        source.map(|name| QueueName::new(&name)).transpose().map_err(|e| Error::Corrupt(e.to_string()))?;
    let content = "SELECT message_id, body, attributes, system_attributes, sent_at_ms, group_id, deduplication_id
        FROM message_content WHERE id = ?1";
    let mut content = txn.connection.prepare_cached(content)?;
    let mut rows = content.query([message.id])?;
    let Some(row) = rows.next()? else { return Err(Error::Corrupt(format!("message {} has no content", message.id))) };
    let message_id = row.get_ref(0)?.as_blob().map_err(|e| Error::Corrupt(e.to_string()))?;
    Ok(ReceivedMessage {
        message_id: Uuid::from_slice(message_id).map_err(|e| Error::Corrupt(format!("a message id: {e}")))?,
        receipt_handle: ReceiptHandle { queue: queue.id, message: message.id, token },
        body: row.get(1)?,
        attributes: row.get(2)?,
        system_attributes: row.get(3)?,
        sent_at_ms: row.get(4)?,
        first_received_at_ms,
        receive_count,
        sequence_number: queue.is_fifo().then_some(message.id.unsigned_abs()),
        group_id: row.get(5)?,
        deduplication_id: row.get(6)?,
        dead_letter_source,
    })
}
