//! The exports of the contract: buffers in, frames out.

use crate::{Frame, Roots, Runtime};
use std::cell::RefCell;

thread_local! {
    /// The runtime, from `rt_init` on.
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    /// What the last call answered; the host reads it before it calls again.
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Runs the constructors of the C library. Without this the linker would run them again before every export.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the host calls this once, before everything else.
    unsafe { __wasm_call_ctors() }
}

/// Starts the engine. What is in memory after it is where every function's environment begins.
#[unsafe(no_mangle)]
extern "C" fn rt_init() {
    RUNTIME.set(Some(Runtime::start(Roots::default())));
}

/// A buffer for the host's next argument; null where there is no memory.
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

/// Compiles the function's file, runs it and finds the handler.
#[unsafe(no_mangle)]
extern "C" fn rt_load(ptr: *mut u8, len: usize) -> i64 {
    let argument = argument(ptr, len);
    answer(|runtime| runtime.load(&argument))
}

/// One invocation.
#[unsafe(no_mangle)]
extern "C" fn rt_invoke(ptr: *mut u8, len: usize) -> i64 {
    let argument = argument(ptr, len);
    answer(|runtime| {
        let (head, rest) = argument.split_first_chunk::<4>()?;
        let (context, event) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*head)).ok()?)?;
        runtime.invoke(context, event)
    })
}

/// Nothing is open and nothing is buffered: the memory is fit to be kept as it is.
#[unsafe(no_mangle)]
extern "C" fn rt_snapshot() -> i64 {
    answer(|_| Some(Frame::done(&[])))
}

/// The first call in an environment that came from an image.
#[unsafe(no_mangle)]
extern "C" fn rt_restore(ptr: *mut u8, len: usize) -> i64 {
    let argument = argument(ptr, len);
    answer(|runtime| runtime.restore(&argument))
}

/// Takes back a buffer that `rt_alloc` gave and the host filled.
fn argument(ptr: *mut u8, len: usize) -> Vec<u8> {
    if ptr.is_null() {
        return Vec::new();
    }
    // SAFETY: the host passes what `rt_alloc(len)` answered, once: a vector of that capacity, all of which the host has written.
    unsafe { Vec::from_raw_parts(ptr, len, len.max(1)) }
}

/// Keeps what `call` answers and says where it is: address in the upper half, length in the lower; 0 for no answer.
fn answer(call: impl FnOnce(&mut Runtime) -> Option<Frame>) -> i64 {
    let frame = RUNTIME.with_borrow_mut(|runtime| runtime.as_mut().and_then(call));
    let Some(frame) = frame else { return 0 };
    ANSWER.with_borrow_mut(|kept| {
        *kept = frame.into_bytes();
        ((kept.as_ptr() as u64) << 32 | kept.len() as u64) as i64
    })
}
