//! What functions that a language runtime interprets cost: a first invocation from level 1 and from an image, a warm one, memory of idle
//! environments, and a crowd: different functions, all called for the first time at the same moment.
//!
//! `runtimes [environments [functions]]`; 1,000 and 500 where not given. Of each runtime that comes with Lamina.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use anyhow::{Context, Result, ensure};
use lamina::catalog::{LiveVersion, Precondition};
use lamina::ids::{FunctionRef, Qualifier};
use lamina::sandbox::environment::TimeLimits;
use lamina::sandbox::pool::Lease;
use lamina_benches::guests::{INTERPRETED, Interpreted};
use lamina_benches::{memory, world};
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVENT: &[u8] = br#"{"name":"Ada"}"#;
const COLD: usize = 300;
const WARM: usize = 3_000;

/// How long after its work a process is measured: the allocator gives memory back with some delay.
const SETTLE: Duration = Duration::from_secs(3);

fn main() -> Result<()> {
    let number = |at, otherwise| std::env::args().nth(at).map_or(Ok(otherwise), |count| count.parse::<u32>());
    tokio::runtime::Runtime::new()?.block_on(all(number(1, 1_000)?, number(2, 500)?))
}

async fn all(environments: u32, functions: u32) -> Result<()> {
    for language in INTERPRETED {
        // A world each: what one left in memory is not the next one's.
        let world = world::World::new(environments.max(functions).saturating_add(8)).await?;
        if world.host.runtimes().serving(language.runtime).is_none() {
            println!("{} is not there", language.runtime);
            continue;
        }
        println!("{}", language.runtime);
        let name = world::create_interpreted(&world.catalog, &language, 0).await?;
        let latest = world.catalog.version(&name, None)?;
        times("level 1", &latest).await?;
        let published = world.catalog.publish_version(&name, None, None, &Precondition::default()).await?;
        let version = world.catalog.version(&name, Some(&Qualifier::Version(published.version)))?;
        let began = Instant::now();
        let made =
            version.pool.make_image(Duration::from_secs(130)).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        println!("  image: {:?} in {:.1} ms", made.map(|made| made.progress), ms(began.elapsed()));
        for entry in std::fs::read_dir(world.dir().join("memory-images"))? {
            println!("  image: {:.0} kB on disk", entry?.metadata()?.len() as f64 / 1024.0);
        }
        times("image", &version).await?;
        idle(&version, environments).await?;
        crowd(&world, &language, functions).await?;
    }
    Ok(())
}

/// Different functions with images, each invoked once, all at the same moment.
async fn crowd(world: &world::World, language: &Interpreted, functions: u32) -> Result<()> {
    let mut calls = Vec::new();
    for number in 1..=functions {
        let name = world::create_interpreted(&world.catalog, language, number).await?;
        let published = world.catalog.publish_version(&name, None, None, &Precondition::default()).await?;
        let qualifier = Some(Qualifier::Version(published.version));
        let pool = Arc::clone(&world.catalog.version(&name, qualifier.as_ref())?.pool);
        pool.make_image(Duration::from_secs(130)).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        calls.push(world::invocation(FunctionRef { name, qualifier }, EVENT.into()));
    }
    let began = Instant::now();
    let calls: Vec<_> = calls
        .into_iter()
        .map(|invocation| {
            let invoker = Arc::clone(&world.invoker);
            tokio::spawn(async move {
                world::answer(invoker.invoke(invocation).await?)?;
                anyhow::Ok(began.elapsed())
            })
        })
        .collect();
    let mut times = Vec::new();
    for call in calls {
        times.push(call.await??);
    }
    print(&format!("{functions} functions at once"), times);
    Ok(())
}

async fn start(version: &Arc<LiveVersion>) -> Result<Lease> {
    version.pool.start().await.map_err(|failure| anyhow::anyhow!("{:?}", failure.error))
}

async fn call(lease: &mut Lease) -> Result<()> {
    let worker = lease.worker().context("a lease without environment")?;
    let limits = TimeLimits { wall: Duration::from_secs(10), cpu: None };
    let answer = worker.environment.handle(EVENT, &worker.context, limits).await;
    let answer = answer.map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
    ensure!(!answer.is_empty(), "no answer");
    Ok(())
}

async fn times(what: &str, version: &Arc<LiveVersion>) -> Result<()> {
    let (mut starts, mut firsts, mut totals) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..COLD {
        let began = Instant::now();
        let mut lease = start(version).await?;
        let started = began.elapsed();
        call(&mut lease).await?;
        let total = began.elapsed();
        starts.push(started);
        firsts.push(total.saturating_sub(started));
        totals.push(total);
    }
    print(&format!("{what}: start"), starts);
    print(&format!("{what}: first call"), firsts);
    print(&format!("{what}: cold"), totals);
    let mut lease = start(version).await?;
    let mut warm = Vec::new();
    for _ in 0..WARM {
        let began = Instant::now();
        call(&mut lease).await?;
        warm.push(began.elapsed());
    }
    print(&format!("{what}: warm"), warm);
    Ok(())
}

/// Environments that have served once and idle.
async fn idle(version: &Arc<LiveVersion>, count: u32) -> Result<()> {
    drop(start(version).await?);
    let before = memory::Usage::now()?;
    let mut leases = Vec::new();
    for _ in 0..count {
        let mut lease = start(version).await?;
        call(&mut lease).await?;
        leases.push(lease);
    }
    tokio::time::sleep(SETTLE).await;
    let after = memory::Usage::now()?;
    println!("  {count} idle environments, each after one invocation");
    for ((name, before), (_, after)) in before.figures().into_iter().zip(after.figures()) {
        let each = (after as f64 - before as f64) / f64::from(count.max(1));
        println!("    {name:<10} {:>9.1} MB in all {:>9.2} kB each", after as f64 / f64::from(1 << 20), each / 1024.0);
    }
    let mappings = (after.mappings as f64 - before.mappings as f64) / f64::from(count.max(1));
    println!("    mappings {:>12} in all {mappings:>9.1} each", after.mappings);
    Ok(())
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| ms(*time));
    println!("  {what:<22} p50 {:>8.3} ms   p90 {:>8.3} ms   p99 {:>8.3} ms", at(50), at(90), at(99));
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
