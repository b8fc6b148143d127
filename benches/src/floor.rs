//! The floor: a component on wasmtime alone, as `wasmtime serve` would run it.
//!
//! Lamina's engine configuration and pool; a store with limits, an epoch deadline and a WASI context of its own for each
//! instance; no invoker, no admission, no logs, no metrics, no `/tmp`, no
//! time limit. What a guest prints goes nowhere.

use crate::world::World;
use lamina::catalog::LiveVersion;
use lamina::ids::FunctionName;
use lamina::sandbox::capacity::PoolSize;
use lamina::sandbox::engine::{self, Family, Ticker, Tuning};
use std::path::Path;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::p2::pipe::SinkOutputStream;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

#[expect(missing_docs, reason = "generated from the WIT, which documents every item")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "lamina:function/event-function",
        exports: { default: async },
        require_store_data_send: true,
    });
}

pub use generated::lamina::function::types::Context;
use generated::{EventFunction, EventFunctionPre};

/// The environment variables that `wasmtime serve` sets.
pub const SERVE_VARIABLES: [(&str, &str); 1] = [("REQUEST_ID", "0")];

/// A component ready to instantiate.
pub struct Floor {
    engine: Engine,
    pre: EventFunctionPre<State>,
    _ticker: Ticker,
}

/// The data of a store.
pub struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    requests: NoRequests,
    table: ResourceTable,
    limits: StoreLimits,
}

/// The guests of these benches send none.
struct NoRequests;

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for NoRequests {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _response_result: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.requests }
    }
}

impl Floor {
    /// Compiles the component at `path` for a pool of `size`.
    pub fn new(size: &PoolSize, path: &Path) -> anyhow::Result<Self> {
        Self::compile(size, path).map_err(into_anyhow)
    }

    fn compile(size: &PoolSize, path: &Path) -> wasmtime::Result<Self> {
        let engine = engine::pooled(Family::Plain, size, &Tuning::default())?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        let component = Component::from_file(&engine, path)?;
        let pre = EventFunctionPre::new(linker.instantiate_pre(&component)?)?;
        let ticker = Ticker::start(&[&engine])?;
        Ok(Self { engine, pre, _ticker: ticker })
    }

    /// A new store with a new instance. A guest may read its variables, so how many there are is part of its work.
    pub async fn instantiate(&self, variables: &[(impl AsRef<str>, impl AsRef<str>)]) -> anyhow::Result<Instance> {
        let mut wasi = WasiCtx::builder();
        wasi.envs(variables).stdout(SinkOutputStream).stderr(SinkOutputStream);
        let state = State {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            requests: NoRequests,
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(128 << 20).build(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let guest = self.pre.instantiate_async(&mut store).await.map_err(into_anyhow)?;
        Ok(Instance { store, guest })
    }
}

/// A function of a [`World`] on wasmtime alone, with what Lamina would give it.
pub struct Bare {
    /// Its component, for a pool of the world's size.
    pub floor: Floor,
    /// Its environment variables.
    pub variables: Vec<(String, String)>,
    /// What it is told of an invocation.
    pub context: Context,
}

impl Bare {
    /// The function as it is in `world` now.
    pub fn of(world: &World, name: &FunctionName) -> anyhow::Result<Self> {
        let version = world.catalog.version(name, None)?;
        let floor = Floor::new(world.host.size(), &version.pool.spec().component_path)?;
        Ok(Self { floor, variables: variables(&version), context: context(name.as_str()) })
    }

    /// A new instance of it.
    pub async fn instantiate(&self) -> anyhow::Result<Instance> {
        self.floor.instantiate(&self.variables).await
    }
}

/// An instance in its store.
pub struct Instance {
    store: Store<State>,
    guest: EventFunction,
}

impl Instance {
    /// Calls the guest.
    pub async fn handle(&mut self, event: &[u8], context: &Context) -> anyhow::Result<Vec<u8>> {
        self.store.set_epoch_deadline(1);
        let answered = self.guest.call_handle(&mut self.store, event, context).await.map_err(into_anyhow)?;
        answered.map_err(|error| anyhow::anyhow!("{}: {}", error.error_type, error.error_message))
    }
}

fn into_anyhow(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// The variables that Lamina gives every environment of a function, made like those of this one.
pub fn variables(version: &LiveVersion) -> Vec<(String, String)> {
    let mut variables = version.pool.spec().variables.to_vec();
    let stream = "2026/01/01/[$LATEST]00000000000000000000000000000000";
    variables.push(("AWS_LAMBDA_LOG_STREAM_NAME".into(), stream.into()));
    variables
}

/// A context like the one that a function of this name gets from Lamina.
pub fn context(function: &str) -> Context {
    Context {
        request_id: uuid::Uuid::nil().to_string(),
        function_name: function.into(),
        function_version: "$LATEST".into(),
        qualifier: None,
        invoked_function_arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{function}"),
        memory_limit_mb: 128,
        deadline_ms: 0,
        log_group: format!("/aws/lambda/{function}"),
        log_stream: "2026/01/01/[$LATEST]00000000000000000000000000000000".into(),
        trace_id: None,
        client_context: None,
    }
}
