//! A connection's socket: tells the protocols apart, times out writes, and closes so that the last answer arrives.

use super::activity::Activity;
use super::tls::Stream;
use bytes::{Buf, BytesMut};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The client connection preface (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// After the last answer: how long, and how much, is read from a client that is still sending.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

pub(super) struct GuardedIo {
    stream: Stream,
    /// Read while telling the protocols apart; handed out first.
    prefix: BytesMut,
    write_timeout: Duration,
    /// Runs while a write waits for the client.
    write_timer: Option<Pin<Box<Sleep>>>,
    write_waits: bool,
    linger: Option<Linger>,
    activity: Arc<Activity>,
}

struct Linger {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl GuardedIo {
    pub(super) fn new(stream: Stream, write_timeout: Duration, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            prefix: BytesMut::new(),
            write_timeout,
            write_timer: None,
            write_waits: false,
            linger: None,
            activity,
        }
    }

    /// Reads until the protocol is certain; `None` where the client closed before it was. May be dropped at any wait.
    pub(super) async fn detect(&mut self) -> io::Result<Option<Protocol>> {
        loop {
            let known = self.prefix.len().min(HTTP2_PREFACE.len());
            if self.prefix.get(..known) != HTTP2_PREFACE.get(..known) {
                return Ok(Some(Protocol::Http1));
            }
            if known == HTTP2_PREFACE.len() {
                return Ok(Some(Protocol::Http2));
            }
            if self.stream.read_buf(&mut self.prefix).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Passes a write's outcome on, with a limit on how long the client may keep it waiting.
    fn timed<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_waits = false;
            return polled;
        }
        let timeout = self.write_timeout;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        if !self.write_waits {
            self.write_waits = true;
            timer.as_mut().reset(Instant::now() + timeout);
        }
        ready!(timer.as_mut().poll(cx));
        self.activity.set_write_timed_out();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for GuardedIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.has_remaining() {
            let taken = self.prefix.len().min(buf.remaining());
            let chunk = self.prefix.split_to(taken);
            buf.put_slice(&chunk);
            if self.prefix.is_empty() {
                self.prefix = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        let has_more = buf.filled().len() > before;
        if has_more {
            self.activity.bytes_read();
        } else if self.activity.has_begun() && buf.remaining() > 0 {
            // A client that sent its request and left: hyper would drop the request before its handler was polled once.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for GuardedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, data);
        self.timed(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.timed(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes the sending side. Where the client is still sending, reads on for a moment: a socket closed over unread bytes
    /// resets the connection, and the reset overtakes the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let mut scratch = [0u8; 8 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            let polled = Pin::new(&mut this.stream).poll_read(cx, &mut buf);
            let read = buf.filled().len();
            match polled {
                Poll::Ready(Ok(())) if read > 0 => {}
                // The client has closed too, or is gone.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if this.linger.is_none() && !this.activity.is_unread() => return Poll::Ready(Ok(())),
                Poll::Pending => {}
            }
            let linger = this
                .linger
                .get_or_insert_with(|| Linger { until: Box::pin(tokio::time::sleep(LINGER)), left: LINGER_BYTES });
            linger.left = linger.left.saturating_sub(read);
            if linger.left == 0 || linger.until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if polled.is_pending() {
                return Poll::Pending;
            }
        }
    }
}
