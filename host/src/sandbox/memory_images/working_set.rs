//! Which pages instances write in their first invocation.
//!
//! An interpreter writes the same pages each time it starts, scattered over its memory: reference counts, most of all. Each is a page
//! fault, and together they are half of a start. So the first few instances of a content are looked at when their first invocation
//! is done, and later ones get the pages that all of those wrote for their own in a few system calls, before they run. Nothing
//! depends on it but time: a page too many is one more copy, a page too few one more fault.
//!
//! Recording a first run and preparing later ones by it is the idea of REAP (Ustiugov et al., "Benchmarking, Analysis, and Optimization of
//! Serverless Function Snapshots", ASPLOS 2021).

use super::content::{joined, unit_bytes};
use arc_swap::ArcSwapOption;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Instances that are looked at: enough to leave out what only one of them did.
const LOOKS: usize = 3;

/// How much of a memory is looked at, from its beginning: a guest may have gigabytes, and looking is not to hold up others.
const LOOK_LIMIT_BYTES: usize = 256 << 20;

/// How much is made ready for an instance at most, for the same reason.
const WRITTEN_LIMIT_BYTES: usize = 8 << 20;

/// Of an entry of `/proc/self/pagemap` (its documentation is `admin-guide/mm/pagemap` of Linux): the page is in memory.
const PRESENT: u64 = 1 << 63;
/// The page is a file's or shared. A private page that was written is neither.
const OF_FILE: u64 = 1 << 61;

/// Pages that all instances wrote which were looked at.
#[derive(Debug, Default)]
pub struct WorkingSet {
    looks: AtomicUsize,
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

    /// Takes account of what one more instance wrote.
    pub fn learn(&self, seen: &[Range<usize>]) {
        if self.looks.fetch_add(1, Ordering::Relaxed) < LOOKS {
            self.written.rcu(|known| {
                let both = known.as_ref().map_or_else(|| seen.to_vec(), |known| common(known, seen));
                Some(Arc::new(first(both, WRITTEN_LIMIT_BYTES)))
            });
        }
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

/// What is in both; each in ascending order, without overlaps.
fn common(one: &[Range<usize>], other: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut ones, mut others) = (one.iter().peekable(), other.iter().peekable());
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (ones.peek(), others.peek()) {
        let (start, end) = (a.start.max(b.start), a.end.min(b.end));
        if start < end {
            both.push(start..end);
        }
        if a.end <= b.end {
            ones.next()
        } else {
            others.next()
        };
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_wrote_is_kept_and_few_are_looked_at() {
        let set = WorkingSet::default();
        assert!(set.is_open() && set.written().is_none());
        set.learn(&[0..10, 20..30, 40..50]);
        assert_eq!(*set.written().unwrap(), [0..10, 20..30, 40..50]);
        set.learn(&[5..25, 45..46, 48..60]);
        assert_eq!(*set.written().unwrap(), [5..10, 20..25, 45..46, 48..50]);
        set.learn(&[0..50, 50..100]);
        assert!(!set.is_open());
        set.learn(&[]);
        assert_eq!(*set.written().unwrap(), [5..10, 20..25, 45..46, 48..50]);
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
    fn ranges_without_anything_in_common_have_none() {
        assert!(common(&[0..4, 8..9], &[4..8, 9..10]).is_empty());
        assert!(common(&[], &[4..8, 9..10]).is_empty());
    }
}
