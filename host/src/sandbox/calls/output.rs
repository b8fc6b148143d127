//! `wasi:cli` stdin, stdout and stderr, of either WASI version.
//!
//! What a guest prints goes to an [`OutputSink`] as it is printed: nothing is buffered on the way, a write never waits and
//! never fails, and a guest that floods its output is cut by the sink, which alone knows how much is too much.
//! What a guest reads is an event, put in place before an invocation. Every stream of an environment shares one position, as
//! WASI wants it, so a new event is seen by streams the guest already holds. None of these is a terminal.

use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// The most a single write may carry, as in wasmtime's own streams.
const PERMIT_BYTES: usize = 64 * 1024;

/// Where a guest's output goes. Called on the thread that runs the guest: must be quick, must not block, and must bound what it keeps.
pub trait OutputSink: Send + Sync + 'static {
    /// Takes what the guest has just printed: any bytes, in pieces of any length.
    fn write(&self, bytes: &[u8]);

    /// Takes one whole record of the guest's log: to be one event of it, newlines and all, where the sink knows events.
    fn record(&self, bytes: &[u8]) {
        self.write(bytes);
        self.write(b"\n");
    }
}

/// A stdout or stderr that hands everything to a sink.
#[derive(Clone)]
pub struct Output(Arc<dyn OutputSink>);

impl Output {
    /// An output into this sink.
    pub fn new(sink: Arc<dyn OutputSink>) -> Self {
        Self(sink)
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes);
        Ok(())
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT_BYTES)
    }
}

/// A sink that keeps what is printed up to a limit, and notes when there was more.
#[derive(Debug)]
pub struct BoundedOutput {
    limit_bytes: usize,
    captured: Mutex<Captured>,
}

/// What a guest has printed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes, as many as the limit allows.
    pub bytes: Vec<u8>,
    /// Whether there were more.
    pub overflowed: bool,
}

impl BoundedOutput {
    /// Keeps at most `limit_bytes`. Allocates as output arrives.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, captured: Mutex::default() }
    }

    /// Whether more was printed than is kept; gives a size that is over the limit.
    pub fn overflow(&self) -> Option<usize> {
        let captured = self.captured.lock();
        captured.overflowed.then(|| captured.bytes.len().saturating_add(1))
    }

    /// Takes what has been printed since the last time, and starts afresh.
    pub fn take(&self) -> Captured {
        std::mem::take(&mut *self.captured.lock())
    }
}

impl OutputSink for BoundedOutput {
    fn write(&self, bytes: &[u8]) {
        let mut captured = self.captured.lock();
        let room = self.limit_bytes.saturating_sub(captured.bytes.len());
        let (kept, cut) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        captured.bytes.extend_from_slice(kept);
        captured.overflowed |= !cut.is_empty();
    }
}

/// A stdin that holds an event. Clones are the same stdin.
#[derive(Debug, Clone, Default)]
pub struct Input(Arc<Mutex<Bytes>>);

impl Input {
    /// Puts the next event in place of whatever was left of the last one.
    pub fn set(&self, event: Bytes) {
        *self.0.lock() = event;
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

impl AsyncRead for Input {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut event = self.0.lock();
        let length = event.len().min(buffer.remaining());
        buffer.put_slice(event.get(..length).unwrap_or_default());
        event.advance(length);
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {}
}

#[async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut event = self.0.lock();
        if event.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        let length = event.len().min(size);
        Ok(event.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::calls::testing::run_command;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Copies stdin to stdout in pieces, and says "done" on stderr.
    const CAT: &str = r#"(module
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (data (i32.const 16) "done")
        (func (export "_start")
            (loop $more
                (i32.store (i32.const 0) (i32.const 1024))
                (i32.store (i32.const 4) (i32.const 5000))
                (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
                (i32.store (i32.const 4) (i32.load (i32.const 8)))
                (if (i32.load (i32.const 8))
                    (then
                        (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)) (then (unreachable)))
                        (br $more))))
            (i32.store (i32.const 0) (i32.const 16))
            (i32.store (i32.const 4) (i32.const 4))
            (if (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 12)) (then (unreachable)))))"#;

    #[tokio::test]
    async fn a_guest_reads_its_event_and_its_two_outputs_stay_apart() {
        let event: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
        let ran = run_command(CAT, event.clone().into(), 1 << 20).await;
        ran.result.unwrap().unwrap();
        assert_eq!(ran.stdout, Captured { bytes: event, overflowed: false });
        assert_eq!(ran.stderr.bytes, b"done");
        assert!(!ran.used_tmp, "printing must not make a directory");
    }

    #[tokio::test]
    async fn a_flood_is_cut_at_the_limit_and_the_guest_does_not_notice() {
        let ran = run_command(CAT, vec![7; 50_000].into(), 1000).await;
        ran.result.unwrap().unwrap();
        assert_eq!(ran.stdout, Captured { bytes: vec![7; 1000], overflowed: true });
        assert_eq!(ran.stderr.bytes, b"done");
    }

    #[tokio::test]
    async fn version_3_streams_write_and_read_the_same_state() {
        let sink = Arc::new(BoundedOutput::new(8));
        let output = Output::new(sink.clone());
        Pin::from(output.async_stream()).write_all(b"abc").await.unwrap();
        output.p2_stream().write(Bytes::from_static(b"def")).unwrap();
        Pin::from(output.async_stream()).write_all(b"ghi").await.unwrap();
        assert_eq!(sink.take(), Captured { bytes: b"abcdefgh".to_vec(), overflowed: true });
        assert_eq!(sink.take(), Captured::default());

        let input = Input::default();
        let mut held = input.p2_stream();
        assert!(matches!(held.read(10), Err(StreamError::Closed)));
        input.set(Bytes::from_static(b"first event"));
        assert_eq!(held.read(5).unwrap(), "first");
        let mut rest = String::new();
        Pin::from(input.async_stream()).read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, " event");
        input.set(Bytes::from_static(b"unread"));
        input.set(Bytes::from_static(b"second"));
        assert_eq!(held.read(100).unwrap(), "second");
        assert!(matches!(held.read(1), Err(StreamError::Closed)));
    }
}
