//! What an environment's `/tmp` holds, counted exactly.
//!
//! Only the guest changes its `/tmp`, every change goes through [`super::ops`] under one lock, and each looks at the inode
//! before and after: so the count needs no scan. Counted in blocks of [`BLOCK_BYTES`]: every name costs a block (an empty file,
//! a directory, a symbolic link, a hard link), and a file's content what it has beyond its first block. Holes count as
//! content. What is deleted while open keeps counting until the last descriptor or stream on it is gone; that is noticed when
//! a descriptor is dropped, and at the latest when space or descriptors run short.
//!
//! Descriptors are counted too, because each is one of the daemon's: for the environment and for the host as a whole.

use super::Fault;
use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// The unit of account, and the least any file system object costs.
pub(super) const BLOCK_BYTES: u64 = 4096;

/// The most names a `/tmp` may hold, whatever its quota: a listing is held in memory.
pub(super) const MAX_NAMES: u64 = 655_360;

/// The most descriptors an environment may hold open: Lambda's quota of file descriptors
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub(in crate::sandbox::calls) const MAX_OPEN_FILES: usize = 1024;

/// How many descriptors all environments together hold, and may hold.
#[derive(Debug)]
pub(super) struct OpenFiles {
    held: AtomicUsize,
    limit: usize,
}

impl OpenFiles {
    pub(super) fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit }
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Result<(), Fault> {
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                (held < self.limit).then(|| held.saturating_add(1))
            })
            .map(|_| ())
            .map_err(|_| Fault::TooManyOpenFiles)
    }

    pub(super) fn give_back(&self, count: usize) {
        self.held.fetch_sub(count, Ordering::Relaxed);
    }
}

/// What is counted about an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inode {
    pub(super) ino: u64,
    pub(super) links: u64,
    pub(super) len: u64,
    pub(super) is_file: bool,
}

impl Inode {
    fn content(&self) -> u64 {
        if self.is_file { content(self.len) } else { 0 }
    }
}

/// The account of one environment's `/tmp`.
#[derive(Debug)]
pub(in crate::sandbox::calls) struct Usage {
    quota_bytes: u64,
    used_bytes: u64,
    names: u64,
    /// By the address of the shared file, which its `Weak` keeps from being reused.
    handles: HashMap<usize, Handle>,
    orphans: Vec<Orphan>,
    open_files: Arc<OpenFiles>,
}

#[derive(Debug)]
struct Handle {
    file: Weak<File>,
    ino: u64,
}

/// An inode without a name that is still open.
#[derive(Debug)]
struct Orphan {
    ino: u64,
    counted_bytes: u64,
}

impl Usage {
    pub(super) fn new(quota_bytes: u64, open_files: Arc<OpenFiles>) -> Self {
        Self { quota_bytes, used_bytes: 0, names: 0, handles: HashMap::new(), orphans: Vec::new(), open_files }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    pub(super) fn names(&self) -> u64 {
        self.names
    }

    /// Whether one more name fits.
    pub(super) fn check_name(&mut self) -> Result<(), Fault> {
        if self.names >= MAX_NAMES || self.free_bytes(BLOCK_BYTES) < BLOCK_BYTES {
            return Err(Fault::no_space());
        }
        Ok(())
    }

    /// Counts a name that [`Usage::check_name`] let pass and that now exists.
    pub(super) fn add_name(&mut self) {
        self.names = self.names.saturating_add(1);
        self.used_bytes = self.used_bytes.saturating_add(BLOCK_BYTES);
    }

    /// Counts that a name is gone which referred to `was` (as it was just before).
    pub(super) fn remove_name(&mut self, was: Inode) {
        self.names = self.names.saturating_sub(1);
        if was.is_file && was.links > 1 {
            self.release(BLOCK_BYTES);
            return;
        }
        let counted_bytes = BLOCK_BYTES.saturating_add(was.content());
        if self.is_open(was.ino) {
            self.orphans.push(Orphan { ino: was.ino, counted_bytes });
        } else {
            self.release(counted_bytes);
        }
    }

    /// How far a write that would end at `end` may go in a file now `len` bytes long: `end`, or less when space runs out.
    pub(super) fn writable_end(&mut self, len: u64, end: u64) -> u64 {
        let has = content(len);
        let grow = content(end.max(len)).saturating_sub(has);
        let free = self.free_bytes(grow);
        if grow <= free {
            return end;
        }
        // The first block came with the name.
        let blocks = has.saturating_add(free) / BLOCK_BYTES;
        end.min(blocks.saturating_add(1).saturating_mul(BLOCK_BYTES))
    }

    /// Counts that an open file went from `before` to `after` bytes.
    pub(super) fn resized(&mut self, ino: u64, before: u64, after: u64) {
        let (before, after) = (content(before), content(after));
        if before == after {
            return;
        }
        if let Some(orphan) = self.orphans.iter_mut().find(|o| o.ino == ino) {
            orphan.counted_bytes = orphan.counted_bytes.saturating_sub(before).saturating_add(after);
        }
        self.used_bytes = self.used_bytes.saturating_sub(before).saturating_add(after);
    }

    /// Whether one more descriptor may be opened; if so it is already held, and [`Usage::opened`] or [`Usage::not_opened`]
    /// must follow.
    pub(super) fn take_handle(&mut self) -> Result<(), Fault> {
        if self.handles.len() >= MAX_OPEN_FILES {
            self.reap();
        }
        if self.handles.len() >= MAX_OPEN_FILES {
            return Err(Fault::TooManyOpenFiles);
        }
        self.open_files.take().or_else(|_| {
            self.reap();
            self.open_files.take()
        })
    }

    pub(super) fn not_opened(&mut self) {
        self.open_files.give_back(1);
    }

    pub(super) fn opened(&mut self, file: &Arc<File>, ino: u64) {
        // An orphan still listed under this number is closed: its inode has been used again.
        if self.orphans.iter().any(|o| o.ino == ino) && !self.is_open(ino) {
            self.reap();
        }
        self.handles.insert(address(file), Handle { file: Arc::downgrade(file), ino });
    }

    /// Notes that a descriptor on the file at this address was dropped; streams may still hold it.
    pub(super) fn closed(&mut self, address: usize) {
        let gone = self.handles.get(&address).filter(|h| h.file.strong_count() == 0).map(|h| h.ino);
        let Some(ino) = gone else { return };
        self.handles.remove(&address);
        self.open_files.give_back(1);
        if !self.orphans.is_empty() && !self.is_open(ino) {
            self.release_orphans();
        }
    }

    fn is_open(&self, ino: u64) -> bool {
        self.handles.values().any(|h| h.ino == ino && h.file.strong_count() > 0)
    }

    fn reap(&mut self) {
        let before = self.handles.len();
        self.handles.retain(|_, h| h.file.strong_count() > 0);
        self.open_files.give_back(before.saturating_sub(self.handles.len()));
        self.release_orphans();
    }

    fn release_orphans(&mut self) {
        let mut orphans = std::mem::take(&mut self.orphans);
        orphans.retain(|orphan| {
            let open = self.is_open(orphan.ino);
            if !open {
                self.release(orphan.counted_bytes);
            }
            open
        });
        self.orphans = orphans;
    }

    /// The bytes free; when that is less than `wanted`, after looking for what has been closed since.
    fn free_bytes(&mut self, wanted: u64) -> u64 {
        if self.quota_bytes.saturating_sub(self.used_bytes) < wanted && !self.orphans.is_empty() {
            self.reap();
        }
        self.quota_bytes.saturating_sub(self.used_bytes)
    }

    fn release(&mut self, bytes: u64) {
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        self.open_files.give_back(self.handles.len());
    }
}

pub(in crate::sandbox::calls) fn address(file: &Arc<File>) -> usize {
    Arc::as_ptr(file).addr()
}

/// What content costs beyond the block that came with the name.
fn content(len: u64) -> u64 {
    len.div_ceil(BLOCK_BYTES).saturating_sub(1).saturating_mul(BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(quota_blocks: u64) -> Usage {
        Usage::new(quota_blocks * BLOCK_BYTES, Arc::new(OpenFiles::new(10)))
    }

    fn inode(ino: u64, links: u64, len: u64) -> Inode {
        Inode { ino, links, len, is_file: true }
    }

    fn open(usage: &mut Usage, ino: u64) -> Arc<File> {
        let file = Arc::new(File::open("/dev/null").unwrap());
        usage.take_handle().unwrap();
        usage.opened(&file, ino);
        file
    }

    #[test]
    fn the_first_block_comes_with_the_name() {
        let mut u = usage(3);
        u.check_name().unwrap();
        u.add_name();
        assert_eq!(u.writable_end(0, 1), 1);
        assert_eq!(u.writable_end(0, 3 * BLOCK_BYTES), 3 * BLOCK_BYTES);
        assert_eq!(u.writable_end(0, u64::MAX), 3 * BLOCK_BYTES);
        u.resized(1, 0, 3 * BLOCK_BYTES);
        assert_eq!(u.used_bytes(), 3 * BLOCK_BYTES);
        assert!(u.check_name().is_err());
        // Writing over what is there needs nothing.
        assert_eq!(u.writable_end(3 * BLOCK_BYTES, 2 * BLOCK_BYTES), 2 * BLOCK_BYTES);
        u.remove_name(inode(1, 1, 3 * BLOCK_BYTES));
        assert_eq!(u.used_bytes(), 0);
    }

    #[test]
    fn a_second_link_keeps_the_content() {
        let mut u = usage(10);
        u.add_name();
        u.add_name();
        u.resized(1, 0, 4 * BLOCK_BYTES);
        u.remove_name(inode(1, 2, 4 * BLOCK_BYTES));
        assert_eq!(u.used_bytes(), 4 * BLOCK_BYTES);
        u.remove_name(inode(1, 1, 4 * BLOCK_BYTES));
        assert_eq!((u.used_bytes(), u.names()), (0, 0));
    }

    #[test]
    fn deleted_but_open_counts_until_closed_and_may_grow_and_shrink_meanwhile() {
        let mut u = usage(10);
        u.add_name();
        let a = open(&mut u, 7);
        let b = open(&mut u, 7);
        u.resized(7, 0, 5 * BLOCK_BYTES);
        u.remove_name(inode(7, 1, 5 * BLOCK_BYTES));
        assert_eq!(u.used_bytes(), 5 * BLOCK_BYTES);
        u.resized(7, 5 * BLOCK_BYTES, 9 * BLOCK_BYTES);
        let (at_a, at_b) = (address(&a), address(&b));
        drop(a);
        u.closed(at_a);
        assert_eq!(u.used_bytes(), 9 * BLOCK_BYTES);
        u.resized(7, 9 * BLOCK_BYTES, 2 * BLOCK_BYTES);
        drop(b);
        u.closed(at_b);
        assert_eq!(u.used_bytes(), 0);
        assert_eq!(u.open_files.held(), 0);
    }

    #[test]
    fn what_a_stream_held_last_is_found_when_space_is_short() {
        let mut u = usage(4);
        u.add_name();
        let file = open(&mut u, 7);
        u.resized(7, 0, 4 * BLOCK_BYTES);
        u.remove_name(inode(7, 1, 4 * BLOCK_BYTES));
        assert!(u.check_name().is_err());
        drop(file);
        u.check_name().unwrap();
        assert_eq!(u.used_bytes(), 0);
    }

    #[test]
    fn an_inode_number_used_again_does_not_keep_the_old_charge() {
        let mut u = usage(10);
        u.add_name();
        let file = open(&mut u, 7);
        u.remove_name(inode(7, 1, 0));
        drop(file);
        u.add_name();
        let _again = open(&mut u, 7);
        assert_eq!(u.used_bytes(), BLOCK_BYTES);
    }

    #[test]
    fn descriptors_are_limited_for_the_host_and_given_back() {
        let open_files = Arc::new(OpenFiles::new(3));
        let mut a = Usage::new(BLOCK_BYTES, Arc::clone(&open_files));
        let mut b = Usage::new(BLOCK_BYTES, Arc::clone(&open_files));
        let held: Vec<_> = (0..3).map(|i| open(&mut a, i)).collect();
        assert!(matches!(b.take_handle(), Err(Fault::TooManyOpenFiles)));
        drop(held);
        drop(a);
        b.take_handle().unwrap();
        b.not_opened();
        assert_eq!(open_files.held(), 0);
    }

    #[test]
    fn an_environment_has_at_most_its_share_of_descriptors() {
        let mut u = Usage::new(BLOCK_BYTES, Arc::new(OpenFiles::new(MAX_OPEN_FILES * 2)));
        let mut held: Vec<_> = (0..MAX_OPEN_FILES as u64).map(|i| open(&mut u, i)).collect();
        assert!(matches!(u.take_handle(), Err(Fault::TooManyOpenFiles)));
        held.pop();
        u.take_handle().unwrap();
    }
}
