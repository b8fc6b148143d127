//! Standard queues, and what all queues share.

use super::*;
use crate::storage::queues::{NoSuchQueue, RedrivePolicy};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

on_every_backend!(
    creating_again_is_idempotent_and_tells_a_difference,
    calls_on_a_missing_queue_say_so,
    attributes_and_tags_are_replaced,
    queues_are_listed_in_pages,
    a_message_comes_back_as_it_was_sent,
    a_received_message_is_invisible_until_its_timeout,
    a_timeout_of_zero_leaves_messages_visible,
    delayed_messages_wait,
    visibility_is_changed_within_its_limits,
    handles_are_of_one_receive_of_one_queue,
    messages_received_too_often_move_whole,
    without_a_dead_letter_queue_messages_stay,
    messages_past_their_retention_are_gone,
    purge_and_delete_empty_a_queue,
    statistics_count_each_message_once,
    waiters_are_woken,
    each_message_is_received_once_by_many_receivers,
);

async fn creating_again_is_idempotent_and_tells_a_difference(storage: Storage) {
    Queue::new(&storage, "q", QueueAttributes::default()).await;
    let again = QueueRecord { created_at_ms: 9, ..record("q", QueueAttributes::default()) };
    let stored = record("q", QueueAttributes::default());
    assert_eq!(storage.queues.create(again).await.unwrap(), Created::Same(stored.clone()));
    let other = record("q", QueueAttributes { delay_s: 1, ..QueueAttributes::default() });
    assert_eq!(storage.queues.create(other).await.unwrap(), Created::Different(stored.clone()));
    assert_eq!(storage.queues.get(queue_name("q")).await.unwrap(), Some(stored));
}

async fn calls_on_a_missing_queue_say_so(storage: Storage) {
    let (queues, name) = (&storage.queues, || queue_name("none"));
    let missing = NoSuchQueue(name());
    assert_eq!(queues.send(name(), vec![message("a")], 1).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.receive(name(), 1, None, 1).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.delete_messages(name(), vec![], 1).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.change_visibility(name(), vec![], 1).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.put_attributes(name(), QueueAttributes::default(), 1).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.put_tags(name(), BTreeMap::new()).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.purge(name()).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.delete(name()).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.stats(name(), 1).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.next_visible_at(name()).await.unwrap().unwrap_err(), missing);
    assert_eq!(queues.get(name()).await.unwrap(), None);
}

async fn attributes_and_tags_are_replaced(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    // A queue does not become a FIFO queue.
    let attributes =
        QueueAttributes { visibility_timeout_s: 7, fifo: Some(Default::default()), ..QueueAttributes::default() };
    storage.queues.put_attributes(queue.name.clone(), attributes.clone(), 5).await.unwrap().unwrap();
    let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    storage.queues.put_tags(queue.name.clone(), tags.clone()).await.unwrap().unwrap();
    let expected = QueueRecord { tags, modified_at_ms: 5, ..record("q", QueueAttributes { fifo: None, ..attributes }) };
    assert_eq!(storage.queues.get(queue.name.clone()).await.unwrap(), Some(expected));
    queue.send_bodies(&["a"], 0).await;
    storage.queues.receive(queue.name.clone(), 1, None, 0).await.unwrap().unwrap();
    assert_eq!(queue.next_visible_at().await, Some(7_000));
}

async fn queues_are_listed_in_pages(storage: Storage) {
    for name in ["b2", "a", "b1", "c", "b3"] {
        Queue::new(&storage, name, QueueAttributes::default()).await;
    }
    let list = async |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let page = storage.queues.list(prefix.into(), after.map(Into::into), limit).await.unwrap();
        page.into_iter().map(|queue| queue.name.to_string()).collect()
    };
    assert_eq!(list("", None, 10).await, ["a", "b1", "b2", "b3", "c"]);
    assert_eq!(list("b", None, 2).await, ["b1", "b2"]);
    assert_eq!(list("b", Some("b2"), 2).await, ["b3"]);
    assert_eq!(list("b", Some("a"), 10).await, ["b1", "b2", "b3"]);
    assert!(list("b", Some("c"), 10).await.is_empty() && list("x", None, 10).await.is_empty());
}

async fn a_message_comes_back_as_it_was_sent(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    let sent = NewMessage {
        body: "é\u{1f600}\0".repeat(100_000),
        attributes: Some("{\"a\":1}".into()),
        system_attributes: Some("{\"AWSTraceHeader\":\"x\"}".into()),
        delay_s: None,
        group_id: Some("tenant".into()),
        deduplication_id: Some("d".into()),
        dead_letter_source: Some(QueueName::new("origin").unwrap()),
    };
    let outcome = queue.send(vec![sent.clone()], 10).await.remove(0);
    assert_eq!((outcome.sequence_number, outcome.duplicate), (None, false));
    let first = queue.receive(1, 1, 20).await.messages.remove(0);
    assert_eq!(first.message_id, outcome.message_id);
    assert_eq!(
        (first.body, first.attributes, first.system_attributes),
        (sent.body, sent.attributes, sent.system_attributes)
    );
    assert_eq!((first.group_id, first.deduplication_id), (sent.group_id, sent.deduplication_id));
    assert_eq!((first.sent_at_ms, first.first_received_at_ms, first.receive_count), (10, 20, 1));
    assert_eq!((first.sequence_number, first.dead_letter_source), (None, sent.dead_letter_source));
    let second = queue.receive(1, 1, 2_000).await.messages.remove(0);
    assert_eq!((second.sent_at_ms, second.first_received_at_ms, second.receive_count), (10, 20, 2));
    assert_ne!(second.receipt_handle, first.receipt_handle);
    // On a standard queue a deduplication id is echoed only.
    let twice = NewMessage { deduplication_id: Some("d".into()), ..message("again") };
    assert!(!queue.send(vec![twice], 10).await.remove(0).duplicate);
}

async fn a_received_message_is_invisible_until_its_timeout(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    assert_eq!(queue.next_visible_at().await, None);
    queue.send_bodies(&["a", "b", "c"], 0).await;
    assert_eq!(queue.next_visible_at().await, Some(0));
    let first = queue.receive(2, 30, 0).await;
    assert_eq!(bodies(&first), ["a", "b"]);
    assert_eq!(queue.bodies(10, 60, 29_999).await, ["c"]);
    assert_eq!(queue.next_visible_at().await, Some(30_000));
    assert_eq!(queue.bodies(10, 60, 29_999).await, [""; 0]);
    assert_eq!(queue.bodies(10, 60, 30_000).await, ["a", "b"]);
    assert_eq!(queue.bodies(0, 60, 300_000).await, [""; 0]);
}

async fn a_timeout_of_zero_leaves_messages_visible(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    queue.send_bodies(&["a", "b"], 0).await;
    assert_eq!(queue.bodies(10, 0, 0).await, ["a", "b"]);
    assert_eq!(queue.bodies(10, 0, 0).await, ["a", "b"]);
}

async fn delayed_messages_wait(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes { delay_s: 5, ..QueueAttributes::default() }).await;
    let own = NewMessage { delay_s: Some(2), ..message("own") };
    let none = NewMessage { delay_s: Some(0), ..message("none") };
    queue.send(vec![message("queue's"), own, none], 0).await;
    assert_eq!(queue.counts(1_999).await, (1, 0, 2));
    assert_eq!(queue.bodies(10, 60, 1_999).await, ["none"]);
    assert_eq!(queue.next_visible_at().await, Some(2_000));
    assert_eq!(queue.bodies(10, 60, 2_000).await, ["own"]);
    assert_eq!(queue.bodies(10, 60, 5_000).await, ["queue's"]);
}

async fn visibility_is_changed_within_its_limits(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    queue.send_bodies(&["a"], 0).await;
    let received = queue.receive(1, 10, 0).await;
    assert_eq!(queue.change_visibility(&received, 60, 5_000).await, [HandleOutcome::Done]);
    assert_eq!(queue.next_visible_at().await, Some(65_000));
    assert_eq!(queue.change_visibility(&received, 43_200, 5_000).await, [HandleOutcome::TooLong]);
    assert_eq!(queue.change_visibility(&received, 43_195, 5_000).await, [HandleOutcome::Done]);
    assert_eq!(queue.change_visibility(&received, 0, 6_000).await, [HandleOutcome::Done]);
    assert_eq!(queue.change_visibility(&received, 10, 6_000).await, [HandleOutcome::NotInFlight]);
    assert_eq!(queue.counts(6_000).await, (1, 0, 0));
    let again = queue.receive(1, 10, 6_000).await;
    assert_eq!(queue.change_visibility(&received, 60, 7_000).await, [HandleOutcome::Stale]);
    assert_eq!(queue.delete(&again, 7_000).await, [HandleOutcome::Done]);
    assert_eq!(queue.change_visibility(&again, 60, 7_000).await, [HandleOutcome::Gone]);
}

async fn handles_are_of_one_receive_of_one_queue(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    let other = Queue::new(&storage, "other", QueueAttributes::default()).await;
    queue.send_bodies(&["a", "b"], 0).await;
    let first = queue.receive(1, 1, 0).await;
    assert_eq!(other.delete(&first, 0).await, [HandleOutcome::Foreign]);
    // The timeout has passed, but nobody received it since.
    assert_eq!(queue.delete(&first, 5_000).await, [HandleOutcome::Done]);
    assert_eq!(queue.delete(&first, 5_000).await, [HandleOutcome::Gone]);
    let first = queue.receive(1, 1, 5_000).await;
    let second = queue.receive(1, 1, 6_000).await;
    assert_eq!(bodies(&first), bodies(&second));
    assert_eq!(queue.delete(&first, 6_000).await, [HandleOutcome::Stale]);
    // A handle made up for a message never received.
    queue.send_bodies(&["c"], 6_000).await;
    for token in [0, 1, -1] {
        let mut forged = second.clone();
        forged.messages[0].receipt_handle.message += 1;
        forged.messages[0].receipt_handle.token = token;
        assert_eq!(queue.delete(&forged, 6_000).await, [HandleOutcome::Stale]);
    }
    assert_eq!(queue.delete(&second, 6_000).await, [HandleOutcome::Done]);
    assert_eq!(queue.bodies(10, 1, 6_000).await, ["c"]);
}

fn redrive(dead_letter_queue: &str, max_receive_count: u32) -> QueueAttributes {
    let redrive = RedrivePolicy { dead_letter_queue: queue_name(dead_letter_queue), max_receive_count };
    QueueAttributes { redrive: Some(redrive), retention_s: 60, ..QueueAttributes::default() }
}

async fn messages_received_too_often_move_whole(storage: Storage) {
    let dead = Queue::new(&storage, "dead", QueueAttributes { retention_s: 60, ..QueueAttributes::default() }).await;
    let queue = Queue::new(&storage, "q", redrive("dead", 2)).await;
    let sent = queue.send_bodies(&["a"], 1_000).await;
    queue.send_bodies(&["b"], 1_001).await;
    assert_eq!(queue.bodies(1, 0, 2_000).await, ["a"]);
    let both = queue.receive(2, 1, 3_000).await;
    assert_eq!((bodies(&both).len(), both.dead_lettered), (2, 0));
    // "a" was received twice, "b" once.
    let received = queue.receive(10, 30, 4_000).await;
    assert_eq!((bodies(&received), received.dead_lettered), (vec!["b".to_owned()], 1));
    let moved = dead.receive(1, 1, 4_000).await;
    let message = &moved.messages[0];
    assert_eq!((message.body.as_str(), message.message_id), ("a", sent[0].message_id));
    assert_eq!((message.sent_at_ms, message.first_received_at_ms, message.receive_count), (1_000, 2_000, 3));
    assert_eq!(message.dead_letter_source, Some(queue.name.clone()));
    // Retention goes on from the first sending.
    assert_eq!(dead.bodies(1, 0, 60_999).await, ["a"]);
    assert_eq!(dead.bodies(1, 0, 61_000).await, [""; 0]);
}

async fn without_a_dead_letter_queue_messages_stay(storage: Storage) {
    let queue = Queue::new(&storage, "q", redrive("dead", 1)).await;
    let own = Queue::new(&storage, "own", redrive("own", 1)).await;
    let fifo = QueueAttributes { fifo: Some(Default::default()), ..QueueAttributes::default() };
    Queue::new(&storage, "f.fifo", fifo).await;
    let mixed = Queue::new(&storage, "mixed", redrive("f.fifo", 1)).await;
    for queue in [&queue, &own, &mixed] {
        queue.send_bodies(&["a"], 0).await;
        for _ in 0..3 {
            assert_eq!(queue.bodies(1, 0, 0).await, ["a"]);
        }
    }
    // As soon as there is one, it is used.
    let dead = Queue::new(&storage, "dead", QueueAttributes::default()).await;
    assert_eq!(queue.receive(1, 0, 0).await, Received { messages: vec![], dead_lettered: 1 });
    assert_eq!(dead.bodies(1, 0, 0).await, ["a"]);
}

async fn messages_past_their_retention_are_gone(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes { retention_s: 60, ..QueueAttributes::default() }).await;
    queue.send_bodies(&["a", "b", "c"], 0).await;
    queue.send_bodies(&["d"], 1_000).await;
    let received = queue.receive(1, 3_600, 1_000).await;
    assert_eq!(queue.bodies(2, 0, 59_999).await, ["b", "c"]);
    assert_eq!(queue.bodies(10, 0, 60_000).await, ["d"]);
    // In flight makes no difference.
    assert_eq!(storage.queues.sweep(60_000, 100).await.unwrap(), 1);
    assert_eq!(queue.delete(&received, 60_000).await, [HandleOutcome::Gone]);
    queue.send_bodies(&["e", "f", "g"], 1_000).await;
    assert_eq!(storage.queues.sweep(61_000, 3).await.unwrap(), 3);
    assert_eq!(storage.queues.sweep(61_000, 3).await.unwrap(), 1);
    assert_eq!(storage.queues.sweep(61_000, 3).await.unwrap(), 0);
    // A longer retention holds for what is there.
    queue.send_bodies(&["h"], 0).await;
    let longer = QueueAttributes { retention_s: 120, ..QueueAttributes::default() };
    storage.queues.put_attributes(queue.name.clone(), longer, 1).await.unwrap().unwrap();
    assert_eq!(queue.bodies(10, 0, 119_999).await, ["h"]);
}

async fn purge_and_delete_empty_a_queue(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    queue.send_bodies(&["a", "b"], 0).await;
    let received = queue.receive(1, 60, 0).await;
    storage.queues.purge(queue.name.clone()).await.unwrap().unwrap();
    assert_eq!(queue.counts(0).await, (0, 0, 0));
    assert_eq!(queue.delete(&received, 0).await, [HandleOutcome::Gone]);
    queue.send_bodies(&["c"], 0).await;
    storage.queues.sweep(0, 100).await.unwrap();
    let received = queue.receive(10, 60, 0).await;
    assert_eq!(bodies(&received), ["c"]);
    storage.queues.delete(queue.name.clone()).await.unwrap().unwrap();
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    assert_eq!(queue.counts(0).await, (0, 0, 0));
    assert_eq!(queue.delete(&received, 0).await, [HandleOutcome::Foreign]);
    while storage.queues.sweep(0, 1).await.unwrap() > 0 {}
    assert_eq!(queue.bodies(10, 0, 0).await, [""; 0]);
}

async fn statistics_count_each_message_once(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    assert_eq!(storage.queues.stats(queue.name.clone(), 0).await.unwrap().unwrap(), Default::default());
    queue.send_bodies(&["a", "b", "c"], 10).await;
    queue.send(vec![NewMessage { delay_s: Some(900), ..message("d") }], 20).await;
    let received = queue.receive(1, 30, 30).await;
    let stats = storage.queues.stats(queue.name.clone(), 30).await.unwrap().unwrap();
    assert_eq!((stats.visible, stats.in_flight, stats.delayed, stats.oldest_enqueued_at_ms), (2, 1, 1, Some(10)));
    assert_eq!(queue.counts(30_030).await, (3, 0, 1));
    queue.delete(&received, 30).await;
    assert_eq!(queue.counts(30).await, (2, 0, 1));
}

async fn waiters_are_woken(storage: Storage) {
    let mut early = storage.queues.arrivals(&queue_name("q"));
    let queue = Queue::new(&storage, "q", redrive("dead", 1)).await;
    Queue::new(&storage, "dead", QueueAttributes::default()).await;
    queue.send_bodies(&["a"], 0).await;
    assert!(early.has_changed().unwrap());
    early.mark_unchanged();
    let received = queue.receive(1, 30, 0).await;
    assert!(!early.has_changed().unwrap());
    queue.change_visibility(&received, 0, 0).await;
    assert!(early.has_changed().unwrap());
    let dead = storage.queues.arrivals(&queue_name("dead"));
    assert_eq!(queue.receive(1, 30, 0).await.dead_lettered, 1);
    assert!(dead.has_changed().unwrap());
}

async fn each_message_is_received_once_by_many_receivers(storage: Storage) {
    const SENDERS: usize = 8;
    const EACH: usize = 50;
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    let left = Arc::new(AtomicUsize::new(SENDERS * EACH));
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let queue = queue.clone();
        tasks.spawn(async move {
            for number in 0..EACH {
                queue.send_bodies(&[&format!("{sender}-{number}")], 0).await;
            }
            Vec::new()
        });
    }
    for _ in 0..8 {
        let (queue, left) = (queue.clone(), left.clone());
        let mut arrivals = storage.queues.arrivals(&queue.name);
        tasks.spawn(async move {
            let mut got = Vec::new();
            while left.load(Ordering::SeqCst) > 0 {
                arrivals.mark_unchanged();
                let received = queue.receive(7, 30, 0).await;
                if received.messages.is_empty() {
                    // The last message may go to another receiver, after which nothing arrives any more.
                    tokio::select! {
                        _ = arrivals.changed() => {}
                        () = tokio::task::yield_now() => {}
                    }
                    continue;
                }
                assert!(queue.delete(&received, 0).await.iter().all(|outcome| *outcome == HandleOutcome::Done));
                left.fetch_sub(received.messages.len(), Ordering::SeqCst);
                got.extend(bodies(&received));
            }
            got
        });
    }
    let all: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(all.len(), SENDERS * EACH);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert_eq!(queue.counts(i64::MAX / 2).await, (0, 0, 0));
}
