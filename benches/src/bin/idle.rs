//! What idling costs: memory of idle environments and of deployed functions, as the kernel counts it.
//!
//! `idle [environments [functions]]`; 10,000 and 5,000 where not given. Each measurement runs in a process of its own. `VmRSS` is what
//! limits are set on; it counts a page as often as it is mapped, so the proportional size (`Pss`), which counts it once, stands beside it.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use anyhow::{Context, Result, bail, ensure};
use lamina::ids::FunctionName;
use lamina::sandbox::environment::TimeLimits;
use lamina::sandbox::pool::{Lease, Pool};
use lamina::storage::{Options, Storage};
use lamina_benches::floor::{self, Floor};
use lamina_benches::world::{self, Parts};
use lamina_benches::{guests, memory};
use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const EVENT: &[u8] = br#"{"name":"Ada"}"#;

/// How long after its work a process is measured: the allocator gives memory back with some delay.
const SETTLE: Duration = Duration::from_secs(3);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.as_slice() {
        ["environments", state, count, dir] => {
            let call = is_served(state)?;
            runtime.block_on(environments(call, count.parse()?, Path::new(dir)))
        }
        ["floor", state, count, dir] => {
            let call = is_served(state)?;
            runtime.block_on(bare(call, count.parse()?, Path::new(dir)))
        }
        ["deploy-hello", dir] => runtime.block_on(deploy_hello(Path::new(dir))),
        ["deploy", count, dir] => runtime.block_on(deploy(count.parse()?, Path::new(dir))),
        ["start", count, dir] => runtime.block_on(start(count.parse()?, Path::new(dir))),
        [] => all("10000", "5000"),
        [environments] => all(environments, "5000"),
        [environments, functions] => all(environments, functions),
        _ => bail!("idle [environments [functions]]"),
    }
}

fn is_served(word: &str) -> Result<bool> {
    match word {
        "started" => Ok(false),
        "served" => Ok(true),
        _ => bail!("{word:?} is neither started nor served"),
    }
}

/// Every measurement, each in a process of its own: what an earlier one left behind must not count.
fn all(environments: &str, functions: &str) -> Result<()> {
    let (hello, many) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let text = |dir: &tempfile::TempDir| dir.path().to_str().map(str::to_owned).context("a directory's name");
    let (hello, many) = (text(&hello)?, text(&many)?);
    step(&["deploy-hello", &hello])?;
    for state in ["started", "served"] {
        step(&["environments", state, environments, &hello])?;
        step(&["floor", state, environments, &hello])?;
    }
    step(&["deploy", functions, &many])?;
    step(&["start", functions, &many])
}

fn step(arguments: &[&str]) -> Result<()> {
    let status = Command::new(std::env::current_exe()?).args(arguments).status()?;
    ensure!(status.success(), "{} failed", arguments.join(" "));
    Ok(())
}

async fn deploy_hello(dir: &Path) -> Result<()> {
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, 2, storage.clone()).await?;
    world::create(&parts.catalog, "hello", guests::hello()?, false).await?;
    Ok(storage.close().await?)
}

/// Environments of `hello` that have finished their init phase and, with `call`, have served once.
async fn environments(call: bool, count: u32, dir: &Path) -> Result<()> {
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, count, storage.clone()).await?;
    let version = parts.catalog.version(&FunctionName::new("hello")?, None)?;
    let pool = &version.pool;
    // What the first one brings with it is not the cost of one more.
    drop(started(pool, call).await?);
    let before = memory::Usage::now()?;
    let mut leases = VecDeque::new();
    for _ in 0..count {
        leases.push_back(started(pool, call).await?);
    }
    while let Some(lease) = leases.pop_front() {
        lease.keep_unused();
    }
    drop(leases);
    let idle = pool.counts().0;
    ensure!(idle == usize::try_from(count)?, "{idle} of {count} environments are idle");
    tokio::time::sleep(SETTLE).await;
    let after = memory::Usage::now()?;
    println!("{count} idle environments of hello, {}", words(call));
    print(&before, &after, count);
    print_regions()?;
    Ok(storage.close().await?)
}

fn words(call: bool) -> &'static str {
    if call { "each after one invocation" } else { "initialised, before their first invocation" }
}

async fn started(pool: &Arc<Pool>, call: bool) -> Result<Lease> {
    let mut lease = pool.start().await.map_err(|failure| anyhow::anyhow!("{:?}", failure.error))?;
    if call {
        let worker = lease.worker().context("a lease without environment")?;
        let limits = TimeLimits { wall: Duration::from_secs(10), cpu: None };
        let answer = worker.environment.handle(EVENT, &worker.context, limits).await;
        answer.map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
    }
    Ok(lease)
}

/// The same on bare wasmtime.
async fn bare(call: bool, count: u32, dir: &Path) -> Result<()> {
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, count, storage.clone()).await?;
    let version = parts.catalog.version(&FunctionName::new("hello")?, None)?;
    let (size, component) = (*parts.host.size(), version.pool.spec().component_path.clone());
    let (variables, context) = (floor::variables(&version), floor::context("hello"));
    drop((version, parts));
    let floor = Floor::new(&size, &component)?;
    let instantiate = async || {
        let mut instance = floor.instantiate(&variables).await?;
        if call {
            instance.handle(EVENT, &context).await?;
        }
        anyhow::Ok(instance)
    };
    drop(instantiate().await?);
    let before = memory::Usage::now()?;
    let mut instances = Vec::new();
    for _ in 0..count {
        instances.push(instantiate().await?);
    }
    tokio::time::sleep(SETTLE).await;
    let after = memory::Usage::now()?;
    println!("{count} idle instances of hello on bare wasmtime, compiled in this process, {}", words(call));
    print(&before, &after, count);
    drop(instances);
    Ok(storage.close().await?)
}

/// Deploys functions that share nothing, and measures the process that did it.
async fn deploy(count: u32, dir: &Path) -> Result<()> {
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, 0, storage.clone()).await?;
    let before = memory::Usage::now()?;
    for seed in 0..count {
        world::create(&parts.catalog, &format!("function-{seed}"), guests::counter(seed), false).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let after = memory::Usage::now()?;
    println!(
        "{count} functions with code of their own, in the process that they were deployed to and that compiled them"
    );
    print(&before, &after, count);
    Ok(storage.close().await?)
}

/// Starts over what [`deploy`] left.
async fn start(count: u32, dir: &Path) -> Result<()> {
    let empty = tempfile::tempdir()?;
    let none = Parts::open(empty.path(), 0, Storage::embedded(empty.path(), Options::default())?).await?;
    let before = memory::Usage::now()?;
    drop(none);
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, 0, storage.clone()).await?;
    let functions = parts.catalog.list().len();
    ensure!(functions == usize::try_from(count)?, "{functions} of {count} functions are there");
    tokio::time::sleep(SETTLE).await;
    let after = memory::Usage::now()?;
    println!("{count} functions with code of their own, in a process started after they were deployed");
    print(&before, &after, count);
    Ok(storage.close().await?)
}

fn print(before: &memory::Usage, after: &memory::Usage, count: u32) {
    println!("  {:<10} {:>12} {:>12} {:>14}", "", "before", "after", "each");
    for ((name, before), (_, after)) in before.figures().into_iter().zip(after.figures()) {
        let each = (after as f64 - before as f64) / f64::from(count.max(1));
        println!("  {name:<10} {:>9.1} MB {:>9.1} MB {:>11.2} kB", mb(before), mb(after), each / 1024.0);
    }
    println!("  {:<10} {:>12} {:>12}", "mappings", before.mappings, after.mappings);
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn print_regions() -> Result<()> {
    let mut regions = memory::regions()?;
    regions.sort_by_key(|region| std::cmp::Reverse(region.rss_bytes));
    println!("  regions: {:>12} {:>12} {:>12} {:>9}", "size", "resident", "private", "mappings");
    for region in regions.iter().take(12) {
        println!(
            "  {:>9} {:>9.1} MB {:>9.1} MB {:>9.1} MB {:>9} {}",
            "",
            mb(region.size_bytes),
            mb(region.rss_bytes),
            mb(region.anonymous_bytes),
            region.mappings,
            // Where a file lies says nothing.
            region.name.rsplit('/').next().unwrap_or_default()
        );
    }
    Ok(())
}
