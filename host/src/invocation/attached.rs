//! A guest that answers before it ends, run within its caller for as long as there is somebody to wait with.
//!
//! A response's head leaves while its guest still runs, so the guest needs a task of its own; but most have nothing left to do once their
//! answer is there, and a task costs each request two turns in the queue. So the guest is first run where it is waited for.
//! What is left of it when its caller goes on, or goes away, becomes a task.

use crate::sandbox::Failure;
use crate::shutdown::{Phase, Shutdown};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use wasmtime_wasi_http::{Error, WasiBody};

/// Pieces of a body that are gathered before its head leaves.
const MAX_PIECES: usize = 4;

/// Bytes of them from which on no more are gathered.
const FULL_BYTES: u64 = 64 * 1024;

/// Tells a guest's run that its caller went away. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Runs `work` unless the caller has gone.
    pub(super) async fn unless<T>(
        &self,
        mut work: Pin<&mut impl Future<Output = Result<T, Failure>>>,
    ) -> Result<T, Failure> {
        // The flag is set before the rest of the run becomes a task, whose first turn sees it: nobody has to be woken.
        poll_fn(|cx| match self.0.load(Ordering::Acquire) {
            true => Poll::Ready(Err(Failure::Host("the caller went away".into()))),
            false => work.as_mut().poll(cx),
        })
        .await
    }
}

/// A guest's run, within its caller. Dropped before [`Attached::let_go`] it is abandoned: its rest is a task that ends it in order.
pub(super) struct Attached<'a> {
    rest: Option<BoxFuture<'static, ()>>,
    abandoned: Option<Abandoned>,
    shutdown: &'a Shutdown,
}

impl<'a> Attached<'a> {
    /// Not begun yet.
    pub(super) fn new(
        run: impl Future<Output = ()> + Send + 'static,
        abandoned: Abandoned,
        shutdown: &'a Shutdown,
    ) -> Self {
        Self { rest: Some(Box::pin(run)), abandoned: Some(abandoned), shutdown }
    }

    /// Runs the guest while `wanted` is not there.
    pub(super) async fn until<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            self.advance(cx);
            wanted.as_mut().poll(cx)
        })
        .await
    }

    /// Takes of the body what comes without waiting.
    pub(super) async fn gather(&mut self, body: WasiBody) -> Begun {
        let mut begun = Begun { pieces: VecDeque::new(), bytes: 0, rest: Some(body) };
        poll_fn(|cx| {
            while begun.pieces.len() < MAX_PIECES && begun.bytes < FULL_BYTES && begun.take(cx) {
                // There is room for the guest's next piece.
                self.advance(cx);
            }
            Poll::Ready(())
        })
        .await;
        begun
    }

    /// The guest goes on without its caller.
    pub(super) fn let_go(mut self) {
        self.abandoned = None;
    }

    fn advance(&mut self, cx: &mut Context<'_>) {
        let Some(rest) = &mut self.rest else { return };
        match std::panic::catch_unwind(AssertUnwindSafe(|| rest.poll_unpin(cx))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(())) => self.rest = None,
            Err(_) => {
                tracing::error!("an invocation panicked");
                self.rest = None;
            }
        }
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        if let Some(abandoned) = &self.abandoned {
            abandoned.0.store(true, Ordering::Release);
        }
        let Some(rest) = self.rest.take() else { return };
        // There is no runtime any more where all of it is being dropped.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.shutdown.spawn(Phase::Intake, "http-invocation", rest);
        }
    }
}

/// A guest's body of which something is here already.
pub(super) struct Begun {
    pieces: VecDeque<Result<Frame<Bytes>, Error>>,
    bytes: u64,
    /// What comes after; `None` where that is nothing.
    rest: Option<WasiBody>,
}

impl Begun {
    /// Takes a piece, or the end; answers whether more may come without waiting.
    fn take(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(rest) = &mut self.rest else { return false };
        match Pin::new(rest).poll_frame(cx) {
            Poll::Pending => false,
            Poll::Ready(None) => {
                self.rest = None;
                false
            }
            Poll::Ready(Some(piece)) => {
                self.bytes = self.bytes.saturating_add(piece.as_ref().map_or(0, data_bytes));
                self.pieces.push_back(piece);
                true
            }
        }
    }
}

fn data_bytes(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX))
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(piece) = self.pieces.pop_front() {
            self.bytes = self.bytes.saturating_sub(piece.as_ref().map_or(0, data_bytes));
            return Poll::Ready(Some(piece));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let is_data = |piece: &Result<Frame<Bytes>, Error>| piece.as_ref().is_ok_and(Frame::is_data);
        match &self.rest {
            None if self.pieces.iter().all(is_data) => SizeHint::with_exact(self.bytes),
            Some(rest) if self.pieces.is_empty() => rest.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, Full, StreamBody};
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_run_that_has_nothing_left_to_do_is_no_task() {
        let shutdown = Shutdown::new();
        let (tell, told) = oneshot::channel();
        let run = async move { tell.send(7).unwrap() };
        let mut guest = Attached::new(run, Abandoned::default(), &shutdown);
        assert_eq!(guest.until(told).await, Ok(7));
        guest.let_go();
        assert_eq!(shutdown.running(Phase::Intake), 0);
    }

    #[tokio::test]
    async fn what_is_left_runs_on_unless_it_was_abandoned() {
        for is_let_go in [true, false] {
            let shutdown = Shutdown::new();
            let abandoned = Abandoned::default();
            let caller = abandoned.clone();
            let ((tell, told), (open, gate), (report, end)) =
                (oneshot::channel(), oneshot::channel::<()>(), oneshot::channel());
            let run = async move {
                let work = async {
                    tell.send(()).unwrap();
                    gate.await.map_err(|_| Failure::TimedOut)
                };
                report.send(caller.unless(pin!(work)).await.is_ok()).unwrap();
            };
            let mut guest = Attached::new(run, abandoned, &shutdown);
            guest.until(told).await.unwrap();
            if is_let_go {
                guest.let_go();
                open.send(()).unwrap();
            } else {
                // The gate stays closed: what ends the run is that nobody waits.
                drop(guest);
            }
            assert_eq!(end.await, Ok(is_let_go));
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_end() {
        let shutdown = Shutdown::new();
        let (tell, told) = oneshot::channel::<()>();
        let run = async move {
            let _held = tell;
            panic!("on purpose");
        };
        assert!(Attached::new(run, Abandoned::default(), &shutdown).until(told).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_is_here_has_a_length() {
        let shutdown = Shutdown::new();
        let gather = async |body: WasiBody| {
            Attached::new(std::future::ready(()), Abandoned::default(), &shutdown).gather(body).await
        };
        let whole = Full::new(Bytes::from_static(b"hello")).map_err(|never| match never {}).boxed_unsync();
        let whole = gather(whole).await;
        assert_eq!(whole.size_hint().exact(), Some(5));
        assert_eq!(whole.collect().await.unwrap().to_bytes(), "hello");

        let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"he")))]);
        let mut begun = gather(StreamBody::new(first.chain(stream::pending())).boxed_unsync()).await;
        assert_eq!(begun.size_hint().exact(), None);
        assert_eq!(begun.frame().await.unwrap().unwrap().into_data().unwrap(), "he");

        let broken = stream::iter([Ok(Frame::data(Bytes::from_static(b"he"))), Err(Error::ConnectionTerminated)]);
        let broken = gather(StreamBody::new(broken).boxed_unsync()).await;
        assert_eq!(broken.size_hint().exact(), None);
        assert!(broken.collect().await.is_err());
    }
}
