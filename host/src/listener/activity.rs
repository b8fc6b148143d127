//! What a connection is doing, and whether it may go on doing it.
//!
//! One [`Activity`] a connection, shared by its socket (bytes of a head begin), its service (requests begin) and its
//! response bodies (requests end, chunks wait for the client). [`Activity::verdict`] is the only place that decides.

use super::{BoxError, Closed, Limits};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

pub(super) struct Activity {
    state: Mutex<State>,
    /// A request began since the protocol was last polled: its handler may not have been.
    has_begun: AtomicBool,
}

struct State {
    /// Requests whose response has not been handed to the protocol entirely.
    in_flight: usize,
    /// When the first byte of the head now being read came, on a connection that has nothing in flight.
    head_since: Option<Instant>,
    /// When a request last began or ended.
    active_at: Instant,
    /// HTTP/2 only: bodies whose last chunk the client has not made room for yet, since when.
    waiting: HashMap<u64, Instant>,
    next_id: u64,
    is_http2: bool,
    /// The client may still be sending a body nobody reads.
    unread: bool,
    write_timed_out: bool,
}

/// A connection with requests in flight is not looked at more often than this.
const MIN_TICK: Duration = Duration::from_millis(1);

/// A connection on which nothing began or ended for so long is quiet.
const QUIET: Duration = Duration::from_millis(100);

/// What to do with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is overdue; nothing will be before then.
    LookAgain(Instant),
    /// Close it gracefully.
    Close,
    /// Drop it.
    End(Closed),
}

impl Activity {
    pub(super) fn new(accepted: Instant) -> Self {
        Self {
            state: Mutex::new(State {
                in_flight: 0,
                head_since: Some(accepted),
                active_at: accepted,
                waiting: HashMap::new(),
                next_id: 0,
                is_http2: false,
                unread: false,
                write_timed_out: false,
            }),
            has_begun: AtomicBool::new(false),
        }
    }

    /// The protocol is polled next, and what began before has been.
    pub(super) fn polls(&self) {
        self.has_begun.store(false, Ordering::Relaxed);
    }

    /// Whether a request has begun since then.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Switches to HTTP/2's rules: frames on an idle connection are no request head, and streams wait one by one.
    pub(super) fn is_http2(&self) {
        let mut state = self.state.lock();
        state.is_http2 = true;
        state.head_since = None;
    }

    /// It has had a turn, and its first bytes came in it: it is no quiet connection, however long they took.
    pub(super) fn speaks(&self) {
        self.state.lock().active_at = Instant::now();
    }

    /// Bytes came from the client.
    pub(super) fn bytes_read(&self) {
        let mut state = self.state.lock();
        if state.in_flight == 0 && !state.is_http2 && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    /// A request's head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.has_begun.store(true, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.in_flight = state.in_flight.saturating_add(1);
        state.head_since = None;
        state.unread = false;
        state.active_at = Instant::now();
        let id = state.next_id;
        state.next_id = id.wrapping_add(1);
        let watched = state.is_http2;
        InFlight { activity: Arc::clone(self), id, watched }
    }

    /// Whether nothing is in flight, and nothing began or ended for [`QUIET`].
    pub(super) fn is_quiet(&self) -> bool {
        let state = self.state.lock();
        state.in_flight == 0 && state.active_at.elapsed() > QUIET
    }

    pub(super) fn set_write_timed_out(&self) {
        self.state.lock().write_timed_out = true;
    }

    pub(super) fn write_timed_out(&self) -> bool {
        self.state.lock().write_timed_out
    }

    /// Whether the client may still be sending what nobody reads.
    pub(super) fn is_unread(&self) -> bool {
        self.state.lock().unread
    }

    /// What becomes of the connection at `now`; `closing_since` is when it was asked to close.
    pub(super) fn verdict(&self, now: Instant, limits: &Limits, closing_since: Option<Instant>) -> Verdict {
        let state = self.state.lock();
        if state.in_flight > 0 {
            let stalled = |since: &Instant| now.saturating_duration_since(*since) >= limits.write_timeout;
            if state.waiting.values().any(stalled) {
                return Verdict::End(Closed::WriteTimeout);
            }
            let tick = limits.write_timeout.min(limits.keep_alive_idle_timeout).max(MIN_TICK);
            return Verdict::LookAgain(now + tick);
        }
        if let Some(since) = state.head_since {
            let until = since + limits.header_read_timeout;
            return if now >= until { Verdict::End(Closed::HeaderTimeout) } else { Verdict::LookAgain(until) };
        }
        match closing_since {
            // Nothing in flight and asked to close: what keeps it is a client that does not take the last bytes.
            Some(closing) => {
                let until = closing.max(state.active_at) + limits.write_timeout;
                if now >= until { Verdict::End(Closed::WriteTimeout) } else { Verdict::LookAgain(until) }
            }
            None => {
                let until = state.active_at + limits.keep_alive_idle_timeout;
                if now >= until { Verdict::Close } else { Verdict::LookAgain(until) }
            }
        }
    }
}

/// A request in flight, from its head to the end of its response's body.
pub(super) struct InFlight {
    activity: Arc<Activity>,
    id: u64,
    watched: bool,
}

impl InFlight {
    /// The answer did not wait for the request's body.
    pub(super) fn expect_unread(&self) {
        self.activity.state.lock().unread = true;
    }

    fn chunk_handed_out(&self) {
        if self.watched {
            self.activity.state.lock().waiting.insert(self.id, Instant::now());
        }
    }

    fn chunk_taken(&self) {
        if self.watched {
            self.activity.state.lock().waiting.remove(&self.id);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.activity.state.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.active_at = Instant::now();
        if self.watched {
            state.waiting.remove(&self.id);
        }
    }
}

/// A response's body that keeps its request in flight.
pub(super) struct TrackedBody<B> {
    body: B,
    in_flight: InFlight,
}

impl<B> TrackedBody<B> {
    pub(super) fn new(body: B, in_flight: InFlight) -> Self {
        Self { body, in_flight }
    }
}

impl<B> Body for TrackedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.in_flight.chunk_taken();
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.in_flight.chunk_handed_out();
        }
        polled.map_err(Into::into)
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
    use super::*;

    fn limits() -> Limits {
        Limits {
            header_read_timeout: Duration::from_secs(1),
            keep_alive_idle_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(3),
            ..Limits::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_the_first_byte_and_idling_has_another() {
        let start = Instant::now();
        let activity = Arc::new(Activity::new(start));
        let second = Duration::from_secs(1);
        assert_eq!(activity.verdict(start, &limits(), None), Verdict::LookAgain(start + second));
        assert_eq!(activity.verdict(start + second, &limits(), None), Verdict::End(Closed::HeaderTimeout));

        drop(activity.begin());
        assert_eq!(activity.verdict(start + second, &limits(), None), Verdict::LookAgain(start + 5 * second));
        assert_eq!(activity.verdict(start + 5 * second, &limits(), None), Verdict::Close);

        tokio::time::advance(4 * second).await;
        activity.bytes_read();
        assert_eq!(activity.verdict(start + 4 * second, &limits(), None), Verdict::LookAgain(start + 5 * second));
        assert_eq!(activity.verdict(start + 5 * second, &limits(), None), Verdict::End(Closed::HeaderTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_may_take_its_time_but_its_client_may_not() {
        let start = Instant::now();
        let activity = Arc::new(Activity::new(start));
        activity.is_http2();
        let request = activity.begin();
        let late = start + Duration::from_secs(1000);
        assert!(matches!(activity.verdict(late, &limits(), None), Verdict::LookAgain(_)));
        request.chunk_handed_out();
        assert_eq!(activity.verdict(late, &limits(), None), Verdict::End(Closed::WriteTimeout));
        request.chunk_taken();
        assert!(matches!(activity.verdict(late, &limits(), None), Verdict::LookAgain(_)));
        drop(request);
        assert_eq!(activity.verdict(late, &limits(), Some(start)), Verdict::End(Closed::WriteTimeout));
    }
}
