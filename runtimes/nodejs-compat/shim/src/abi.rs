//! The exports of the ABI: buffers in, frames out.

use std::cell::RefCell;

use crate::engine;

/// A result's frame: one byte that says what it is, then its body.
pub(crate) struct Frame(pub(crate) Vec<u8>);

thread_local! {
    /// What the last call answered; the host reads it before it calls again.
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a frame for the host and says where it is; 0 when there is none.
fn answer(frame: Option<Frame>) -> i64 {
    let Some(Frame(bytes)) = frame else { return 0 };
    ANSWER.with_borrow_mut(|kept| {
        *kept = bytes;
        ((kept.as_ptr() as u64) << 32 | kept.len() as u64) as i64
    })
}

/// Takes back a buffer that `rt_alloc` gave and the host filled.
fn argument(ptr: *mut u8, len: usize) -> Vec<u8> {
    if ptr.is_null() {
        return Vec::new();
    }
    // SAFETY: the ABI has the host pass exactly what `rt_alloc(len)` answered, once; it was a vector of that capacity, and the host
    // has written all of it.
    unsafe { Vec::from_raw_parts(ptr, len, len.max(1)) }
}

/// A buffer for the host's next argument; null when there is no memory.
#[unsafe(no_mangle)]
extern "C" fn rt_alloc(len: usize) -> *mut u8 {
    let mut buffer = Vec::<u8>::new();
    if buffer.try_reserve_exact(len.max(1)).is_err() {
        return std::ptr::null_mut();
    }
    let ptr = buffer.as_mut_ptr();
    std::mem::forget(buffer);
    ptr
}

/// Starts the engine and evaluates the library. A failure here is a fault of this build: it traps.
#[unsafe(no_mangle)]
extern "C" fn rt_init() {
    if let Err(message) = engine::start() {
        crate::host::log(message.as_bytes());
        std::process::abort();
    }
    crate::heap::fill_holes();
}

/// Imports the function's module and finds its handler.
#[unsafe(no_mangle)]
extern "C" fn rt_load(ptr: *mut u8, len: usize) -> i64 {
    answer(engine::call("load", &[&argument(ptr, len)]))
}

/// One invocation.
#[unsafe(no_mangle)]
extern "C" fn rt_invoke(ptr: *mut u8, len: usize) -> i64 {
    let argument = argument(ptr, len);
    let Some((head, rest)) = argument.split_first_chunk::<4>() else { return 0 };
    let Some((context, event)) = rest.split_at_checked(u32::from_le_bytes(*head) as usize) else { return 0 };
    answer(engine::call("invoke", &[context, event]))
}

/// Gets ready for a memory image.
#[unsafe(no_mangle)]
extern "C" fn rt_snapshot() -> i64 {
    answer(engine::call("snapshot", &[]))
}

/// First call in an instance that came from an image.
#[unsafe(no_mangle)]
extern "C" fn rt_restore(ptr: *mut u8, len: usize) -> i64 {
    answer(engine::call("restore", &[&argument(ptr, len)]))
}
