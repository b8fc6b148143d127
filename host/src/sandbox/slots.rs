//! How many environments exist, so that a full pool is known before it is met.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The slots of one engine's pool.
#[derive(Debug)]
pub(super) struct Slots {
    total: u32,
    used: AtomicU32,
}

impl Slots {
    /// `total` slots, all free.
    pub(super) fn new(total: u32) -> Arc<Self> {
        Arc::new(Self { total, used: AtomicU32::new(0) })
    }

    /// Takes one, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |used| (used < self.total).then_some(used + 1))
            .ok()
            .map(|_| Slot(Arc::clone(self)))
    }

    /// How many there are.
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// How many are taken.
    pub(super) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }
}

/// A taken slot; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::AcqRel);
    }
}
