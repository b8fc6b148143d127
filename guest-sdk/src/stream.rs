//! A response that leaves while the handler still runs.

use std::io::{self, Write};

/// Bytes gathered before they go out as a piece of their own accord.
const PIECE_BYTES: usize = 64 * 1024;

/// The content type of a stream that begins with [`ResponseStream::with_head`].
const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

/// The response of a `#[lamina::handler]`, written in pieces.
///
/// A `std::io::Write`: what is written goes out at [`flush`](Write::flush), whenever 64 kB have gathered, and when the stream is
/// dropped. A flush returns once there is room on the way to the reader, so a slow reader slows the function down. When nobody reads any
/// more it fails with [`io::ErrorKind::BrokenPipe`]; the handler may stop, or go on without. A caller that does not stream gets the
/// pieces together.
#[derive(Debug)]
pub struct ResponseStream {
    gathered: Vec<u8>,
}

impl ResponseStream {
    pub(crate) fn new() -> Self {
        Self { gathered: Vec::new() }
    }

    /// Begins the response, as `content_type`. Without it the first piece does, as `application/octet-stream`.
    ///
    /// # Errors
    /// If it was begun before, the content type cannot stand in a header, or nobody reads.
    pub fn begin(&mut self, content_type: &str) -> io::Result<()> {
        sink::begin(content_type)
    }

    /// Begins an HTTP response: behind a function URL that streams, `status` and `headers` are the response's; `set-cookie` may come
    /// more than once.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn with_head<'a>(
        &mut self,
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> io::Result<()> {
        let (mut plain, mut cookies) = (serde_json::Map::new(), Vec::new());
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                cookies.push(value);
            } else {
                plain.insert(name.to_owned(), value.into());
            }
        }
        let head = serde_json::json!({ "statusCode": status, "headers": plain, "cookies": cookies });
        sink::begin(HTTP_INTEGRATION)?;
        self.gathered.extend_from_slice(head.to_string().as_bytes());
        self.gathered.extend_from_slice(&[0; 8]);
        self.flush()
    }
}

impl Write for ResponseStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        sink::write(&std::mem::take(&mut self.gathered))
    }
}

impl Drop for ResponseStream {
    fn drop(&mut self) {
        // The handler that wants to know flushes.
        let _ = self.flush();
    }
}

#[cfg(target_family = "wasm")]
mod sink {
    use std::io;

    #[allow(unsafe_code, missing_docs, unreachable_pub, reason = "generated: component imports take raw pointers")]
    mod bindings {
        wit_bindgen::generate!({ path: "wit", world: "response-streaming" });
    }
    use bindings::lamina::function::response_stream::{self, StreamError};

    pub(super) fn begin(content_type: &str) -> io::Result<()> {
        response_stream::begin(content_type).map_err(told)
    }

    pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
        response_stream::write(bytes).map_err(told)
    }

    fn told(error: StreamError) -> io::Error {
        let (kind, what) = match error {
            StreamError::Closed => (io::ErrorKind::BrokenPipe, "nobody reads the response any more"),
            StreamError::Begun => (io::ErrorKind::AlreadyExists, "the response was begun before"),
            StreamError::InvalidContentType => {
                (io::ErrorKind::InvalidInput, "the content type cannot stand in a header")
            }
        };
        io::Error::new(kind, what)
    }
}

/// Off wasm the pieces are kept for the test that runs the handler.
#[cfg(not(target_family = "wasm"))]
pub(crate) mod sink {
    use std::cell::RefCell;
    use std::io;

    thread_local! {
        static STREAM: RefCell<Option<(String, Vec<u8>)>> = const { RefCell::new(None) };
    }

    pub(super) fn begin(content_type: &str) -> io::Result<()> {
        STREAM.with_borrow_mut(|stream| {
            if stream.is_some() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the response was begun before"));
            }
            *stream = Some((content_type.to_owned(), Vec::new()));
            Ok(())
        })
    }

    pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
        STREAM.with_borrow_mut(|stream| {
            stream
                .get_or_insert_with(|| ("application/octet-stream".to_owned(), Vec::new()))
                .1
                .extend_from_slice(bytes);
        });
        Ok(())
    }

    /// Content type and bytes of what this thread streamed since the last call.
    pub(crate) fn take() -> Option<(String, Vec<u8>)> {
        STREAM.take()
    }
}
