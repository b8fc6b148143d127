//! Linear memories that start as a private view of an image.
//!
//! wasmtime asks for memory in the middle of an instantiation and says nothing about what for, so that [`starting_from`] lays the content ready
//! for the one instantiation that it polls: a task-local value, seen by whatever thread polls that future and by nothing else.
//! The first memory of the fitting size takes it. Where none did, the instance is not what it was meant to be, and is given up.

#![expect(
    unsafe_code,
    reason = "mapping files into memory that wasm code runs in; each block says what makes it sound"
)]

use super::content::{Content, unit_bytes};
use parking_lot::Mutex;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use std::io;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

tokio::task_local! {
    static READY: Mutex<Option<Arc<Content>>>;
}

/// Drives `instantiation`, of which the first memory of the content's initial size starts as `content`.
pub async fn starting_from<T>(
    content: Arc<Content>,
    instantiation: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let instantiated = async {
        let instance = instantiation.await?;
        match READY.with(|ready| ready.lock().is_some()) {
            true => Err(wasmtime::format_err!("the module has no memory of the size of its image")),
            false => Ok(instance),
        }
    };
    READY.scope(Mutex::new(Some(content)), instantiated).await
}

/// Makes the memories of an engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageMemories;

// SAFETY: what `new_memory` gives keeps to the trait: its reservation and its guard are as large as asked for, it never moves, and nothing but
// what `byte_size` says is accessible. It is not zero at first where it starts from an image; wasmtime initialises memory by data
// segments, of which templates have none, and relies on no value of any byte.
unsafe impl MemoryCreator for ImageMemories {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        reserved_size_in_bytes: Option<usize>,
        guard_size_in_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let content = READY.try_with(|ready| {
            let mut ready = ready.lock();
            if ready.as_ref().is_some_and(|content| content.initial_bytes() == minimum) { ready.take() } else { None }
        });
        let reserved = reserved_size_in_bytes.unwrap_or(minimum).max(minimum);
        let memory = ImageMemory::new(content.ok().flatten(), minimum, reserved, guard_size_in_bytes);
        memory
            .map(|memory| Box::new(memory) as Box<dyn LinearMemory>)
            .map_err(|error| format!("no memory could be mapped: {error}"))
    }
}

/// A memory: a reservation, of which the first `size` bytes are accessible.
struct ImageMemory {
    base: NonNull<u8>,
    size: usize,
    reserved: usize,
    /// The reservation with its guard.
    total: usize,
    content: Option<Arc<Content>>,
}

// SAFETY: the reservation belongs to this value alone, wherever that goes; nothing of it is tied to a thread.
unsafe impl Send for ImageMemory {}
// SAFETY: a shared reference gives out nothing but the base address and two sizes.
unsafe impl Sync for ImageMemory {}

impl ImageMemory {
    fn new(content: Option<Arc<Content>>, size: usize, reserved: usize, guard: usize) -> io::Result<Self> {
        let total = reserved.checked_add(guard).filter(|total| *total > 0).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping, placed by the kernel.
        let base = unsafe {
            mmap_anonymous(ptr::null_mut(), total, ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE)?
        };
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut memory = Self { base, size: 0, reserved, total, content };
        memory.open_to(size)?;
        Ok(memory)
    }

    /// Makes the memory accessible from its size to `to`, filled as its content says.
    fn open_to(&mut self, to: usize) -> io::Result<()> {
        if to > self.reserved {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if to > self.size {
            if let Err(error) = self.fill(to) {
                self.close_from(to);
                return Err(error);
            }
            self.size = to;
        }
        Ok(())
    }

    /// Maps what belongs between the size and `to`, which lies in the reservation, and writes the patches over it.
    fn fill(&self, to: usize) -> io::Result<()> {
        let mapped = self.content.as_ref().map_or(&[][..], |content| content.mapped());
        // A first piece that covers the beginning takes its place; the rest is anonymous, under whatever else lies on it.
        let first =
            mapped.first().filter(|piece| piece.start <= self.size).and_then(|piece| piece.within(self.size, to));
        let anonymous = first.map_or(self.size, |(start, bytes, _)| start + bytes);
        if anonymous < to {
            // SAFETY: the range lies in the reservation, beyond what is accessible.
            unsafe { mprotect(self.at(anonymous), to - anonymous, MprotectFlags::READ | MprotectFlags::WRITE)? };
        }
        for piece in mapped {
            let Some((start, bytes, offset)) = piece.within(self.size, to) else { continue };
            let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
            // SAFETY: the range lies in the reservation, beyond what is accessible, so that nothing refers to what was mapped there.
            // The file holds the whole piece (`Content::new`) and never changes: it lies in the data directory, got its name when
            // it was complete, and is deleted but not written.
            unsafe { mmap(self.at(start), bytes, ProtFlags::READ | ProtFlags::WRITE, flags, &*piece.file, offset)? };
        }
        let Some(content) = &self.content else { return Ok(()) };
        if let Some(ranges) = content.written_first() {
            self.populate(&ranges, to);
        }
        content.patches().within(self.size, to).for_each(|(start, patch)| self.patch(start, patch));
        Ok(())
    }

    /// Makes pages between the size and `to` its own that will be written first, by writing to each.
    ///
    /// One page fault a page costs no more than `MADV_POPULATE_WRITE` does, which holds the lock of all the process's mappings meanwhile, so
    /// that starts wait for each other. A page that is written before it is read takes one fault; one that was read has to be
    /// taken from all processors first.
    fn populate(&self, ranges: &[Range<usize>], to: usize) {
        let unit = unit_bytes();
        for range in ranges {
            for page in (range.start.max(self.size)..range.end.min(to)).step_by(unit) {
                // SAFETY: the byte lies within what `fill` has just mapped readable and writable, of which nobody else knows.
                let byte = unsafe { AtomicU8::from_ptr(self.at(page).cast()) };
                // Twice, so that it is what it was. An exchange for itself would be a write that compilers may leave out.
                byte.fetch_xor(1, Ordering::Relaxed);
                byte.fetch_xor(1, Ordering::Relaxed);
            }
        }
    }

    /// Writes `patch` to a place that `fill` has just mapped, of which nobody else knows.
    fn patch(&self, start: usize, patch: &[u8]) {
        // SAFETY: the range lies within what `fill` has just mapped readable and writable, beyond what is accessible to anybody.
        unsafe { ptr::copy_nonoverlapping(patch.as_ptr(), self.at(start).cast(), patch.len()) }
    }

    /// Makes what lies between the size and `to` inaccessible again, after it was mapped in part.
    fn close_from(&self, to: usize) {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: the range lies in the reservation, beyond what is accessible.
        let closed = unsafe { mmap_anonymous(self.at(self.size), to - self.size, ProtFlags::empty(), flags) };
        if closed.is_err() {
            // The guest could reach memory beyond its own, or the reservation may have a hole that somebody else's mapping fills.
            std::process::abort();
        }
    }

    /// The address of a byte of the reservation.
    fn at(&self, offset: usize) -> *mut std::ffi::c_void {
        self.base.as_ptr().wrapping_add(offset).cast()
    }
}

impl Drop for ImageMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made, and all that was mapped into it; wasmtime drops a memory after everything that uses it.
        // It can only fail where the kernel has no room to split a mapping, and none is split here.
        let _ = unsafe { munmap(self.at(0), self.total) };
    }
}

// SAFETY: `as_ptr` is the same for ever; `byte_size` bytes from there are readable and writable, and the rest of the reservation and the
// guard are mapped without access.
unsafe impl LinearMemory for ImageMemory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.reserved
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        self.open_to(new_size).map_err(wasmtime::Error::new)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }
}
