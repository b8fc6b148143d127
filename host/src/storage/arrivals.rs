//! Who waits for messages of a queue, and how they are woken. Memory only.

use crate::ids::QueueName;
use parking_lot::RwLock;
use std::collections::HashMap;
use tokio::sync::watch;

/// Length of the map at which queues nobody waits for are dropped from it.
const CLEAN_AT: usize = 1024;

/// A mark for each queue that someone waits for, known by name so that waiting for a queue about to be created works.
#[derive(Debug, Default)]
pub(super) struct Arrivals(RwLock<HashMap<QueueName, watch::Sender<u64>>>);

impl Arrivals {
    /// Changes with each later [`Arrivals::mark`].
    pub(super) fn subscribe(&self, queue: &QueueName) -> watch::Receiver<u64> {
        let mut marks = self.0.write();
        if marks.len() >= CLEAN_AT && !marks.contains_key(queue) {
            marks.retain(|_, mark| mark.receiver_count() > 0);
        }
        marks.entry(queue.clone()).or_default().subscribe()
    }

    /// Wakes those who wait for `queue`.
    pub(super) fn mark(&self, queue: &QueueName) {
        if let Some(mark) = self.0.read().get(queue) {
            mark.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}
