//! Runs a preview 1 command module, given as text, against the calls of this module.

use super::filesystem::{FilesystemAccess, FilesystemView, TmpDir, TmpRoot, add_to_linker_p2};
use super::output::{BoundedOutput, Captured, Input, Output};
use bytes::Bytes;
use std::sync::Arc;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

pub(super) struct Data {
    table: ResourceTable,
    wasi: WasiCtx,
    tmp: TmpDir,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl FilesystemAccess for Data {
    fn files(&mut self) -> FilesystemView<'_> {
        FilesystemView { table: &mut self.table, tmp: &mut self.tmp, opt: None }
    }
}

pub(super) struct Ran {
    pub(super) result: wasmtime::Result<Result<(), ()>>,
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
    /// Whether the guest has made its `/tmp` a directory on disk.
    pub(super) used_tmp: bool,
}

/// Runs `_start` of the module with `event` on stdin, keeping `limit_bytes` of stdout; `/tmp` holds 64 kB.
pub(super) async fn run_command(module: &str, event: Bytes, limit_bytes: usize) -> Ran {
    let component = wit_component::ComponentEncoder::default()
        .module(&wat::parse_str(module).unwrap())
        .unwrap()
        .adapter(
            wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
        )
        .unwrap()
        .encode()
        .unwrap();
    let engine = Engine::new(&Config::new()).unwrap();
    let component = Component::new(&engine, component).unwrap();
    let mut linker = Linker::<Data>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    linker.allow_shadowing(true);
    add_to_linker_p2(&mut linker).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let root = TmpRoot::open(dir.path()).unwrap();
    let (input, stdout, stderr) =
        (Input::default(), Arc::new(BoundedOutput::new(limit_bytes)), Arc::new(BoundedOutput::new(1 << 20)));
    input.set(event);
    let wasi =
        WasiCtx::builder().stdin(input).stdout(Output::new(stdout.clone())).stderr(Output::new(stderr.clone())).build();
    let data = Data { table: ResourceTable::new(), wasi, tmp: TmpDir::new(root, 64 << 10) };
    let mut store = Store::new(&engine, data);
    let command = Command::instantiate_async(&mut store, &component, &linker).await.unwrap();
    let result = command.wasi_cli_run().call_run(&mut store).await;
    Ran { result, stdout: stdout.take(), stderr: stderr.take(), used_tmp: store.data().tmp.is_used() }
}
