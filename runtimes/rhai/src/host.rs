//! The host's functions: module `lamina` of the contract, and WASI's randomness.

mod raw {
    #[link(wasm_import_module = "lamina")]
    unsafe extern "C" {
        pub(super) fn log(ptr: *const u8, len: usize);
        pub(super) fn http_start(ptr: *const u8, len: usize) -> i32;
        pub(super) fn http_head(handle: i32, ptr: *mut u8, cap: usize) -> i32;
        pub(super) fn http_body(handle: i32, ptr: *mut u8, cap: usize) -> i32;
        pub(super) fn http_close(handle: i32);
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn random_get(ptr: *mut u8, len: usize) -> i32;
    }
}

/// As much of a body is read at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// One record for the function's log, written as it is.
pub(crate) fn log(record: &[u8]) {
    // SAFETY: pointer and length are those of a live slice, which the host only reads.
    unsafe { raw::log(record.as_ptr(), record.len()) }
}

/// Random bits; `None` where the host has none.
pub(crate) fn random() -> Option<u64> {
    let mut bytes = [0; 8];
    // SAFETY: the host writes this live buffer and nothing else.
    let failed = unsafe { raw::random_get(bytes.as_mut_ptr(), bytes.len()) };
    (failed == 0).then(|| u64::from_le_bytes(bytes))
}

/// A request on its way. Dropping it gives it up.
pub(crate) struct Exchange(i32);

impl Exchange {
    /// Starts a request of `frame`: the length of the head, the head, the body. A negative number of the contract's where it cannot be.
    pub(crate) fn start(frame: &[u8]) -> Result<Self, i32> {
        // SAFETY: as in `log`.
        let handle = unsafe { raw::http_start(frame.as_ptr(), frame.len()) };
        if handle > 0 { Ok(Self(handle)) } else { Err(handle) }
    }

    /// The head of the response as JSON, once there is one.
    pub(crate) fn head(&self) -> Result<Vec<u8>, i32> {
        let mut head = vec![0; 2048];
        loop {
            // SAFETY: the host writes at most `head.len()` bytes into this live buffer.
            let length = unsafe { raw::http_head(self.0, head.as_mut_ptr(), head.len()) };
            let length = usize::try_from(length).map_err(|_| length)?;
            let fits = length <= head.len();
            head.resize(length, 0);
            if fits {
                return Ok(head);
            }
        }
    }

    /// The whole body.
    pub(crate) fn body(&self) -> Result<Vec<u8>, i32> {
        let (mut body, mut piece) = (Vec::new(), vec![0; PIECE_BYTES]);
        loop {
            // SAFETY: the host writes at most `piece.len()` bytes into this live buffer.
            let length = unsafe { raw::http_body(self.0, piece.as_mut_ptr(), piece.len()) };
            match usize::try_from(length) {
                Ok(0) => return Ok(body),
                Ok(length) => body.extend(piece.iter().take(length)),
                Err(_) => return Err(length),
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // SAFETY: no memory is passed.
        unsafe { raw::http_close(self.0) }
    }
}
