//! Queues in memory.
//!
//! A queue's messages are in a map by number; beside it are their order of visibility and, on FIFO queues, the groups.
//! What changes a message goes through [`Queue::insert`], [`Queue::remove`] and [`Queue::hide`], which keep the three in step.

use super::super::arrivals::Arrivals;
use super::super::queues::{
    Created, DEDUPLICATION_WINDOW_MS, DeduplicationScope, HandleOutcome, MAXIMUM_VISIBILITY_MS, NewMessage,
    NoSuchQueue, OnQueue, QueueAttributes, QueueRecord, QueueStats, Queues, ReceiptHandle, Received, ReceivedMessage,
    SendOutcome,
};
use super::super::{Pending, Result};
use super::Gate;
use crate::ids::QueueName;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

/// Messages that one receive moves or drops at most, beside those it gives.
const DROPPED_A_RECEIVE: usize = 256;

/// The table.
pub(super) struct QueueTable {
    gate: Arc<Gate>,
    arrivals: Arrivals,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    queues: BTreeMap<QueueName, Queue>,
    last_number: i64,
}

struct Queue {
    id: i64,
    record: QueueRecord,
    messages: BTreeMap<i64, Message>,
    /// Standard queues: `(visible_at_ms, number)` of each message.
    by_visibility: BTreeSet<(i64, i64)>,
    /// FIFO queues: the numbers of each group's messages.
    groups: BTreeMap<String, BTreeSet<i64>>,
    /// FIFO queues: what was sent before, by scope and deduplication id.
    sent: HashMap<(Option<String>, String), Sent>,
}

#[derive(Clone)]
struct Message {
    message_id: Uuid,
    content: NewMessage,
    sent_at_ms: i64,
    enqueued_at_ms: i64,
    visible_at_ms: i64,
    /// Of the last receive from this queue.
    token: Option<i64>,
    received_at_ms: i64,
    first_received_at_ms: Option<i64>,
    receive_count: u32,
    dead_letter_source: Option<QueueName>,
}

struct Sent {
    message_id: Uuid,
    number: i64,
    expires_at_ms: i64,
}

impl QueueTable {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, arrivals: Arrivals::default(), tables: Mutex::default() }
    }

    /// Runs `work` on a queue; what it gives second is whether something may have become visible in it.
    fn on_queue<'a, T: Send>(
        &'a self,
        name: QueueName,
        work: impl FnOnce(&mut Queue, &mut i64) -> (T, bool) + Send + 'a,
    ) -> OnQueue<'a, T> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            let Tables { queues, last_number } = &mut *tables;
            let Some(queue) = queues.get_mut(&name) else { return Ok(Err(NoSuchQueue(name))) };
            let (answer, arrived) = work(queue, last_number);
            drop(tables);
            if arrived {
                self.arrivals.mark(&name);
            }
            Ok(Ok(answer))
        })
    }

    fn read_queue<'a, T: Send>(
        &'a self,
        name: QueueName,
        work: impl FnOnce(&Queue) -> T + Send + 'a,
    ) -> OnQueue<'a, T> {
        Box::pin(async move {
            let tables = self.tables.lock();
            Ok(tables.queues.get(&name).map(work).ok_or(NoSuchQueue(name)))
        })
    }
}

impl Queues for QueueTable {
    fn create(&self, record: QueueRecord) -> Pending<'_, Created> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            if let Some(found) = tables.queues.get(&record.name) {
                let same = found.record.attributes == record.attributes;
                let found = found.record.clone();
                return Ok(if same { Created::Same(found) } else { Created::Different(found) });
            }
            let id = next(&mut tables.last_number);
            tables.queues.insert(record.name.clone(), Queue::new(id, record));
            Ok(Created::New)
        })
    }

    fn put_attributes(&self, queue: QueueName, mut attributes: QueueAttributes, now_ms: i64) -> OnQueue<'_, ()> {
        self.on_queue(queue, move |queue, _| {
            let old = queue.record.attributes.fifo.take();
            attributes.fifo = old.map(|old| attributes.fifo.unwrap_or(old));
            queue.record.attributes = attributes;
            queue.record.modified_at_ms = now_ms;
            ((), false)
        })
    }

    fn put_tags(&self, queue: QueueName, tags: BTreeMap<String, String>) -> OnQueue<'_, ()> {
        self.on_queue(queue, move |queue, _| {
            queue.record.tags = tags;
            ((), false)
        })
    }

    fn delete(&self, queue: QueueName) -> OnQueue<'_, ()> {
        Box::pin(async move {
            self.gate.pass()?;
            let removed = self.tables.lock().queues.remove(&queue);
            Ok(removed.map(drop).ok_or(NoSuchQueue(queue)))
        })
    }

    fn get(&self, queue: QueueName) -> Pending<'_, Option<QueueRecord>> {
        Box::pin(async move { Ok(self.tables.lock().queues.get(&queue).map(|queue| queue.record.clone())) })
    }

    fn list(&self, prefix: String, after: Option<String>, limit: usize) -> Pending<'_, Vec<QueueRecord>> {
        Box::pin(async move {
            let tables = self.tables.lock();
            let wanted = |queue: &&Queue| {
                let name = queue.record.name.as_str();
                name.starts_with(&prefix) && after.as_deref().is_none_or(|after| name > after)
            };
            Ok(tables.queues.values().filter(wanted).take(limit).map(|queue| queue.record.clone()).collect())
        })
    }

    fn send(&self, queue: QueueName, messages: Vec<NewMessage>, now_ms: i64) -> OnQueue<'_, Vec<SendOutcome>> {
        self.on_queue(queue, move |queue, last_number| {
            let send = |message| queue.send(message, last_number, now_ms);
            (messages.into_iter().map(send).collect(), true)
        })
    }

    fn receive(&self, queue: QueueName, max: usize, timeout_s: Option<u32>, now_ms: i64) -> OnQueue<'_, Received> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            let received = tables.receive(&queue, max, timeout_s, now_ms);
            drop(tables);
            let Some((received, dead_letters)) = received else { return Ok(Err(NoSuchQueue(queue))) };
            if let Some(name) = dead_letters {
                self.arrivals.mark(&name);
            }
            Ok(Ok(received))
        })
    }

    fn delete_messages(
        &self,
        queue: QueueName,
        handles: Vec<ReceiptHandle>,
        now_ms: i64,
    ) -> OnQueue<'_, Vec<HandleOutcome>> {
        self.on_queue(queue, move |queue, _| {
            let outcomes = handles.iter().map(|handle| queue.settle(handle, now_ms)).collect();
            (outcomes, queue.is_fifo())
        })
    }

    fn change_visibility(
        &self,
        queue: QueueName,
        changes: Vec<(ReceiptHandle, u32)>,
        now_ms: i64,
    ) -> OnQueue<'_, Vec<HandleOutcome>> {
        self.on_queue(queue, move |queue, _| {
            let change =
                |(handle, timeout_s): &(ReceiptHandle, u32)| queue.change_visibility(handle, *timeout_s, now_ms);
            (changes.iter().map(change).collect(), true)
        })
    }

    fn purge(&self, queue: QueueName) -> OnQueue<'_, ()> {
        self.on_queue(queue, |queue, _| {
            queue.messages.clear();
            queue.by_visibility.clear();
            queue.groups.clear();
            ((), false)
        })
    }

    fn stats(&self, queue: QueueName, now_ms: i64) -> OnQueue<'_, QueueStats> {
        self.read_queue(queue, move |queue| {
            let mut stats = QueueStats::default();
            for message in queue.messages.values() {
                match (message.visible_at_ms <= now_ms, message.token) {
                    (true, _) => stats.visible += 1,
                    (false, Some(_)) => stats.in_flight += 1,
                    (false, None) => stats.delayed += 1,
                }
            }
            stats.oldest_enqueued_at_ms = queue.messages.values().map(|message| message.enqueued_at_ms).min();
            stats
        })
    }

    fn next_visible_at(&self, queue: QueueName) -> OnQueue<'_, Option<i64>> {
        self.read_queue(queue, |queue| {
            if queue.is_fifo() {
                queue.groups.values().filter_map(|group| queue.available_at_ms(group)).min()
            } else {
                queue.by_visibility.first().map(|(visible_at_ms, _)| *visible_at_ms)
            }
        })
    }

    fn sweep(&self, now_ms: i64, limit: usize) -> Pending<'_, usize> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            let mut left = limit;
            for queue in tables.queues.values_mut() {
                left = left.saturating_sub(queue.sweep(now_ms, left));
            }
            let fifo: Vec<_> =
                tables.queues.values().filter(|queue| queue.is_fifo()).map(|q| q.record.name.clone()).collect();
            drop(tables);
            if left < limit {
                // What went may have blocked its group.
                fifo.iter().for_each(|name| self.arrivals.mark(name));
            }
            Ok(limit - left)
        })
    }

    fn arrivals(&self, queue: &QueueName) -> watch::Receiver<u64> {
        self.arrivals.subscribe(queue)
    }
}

impl Tables {
    /// Receives; gives also the dead-letter queue if something went there.
    fn receive(
        &mut self,
        name: &QueueName,
        max: usize,
        timeout_s: Option<u32>,
        now_ms: i64,
    ) -> Option<(Received, Option<QueueName>)> {
        let queue = self.queues.get(name)?;
        let redrive = queue.record.attributes.redrive.clone().filter(|redrive| {
            let target = self.queues.get(&redrive.dead_letter_queue);
            redrive.dead_letter_queue != *name && target.is_some_and(|target| target.is_fifo() == queue.is_fifo())
        });
        let max_receive_count = redrive.as_ref().map(|redrive| redrive.max_receive_count);
        let queue = self.queues.get_mut(name)?;
        let (messages, dead) = queue.receive(max, timeout_s, max_receive_count, now_ms);
        let received = Received { messages, dead_lettered: u32::try_from(dead.len()).unwrap_or(u32::MAX) };
        let (Some(redrive), false) = (redrive, dead.is_empty()) else { return Some((received, None)) };
        let target = self.queues.get_mut(&redrive.dead_letter_queue)?;
        for (number, mut message) in dead {
            // On FIFO queues retention starts again; on standard ones it goes on.
            if target.is_fifo() {
                message.enqueued_at_ms = now_ms;
            }
            message.visible_at_ms = now_ms;
            message.token = None;
            message.dead_letter_source = Some(name.clone());
            target.insert(number, message);
        }
        Some((received, Some(redrive.dead_letter_queue)))
    }
}

impl Queue {
    fn new(id: i64, record: QueueRecord) -> Self {
        Self {
            id,
            record,
            messages: BTreeMap::new(),
            by_visibility: BTreeSet::new(),
            groups: BTreeMap::new(),
            sent: HashMap::new(),
        }
    }

    fn is_fifo(&self) -> bool {
        self.record.attributes.fifo.is_some()
    }

    fn insert(&mut self, number: i64, message: Message) {
        if self.is_fifo() {
            let group = message.content.group_id.clone().unwrap_or_default();
            self.groups.entry(group).or_default().insert(number);
        } else {
            self.by_visibility.insert((message.visible_at_ms, number));
        }
        self.messages.insert(number, message);
    }

    fn remove(&mut self, number: i64) -> Option<Message> {
        let message = self.messages.remove(&number)?;
        if self.is_fifo() {
            let name = message.content.group_id.as_deref().unwrap_or_default();
            if let Some(group) = self.groups.get_mut(name) {
                group.remove(&number);
                if group.is_empty() {
                    self.groups.remove(name);
                }
            }
        } else {
            self.by_visibility.remove(&(message.visible_at_ms, number));
        }
        Some(message)
    }

    /// Changes when a message is visible.
    fn hide(&mut self, number: i64, until_ms: i64) -> Option<&mut Message> {
        let fifo = self.is_fifo();
        let message = self.messages.get_mut(&number)?;
        if !fifo {
            self.by_visibility.remove(&(message.visible_at_ms, number));
            self.by_visibility.insert((until_ms, number));
        }
        message.visible_at_ms = until_ms;
        Some(message)
    }

    /// When a group's first message is visible and none of it is in flight.
    fn available_at_ms(&self, group: &BTreeSet<i64>) -> Option<i64> {
        let message = |number| self.messages.get(number);
        let first = group.first().and_then(message)?.visible_at_ms;
        let received = group.iter().filter_map(message).filter(|message| message.token.is_some());
        received.map(|message| message.visible_at_ms).max().map_or(Some(first), |received| Some(received.max(first)))
    }

    fn send(&mut self, message: NewMessage, last_number: &mut i64, now_ms: i64) -> SendOutcome {
        let attributes = &self.record.attributes;
        let delay_s = match attributes.fifo {
            None => message.delay_s.unwrap_or(attributes.delay_s),
            Some(_) => attributes.delay_s,
        };
        let key = match (&attributes.fifo, &message.deduplication_id) {
            (Some(fifo), Some(id)) => {
                let grouped = fifo.deduplication_scope == DeduplicationScope::MessageGroup;
                Some((grouped.then(|| message.group_id.clone().unwrap_or_default()), id.clone()))
            }
            _ => None,
        };
        let found = key.as_ref().and_then(|key| self.sent.get(key)).filter(|sent| sent.expires_at_ms > now_ms);
        if let Some(sent) = found {
            let sequence_number = Some(sent.number.unsigned_abs());
            return SendOutcome { message_id: sent.message_id, sequence_number, duplicate: true };
        }
        let (number, message_id) = (next(last_number), Uuid::new_v4());
        if let Some(key) = key {
            let expires_at_ms = now_ms.saturating_add(DEDUPLICATION_WINDOW_MS);
            self.sent.insert(key, Sent { message_id, number, expires_at_ms });
        }
        let message = Message {
            message_id,
            dead_letter_source: message.dead_letter_source.clone(),
            content: message,
            sent_at_ms: now_ms,
            enqueued_at_ms: now_ms,
            visible_at_ms: now_ms.saturating_add(seconds_ms(delay_s)),
            token: None,
            received_at_ms: 0,
            first_received_at_ms: None,
            receive_count: 0,
        };
        self.insert(number, message);
        SendOutcome { message_id, sequence_number: self.is_fifo().then_some(number.unsigned_abs()), duplicate: false }
    }

    /// Receives; gives also what is to go to the dead-letter queue.
    fn receive(
        &mut self,
        max: usize,
        timeout_s: Option<u32>,
        max_receive_count: Option<u32>,
        now_ms: i64,
    ) -> (Vec<ReceivedMessage>, Vec<(i64, Message)>) {
        let visible_at_ms =
            now_ms.saturating_add(seconds_ms(timeout_s.unwrap_or(self.record.attributes.visibility_timeout_s)));
        let retained_after_ms = self.retained_after_ms(now_ms);
        let (mut messages, mut dead) = (Vec::new(), Vec::new());
        for number in self.visible(max.saturating_add(DROPPED_A_RECEIVE), now_ms) {
            if messages.len() >= max {
                break;
            }
            let Some(message) = self.messages.get(&number) else { continue };
            if message.enqueued_at_ms <= retained_after_ms {
                self.remove(number);
            } else if max_receive_count.is_some_and(|max| message.receive_count >= max) {
                dead.extend(self.remove(number).map(|message| (number, message)));
            } else {
                messages.extend(self.take(number, visible_at_ms, now_ms));
            }
        }
        (messages, dead)
    }

    /// The first messages that can be received now, in their order.
    fn visible(&self, limit: usize, now_ms: i64) -> Vec<i64> {
        if !self.is_fifo() {
            let until = (Bound::Unbounded, Bound::Included((now_ms, i64::MAX)));
            return self.by_visibility.range(until).take(limit).map(|(_, number)| *number).collect();
        }
        let available = |group: &'_ BTreeSet<i64>| self.available_at_ms(group).filter(|at_ms| *at_ms <= now_ms);
        let mut groups: Vec<_> = self.groups.values().filter_map(|group| Some((available(group)?, group))).collect();
        groups.sort_by_key(|(at_ms, group)| (*at_ms, group.first().copied()));
        let is_visible =
            |number: &&i64| self.messages.get(*number).is_some_and(|message| message.visible_at_ms <= now_ms);
        let numbers = groups.into_iter().flat_map(|(_, group)| group.iter().take_while(is_visible));
        numbers.take(limit).copied().collect()
    }

    fn take(&mut self, number: i64, visible_at_ms: i64, now_ms: i64) -> Option<ReceivedMessage> {
        let (id, fifo) = (self.id, self.is_fifo());
        let token = rand::random::<i64>();
        let message = self.hide(number, visible_at_ms)?;
        message.token = Some(token);
        message.received_at_ms = now_ms;
        message.receive_count = message.receive_count.saturating_add(1);
        let content = message.content.clone();
        Some(ReceivedMessage {
            message_id: message.message_id,
            receipt_handle: ReceiptHandle { queue: id, message: number, token },
            body: content.body,
            attributes: content.attributes,
            system_attributes: content.system_attributes,
            sent_at_ms: message.sent_at_ms,
            first_received_at_ms: *message.first_received_at_ms.get_or_insert(now_ms),
            receive_count: message.receive_count,
            sequence_number: fifo.then_some(number.unsigned_abs()),
            group_id: content.group_id,
            deduplication_id: content.deduplication_id,
            dead_letter_source: message.dead_letter_source.clone(),
        })
    }

    /// The message of a handle, or why it has none.
    fn find(&self, handle: &ReceiptHandle) -> Result<&Message, HandleOutcome> {
        if handle.queue != self.id {
            return Err(HandleOutcome::Foreign);
        }
        let message = self.messages.get(&handle.message).ok_or(HandleOutcome::Gone)?;
        if message.token == Some(handle.token) { Ok(message) } else { Err(HandleOutcome::Stale) }
    }

    /// Deletes a received message.
    fn settle(&mut self, handle: &ReceiptHandle, now_ms: i64) -> HandleOutcome {
        match self.find(handle) {
            Err(outcome) => outcome,
            Ok(message) if self.is_fifo() && message.visible_at_ms <= now_ms => HandleOutcome::Stale,
            Ok(_) => {
                self.remove(handle.message);
                HandleOutcome::Done
            }
        }
    }

    fn change_visibility(&mut self, handle: &ReceiptHandle, timeout_s: u32, now_ms: i64) -> HandleOutcome {
        let message = match self.find(handle) {
            Ok(message) => message,
            Err(outcome) => return outcome,
        };
        if message.visible_at_ms <= now_ms {
            return HandleOutcome::NotInFlight;
        }
        let visible_at_ms = now_ms.saturating_add(seconds_ms(timeout_s));
        if visible_at_ms > message.received_at_ms.saturating_add(MAXIMUM_VISIBILITY_MS) {
            return HandleOutcome::TooLong;
        }
        self.hide(handle.message, visible_at_ms);
        HandleOutcome::Done
    }

    /// Messages enqueued at this time or before are past their retention.
    fn retained_after_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(seconds_ms(self.record.attributes.retention_s))
    }

    fn sweep(&mut self, now_ms: i64, limit: usize) -> usize {
        let retained_after_ms = self.retained_after_ms(now_ms);
        let old = self.messages.iter().filter(|(_, message)| message.enqueued_at_ms <= retained_after_ms);
        let old: Vec<_> = old.take(limit).map(|(number, _)| *number).collect();
        for number in &old {
            self.remove(*number);
        }
        self.sent.retain(|_, sent| sent.expires_at_ms > now_ms);
        old.len()
    }
}

fn next(last_number: &mut i64) -> i64 {
    *last_number = last_number.saturating_add(1);
    *last_number
}

fn seconds_ms(seconds: u32) -> i64 {
    i64::from(seconds).saturating_mul(1000)
}
