//! What comes before a call: an environment, a version, the right to run.
//!
//! Floors: an instance on bare wasmtime; a weighted choice between three shared values; an atomic counter with a limit.

use anyhow::{Context as _, Result};
use criterion::{Criterion, criterion_group, criterion_main};
use lamina::catalog::{AliasChange, CodeUpdate, Precondition};
use lamina::ids::{AliasName, FunctionRef, Qualifier, Version};
use lamina_benches::floor::Bare;
use lamina_benches::timing::{sound, timed};
use lamina_benches::{guests, world};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

const ENVIRONMENTS: u32 = 1_000;

fn instantiate(criterion: &mut Criterion) {
    sound(run_instantiate(criterion));
}

/// Both sides make an instance and give it back: a pool of a fixed size cannot do one without the other.
fn run_instantiate(criterion: &mut Criterion) -> Result<()> {
    let runtime = Runtime::new()?;
    let world = runtime.block_on(world::World::new(ENVIRONMENTS))?;
    let name = runtime.block_on(world.create("hello", guests::hello()?, false))?;
    let version = world.catalog.version(&name, None)?;
    let pool = &version.pool;
    let floor = Bare::of(&world, &name)?;
    let mut group = criterion.benchmark_group("instantiate");
    group.measurement_time(Duration::from_secs(10));
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|n| timed(&runtime, n, async || floor.instantiate().await.map(drop)));
    });
    group.bench_function("lamina", |bencher| {
        bencher.iter_custom(|n| {
            timed(&runtime, n, async || {
                let lease = pool.start().await.map_err(|failure| anyhow::anyhow!("{:?}", failure.error))?;
                drop(lease);
                Ok(())
            })
        });
    });
    group.finish();
    Ok(())
}

fn alias_pick(criterion: &mut Criterion) {
    sound(run_alias_pick(criterion));
}

fn run_alias_pick(criterion: &mut Criterion) -> Result<()> {
    let runtime = Runtime::new()?;
    let world = runtime.block_on(world::World::new(2))?;
    let alias = AliasName::new("live")?;
    let name = runtime.block_on(async {
        let name = world.create("counter", guests::counter(0), false).await?;
        let any = Precondition::default();
        world.catalog.publish_version(&name, None, None, &any).await?;
        for seed in 1..3 {
            let update = CodeUpdate {
                package: bytes::Bytes::from(guests::counter(seed)).into(),
                publish: true,
                ..Default::default()
            };
            world.catalog.update_code(&name, update, &any).await?;
        }
        let weights = [(Version::Number(2), 0.3), (Version::Number(3), 0.2)].into();
        let change = AliasChange { version: Some(Version::Number(1)), weights: Some(weights), ..Default::default() };
        world.catalog.create_alias(&name, alias.clone(), change).await?;
        anyhow::Ok(name)
    })?;
    let split = FunctionRef { name: name.clone(), qualifier: Some(Qualifier::Alias(alias)) };
    let latest = FunctionRef { name, qualifier: None };
    world.catalog.resolve(&split, None).context("the alias")?;

    let mut group = criterion.benchmark_group("alias_pick");
    let shares = [(0.3, Arc::new(2)), (0.5, Arc::new(3)), (1.0, Arc::new(1))];
    group.bench_function("floor", |bencher| {
        bencher.iter(|| {
            let point: f64 = rand::random();
            shares.iter().find(|(end, _)| point < *end).map(|(_, version)| Arc::clone(version))
        });
    });
    group.bench_function("lamina", |bencher| bencher.iter(|| world.catalog.resolve(black_box(&split), None)));
    group.bench_function("lamina_no_alias", |bencher| bencher.iter(|| world.catalog.resolve(black_box(&latest), None)));
    group.finish();
    Ok(())
}

fn admission(criterion: &mut Criterion) {
    sound(run_admission(criterion));
}

fn run_admission(criterion: &mut Criterion) -> Result<()> {
    let runtime = Runtime::new()?;
    let world = runtime.block_on(world::World::new(2))?;
    let name = runtime.block_on(world.create("counter", guests::counter(0), false))?;
    let function = world.catalog.function(&name)?;
    let mut group = criterion.benchmark_group("admission");
    let used = Arc::new(AtomicU32::new(0));
    group.bench_function("floor", |bencher| {
        bencher.iter(|| {
            let held = Arc::clone(&used);
            let below = |used: u32| (used < black_box(1_000)).then_some(used + 1);
            let admitted = held.fetch_update(Ordering::AcqRel, Ordering::Relaxed, below);
            held.fetch_sub(1, Ordering::AcqRel);
            admitted
        });
    });
    group.bench_function("lamina", |bencher| bencher.iter(|| black_box(function.concurrency.admit()).is_ok()));
    group.finish();
    Ok(())
}

criterion_group!(all, instantiate, alias_pick, admission);
criterion_main!(all);
