//! What a memory holds at its start, as pieces of immutable files.
//!
//! Instances map pieces privately: they share what they only read with all others, and with the page cache, and have pages of their own
//! where they write. Patches are written over what is mapped. What nothing covers is zero.

use super::working_set::{WorkingSet, look};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes in the units in which memory is compared, stored and mapped: the machine's pages.
pub fn unit_bytes() -> usize {
    rustix::param::page_size()
}

/// Joins runs, in ascending order, that have no more than `gap` between them.
pub(super) fn joined(runs: impl IntoIterator<Item = Range<usize>>, gap: usize) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if run.start - last.end <= gap => last.end = run.end,
            _ => joined.push(run),
        }
    }
    joined
}

/// What of `bytes` at `start` lies from `from` to `to`, where anything does.
fn clipped(start: usize, bytes: usize, from: usize, to: usize) -> Option<Range<usize>> {
    let part = start.max(from)..start.saturating_add(bytes).min(to);
    (!part.is_empty()).then_some(part)
}

/// A range of memory and where its bytes are.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Its first byte in memory.
    pub start: usize,
    /// Its length.
    pub bytes: usize,
    /// The file.
    pub file: Arc<File>,
    /// Its first byte in the file.
    pub offset: u64,
}

impl Piece {
    /// What of it lies in a memory of `memory_bytes`, where anything does.
    pub(super) fn cut_to(mut self, memory_bytes: usize) -> Option<Self> {
        self.bytes = clipped(self.start, self.bytes, 0, memory_bytes)?.len();
        Some(self)
    }

    /// The part of it within memory from `from` to `to`: its first byte, its length, and where it is in the file.
    pub(super) fn within(&self, from: usize, to: usize) -> Option<(usize, usize, u64)> {
        let part = clipped(self.start, self.bytes, from, to)?;
        Some((part.start, part.len(), self.offset.checked_add((part.start - self.start) as u64)?))
    }
}

/// Bytes that are written over what is mapped.
#[derive(Debug, Default)]
pub struct Patches {
    /// The first byte of each in memory, and its length; they do not overlap.
    pub places: Vec<(usize, usize)>,
    /// Their bytes, one after the other.
    pub bytes: Vec<u8>,
}

impl Patches {
    /// The parts of them within memory from `from` to `to`: the first byte of each, and its bytes.
    pub(super) fn within(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, &[u8])> {
        let mut rest = &*self.bytes;
        self.places.iter().filter_map(move |(place, length)| {
            let (patch, after) = rest.split_at_checked(*length)?;
            rest = after;
            let part = clipped(*place, *length, from, to)?;
            Some((part.start, patch.get(part.start - place..part.end - place)?))
        })
    }
}

/// Why pieces make no memory. The files are damaged, or not those of this machine.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Pieces and patches lie within the memory; pieces begin and end where pages do, and patches do not overlap.
    #[error(
        "a piece of {bytes} bytes at {start} does not fit a memory of {memory_bytes} bytes in pages of {} bytes",
        unit_bytes()
    )]
    Misplaced {
        /// The piece's first byte in memory.
        start: usize,
        /// Its length.
        bytes: usize,
        /// The memory's size.
        memory_bytes: usize,
    },
    /// A file ends before the piece does: the part behind its end could be mapped, but not read.
    #[error("a file of {file_bytes} bytes does not hold {bytes} bytes from {offset}")]
    Short {
        /// The file's size.
        file_bytes: u64,
        /// The piece's length.
        bytes: usize,
        /// Its first byte in the file.
        offset: u64,
    },
    /// The files cannot be looked at.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The first content of a memory.
#[derive(Debug)]
pub struct Content {
    initial_bytes: usize,
    memory_bytes: usize,
    /// Later ones lie over earlier ones.
    mapped: Vec<Piece>,
    /// Over all those.
    patches: Patches,
    /// What its instances write.
    working_set: WorkingSet,
    /// What instances of its like write, until that is known of its own.
    siblings: Option<Arc<WorkingSet>>,
    /// Whether the first invocation of one of its instances was done.
    served: AtomicBool,
}

impl Content {
    /// A memory of `memory_bytes`, of which the module that has it asks for `initial_bytes` and the host for the rest.
    ///
    /// - `siblings`: of contents whose instances write much the same.
    pub fn new(
        initial_bytes: usize,
        memory_bytes: usize,
        mapped: Vec<Piece>,
        patches: Patches,
        siblings: Option<Arc<WorkingSet>>,
    ) -> Result<Arc<Self>, ContentError> {
        let unit = unit_bytes();
        let misplaced = |start, bytes| ContentError::Misplaced { start, bytes, memory_bytes };
        if initial_bytes > memory_bytes || !initial_bytes.is_multiple_of(unit) || !memory_bytes.is_multiple_of(unit) {
            return Err(misplaced(0, initial_bytes));
        }
        let mut end = 0;
        for (start, bytes) in &patches.places {
            let after = start.checked_add(*bytes).filter(|after| *after <= memory_bytes && *start >= end);
            end = after.ok_or_else(|| misplaced(*start, *bytes))?;
        }
        for Piece { start, bytes, file, offset } in &mapped {
            let (start, bytes, offset) = (*start, *bytes, *offset);
            let fits = start.checked_add(bytes).is_some_and(|end| end <= memory_bytes);
            let aligned =
                [start as u64, bytes as u64, offset].into_iter().all(|value| value.is_multiple_of(unit as u64));
            if !fits || !aligned {
                return Err(misplaced(start, bytes));
            }
            let file_bytes = file.metadata()?.len();
            if offset.checked_add(bytes as u64).is_none_or(|end| end > file_bytes) {
                return Err(ContentError::Short { file_bytes, bytes, offset });
            }
        }
        let working_set = WorkingSet::default();
        Ok(Arc::new(Self {
            initial_bytes,
            memory_bytes,
            mapped,
            patches,
            working_set,
            siblings,
            served: AtomicBool::new(false),
        }))
    }

    /// The size that the module asks for.
    pub fn initial_bytes(&self) -> usize {
        self.initial_bytes
    }

    /// The whole size.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Pieces that are mapped; later ones lie over earlier ones.
    pub(super) fn mapped(&self) -> &[Piece] {
        &self.mapped
    }

    /// What it takes of this process's memory.
    pub(super) fn held_bytes(&self) -> usize {
        self.patches.bytes.len().saturating_add(size_of_val(self.patches.places.as_slice()))
    }

    /// What is written over what is mapped.
    pub(super) fn patches(&self) -> &Patches {
        &self.patches
    }

    /// What its instances are going to write first, as far as that is known: bytes of memory, in ascending order.
    pub(super) fn written_first(&self) -> Option<Arc<Vec<Range<usize>>>> {
        self.working_set.written().or_else(|| self.siblings.as_ref()?.written())
    }

    /// Looks at the memory of an instance whose first invocation is done, where more is to be known.
    pub fn learn(&self, memory: &[u8]) {
        let is_first = !self.served.swap(true, Ordering::Relaxed);
        // One instance of each content, so that no function speaks for all.
        let siblings = self.siblings.as_deref().filter(|_| is_first);
        // Where its like are known, looking is only for what starts again: many start just once.
        if siblings.is_some_and(|siblings| !siblings.is_open()) {
            return;
        }
        let mut open = [Some(&self.working_set), siblings].into_iter().flatten().filter(|set| set.is_open()).peekable();
        if open.peek().is_some()
            && let Ok(written) = look(memory)
        {
            open.for_each(|set| set.learn(&written));
        }
    }

    /// Reads what is at `start`, which lies within the memory, into `buffer`.
    pub fn read_at(&self, start: usize, buffer: &mut [u8]) -> io::Result<()> {
        buffer.fill(0);
        let end = start.saturating_add(buffer.len());
        for piece in &self.mapped {
            let Some((at, bytes, offset)) = piece.within(start, end) else { continue };
            let within = at - start;
            if let Some(part) = buffer.get_mut(within..within + bytes) {
                piece.file.read_exact_at(part, offset)?;
            }
        }
        for (at, patch) in self.patches.within(start, end) {
            if let Some(part) = buffer.get_mut(at - start..at - start + patch.len()) {
                part.copy_from_slice(patch);
            }
        }
        Ok(())
    }
}
