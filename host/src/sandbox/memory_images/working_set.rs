//! Which pages instances write in their first invocation.
//!
//! An interpreter writes the same pages each time it starts, scattered over its memory: reference counts, most of all. Each is a page
//! fault, and together they are half of a start. So the first few instances of a content are looked at when their first invocation
//! is done, and later ones get the pages that several of those wrote for their own before they run. Nothing depends on it but time: a
//! page too many is one more copy; of a page too few, the guest's first write costs more than a copy where it was read before.
//!
//! Recording a first run and preparing later ones by it is the idea of REAP (Ustiugov et al., "Benchmarking, Analysis, and Optimization of
//! Serverless Function Snapshots", ASPLOS 2021).

use super::content::{joined, unit_bytes};
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Instances that are looked at, at most: enough to leave out what few of them did.
const LOOKS: usize = 7;

/// A page is made ready where more than one in so many wrote it. A page too few costs several times what one too many does.
const ONE_OF: usize = 4;

/// How much of a memory is looked at, from its beginning: a guest may have gigabytes, and looking is not to hold up others.
const LOOK_LIMIT_BYTES: usize = 256 << 20;

/// How much is made ready for an instance at most, for the same reason.
const WRITTEN_LIMIT_BYTES: usize = 8 << 20;

/// Of an entry of `/proc/self/pagemap` (its documentation is `admin-guide/mm/pagemap` of Linux): the page is in memory.
const PRESENT: u64 = 1 << 63;
/// The page is a file's or shared. A private page that was written is neither.
const OF_FILE: u64 = 1 << 61;

/// Pages that several of the instances wrote which were looked at.
#[derive(Debug, Default)]
pub struct WorkingSet {
    looks: AtomicUsize,
    seen: Mutex<Vec<Vec<Range<usize>>>>,
    written: ArcSwapOption<Vec<Range<usize>>>,
}

impl WorkingSet {
    /// Whether another instance is to be looked at.
    pub fn is_open(&self) -> bool {
        self.looks.load(Ordering::Relaxed) < LOOKS
    }

    /// Bytes of memory, in ascending order, as far as they are known.
    pub fn written(&self) -> Option<Arc<Vec<Range<usize>>>> {
        self.written.load_full()
    }

    /// Takes account of what one more instance wrote, in ascending order.
    pub fn learn(&self, written: &[Range<usize>]) {
        if self.looks.fetch_add(1, Ordering::Relaxed) >= LOOKS {
            return;
        }
        let mut seen = self.seen.lock();
        seen.push(written.to_vec());
        let often = first(in_share(&seen), WRITTEN_LIMIT_BYTES);
        if seen.len() == LOOKS {
            // What each wrote is not asked for again.
            *seen = Vec::new();
        }
        self.written.store(Some(Arc::new(often)));
    }
}

/// The bytes of `memory`, mapped privately and by this process, whose pages were written, as far as it is looked at.
pub fn look(memory: &[u8]) -> io::Result<Vec<Range<usize>>> {
    let unit = unit_bytes();
    let mut entries = vec![0; memory.len().min(LOOK_LIMIT_BYTES) / unit * size_of::<u64>()];
    let first = memory.as_ptr().addr() / unit;
    File::open("/proc/self/pagemap")?.read_exact_at(&mut entries, (first * size_of::<u64>()) as u64)?;
    let (entries, _) = entries.as_chunks::<{ size_of::<u64>() }>();
    let written = entries.iter().map(|entry| u64::from_le_bytes(*entry) & (PRESENT | OF_FILE) == PRESENT);
    let pages = written.enumerate().filter(|(_, is_written)| *is_written);
    Ok(joined(pages.map(|(page, _)| page * unit..(page + 1) * unit), 0))
}

/// The first of `ranges`, that have `limit_bytes` together at most.
fn first(mut ranges: Vec<Range<usize>>, limit_bytes: usize) -> Vec<Range<usize>> {
    let mut bytes = 0usize;
    ranges.retain(|range| {
        bytes = bytes.saturating_add(range.len());
        bytes <= limit_bytes
    });
    ranges
}

/// What is in more than one of [`ONE_OF`] of `sets`, each in ascending order and without overlaps.
fn in_share(sets: &[Vec<Range<usize>>]) -> Vec<Range<usize>> {
    let bounds = sets.iter().flatten().flat_map(|range| [(range.start, true), (range.end, false)]);
    let mut bounds: Vec<_> = bounds.collect();
    bounds.sort_unstable();
    let (mut often, mut begun, mut depth) = (Vec::new(), None, 0usize);
    for (at, begins) in bounds {
        depth = if begins { depth.saturating_add(1) } else { depth.saturating_sub(1) };
        match (begun, depth.saturating_mul(ONE_OF) > sets.len()) {
            (None, true) => begun = Some(at),
            (Some(start), false) => {
                begun = None;
                often.push(start..at);
            }
            _ => {}
        }
    }
    joined(often.into_iter().filter(|range| !range.is_empty()), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_wrote_is_kept_and_few_are_looked_at() {
        let set = WorkingSet::default();
        assert!(set.is_open() && set.written().is_none());
        set.learn(&[0..10, 20..30, 40..50]);
        assert_eq!(*set.written().unwrap(), [0..10, 20..30, 40..50]);
        set.learn(&[5..25, 45..46, 48..60]);
        assert_eq!(*set.written().unwrap(), [0..30, 40..60]);
        set.learn(&[0..7, 24..27]);
        assert_eq!(*set.written().unwrap(), [0..30, 40..60]);
        for _ in 3..LOOKS {
            assert!(set.is_open());
            set.learn(&[0..5, 5..8]);
        }
        assert!(!set.is_open());
        set.learn(&[]);
        assert_eq!(*set.written().unwrap(), [0..10, 20..27, 45..46, 48..50]);
    }

    #[test]
    fn no_more_is_kept_than_is_quickly_made_ready() {
        let many: Vec<_> = (0..100).map(|index| index << 20..(index << 20) + (1 << 19)).collect();
        let set = WorkingSet::default();
        set.learn(&many);
        assert_eq!(set.written().unwrap().iter().map(Range::len).sum::<usize>(), WRITTEN_LIMIT_BYTES);
        assert_eq!(first(vec![0..5, 10..16], 10).len(), 1);
    }

    #[test]
    fn ranges_next_to_each_other_are_one() {
        assert_eq!(in_share(&[vec![0..4, 8..9], vec![4..8, 9..10, 12..13]]), [0..10, 12..13]);
        let sets = [vec![0..4, 4..8], vec![2..9, 50..51], vec![], vec![], vec![20..30, 40..41]];
        assert_eq!(in_share(&sets).first(), Some(&(2..8)));
        assert_eq!(in_share(&sets).len(), 1);
    }
}
