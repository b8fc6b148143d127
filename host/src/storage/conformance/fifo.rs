//! FIFO queues: order, blocking, deduplication, dead letters.

use super::*;
use crate::storage::queues::{DeduplicationScope, FifoAttributes, RedrivePolicy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

on_every_backend!(
    a_group_keeps_its_order_and_is_blocked_while_in_flight,
    a_deletion_or_a_timeout_unblocks_a_group,
    a_batch_takes_a_group_in_order_before_the_next,
    a_message_put_back_comes_before_those_after_it,
    handles_end_with_the_visibility_timeout,
    duplicates_within_the_window_are_answered_with_the_first,
    deduplication_may_be_by_group,
    deduplication_outlives_deletion_and_purge,
    dead_letters_keep_group_and_order,
    a_delayed_first_message_holds_its_group,
    expiry_unblocks_a_group,
    groups_stay_in_order_under_many_receivers,
);

fn attributes() -> QueueAttributes {
    QueueAttributes { fifo: Some(FifoAttributes::default()), ..QueueAttributes::default() }
}

fn grouped(group: &str, body: &str) -> NewMessage {
    NewMessage { group_id: Some(group.into()), ..message(body) }
}

fn deduplicated(group: &str, id: &str) -> NewMessage {
    NewMessage { deduplication_id: Some(id.into()), ..grouped(group, id) }
}

async fn fifo(storage: &Storage) -> Queue {
    Queue::new(storage, "q.fifo", attributes()).await
}

async fn a_group_keeps_its_order_and_is_blocked_while_in_flight(storage: Storage) {
    let queue = fifo(&storage).await;
    let sent = queue.send(vec![grouped("a", "a1"), grouped("a", "a2"), grouped("b", "b1")], 0).await;
    let numbers: Vec<_> = sent.iter().map(|sent| sent.sequence_number.unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    let first = queue.receive(1, 30, 0).await;
    assert_eq!(bodies(&first), ["a1"]);
    assert_eq!(first.messages[0].sequence_number, Some(numbers[0]));
    assert_eq!(queue.bodies(10, 60, 0).await, ["b1"]);
    assert_eq!(queue.bodies(10, 60, 29_999).await, [""; 0]);
    assert_eq!(queue.next_visible_at().await, Some(30_000));
    assert_eq!(queue.counts(0).await, (1, 2, 0));
}

async fn a_deletion_or_a_timeout_unblocks_a_group(storage: Storage) {
    let queue = fifo(&storage).await;
    queue.send(vec![grouped("a", "a1"), grouped("a", "a2"), grouped("a", "a3")], 0).await;
    let first = queue.receive(1, 30, 0).await;
    let arrivals = storage.queues.arrivals(&queue.name);
    assert_eq!(queue.delete(&first, 1).await, [HandleOutcome::Done]);
    assert!(arrivals.has_changed().unwrap());
    assert_eq!(queue.bodies(1, 30, 1).await, ["a2"]);
    assert_eq!(queue.bodies(10, 30, 30_001).await, ["a2", "a3"]);
    assert_eq!(queue.bodies(10, 30, 30_002).await, [""; 0]);
}

async fn a_batch_takes_a_group_in_order_before_the_next(storage: Storage) {
    let queue = fifo(&storage).await;
    let messages = ["a1", "b1", "a2", "b2", "a3"].map(|body| grouped(&body[..1], body));
    queue.send(messages.to_vec(), 0).await;
    let batch = queue.receive(4, 30, 0).await;
    assert_eq!(bodies(&batch), ["a1", "a2", "a3", "b1"]);
    // Part of a batch in flight blocks the group.
    let part = Received { messages: batch.messages[..2].to_vec(), dead_lettered: 0 };
    queue.delete(&part, 0).await;
    queue.send(vec![grouped("a", "a4")], 0).await;
    assert_eq!(queue.bodies(10, 30, 1).await, [""; 0]);
}

async fn a_message_put_back_comes_before_those_after_it(storage: Storage) {
    let queue = fifo(&storage).await;
    queue.send(vec![grouped("a", "a1"), grouped("a", "a2"), grouped("a", "a3")], 0).await;
    let batch = queue.receive(2, 30, 0).await;
    let first = Received { messages: batch.messages[..1].to_vec(), dead_lettered: 0 };
    assert_eq!(queue.change_visibility(&first, 0, 1).await, [HandleOutcome::Done]);
    // The second still is in flight.
    assert_eq!(queue.bodies(10, 30, 1).await, [""; 0]);
    let second = Received { messages: batch.messages[1..].to_vec(), dead_lettered: 0 };
    assert_eq!(queue.change_visibility(&second, 0, 1).await, [HandleOutcome::Done]);
    assert_eq!(queue.bodies(10, 30, 1).await, ["a1", "a2", "a3"]);
}

async fn handles_end_with_the_visibility_timeout(storage: Storage) {
    let queue = fifo(&storage).await;
    queue.send(vec![grouped("a", "a1")], 0).await;
    let received = queue.receive(1, 30, 0).await;
    assert_eq!(queue.delete(&received, 30_000).await, [HandleOutcome::Stale]);
    assert_eq!(queue.delete(&received, 29_999).await, [HandleOutcome::Done]);
}

async fn duplicates_within_the_window_are_answered_with_the_first(storage: Storage) {
    let queue = fifo(&storage).await;
    let sent = queue.send(vec![deduplicated("a", "x"), deduplicated("b", "x"), deduplicated("a", "y")], 0).await;
    assert_eq!(sent[1], SendOutcome { duplicate: true, ..sent[0].clone() });
    assert!(!sent[2].duplicate);
    let late = queue.send(vec![deduplicated("a", "x")], 299_999).await;
    assert_eq!(late[0], sent[1]);
    let later = queue.send(vec![deduplicated("a", "x")], 300_000).await;
    assert!(!later[0].duplicate && later[0].message_id != sent[0].message_id);
    assert_eq!(queue.counts(300_000).await, (3, 0, 0));
    // The window counts from the last one sent.
    assert!(queue.send(vec![deduplicated("a", "x")], 599_999).await[0].duplicate);
    // Forgetting takes only what is past it.
    storage.queues.sweep(599_999, 100).await.unwrap();
    assert!(queue.send(vec![deduplicated("a", "x")], 599_999).await[0].duplicate);
}

async fn deduplication_may_be_by_group(storage: Storage) {
    let by_group =
        FifoAttributes { deduplication_scope: DeduplicationScope::MessageGroup, ..FifoAttributes::default() };
    let queue = Queue::new(&storage, "q.fifo", QueueAttributes { fifo: Some(by_group), ..attributes() }).await;
    let sent = queue.send(vec![deduplicated("a", "x"), deduplicated("b", "x"), deduplicated("a", "x")], 0).await;
    assert_eq!(sent.iter().map(|sent| sent.duplicate).collect::<Vec<_>>(), [false, false, true]);
}

async fn deduplication_outlives_deletion_and_purge(storage: Storage) {
    let queue = fifo(&storage).await;
    queue.send(vec![deduplicated("a", "x"), deduplicated("b", "y")], 0).await;
    let received = queue.receive(1, 30, 0).await;
    queue.delete(&received, 0).await;
    storage.queues.purge(queue.name.clone()).await.unwrap().unwrap();
    let again = queue.send(vec![deduplicated("a", "x"), deduplicated("b", "y"), deduplicated("b", "z")], 1).await;
    assert_eq!(again.iter().map(|sent| sent.duplicate).collect::<Vec<_>>(), [true, true, false]);
    storage.queues.sweep(1, 100).await.unwrap();
    assert_eq!(queue.bodies(10, 0, 1).await, ["z"]);
}

async fn dead_letters_keep_group_and_order(storage: Storage) {
    let dead = Queue::new(&storage, "dead.fifo", QueueAttributes { retention_s: 60, ..attributes() }).await;
    let redrive = Some(RedrivePolicy { dead_letter_queue: dead.name.clone(), max_receive_count: 1 });
    let queue = Queue::new(&storage, "q.fifo", QueueAttributes { redrive, ..attributes() }).await;
    queue.send(vec![grouped("a", "a1"), grouped("a", "a2"), grouped("a", "a3")], 0).await;
    assert_eq!(queue.bodies(2, 30, 0).await, ["a1", "a2"]);
    let next = queue.receive(10, 30, 30_000).await;
    assert_eq!((bodies(&next), next.dead_lettered), (vec!["a3".to_owned()], 2));
    let first = dead.receive(1, 30, 30_000).await;
    assert_eq!(bodies(&first), ["a1"]);
    assert_eq!((first.messages[0].group_id.as_deref(), first.messages[0].sent_at_ms), (Some("a"), 0));
    assert_eq!(dead.bodies(1, 30, 30_000).await, [""; 0]);
    // Retention starts again, counted from the move.
    assert_eq!(dead.bodies(10, 1, 89_999).await, ["a1", "a2"]);
    assert_eq!(dead.bodies(10, 0, 91_000).await, [""; 0]);
}

async fn a_delayed_first_message_holds_its_group(storage: Storage) {
    let queue = Queue::new(&storage, "q.fifo", QueueAttributes { delay_s: 10, ..attributes() }).await;
    // Of its own a message of a FIFO queue has no delay.
    queue.send(vec![NewMessage { delay_s: Some(0), ..grouped("a", "a1") }], 0).await;
    storage.queues.put_attributes(queue.name.clone(), attributes(), 0).await.unwrap().unwrap();
    queue.send(vec![grouped("a", "a2"), grouped("b", "b1")], 0).await;
    assert_eq!(queue.bodies(10, 30, 9_999).await, ["b1"]);
    assert_eq!(queue.bodies(10, 30, 10_000).await, ["a1", "a2"]);
}

async fn expiry_unblocks_a_group(storage: Storage) {
    let queue = Queue::new(&storage, "q.fifo", QueueAttributes { retention_s: 60, ..attributes() }).await;
    queue.send(vec![grouped("a", "a1")], 0).await;
    queue.send(vec![grouped("a", "a2")], 1_000).await;
    assert_eq!(queue.bodies(1, 3_600, 0).await, ["a1"]);
    let arrivals = storage.queues.arrivals(&queue.name);
    assert_eq!(storage.queues.sweep(60_000, 100).await.unwrap(), 1);
    assert!(arrivals.has_changed().unwrap());
    assert_eq!(queue.bodies(1, 30, 60_000).await, ["a2"]);
}

async fn groups_stay_in_order_under_many_receivers(storage: Storage) {
    const GROUPS: usize = 5;
    const EACH: usize = 40;
    let queue = fifo(&storage).await;
    let left = Arc::new(AtomicUsize::new(GROUPS * EACH));
    let seen = Arc::new(parking_lot::Mutex::new(BTreeMap::<String, Vec<usize>>::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for group in 0..GROUPS {
        let queue = queue.clone();
        tasks.spawn(async move {
            for number in 0..EACH {
                queue.send(vec![grouped(&group.to_string(), &number.to_string())], 0).await;
            }
        });
    }
    for _ in 0..6 {
        let (queue, left, seen) = (queue.clone(), left.clone(), seen.clone());
        tasks.spawn(async move {
            while left.load(Ordering::SeqCst) > 0 {
                // A call that need not wait would never let the senders run.
                tokio::task::yield_now().await;
                let received = queue.receive(3, 30, 0).await;
                // While these are in flight nobody else has any of their groups.
                for message in &received.messages {
                    let group = message.group_id.clone().unwrap();
                    seen.lock().entry(group).or_default().push(message.body.parse().unwrap());
                    tokio::task::yield_now().await;
                }
                queue.delete(&received, 0).await;
                left.fetch_sub(received.messages.len(), Ordering::SeqCst);
            }
        });
    }
    tasks.join_all().await;
    let expected: Vec<usize> = (0..EACH).collect();
    assert_eq!(seen.lock().len(), GROUPS);
    for (group, numbers) in seen.lock().iter() {
        assert_eq!(*numbers, expected, "group {group}");
    }
}
