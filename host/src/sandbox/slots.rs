//! How many environments exist, and what they and their code take of the process's memory mappings, so that a limit is known before it is met.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Memory mappings that environments of all engines, and native code, may still take.
#[derive(Debug)]
pub(super) struct Mappings(AtomicU64);

impl Mappings {
    /// As many as `count`.
    pub(super) fn new(count: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(count)))
    }

    /// Takes `count`, if there are as many.
    pub(super) fn take(self: &Arc<Self>, count: u64) -> Option<Held> {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |left| left.checked_sub(count)).ok()?;
        Some(Held { of: Arc::clone(self), count })
    }
}

/// Mappings that are taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    of: Arc<Mappings>,
    count: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.0.fetch_add(self.count, Ordering::AcqRel);
    }
}

/// The slots of one engine.
#[derive(Debug)]
pub(super) struct Slots {
    total: u32,
    used: AtomicU32,
    mappings: Arc<Mappings>,
    mappings_each: u64,
}

impl Slots {
    /// `total` slots, all free, each of which takes `mappings_each` of `mappings`.
    pub(super) fn new(total: u32, mappings: &Arc<Mappings>, mappings_each: u64) -> Arc<Self> {
        Arc::new(Self { total, used: AtomicU32::new(0), mappings: Arc::clone(mappings), mappings_each })
    }

    /// Takes one, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |used| (used < self.total).then_some(used + 1))
            .ok()?;
        let held = self.mappings.take(self.mappings_each);
        if held.is_none() {
            self.used.fetch_sub(1, Ordering::AcqRel);
        }
        held.map(|held| Slot { of: Arc::clone(self), _mappings: held })
    }

    /// Whether all of its own are taken, whatever the other engines have.
    pub(super) fn is_full(&self) -> bool {
        self.used() >= self.total
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
pub(super) struct Slot {
    of: Arc<Slots>,
    _mappings: Held,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.used.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_end_at_their_number_and_at_the_mappings_of_all() {
        let mappings = Mappings::new(10);
        let (few, many) = (Slots::new(1, &mappings, 4), Slots::new(9, &mappings, 3));
        let one = few.take().unwrap();
        assert!(few.take().is_none() && few.is_full());
        let others = [many.take().unwrap(), many.take().unwrap()];
        assert!(many.take().is_none() && !many.is_full());
        assert!(mappings.take(1).is_none());
        drop(one);
        assert!(many.take().is_some());
        drop(others);
        assert_eq!((few.used(), many.used()), (0, 0));
        assert!(few.take().is_some());
    }
}
