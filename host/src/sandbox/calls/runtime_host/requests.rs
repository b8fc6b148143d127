//! An environment's outbound requests, by handle.

use super::exchange::{Broken, Exchange};
use super::{Refusal, head};
use crate::sandbox::calls::outbound_http::OutboundHttp;
use bytes::Bytes;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Notify;
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::WasiHttpHooks as _;

/// The requests an environment may have open at once.
pub const MAX_REQUESTS: usize = 64;

/// One environment's outbound requests. Those under way end when it is dropped.
pub struct Requests {
    outbound: OutboundHttp,
    open: HashMap<u32, Open>,
    last_handle: u32,
    body_limit_bytes: u64,
    changed: Arc<Notify>,
}

/// A request that the guest has not closed.
pub(super) struct Open {
    pub(super) exchange: Arc<Exchange>,
    /// Whether the guest has got the whole head.
    pub(super) head_taken: bool,
    /// What is left of the last piece.
    rest: Bytes,
    body_bytes: u64,
    _task: AbortOnDropJoinHandle<()>,
}

impl Requests {
    /// No requests yet, all of which will go through `outbound`. The bodies of those under way may have `body_limit_bytes` together.
    pub fn new(outbound: OutboundHttp, body_limit_bytes: u64) -> Self {
        Self { outbound, open: HashMap::new(), last_handle: 0, body_limit_bytes, changed: Arc::default() }
    }

    /// How many requests the guest holds open: a memory image cannot have them.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Told when something of a response has come.
    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Whether one more request with so long a body may begin.
    pub(super) fn check_room(&self, body_bytes: u64) -> Result<(), Refusal> {
        let under_way = self.open.values().filter(|open| !open.exchange.has_ended()).map(|open| open.body_bytes);
        let bytes = under_way.fold(body_bytes, u64::saturating_add);
        if self.open.len() >= MAX_REQUESTS || bytes > self.body_limit_bytes {
            return Err(Refusal::Limit);
        }
        Ok(())
    }

    /// Begins a request.
    pub(super) fn start(&mut self, head: &[u8], body: Bytes) -> Result<u32, Refusal> {
        let body_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        self.check_room(body_bytes)?;
        let (request, options) = head::request(head, body)?;
        let outcome = Box::new(std::future::ready(Ok(())));
        let sending = Pin::from(self.outbound.send_request(request, Some(options), outcome));
        let (exchange, task) = Exchange::begin(sending, self.changed());
        let handle = self.free_handle();
        let open = Open { exchange, head_taken: false, rest: Bytes::new(), body_bytes, _task: task };
        self.open.insert(handle, open);
        Ok(handle)
    }

    /// The next handle, positive as an `i32`, that is not in use.
    fn free_handle(&mut self) -> u32 {
        loop {
            self.last_handle = self.last_handle.checked_add(1).filter(|n| i32::try_from(*n).is_ok()).unwrap_or(1);
            if !self.open.contains_key(&self.last_handle) {
                return self.last_handle;
            }
        }
    }

    pub(super) fn get(&mut self, handle: u32) -> Result<&mut Open, Refusal> {
        self.open.get_mut(&handle).ok_or(Refusal::Invalid)
    }

    pub(super) fn close(&mut self, handle: u32) {
        self.open.remove(&handle);
    }

    /// Which of `handles` is the first to have something new.
    pub(super) fn first_ready(&mut self, handles: &[u32]) -> Result<Option<usize>, Refusal> {
        let mut ready = None;
        for (index, handle) in handles.iter().enumerate() {
            if self.get(*handle)?.is_ready() && ready.is_none() {
                ready = Some(index);
            }
        }
        Ok(ready)
    }
}

impl Open {
    fn is_ready(&self) -> bool {
        if self.head_taken { !self.rest.is_empty() || self.exchange.has_more() } else { self.exchange.head().is_some() }
    }

    /// Up to `most` bytes more, or none at the end; `None` while neither is there.
    pub(super) fn read(&mut self, most: usize) -> Option<Result<Bytes, Broken>> {
        if self.rest.is_empty() {
            match self.exchange.next()? {
                Ok(Some(piece)) => self.rest = piece,
                Ok(None) => return Some(Ok(Bytes::new())),
                Err(broken) => return Some(Err(broken)),
            }
        }
        let length = self.rest.len().min(most);
        Some(Ok(self.rest.split_to(length)))
    }
}
