//! A request's body under a limit and a clock.
//!
//! Bounds: bytes in total, and how long the client may keep its reader waiting. Only time spent waiting for the client
//! counts, so a function that reads slowly is not taken for a slow client. The window starts anew each time a
//! minimum of bytes has arrived, so a trickle does not keep a request alive.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Why a request's body could not be read to its end. The client's fault in each case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// Do not retry.
    #[error("the request body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// May be retried.
    #[error("the request body did not arrive in time")]
    TimedOut,
    /// The connection or the stream ended, or the framing was wrong.
    #[error("the request body broke off: {0}")]
    Broken(String),
}

/// What became of a body, for the one who answers the request. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct BodyStatus(Arc<Status>);

#[derive(Debug, Default)]
struct Status {
    fault: OnceLock<BodyFault>,
    is_read: AtomicBool,
}

impl BodyStatus {
    /// The first fault, if there was one so far.
    pub fn fault(&self) -> Option<&BodyFault> {
        self.0.fault.get()
    }

    /// Whether the body was read to its end.
    pub fn is_read(&self) -> bool {
        self.0.is_read.load(Ordering::Acquire)
    }
}

/// A body that ends with a [`BodyFault`] when it breaks its bounds.
pub struct GuardedBody<B> {
    body: B,
    left_bytes: u64,
    limit_bytes: u64,
    /// The window, and how much of it is left.
    window: Duration,
    left: Duration,
    min_progress_bytes: u64,
    progress_bytes: u64,
    timer: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
    status: BodyStatus,
}

impl<B> GuardedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Bounds `body` to `limit_bytes`; in each `window` of waiting at least `min_progress_bytes` have to arrive.
    pub fn new(body: B, limit_bytes: u64, window: Duration, min_progress_bytes: u64) -> Self {
        let status = BodyStatus::default();
        status.0.is_read.store(body.is_end_stream(), Ordering::Release);
        Self {
            body,
            left_bytes: limit_bytes,
            limit_bytes,
            window,
            left: window,
            min_progress_bytes,
            progress_bytes: 0,
            timer: None,
            waiting_since: None,
            status,
        }
    }

    /// Tells what becomes of this body, also after it is gone.
    pub fn status(&self) -> BodyStatus {
        self.status.clone()
    }

    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let fault = self.status.0.fault.get_or_init(|| fault).clone();
        Poll::Ready(Some(Err(fault)))
    }

    fn arrived(&mut self, bytes: u64) {
        if let Some(since) = self.waiting_since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        self.progress_bytes = self.progress_bytes.saturating_add(bytes);
        if self.progress_bytes >= self.min_progress_bytes {
            self.progress_bytes = 0;
            self.left = self.window;
        }
    }

    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let left = self.left;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            timer.as_mut().reset(now + left);
        }
        timer.as_mut().poll(cx).is_ready()
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        if let Some(fault) = this.status.fault().cloned() {
            return this.fail(fault);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                match this.left_bytes.checked_sub(bytes) {
                    Some(left) => this.left_bytes = left,
                    None => return this.fail(BodyFault::TooLarge { limit_bytes: this.limit_bytes }),
                }
                this.arrived(bytes);
                if this.body.is_end_stream() {
                    this.status.0.is_read.store(true, Ordering::Release);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let text = error.to_string();
                this.fail(BodyFault::Broken(text))
            }
            Poll::Ready(None) => {
                this.status.0.is_read.store(true, Ordering::Release);
                Poll::Ready(None)
            }
            Poll::Pending if this.is_overdue(cx) => this.fail(BodyFault::TimedOut),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, Full, StreamBody};

    type Chunks = Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send>>;

    /// `count` chunks of `size` bytes, each `gap_ms` after the one before.
    fn chunks(count: usize, size: usize, gap_ms: u64) -> StreamBody<Chunks> {
        let chunks = stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(Duration::from_millis(gap_ms)).await;
            Ok(Frame::data(Bytes::from(vec![b'x'; size])))
        });
        StreamBody::new(Box::pin(chunks))
    }

    const WINDOW: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_body_within_its_bounds_passes() {
        let body = GuardedBody::new(chunks(5, 10, 900), 50, WINDOW, 10);
        let status = body.status();
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 50);
        assert!(status.is_read());
    }

    #[tokio::test(start_paused = true)]
    async fn one_byte_too_many_is_a_fault_and_stays_one() {
        let mut body = GuardedBody::new(Full::new(Bytes::from_static(b"12345")), 4, WINDOW, 1);
        let status = body.status();
        for _ in 0..2 {
            assert_eq!(body.frame().await.unwrap().unwrap_err(), BodyFault::TooLarge { limit_bytes: 4 });
        }
        assert_eq!(status.fault(), Some(&BodyFault::TooLarge { limit_bytes: 4 }));
        assert!(!status.is_read());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_a_trickle_time_out() {
        let silent = GuardedBody::new(chunks(1, 10, 1_001), 100, WINDOW, 1);
        assert_eq!(silent.collect().await.unwrap_err(), BodyFault::TimedOut);
        let trickle = GuardedBody::new(chunks(100, 1, 300), 100, WINDOW, 10);
        assert_eq!(trickle.collect().await.unwrap_err(), BodyFault::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_a_slow_client() {
        let mut body = GuardedBody::new(chunks(3, 10, 900), 100, WINDOW, 10);
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        assert!(body.frame().await.is_none());
    }
}
