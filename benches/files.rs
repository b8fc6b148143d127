//! What a language runtime's file calls cost: reads of a package's file, looking at one, opening and closing one, writes to `/tmp`.
//!
//! Floors: the system calls alone. The files are in the page cache. `TMPDIR` decides which disk is measured.

use anyhow::Result;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lamina::sandbox::calls::filesystem::{TmpDir, TmpRoot, read_only};
use lamina::sandbox::calls::output::BoundedOutput;
use lamina::sandbox::calls::preview1::{Mounts, Preview1, Preview1Access, add_to_linker};
use lamina_benches::timing::sound;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wasmtime::{Engine, Linker, Module, Store, TypedFunc};

const FILE_BYTES: usize = 1 << 20;
const READS: [u32; 2] = [4096, 65_536];

/// Does each thing as often as it is told; 0 where all went well.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_pread" (func $pread (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (memory (export "memory") 4)
    (data (i32.const 0) "file")
    (func $open (param $dir i32) (param $flags i32) (param $rights i64) (result i32)
        (if (call $path_open (local.get $dir) (i32.const 1) (i32.const 0) (i32.const 4) (local.get $flags)
            (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 16)) (then (unreachable)))
        (i32.load (i32.const 16)))
    (func $buffer (param $length i32)
        (i32.store (i32.const 24) (i32.const 65536))
        (i32.store (i32.const 28) (local.get $length)))
    (func (export "read") (param $count i32) (param $length i32) (result i32) (local $fd i32) (local $failed i32)
        (local.set $fd (call $open (i32.const 4) (i32.const 0) (i64.const 2)))
        (call $buffer (local.get $length))
        (loop $again
            (local.set $failed (i32.or (local.get $failed)
                (call $pread (local.get $fd) (i32.const 24) (i32.const 1) (i64.const 4096) (i32.const 32))))
            (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
        (i32.or (local.get $failed) (call $close (local.get $fd))))
    (func (export "write") (param $count i32) (param $length i32) (result i32) (local $fd i32) (local $failed i32)
        (local.set $fd (call $open (i32.const 5) (i32.const 1) (i64.const 66)))
        (call $buffer (local.get $length))
        (loop $again
            (local.set $failed (i32.or (local.get $failed)
                (call $pwrite (local.get $fd) (i32.const 24) (i32.const 1) (i64.const 0) (i32.const 32))))
            (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
        (i32.or (local.get $failed) (call $close (local.get $fd))))
    (func (export "stat") (param $count i32) (param i32) (result i32) (local $failed i32)
        (loop $again
            (local.set $failed (i32.or (local.get $failed)
                (call $stat (i32.const 4) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 64))))
            (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
        (local.get $failed))
    (func (export "open") (param $count i32) (param i32) (result i32) (local $failed i32)
        (loop $again
            (local.set $failed (i32.or (local.get $failed)
                (call $close (call $open (i32.const 4) (i32.const 0) (i64.const 2)))))
            (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
        (local.get $failed)))"#;

struct Data(Preview1);

impl Preview1Access for Data {
    fn preview1(&mut self) -> &mut Preview1 {
        &mut self.0
    }
}

struct Guest {
    runtime: Runtime,
    store: Store<Data>,
    instance: wasmtime::Instance,
    _tmp: TempDir,
}

impl Guest {
    fn new(package: &Path) -> wasmtime::Result<Self> {
        let runtime = Runtime::new()?;
        let engine = Engine::default();
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker)?;
        let module = Module::new(&engine, GUEST)?;
        let tmp = tempfile::tempdir()?;
        let mounts = Mounts { task: Some(read_only(File::open(package)?)), ..Mounts::default() };
        let output = Arc::new(BoundedOutput::new(0));
        let preview1 = Preview1::new(mounts, TmpDir::new(TmpRoot::open(tmp.path())?, 64 << 20), output);
        let mut store = Store::new(&engine, Data(preview1));
        let instance = runtime.block_on(linker.instantiate_async(&mut store, &module))?;
        Ok(Self { runtime, store, instance, _tmp: tmp })
    }

    /// How long `count` of `what` take.
    fn time(&mut self, what: &str, count: u64, length: u32) -> Result<Duration> {
        self.run(what, count, length).map_err(|error| anyhow::anyhow!("{what}: {error:#}"))
    }

    fn run(&mut self, what: &str, count: u64, length: u32) -> wasmtime::Result<Duration> {
        let run: TypedFunc<(u32, u32), i32> = self.instance.get_typed_func(&mut self.store, what)?;
        let began = Instant::now();
        let failed = self.runtime.block_on(run.call_async(&mut self.store, (u32::try_from(count)?, length)))?;
        wasmtime::ensure!(failed == 0, "it failed: {failed}");
        Ok(began.elapsed())
    }
}

fn file_calls(criterion: &mut Criterion) {
    sound(run_file_calls(criterion));
}

fn run_file_calls(criterion: &mut Criterion) -> Result<()> {
    let package = tempfile::tempdir()?;
    let path = package.path().join("file");
    std::fs::write(&path, vec![b'x'; FILE_BYTES])?;
    let mut guest = Guest::new(package.path()).map_err(|error| anyhow::anyhow!("{error:#}"))?;
    for length in READS {
        let mut group = criterion.benchmark_group("file_read");
        group.throughput(Throughput::Bytes(length.into()));
        let file = File::open(&path)?;
        let mut buffer = vec![0; usize::try_from(length)?];
        group.bench_function(BenchmarkId::new("floor", length), |bencher| {
            bencher.iter(|| sound(file.read_at(black_box(&mut buffer), 4096).map_err(Into::into)));
        });
        group.bench_function(BenchmarkId::new("lamina", length), |bencher| {
            bencher.iter_custom(|count| sound(guest.time("read", count, length)));
        });
        group.finish();
    }
    let mut group = criterion.benchmark_group("file_calls");
    group.bench_function("stat/floor", |bencher| {
        bencher.iter(|| sound(std::fs::metadata(black_box(&path)).map_err(Into::into)));
    });
    group.bench_function("stat/lamina", |bencher| {
        bencher.iter_custom(|count| sound(guest.time("stat", count, 0)));
    });
    group.bench_function("open/floor", |bencher| {
        bencher.iter(|| sound(File::open(black_box(&path)).map_err(Into::into)));
    });
    group.bench_function("open/lamina", |bencher| {
        bencher.iter_custom(|count| sound(guest.time("open", count, 0)));
    });
    group.bench_function("tmp-write/lamina", |bencher| {
        bencher.iter_custom(|count| sound(guest.time("write", count, 4096)));
    });
    group.finish();
    Ok(())
}

criterion_group!(benches, file_calls);
criterion_main!(benches);
