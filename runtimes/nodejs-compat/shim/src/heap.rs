//! The heap that every environment begins with.
//!
//! What starts the engine leaves small holes all over its heap. An allocator fills those first, so that whatever a function allocates would lie
//! scattered over pages that all environments could share: each a copy of 4096 bytes for a few. So they are filled once, before the host's
//! snapshot, and what comes after lies together.

use std::ffi::c_void;

/// Holes of this size and more are kept: what is allocated in them lies together as well.
const LARGE_BYTES: usize = 32 << 10;

/// What the first allocations find behind the heap, so that small functions do not grow the memory.
const HEADROOM_BYTES: usize = 1 << 20;

/// What an allocator gives is a multiple of this, less what it needs itself.
const STEP_BYTES: usize = 8;

const WASM_PAGE_BYTES: usize = 64 << 10;

/// Fills the small holes of the heap for ever.
pub(crate) fn fill_holes() {
    let Some(top) = top() else { return };
    let mut large = Vec::with_capacity(1 << 10);
    let mut bytes = HEADROOM_BYTES / 2;
    while bytes >= LARGE_BYTES {
        large.extend(below(top, bytes));
        bytes /= 2;
    }
    for steps in (1..=LARGE_BYTES / STEP_BYTES).rev() {
        below(top, steps * STEP_BYTES).for_each(drop);
    }
    large.into_iter().for_each(free);
}

/// Where the heap ends and memory begins that was never used.
fn top() -> Option<usize> {
    let end = core::arch::wasm32::memory_size::<0>() * WASM_PAGE_BYTES;
    let mut holes = Vec::new();
    let top = loop {
        let place = allocate(HEADROOM_BYTES)?;
        if place.addr() + HEADROOM_BYTES > end {
            break place;
        }
        holes.push(place);
    };
    holes.into_iter().for_each(free);
    free(top);
    Some(top.addr())
}

/// All that the allocator gives of this size before it goes beyond `top`.
fn below(top: usize, bytes: usize) -> impl Iterator<Item = *mut c_void> {
    std::iter::from_fn(move || {
        let place = allocate(bytes)?;
        if place.addr() < top {
            return Some(place);
        }
        free(place);
        None
    })
}

fn allocate(bytes: usize) -> Option<*mut c_void> {
    // SAFETY: any size may be asked for.
    let place = unsafe { libc::malloc(bytes) };
    (!place.is_null()).then_some(place)
}

fn free(place: *mut c_void) {
    // SAFETY: it came from `allocate` and is freed once.
    unsafe { libc::free(place) }
}
