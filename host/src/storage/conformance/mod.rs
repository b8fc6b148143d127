//! One suite for every backend: what the traits promise, tested through them alone.

mod async_events;
mod blobs;
mod code_signing;
mod fifo;
mod functions;
mod layers;
mod mappings;
mod queues;
mod schedules;

/// Makes of each named `async fn(Storage)` beside it one test a backend.
macro_rules! on_every_backend {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let dir = tempfile::tempdir().unwrap();
                let storage = crate::storage::Storage::embedded(dir.path(), Default::default()).unwrap();
                super::$test(storage.clone()).await;
                storage.close().await.unwrap();
            })+
        }
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::storage::Storage::memory().unwrap()).await;
            })+
        }
    };
}
use on_every_backend;

use super::queues::{Created, HandleOutcome, NewMessage, QueueAttributes, QueueRecord, Received, SendOutcome};
use super::{Error, Storage};
use crate::ids::QueueName;

fn queue_name(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

fn record(name: &str, attributes: QueueAttributes) -> QueueRecord {
    QueueRecord { name: queue_name(name), attributes, tags: Default::default(), created_at_ms: 1, modified_at_ms: 1 }
}

fn message(body: &str) -> NewMessage {
    NewMessage { body: body.into(), ..NewMessage::default() }
}

/// A queue and the calls on it, with what should not fail unwrapped.
#[derive(Clone)]
struct Queue {
    storage: Storage,
    name: QueueName,
}

impl Queue {
    async fn new(storage: &Storage, name: &str, attributes: QueueAttributes) -> Self {
        assert_eq!(storage.queues.create(record(name, attributes)).await.unwrap(), Created::New);
        Self { storage: storage.clone(), name: queue_name(name) }
    }

    async fn send(&self, messages: Vec<NewMessage>, now_ms: i64) -> Vec<SendOutcome> {
        self.storage.queues.send(self.name.clone(), messages, now_ms).await.unwrap().unwrap()
    }

    async fn send_bodies(&self, bodies: &[&str], now_ms: i64) -> Vec<SendOutcome> {
        self.send(bodies.iter().map(|body| message(body)).collect(), now_ms).await
    }

    async fn receive(&self, max: usize, timeout_s: u32, now_ms: i64) -> Received {
        self.storage.queues.receive(self.name.clone(), max, Some(timeout_s), now_ms).await.unwrap().unwrap()
    }

    async fn bodies(&self, max: usize, timeout_s: u32, now_ms: i64) -> Vec<String> {
        bodies(&self.receive(max, timeout_s, now_ms).await)
    }

    async fn delete(&self, received: &Received, now_ms: i64) -> Vec<HandleOutcome> {
        let handles = received.messages.iter().map(|message| message.receipt_handle).collect();
        self.storage.queues.delete_messages(self.name.clone(), handles, now_ms).await.unwrap().unwrap()
    }

    async fn change_visibility(&self, received: &Received, timeout_s: u32, now_ms: i64) -> Vec<HandleOutcome> {
        let changes = received.messages.iter().map(|message| (message.receipt_handle, timeout_s)).collect();
        self.storage.queues.change_visibility(self.name.clone(), changes, now_ms).await.unwrap().unwrap()
    }

    /// Visible, in flight, delayed.
    async fn counts(&self, now_ms: i64) -> (u64, u64, u64) {
        let stats = self.storage.queues.stats(self.name.clone(), now_ms).await.unwrap().unwrap();
        (stats.visible, stats.in_flight, stats.delayed)
    }

    async fn next_visible_at(&self) -> Option<i64> {
        self.storage.queues.next_visible_at(self.name.clone()).await.unwrap().unwrap()
    }
}

fn bodies(received: &Received) -> Vec<String> {
    received.messages.iter().map(|message| message.body.clone()).collect()
}

on_every_backend!(writes_after_the_end_are_refused);

async fn writes_after_the_end_are_refused(storage: Storage) {
    let queue = Queue::new(&storage, "q", QueueAttributes::default()).await;
    storage.close().await.unwrap();
    let sent = storage.queues.send(queue.name.clone(), vec![message("a")], 1).await;
    assert!(matches!(sent, Err(Error::Closed)), "{sent:?}");
}
