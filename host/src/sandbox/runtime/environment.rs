//! An environment of a language runtime: an instance of the runtime that has loaded one function.
//!
//! The runtime is trusted no more than any guest, since what it interprets may have taken it over: every pointer and length it answers
//! is checked against its memory, and what is read of it is bounded.

use super::arguments::{self, Load};
use super::exports::Bound;
use super::frame::{self, Frame};
use super::level1::Level1;
use super::state::{Parts, RuntimeState};
use crate::sandbox::StartError;
use crate::sandbox::calls::preview1::{CpuTime, Preview1Access, monotonic_ns};
use crate::sandbox::calls::response_stream::StreamSink;
use crate::sandbox::environment::{Context, TimeLimits, within};
use crate::sandbox::failure::Failure;
use crate::sandbox::memory_images::content::Content;
use crate::sandbox::memory_images::file::Image;
use crate::sandbox::memory_images::instance::Globals;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{GuestIo, RESPONSE_LIMIT_BYTES};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use wasmtime::Store;

/// The most that is read of a frame: a response, or the document of an error.
pub(super) const FRAME_LIMIT_BYTES: usize = RESPONSE_LIMIT_BYTES;

/// An instance of a runtime, with a function in it once it is loaded.
pub(in crate::sandbox) struct RuntimeEnvironment {
    store: Store<RuntimeState>,
    exports: Bound,
    /// How it begins, until it has.
    beginning: Beginning,
    /// The globals of a new instance, which images do not hold.
    globals: Globals,
    /// Used again by every invocation.
    context: Vec<u8>,
    /// What its memory held at first, until it has served once.
    content: Option<Arc<Content>>,
    _level_1: Arc<Level1>,
}

/// What a new instance is to do first, with the argument for it.
enum Beginning {
    /// Load the function.
    Load(Vec<u8>),
    /// Go on from an image in which the function is loaded.
    Restore(Vec<u8>),
}

/// Why there is no image of an environment.
#[derive(Debug)]
pub(in crate::sandbox) enum NoImage {
    /// It cannot be had from this function.
    Obstacle(String),
    /// The runtime failed when it was told of it.
    Failed(Failure),
}

impl RuntimeEnvironment {
    /// A new instance of a runtime, with what it is to load, or to restore from `image`. Calls nothing.
    pub(in crate::sandbox) async fn instantiate(
        level_1: Arc<Level1>,
        image: Option<&Image>,
        load: &Load<'_>,
        mut parts: Parts,
        shared: &Shared,
    ) -> Result<Self, StartError> {
        let argument = if image.is_some() { load.to_restore_json() } else { load.to_json() };
        let argument = argument.map_err(|error| StartError::Host(error.to_string()))?;
        let beginning = if image.is_some() { Beginning::Restore(argument) } else { Beginning::Load(argument) };
        parts.mounts.runtime = Some(level_1.library());
        let mut store = Store::new(level_1.engine(), RuntimeState::new(parts, shared));
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let image = image.unwrap_or(level_1.memory());
        let instantiated = level_1.instantiate(&mut store, image).await;
        let (exports, globals) = instantiated.map_err(|error| StartError::Guest(failure(&store, &error)))?;
        store.data_mut().limits.start_running();
        let content = Some(Arc::clone(&image.content));
        Ok(Self { store, exports, beginning, globals, context: Vec::new(), content, _level_1: level_1 })
    }

    /// Loads the function, or restores it where it is loaded already.
    pub(in crate::sandbox) async fn load(&mut self, limits: TimeLimits) -> Result<(), Failure> {
        self.prepare();
        let Self { store, exports, beginning, .. } = self;
        let (argument, function) = match std::mem::replace(beginning, Beginning::Load(Vec::new())) {
            Beginning::Load(argument) => (argument, &exports.load),
            Beginning::Restore(argument) => (argument, &exports.restore),
        };
        let cpu = store.data().cpu_time();
        let call = async {
            let place = pass(store, exports, &[&argument]).await?;
            function.call_async(&mut *store, place).await.map_err(|error| failure(store, &error))
        };
        let place = within(limits, pin!(metered(cpu, pin!(call)))).await??;
        self.expect_nothing(place)
    }

    /// Readies a loaded function for an image; answers what its memory holds then, and the monotonic clock. The environment is not to
    /// be used any more.
    pub(in crate::sandbox) async fn snapshot(&mut self, limits: TimeLimits) -> Result<(&[u8], u64), NoImage> {
        self.prepare();
        let Self { store, exports, .. } = self;
        let cpu = store.data().cpu_time();
        let call = async { exports.snapshot.call_async(&mut *store, ()).await.map_err(|error| failure(store, &error)) };
        let place = within(limits, pin!(metered(cpu, pin!(call)))).await.flatten().map_err(NoImage::Failed)?;
        self.expect_nothing(place).map_err(NoImage::Failed)?;
        match self.obstacle() {
            Some(obstacle) => Err(NoImage::Obstacle(obstacle.to_owned())),
            None => Ok((self.exports.memory.data(&self.store), monotonic_ns())),
        }
    }

    /// What an image would lack.
    fn obstacle(&mut self) -> Option<&'static str> {
        let state = self.store.data_mut();
        if state.preview1().open_beyond_preopens() {
            return Some("the function has files open when it is loaded");
        }
        if state.preview1().uses_tmp() {
            return Some("the function uses /tmp when it is loaded");
        }
        if state.open_requests() > 0 {
            return Some("the function has requests open when it is loaded");
        }
        let now = self.exports.globals(&mut self.store);
        (now != self.globals).then_some("the runtime has state beside its memory")
    }

    fn expect_nothing(&self, place: u64) -> Result<(), Failure> {
        match frame::read(self.exports.memory.data(&self.store), place, FRAME_LIMIT_BYTES)? {
            Frame::Done(_) => Ok(()),
            Frame::Streamed => {
                Err(Failure::Trapped { message: "the runtime streamed its start".into(), frames: Vec::new() })
            }
        }
    }

    /// Invokes the function; a streamed response is answered as an empty one.
    pub(in crate::sandbox) async fn invoke(
        &mut self,
        event: &[u8],
        context: &Context,
        limits: TimeLimits,
    ) -> Result<Vec<u8>, Failure> {
        self.prepare();
        let streaming = self.store.data().stream.is_forwarding();
        arguments::invoke(context, streaming, &mut self.context).map_err(|error| Failure::Host(error.to_string()))?;
        let Self { store, exports, context, .. } = self;
        let length = u32::try_from(context.len()).unwrap_or(u32::MAX).to_le_bytes();
        let cpu = store.data().cpu_time();
        let call = async {
            let place = pass(store, exports, &[&length, context, event]).await?;
            exports.invoke.call_async(&mut *store, place).await.map_err(|error| failure(store, &error))
        };
        let place = within(limits, pin!(metered(cpu, pin!(call)))).await??;
        if let Some(content) = self.content.take() {
            content.learn(self.exports.memory.data(&self.store));
        }
        match frame::read(self.exports.memory.data(&self.store), place, FRAME_LIMIT_BYTES)? {
            Frame::Done(response) => Ok(response),
            Frame::Streamed => Ok(Vec::new()),
        }
    }

    /// Sets where the next call's streamed response goes.
    pub(in crate::sandbox) fn stream_to(&mut self, sink: StreamSink) {
        self.store.data_mut().stream = sink;
    }

    /// Closes the stream and answers its sink.
    pub(in crate::sandbox) fn end_stream(&mut self) -> StreamSink {
        std::mem::take(&mut self.store.data_mut().stream)
    }

    /// Its log.
    pub(in crate::sandbox) fn io(&self) -> &GuestIo {
        self.store.data().io()
    }

    /// The most linear memory it had at once.
    pub(in crate::sandbox) fn peak_memory_bytes(&self) -> u64 {
        self.store.data().limits.peak_bytes()
    }

    fn prepare(&mut self) {
        self.store.set_epoch_deadline(1);
        self.store.data_mut().limits.clear_denied();
    }
}

/// Polls `call` with the clock of processor time going.
async fn metered<T>(cpu: CpuTime, mut call: Pin<&mut impl Future<Output = T>>) -> T {
    poll_fn(|cx| {
        let _running = cpu.running();
        call.as_mut().poll(cx)
    })
    .await
}

/// Puts an argument, in parts, into a buffer of the runtime's; answers where it is.
pub(super) async fn pass(
    store: &mut Store<RuntimeState>,
    exports: &Bound,
    parts: &[&[u8]],
) -> Result<(u32, u32), Failure> {
    let total = parts.iter().fold(0usize, |total, part| total.saturating_add(part.len()));
    let len = u32::try_from(total).map_err(|_| Failure::OutOfMemory)?;
    let ptr = exports.alloc.call_async(&mut *store, len).await.map_err(|error| failure(store, &error))?;
    if ptr == 0 {
        return Err(Failure::OutOfMemory);
    }
    let start = usize::try_from(ptr).unwrap_or(usize::MAX);
    let place = start.checked_add(total).and_then(|end| exports.memory.data_mut(&mut *store).get_mut(start..end));
    let Some(mut rest) = place else {
        return Err(Failure::Trapped {
            message: "the runtime gave a buffer that is not in its memory".into(),
            frames: Vec::new(),
        });
    };
    for part in parts {
        let Some((to, after)) = rest.split_at_mut_checked(part.len()) else { break };
        to.copy_from_slice(part);
        rest = after;
    }
    Ok((ptr, len))
}

pub(super) fn failure(store: &Store<RuntimeState>, error: &wasmtime::Error) -> Failure {
    Failure::from_wasmtime(error, store.data().limits.was_denied())
}
