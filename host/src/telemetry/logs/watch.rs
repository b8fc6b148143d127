//! Who watches what is written.
//!
//! A watch gets events from a queue of its own. Where that is full, or one transaction wrote more than
//! [`MAX_EVENTS`] to a group, events are left out and the watch is told so: the writer never waits, and memory has a bound.

use super::LogEvent;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Events of one group and one transaction that are handed on.
const MAX_EVENTS: usize = 500;

/// Bytes of their messages.
const MAX_BYTES: usize = 512 * 1024;

/// Transactions that may wait for a watch.
const MAX_WAITING: usize = 16;

/// What one transaction wrote to one group, in order.
#[derive(Debug)]
pub struct WatchedEvents {
    /// The group.
    pub group: Arc<str>,
    /// The events.
    pub events: Vec<LogEvent>,
    /// How many more there were than are handed on.
    pub left_out: u64,
    pub(super) size_bytes: usize,
}

impl WatchedEvents {
    pub(super) fn push(&mut self, event: LogEvent) {
        let size = self.size_bytes.saturating_add(event.message.len());
        if self.events.len() >= MAX_EVENTS || (size > MAX_BYTES && !self.events.is_empty()) {
            self.left_out = self.left_out.saturating_add(1);
        } else {
            self.size_bytes = size;
            self.events.push(event);
        }
    }
}

impl WatchedEvents {
    /// All that were written.
    fn count(&self) -> u64 {
        u64::try_from(self.events.len()).unwrap_or(u64::MAX).saturating_add(self.left_out)
    }
}

/// Events on their way to one watcher. Dropped, it ends.
pub struct Watch {
    receiver: mpsc::Receiver<Arc<WatchedEvents>>,
    skipped: Arc<AtomicU64>,
}

impl Watch {
    /// The next events; `None` once the store is closed.
    pub async fn next(&mut self) -> Option<Arc<WatchedEvents>> {
        self.receiver.recv().await
    }

    /// How many events were left out since this was last asked, because they were not taken in time.
    pub fn take_skipped(&self) -> u64 {
        self.skipped.swap(0, Ordering::Relaxed)
    }
}

#[derive(Default)]
pub(super) struct Watches(Mutex<Vec<Watcher>>);

struct Watcher {
    groups: Vec<Arc<str>>,
    sender: mpsc::Sender<Arc<WatchedEvents>>,
    skipped: Arc<AtomicU64>,
}

impl Watches {
    pub(super) fn add(&self, groups: Vec<Arc<str>>) -> Watch {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let skipped = Arc::<AtomicU64>::default();
        self.0.lock().push(Watcher { groups, sender, skipped: Arc::clone(&skipped) });
        Watch { receiver, skipped }
    }

    /// The groups that are watched; those of watchers that are gone are forgotten.
    pub(super) fn groups(&self) -> HashSet<Arc<str>> {
        let mut watchers = self.0.lock();
        watchers.retain(|watcher| !watcher.sender.is_closed());
        watchers.iter().flat_map(|watcher| watcher.groups.iter().cloned()).collect()
    }

    pub(super) fn tell(&self, written: WatchedEvents) {
        let written = Arc::new(written);
        for watcher in self.0.lock().iter().filter(|watcher| watcher.groups.contains(&written.group)) {
            if watcher.sender.try_send(Arc::clone(&written)).is_err() {
                watcher.skipped.fetch_add(written.count(), Ordering::Relaxed);
            }
        }
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
