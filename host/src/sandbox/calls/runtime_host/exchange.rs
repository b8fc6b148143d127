//! A request on its way and its response coming in, on a task of its own, a bounded part ahead of what the guest reads.

use super::head;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::sync::Notify;
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::Error;

use crate::sandbox::calls::outbound_http::Sent;

/// Pieces of a response that wait for the guest. A piece is what one read of the connection gave, at most 64 kB.
const PIECES: usize = 4;

/// What is known of a response.
#[derive(Default)]
struct Progress {
    /// As JSON: the head, or why there is none.
    head: Option<Bytes>,
    pieces: VecDeque<Bytes>,
    /// Whether no more comes, and whether it broke off.
    end: Option<Result<(), Broken>>,
}

/// A response that ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// A request and its response.
pub(super) struct Exchange {
    progress: Mutex<Progress>,
    /// Told when the guest has taken a piece.
    taken: Notify,
}

impl Exchange {
    /// Begins to send. `changed` is told whenever something has come. Dropping the handle ends the request.
    pub(super) fn begin(
        sending: Pin<Box<dyn Future<Output = Result<Sent, Error>> + Send>>,
        changed: Arc<Notify>,
    ) -> (Arc<Self>, AbortOnDropJoinHandle<()>) {
        let exchange = Arc::new(Self { progress: Mutex::default(), taken: Notify::new() });
        let task = {
            let exchange = Arc::clone(&exchange);
            wasmtime_wasi::runtime::spawn(async move {
                let end = exchange.run(sending, &changed).await;
                exchange.progress.lock().end = Some(end);
                changed.notify_one();
            })
        };
        (exchange, task)
    }

    async fn run(
        &self,
        sending: Pin<Box<dyn Future<Output = Result<Sent, Error>> + Send>>,
        changed: &Notify,
    ) -> Result<(), Broken> {
        let (response, connection) = match sending.await {
            Ok(sent) => sent,
            Err(error) => {
                self.progress.lock().head = Some(head::failure(&error));
                return Err(Broken);
            }
        };
        self.progress.lock().head = Some(head::response(&response));
        changed.notify_one();
        let mut body = response.into_body();
        let mut connection = pin!(Pin::from(connection));
        let mut connected = true;
        loop {
            // While the guest leaves the pieces, nothing is read, and the server waits.
            while self.progress.lock().pieces.len() >= PIECES {
                self.taken.notified().await;
            }
            let frame = loop {
                tokio::select! {
                    biased;
                    frame = body.frame() => break frame,
                    // Its end and its failure reach the body too.
                    _ = &mut connection, if connected => connected = false,
                }
            };
            match frame {
                None => return Ok(()),
                Some(Err(_)) => return Err(Broken),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data()
                        && !piece.is_empty()
                    {
                        self.progress.lock().pieces.push_back(piece);
                        changed.notify_one();
                    }
                }
            }
        }
    }

    /// The head, if there is one.
    pub(super) fn head(&self) -> Option<Bytes> {
        self.progress.lock().head.clone()
    }

    /// Whether there is more to read, or the end.
    pub(super) fn has_more(&self) -> bool {
        let progress = self.progress.lock();
        !progress.pieces.is_empty() || progress.end.is_some()
    }

    /// Whether nothing is under way any more.
    pub(super) fn has_ended(&self) -> bool {
        self.progress.lock().end.is_some()
    }

    /// The next piece, or the end as `Ok(None)`; `None` while neither is there.
    pub(super) fn next(&self) -> Option<Result<Option<Bytes>, Broken>> {
        let mut progress = self.progress.lock();
        if let Some(piece) = progress.pieces.pop_front() {
            drop(progress);
            self.taken.notify_one();
            return Some(Ok(Some(piece)));
        }
        progress.end.map(|end| end.map(|()| None))
    }
}
