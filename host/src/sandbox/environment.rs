//! One execution environment: a store, an instance, and what it may use.
//!
//! An environment serves one invocation at a time. Its life is init, then invocations, then the end; any failure but an
//! error that the function itself answers ends it, and whoever holds it must drop it.
//! Dropping the future of a running call is safe: the guest is unwound, and the environment must be dropped after it.

pub use super::bindings::Context;
use super::bindings::{EventFunction, FunctionError};
use super::calls::response_stream::StreamSink;
use super::loaded::{Entry, Loaded};
use super::runtime::RuntimeEnvironment;
use super::slots::Slot;
use super::state::State;
use super::{Failure, StartError};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use wasmtime::component::TypedFunc;
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{Prepared, Proxy};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};

/// The guest's side, resolved once.
enum Guest {
    Event(EventFunction),
    Http(Box<Proxy>),
    Command(Command),
}

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// Wall clock.
    pub wall: Duration,
    /// Time on a processor, where limited.
    pub cpu: Option<Duration>,
}

/// What an HTTP guest answers; the body may still be coming.
pub type HttpResponse = http::Response<WasiBody>;

/// Takes the response's head, as soon as there is one.
pub type Respond = futures_channel::oneshot::Sender<wasmtime::Result<HttpResponse>>;

/// A sandbox and everything in it.
pub struct Environment {
    inner: Inner,
    /// Given back when everything above is gone.
    _slot: Slot,
}

/// What is in it.
enum Inner {
    Component(ComponentEnvironment),
    Runtime(Box<RuntimeEnvironment>),
}

impl Environment {
    /// Instantiates `loaded` with `state`. Does not call `init`.
    pub(super) async fn instantiate(loaded: Arc<Loaded>, state: State, slot: Slot) -> Result<Self, StartError> {
        let inner = Inner::Component(ComponentEnvironment::instantiate(loaded, state).await?);
        Ok(Self { inner, _slot: slot })
    }

    /// With an instance of a language runtime.
    pub(super) fn of_runtime(environment: RuntimeEnvironment, slot: Slot) -> Self {
        Self { inner: Inner::Runtime(Box::new(environment)), _slot: slot }
    }

    /// Calls the guest's `init`, if it has one; a language runtime loads its function.
    pub async fn init(&mut self, limits: TimeLimits) -> Result<(), Failure> {
        match &mut self.inner {
            Inner::Component(component) => component.init(limits).await,
            Inner::Runtime(runtime) => Box::pin(runtime.load(limits)).await,
        }
    }

    /// Calls an event function. Guests that take no events answer [`Failure::Host`].
    pub async fn handle(&mut self, event: &[u8], context: &Context, limits: TimeLimits) -> Result<Vec<u8>, Failure> {
        match &mut self.inner {
            Inner::Component(component) => component.handle(event, context, limits).await,
            // Boxed: it is large, and components' invocations would carry room for it.
            Inner::Runtime(runtime) => Box::pin(runtime.invoke(event, context, limits)).await,
        }
    }

    /// Sets where the next call's streamed response goes. Without one there is no stream.
    pub fn stream_to(&mut self, sink: StreamSink) {
        match &mut self.inner {
            Inner::Component(component) => component.store.data_mut().stream = sink,
            Inner::Runtime(runtime) => runtime.stream_to(sink),
        }
    }

    /// Closes the stream and answers its sink.
    pub fn end_stream(&mut self) -> StreamSink {
        match &mut self.inner {
            Inner::Component(component) => std::mem::take(&mut component.store.data_mut().stream),
            Inner::Runtime(runtime) => runtime.end_stream(),
        }
    }

    /// Runs a command with `event` on its stdin; answers what it wrote to stdout. The environment is spent by it.
    pub async fn run(&mut self, event: Bytes, limits: TimeLimits) -> Result<Vec<u8>, Failure> {
        match &mut self.inner {
            Inner::Component(component) => component.run(event, limits).await,
            Inner::Runtime(_) => Err(wrong_kind()),
        }
    }

    /// Runs an HTTP guest to its end. The head of its response goes to `respond` as soon as it exists; bodies stream.
    pub async fn serve(
        &mut self,
        request: http::Request<WasiBody>,
        respond: Respond,
        limits: TimeLimits,
    ) -> Result<(), Failure> {
        match &mut self.inner {
            Inner::Component(component) => component.serve(request, respond, limits).await,
            Inner::Runtime(_) => Err(wrong_kind()),
        }
    }

    /// What the guest wrote and may write: its log and, for a command, its response.
    pub fn io(&self) -> &super::GuestIo {
        match &self.inner {
            Inner::Component(component) => component.store.data().io(),
            Inner::Runtime(runtime) => runtime.io(),
        }
    }

    /// The most linear memory this environment had at once.
    pub fn peak_memory_bytes(&self) -> u64 {
        match &self.inner {
            Inner::Component(component) => component.store.data().limits.peak_bytes(),
            Inner::Runtime(runtime) => runtime.peak_memory_bytes(),
        }
    }
}

/// An instance of a component.
struct ComponentEnvironment {
    store: Store<State>,
    guest: Guest,
    init: Option<TypedFunc<(), (Result<(), FunctionError>,)>>,
    _loaded: Arc<Loaded>,
}

impl ComponentEnvironment {
    async fn instantiate(loaded: Arc<Loaded>, state: State) -> Result<Self, StartError> {
        let mut store = Store::new(loaded.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        match Self::resolve(&loaded, &mut store).await {
            Ok((guest, init)) => {
                store.data_mut().limits.start_running();
                Ok(Self { store, guest, init, _loaded: loaded })
            }
            Err(error) => Err(StartError::from_wasmtime(&error, store.data())),
        }
    }

    async fn resolve(
        loaded: &Loaded,
        store: &mut Store<State>,
    ) -> wasmtime::Result<(Guest, Option<TypedFunc<(), (Result<(), FunctionError>,)>>)> {
        let instance = loaded.pre.instantiate_async(&mut *store).await?;
        let guest = match &loaded.entry {
            Entry::Event(indices) => Guest::Event(indices.load(&mut *store, &instance)?),
            Entry::HttpP2(indices) => Guest::Http(Box::new(Proxy::P2(indices.load(&mut *store, &instance)?))),
            Entry::HttpP3(indices) => Guest::Http(Box::new(Proxy::P3(indices.load(&mut *store, &instance)?))),
            Entry::Command(indices) => Guest::Command(indices.load(&mut *store, &instance)?),
            Entry::Extension(_) => wasmtime::bail!("an extension is no function"),
        };
        let init = match &loaded.init {
            Some(index) => Some(instance.get_typed_func(store, index)?),
            None => None,
        };
        Ok((guest, init))
    }

    async fn init(&mut self, limits: TimeLimits) -> Result<(), Failure> {
        let Some(init) = self.init else { return Ok(()) };
        self.prepare();
        let initialized = within(limits, pin!(init.call_async(&mut self.store, ()))).await?;
        match initialized {
            Ok((Ok(()),)) => Ok(()),
            Ok((Err(error),)) => Err(error.into()),
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn handle(&mut self, event: &[u8], context: &Context, limits: TimeLimits) -> Result<Vec<u8>, Failure> {
        self.prepare();
        let Guest::Event(guest) = &self.guest else { return Err(wrong_kind()) };
        let handled = within(limits, pin!(guest.call_handle(&mut self.store, event, context))).await?;
        match handled {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn run(&mut self, event: Bytes, limits: TimeLimits) -> Result<Vec<u8>, Failure> {
        self.prepare();
        self.store.data().io().feed(event);
        let Guest::Command(guest) = &self.guest else { return Err(wrong_kind()) };
        let response = self.store.data().io().response();
        let call = guest.wasi_cli_run().call_run(&mut self.store);
        // A flood is ended when it is seen, not at the time-out.
        let flooded = || response.as_ref().and_then(|response| response.overflow());
        let stop = || flooded().map(|size_bytes| Failure::ResponseTooLarge { size_bytes });
        let ran = within_unless(limits, pin!(call), stop).await?;
        match ran {
            Ok(Ok(())) => {}
            Ok(Err(())) => return Err(Failure::Exited { status: 1 }),
            Err(error) => match self.failure(&error) {
                Failure::Exited { status: 0 } => {}
                failure => return Err(failure),
            },
        }
        self.store.data().io().take_response().map_err(|size_bytes| Failure::ResponseTooLarge { size_bytes })
    }

    async fn serve(
        &mut self,
        request: http::Request<WasiBody>,
        respond: Respond,
        limits: TimeLimits,
    ) -> Result<(), Failure> {
        self.prepare();
        let Guest::Http(proxy) = &self.guest else { return Err(wrong_kind()) };
        let served = match &**proxy {
            Proxy::P2(guest) => {
                let call = async {
                    let view = self.store.data_mut().http();
                    let request = { view }.new_incoming_request(Scheme::Http, request)?;
                    let outparam = self.store.data_mut().http().new_response_outparam_from_callback(
                        move |response: Result<HttpResponse, ErrorCode>| {
                            // Where the receiver is gone, nobody waits for this response.
                            let _ = respond.send(response.map_err(wasmtime::Error::from));
                        },
                    )?;
                    guest.wasi_http_incoming_handler().call_handle(&mut self.store, request, outparam).await
                };
                within(limits, pin!(call)).await?
            }
            Proxy::P3(_) => {
                // Boxed: guests of 0.2 would carry room for it.
                let call = Box::pin(async {
                    let served = self.store.run_concurrent(async |accessor| {
                        let prepared = accessor.with(|mut access| {
                            Prepared::new(access.as_context_mut(), proxy, request, State::http, respond)
                        })?;
                        prepared.run(accessor, std::future::pending()).await?;
                        // The response's body and the guest's own tasks go on after the head.
                        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                        Ok(())
                    });
                    served.await.flatten()
                });
                within(limits, pin!(call)).await?
            }
        };
        served.map_err(|error| self.failure(&error))
    }

    /// Readies the store for a call: a full tick before the first yield, no refusal remembered.
    fn prepare(&mut self) {
        self.store.set_epoch_deadline(1);
        self.store.data_mut().limits.clear_denied();
    }

    fn failure(&self, error: &wasmtime::Error) -> Failure {
        Failure::from_wasmtime(error, self.store.data().limits.was_denied())
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

fn wrong_kind() -> Failure {
    Failure::Host("the guest is of another kind than the call".into())
}

/// Polls `call` until it is done or a limit has passed. Guests yield at every epoch tick, so this looks often enough.
///
/// The caller pins it: a call that is handed on by value takes its room once more with everyone who hands it on.
pub(super) async fn within<T>(limits: TimeLimits, call: Pin<&mut impl Future<Output = T>>) -> Result<T, Failure> {
    within_unless(limits, call, || None).await
}

/// As [`within`], and ends the call as soon as `stop` gives a failure.
async fn within_unless<T>(
    limits: TimeLimits,
    mut call: Pin<&mut impl Future<Output = T>>,
    stop: impl Fn() -> Option<Failure>,
) -> Result<T, Failure> {
    let mut wall = pin!(tokio::time::sleep(limits.wall));
    let mut cpu_used = Duration::ZERO;
    poll_fn(|cx| {
        let started = limits.cpu.map(|_| thread_cpu_time());
        if let Poll::Ready(done) = call.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        if let (Some(started), Some(limit)) = (started, limits.cpu) {
            cpu_used += thread_cpu_time().saturating_sub(started);
            if cpu_used > limit {
                return Poll::Ready(Err(Failure::CpuTimeExceeded));
            }
        }
        if let Some(failure) = stop() {
            return Poll::Ready(Err(failure));
        }
        wall.as_mut().poll(cx).map(|()| Err(Failure::TimedOut))
    })
    .await
}

fn thread_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
