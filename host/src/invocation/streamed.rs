//! The body of a streamed response, which must not look whole when its guest died.
//!
//! A guest's body, or an event function's stream, simply ends when its sandbox does. So before the sandbox of a failed invocation is dropped, the failure is
//! noted here, and the end of the body becomes an error: the client's connection is cut instead of ended.

use super::attached::Begun;
use super::{Body, BodyError};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Notes that the guest failed. Clones are the same note.
#[derive(Debug, Clone, Default)]
pub(super) struct Broken(Arc<AtomicBool>);

impl Broken {
    /// To be called before the sandbox is dropped.
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Notes a failure when dropped, unless [`disarmed`](Self::disarm): a task that is cut off fails too.
pub(super) struct NoteOnDrop(Option<Broken>);

impl NoteOnDrop {
    pub(super) fn new(broken: Broken) -> Self {
        Self(Some(broken))
    }

    /// The guest did not fail.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        if let Some(broken) = &self.0 {
            broken.note();
        }
    }
}

/// The body of a guest that may still fail.
pub(super) fn body(guest: Begun, broken: Broken) -> Body {
    Streamed { guest, broken, flushed: false }.boxed_unsync()
}

/// The pieces of an event function that may still fail.
pub(super) fn pieces(pieces: mpsc::Receiver<Bytes>, broken: Broken) -> Body {
    Streamed { guest: Pieces(pieces), broken, flushed: false }.boxed_unsync()
}

struct Pieces(mpsc::Receiver<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

struct Streamed<B> {
    guest: B,
    broken: Broken,
    /// Whether the connection had a turn to send what it has.
    flushed: bool,
}

impl<B: HttpBody<Data = Bytes, Error: Into<BodyError>> + Unpin> HttpBody for Streamed<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.guest).poll_frame(cx) {
            Poll::Ready(None) if self.broken.0.load(Ordering::Acquire) => {
                if std::mem::replace(&mut self.flushed, true) {
                    return Poll::Ready(Some(Err("the function failed while it answered".into())));
                }
                // What came before goes out first: an error here would take it along.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            polled => polled.map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        // What is here of a body that broke off is not its length.
        if self.broken.0.load(Ordering::Acquire) { SizeHint::default() } else { self.guest.size_hint() }
    }
}
