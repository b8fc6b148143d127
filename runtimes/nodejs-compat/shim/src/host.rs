//! The host's functions: module `lamina` of the ABI and the few calls of WASI that the standard library does not offer as they are.

/// Raw imports. Every pointer and length names memory of this module; the host checks both.
pub(crate) mod raw {
    #[link(wasm_import_module = "lamina")]
    unsafe extern "C" {
        pub(crate) fn log(ptr: *const u8, len: usize);
        pub(crate) fn stream_begin(ptr: *const u8, len: usize) -> i32;
        pub(crate) fn stream_write(ptr: *const u8, len: usize) -> i32;
        pub(crate) fn http_start(ptr: *const u8, len: usize) -> i32;
        pub(crate) fn http_wait(ptr: *const u32, count: usize, timeout_ms: i32) -> i32;
        pub(crate) fn http_head(handle: i32, ptr: *mut u8, cap: usize) -> i32;
        pub(crate) fn http_body(handle: i32, ptr: *mut u8, cap: usize) -> i32;
        pub(crate) fn http_close(handle: i32);
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(crate) fn random_get(ptr: *mut u8, len: usize) -> i32;
        pub(crate) fn proc_exit(code: u32) -> !;
    }
}

/// One record for the function's log, written as it is.
pub(crate) fn log(record: &[u8]) {
    // SAFETY: pointer and length are those of a live slice, which the host only reads.
    unsafe { raw::log(record.as_ptr(), record.len()) }
}

/// Opens the streamed response with its content type; the ABI's negative number when that cannot be.
pub(crate) fn stream_begin(content_type: &[u8]) -> i32 {
    // SAFETY: as in `log`.
    unsafe { raw::stream_begin(content_type.as_ptr(), content_type.len()) }
}

/// A piece of the streamed response; returns when the host has room for it.
pub(crate) fn stream_write(piece: &[u8]) -> i32 {
    // SAFETY: as in `log`.
    unsafe { raw::stream_write(piece.as_ptr(), piece.len()) }
}

/// Starts a request: a frame of head and body as the ABI lays it out. A handle, or a negative number.
pub(crate) fn http_start(frame: &[u8]) -> i32 {
    // SAFETY: as in `log`.
    unsafe { raw::http_start(frame.as_ptr(), frame.len()) }
}

/// Waits for one of `handles`, at most `timeout_ms` (negative: without limit). The index of one that has news, -5 for none in time.
pub(crate) fn http_wait(handles: &[u32], timeout_ms: i32) -> i32 {
    // SAFETY: as in `log`; the length is counted in handles.
    unsafe { raw::http_wait(handles.as_ptr(), handles.len(), timeout_ms) }
}

/// The head of a response as JSON, waiting for it; the ABI's negative number for a handle that is none.
pub(crate) fn http_head(handle: i32) -> Result<Vec<u8>, i32> {
    let mut head = vec![0; 2048];
    loop {
        // SAFETY: the host writes at most `head.len()` bytes into this live buffer.
        let length = unsafe { raw::http_head(handle, head.as_mut_ptr(), head.len()) };
        let Ok(length) = usize::try_from(length) else { return Err(length) };
        let fits = length <= head.len();
        head.resize(length, 0);
        if fits {
            return Ok(head);
        }
    }
}

/// The next piece of a body, at most `limit` bytes, waiting for it; empty at its end.
pub(crate) fn http_body(handle: i32, limit: usize) -> Result<Vec<u8>, i32> {
    let mut piece = vec![0; limit];
    // SAFETY: the host writes at most `piece.len()` bytes into this live buffer.
    let length = unsafe { raw::http_body(handle, piece.as_mut_ptr(), piece.len()) };
    let Ok(length) = usize::try_from(length) else { return Err(length) };
    piece.truncate(length);
    Ok(piece)
}

/// Gives a request up, or its answer back.
pub(crate) fn http_close(handle: i32) {
    // SAFETY: no memory is passed.
    unsafe { raw::http_close(handle) }
}

/// Fills a buffer with the host's randomness.
pub(crate) fn random(buffer: &mut [u8]) -> bool {
    // SAFETY: the host writes exactly this live buffer.
    unsafe { raw::random_get(buffer.as_mut_ptr(), buffer.len()) == 0 }
}

/// Ends the environment.
pub(crate) fn exit(code: u32) -> ! {
    // SAFETY: no memory is passed, and it does not return.
    unsafe { raw::proc_exit(code) }
}
