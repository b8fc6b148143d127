//! Progress on standard error, where somebody watches it.

use super::output::is_watched;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use indicatif::{ProgressBar, ProgressStyle};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Bytes handed to the connection at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A spinner with a message; gone when dropped.
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    pub(super) fn new(message: impl Into<String>) -> Self {
        let bar = if is_watched() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_message(message.into());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    pub(super) fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A request's body that shows how much of it was sent, and then what is waited for.
pub(super) struct Upload {
    rest: Bytes,
    bar: ProgressBar,
    waiting_for: &'static str,
}

impl Upload {
    pub(super) fn new(body: Bytes, what: String, waiting_for: &'static str) -> Self {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let bar = if is_watched() { ProgressBar::new(length) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { rest: body, bar, waiting_for }
    }

    /// The bar, to be cleared when the answer is there.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            return Poll::Ready(None);
        }
        let chunk = this.rest.split_to(this.rest.len().min(CHUNK_BYTES));
        this.bar.inc(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if this.rest.is_empty() {
            this.bar.set_style(ProgressStyle::default_spinner());
            this.bar.set_message(this.waiting_for);
            this.bar.enable_steady_tick(Duration::from_millis(100));
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}
