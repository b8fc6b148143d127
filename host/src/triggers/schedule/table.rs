//! All schedules in memory, and what is due next.
//!
//! A schedule that will fire has one place in an ordered map of times, so taking what is due and moving a schedule cost a logarithm of
//! their number, and a tick touches only schedules that are due.

use super::timing::{self, Plan, Timing};
use crate::storage::schedules::{ActionAfterCompletion, ScheduleKey, ScheduleRecord, ScheduleState};
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::sync::CancellationToken;

/// A firing this late while the daemon runs (a long stall, a stepped clock) counts as missed.
const MISSED_AFTER_MS: i64 = 60_000;
/// A schedule with too many unfinished firings is looked at again after this.
const POSTPONE_MS: i64 = 1_000;

/// What firings share with the schedule they are of; it outlives an update.
pub(super) struct Live {
    /// As it is now.
    pub(super) record: ArcSwap<ScheduleRecord>,
    /// Cancelled when the schedule is deleted.
    pub(super) gone: CancellationToken,
    unfinished: AtomicUsize,
}

impl Live {
    fn new(record: ScheduleRecord) -> Arc<Self> {
        Arc::new(Self {
            record: ArcSwap::from_pointee(record),
            gone: CancellationToken::new(),
            unfinished: AtomicUsize::new(0),
        })
    }

    /// Counts a firing as unfinished for as long as the answer lives.
    pub(super) fn begin(self: &Arc<Self>) -> Unfinished {
        self.unfinished.fetch_add(1, Ordering::AcqRel);
        Unfinished(Arc::clone(self))
    }
}

/// A firing that counts as unfinished.
pub(super) struct Unfinished(Arc<Live>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.unfinished.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Entry {
    live: Arc<Live>,
    /// `None` where a stored record cannot be read as a schedule; such a one does not fire.
    timing: Option<Timing>,
    revision: u64,
    next_ms: Option<i64>,
    place: Option<Place>,
    missed_before_ms: i64,
}

/// When a schedule is due, and its revision to tell equals apart.
type Place = (i64, u64);

/// A schedule that was due, moved to its next firing.
pub(super) struct Taken {
    pub(super) live: Arc<Live>,
    pub(super) revision: u64,
    /// The firing it was at.
    pub(super) from_ms: i64,
    pub(super) plan: Plan,
    /// From a firing's time to when it is due.
    pub(super) offset_ms: i64,
}

/// The schedules.
#[derive(Default)]
pub(super) struct Table {
    entries: HashMap<ScheduleKey, Entry>,
    places: BTreeMap<Place, ScheduleKey>,
}

/// What bounds a look at the table.
pub(super) struct Bounds {
    pub(super) taken: usize,
    pub(super) unfinished_per_schedule: usize,
    pub(super) made_up: usize,
}

/// The schedule as the table had it when it was replaced.
pub(super) struct Before {
    pub(super) timing: Option<Timing>,
    pub(super) record: Arc<ScheduleRecord>,
    pub(super) next_ms: Option<i64>,
}

impl Table {
    /// The schedule of a key.
    pub(super) fn before(&self, key: &ScheduleKey) -> Option<Before> {
        let entry = self.entries.get(key)?;
        Some(Before { timing: entry.timing.clone(), record: entry.live.record.load_full(), next_ms: entry.next_ms })
    }

    /// Takes in a stored record. Firings due before `missed_before_ms` count as missed. Firings in flight go on, as of the new record.
    pub(super) fn insert(
        &mut self,
        record: ScheduleRecord,
        timing: Option<Timing>,
        missed_before_ms: i64,
    ) -> Arc<Live> {
        let key = record.key.clone();
        let (revision, next_ms) = (record.revision, record.next_fire_at_ms);
        let live = match self.entries.remove(&key) {
            Some(old) => {
                self.leave(old.place);
                old.live.record.store(Arc::new(record));
                old.live
            }
            None => Live::new(record),
        };
        let place = timing.as_ref().zip(next_ms).map(|(timing, next_ms)| (timing.due_ms(next_ms), revision));
        if let Some(place) = place {
            self.places.insert(place, key.clone());
        }
        let entry = Entry { live: Arc::clone(&live), timing, revision, next_ms, place, missed_before_ms };
        self.entries.insert(key, entry);
        live
    }

    /// Forgets a schedule; its firings in flight learn of it.
    pub(super) fn remove(&mut self, key: &ScheduleKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.leave(entry.place);
            entry.live.gone.cancel();
        }
    }

    fn leave(&mut self, place: Option<Place>) {
        if let Some(place) = place {
            self.places.remove(&place);
        }
    }

    /// When the next schedule is due.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.places.first_key_value().map(|((due_ms, _), _)| *due_ms)
    }

    /// Takes schedules that are due and moves each to its next firing.
    pub(super) fn take_due(&mut self, now_ms: i64, bounds: &Bounds) -> Vec<Taken> {
        let mut taken = Vec::new();
        while taken.len() < bounds.taken
            && let Some(first) = self.places.first_entry()
            && first.key().0 <= now_ms
        {
            let ((_, revision), key) = first.remove_entry();
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let (Some(timing), Some(from_ms)) = (&entry.timing, entry.next_ms) else { continue };
            if entry.live.unfinished.load(Ordering::Acquire) >= bounds.unfinished_per_schedule {
                let place = (now_ms.saturating_add(POSTPONE_MS), revision);
                entry.place = Some(place);
                self.places.insert(place, key);
                continue;
            }
            let missed_before_ms = entry.missed_before_ms.max(now_ms.saturating_sub(MISSED_AFTER_MS));
            let policy = entry.live.record.load().missed;
            let plan = timing::plan(timing, policy, from_ms, now_ms, missed_before_ms, bounds.made_up);
            let offset_ms = timing.due_ms(0);
            entry.next_ms = plan.next;
            entry.place = plan.next.map(|next_ms| (timing.due_ms(next_ms), revision));
            if let Some(place) = entry.place {
                self.places.insert(place, key);
            }
            taken.push(Taken { live: Arc::clone(&entry.live), revision, from_ms, plan, offset_ms });
        }
        taken
    }

    /// Forgets a schedule that is to be deleted once it will not fire again, if that is so and its firings have ended. Gives its revision.
    pub(super) fn retire(&mut self, live: &Arc<Live>) -> Option<(ScheduleKey, u64)> {
        let record = live.record.load();
        let entry = self.entries.get(&record.key).filter(|entry| Arc::ptr_eq(&entry.live, live))?;
        let complete = entry.next_ms.is_none()
            && entry.timing.is_some()
            && record.state == ScheduleState::Enabled
            && record.after_completion == ActionAfterCompletion::Delete
            && live.unfinished.load(Ordering::Acquire) == 0;
        let found = complete.then(|| (record.key.clone(), entry.revision))?;
        self.remove(&found.0);
        Some(found)
    }
}
