//! What idling costs: memory of idle environments and of deployed functions, as the kernel counts it.
//!
//! `idle [environments [functions]]`; 10,000 and 5,000 where not given. Each measurement runs in a process of its own. `VmRSS` is what
//! limits are set on; it counts a page as often as it is mapped, so the proportional size (`Pss`), which counts it once, stands beside it.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use anyhow::{Context, Result, bail, ensure};
use lamina::sandbox::environment::TimeLimits;
use lamina::sandbox::pool::{Lease, Pool};
use lamina::storage::{Options, Storage};
use lamina_benches::floor::{self, Floor};
use lamina_benches::world::{self, Parts, World};
use lamina_benches::{guests, memory};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const EVENT: &[u8] = br#"{"name":"Ada"}"#;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.as_slice() {
        ["environments", count] => runtime.block_on(environments(count.parse()?)),
        ["floor", count] => runtime.block_on(bare(count.parse()?)),
        ["deploy", count, dir] => runtime.block_on(deploy(count.parse()?, Path::new(dir))),
        ["start", count, dir] => runtime.block_on(start(count.parse()?, Path::new(dir))),
        [] => all("10000", "5000"),
        [environments] => all(environments, "5000"),
        [environments, functions] => all(environments, functions),
        _ => bail!("idle [environments [functions]]"),
    }
}

/// Every measurement, each in a process of its own.
fn all(environments: &str, functions: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path().to_str().context("the temporary directory's name is not text")?;
    step(&["environments", environments])?;
    step(&["floor", environments])?;
    step(&["deploy", functions, dir])?;
    step(&["start", functions, dir])
}

fn step(arguments: &[&str]) -> Result<()> {
    let status = Command::new(std::env::current_exe()?).args(arguments).status()?;
    ensure!(status.success(), "{} failed", arguments.join(" "));
    Ok(())
}

/// Environments of `hello`, each of which has served once and waits for more.
async fn environments(count: u32) -> Result<()> {
    let world = World::new(count).await?;
    let name = world.create("hello", guests::hello()?, false).await?;
    let version = world.catalog.version(&name, None)?;
    let pool = &version.pool;
    // What the first one brings with it is not the cost of one more.
    drop(served(pool).await?);
    let before = memory::Usage::now()?;
    let mut leases = Vec::new();
    for _ in 0..count {
        leases.push(served(pool).await?);
    }
    for lease in leases {
        ensure!(lease.give_back(), "the environment was not kept");
    }
    let idle = pool.counts().0;
    ensure!(idle == usize::try_from(count)?, "{idle} of {count} environments are idle");
    let after = memory::Usage::now()?;
    println!("{count} idle environments of hello, each after one invocation");
    print(&before, &after, count);
    print_regions()?;
    Ok(())
}

async fn served(pool: &Arc<Pool>) -> Result<Lease> {
    let mut lease = pool.start().await.map_err(|failure| anyhow::anyhow!("{:?}", failure.error))?;
    let worker = lease.worker().context("a lease without environment")?;
    let limits = TimeLimits { wall: Duration::from_secs(10), cpu: None };
    let answer = worker.environment.handle(EVENT, &worker.context, limits).await;
    answer.map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
    Ok(lease)
}

/// The same on bare wasmtime.
async fn bare(count: u32) -> Result<()> {
    let world = World::new(count).await?;
    let name = world.create("hello", guests::hello()?, false).await?;
    let component = world.catalog.version(&name, None)?.pool.spec().component_path.clone();
    let size = *world.host.size();
    let floor = Floor::new(&size, &component)?;
    let context = floor::context("hello");
    drop(world);
    drop(floor.instantiate().await?);
    let before = memory::Usage::now()?;
    let mut instances = Vec::new();
    for _ in 0..count {
        let mut instance = floor.instantiate().await?;
        instance.handle(EVENT, &context).await?;
        instances.push(instance);
    }
    let after = memory::Usage::now()?;
    println!("{count} idle instances of hello on bare wasmtime");
    print(&before, &after, count);
    drop(instances);
    Ok(())
}

/// Deploys functions that share nothing, and measures the process that did it.
async fn deploy(count: u32, dir: &Path) -> Result<()> {
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, 0, storage.clone()).await?;
    let before = memory::Usage::now()?;
    for seed in 0..count {
        world::create(&parts.catalog, &format!("function-{seed}"), guests::counter(seed), false).await?;
    }
    let after = memory::Usage::now()?;
    println!("{count} functions with code of their own, in the daemon that they were deployed to");
    print(&before, &after, count);
    storage.close().await?;
    Ok(())
}

/// Starts over what [`deploy`] left.
async fn start(count: u32, dir: &Path) -> Result<()> {
    let empty = tempfile::tempdir()?;
    let none = Parts::open(empty.path(), 0, Storage::embedded(empty.path(), Options::default())?).await?;
    drop(none);
    let before = memory::Usage::now()?;
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, 0, storage.clone()).await?;
    let functions = parts.catalog.list().len();
    ensure!(functions == usize::try_from(count)?, "{functions} of {count} functions are there");
    let after = memory::Usage::now()?;
    println!("{count} functions with code of their own, in a daemon that was started after they were deployed");
    print(&before, &after, count);
    storage.close().await?;
    Ok(())
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
            region.name
        );
    }
    Ok(())
}
