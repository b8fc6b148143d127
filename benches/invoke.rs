//! Invocations of `hello`, fresh and warm: through `Invoker::invoke`, and called on bare wasmtime.
//!
//! The floors get the event, context and environment variables that Lamina gives; `floor_one_variable` only the one that
//! `wasmtime serve` sets, since `hello` reads its variables.

#![allow(clippy::print_stderr, reason = "what criterion has no place for")]

use anyhow::Result;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use lamina::ids::FunctionRef;
use lamina_benches::floor::{self, Bare};
use lamina_benches::timing::{sound, timed};
use lamina_benches::{guests, world};
use std::time::Duration;
use tokio::runtime::Runtime;

const EVENT: &[u8] = br#"{"name":"Ada"}"#;
const ENVIRONMENTS: u32 = 1_000;

fn benches(criterion: &mut Criterion) {
    sound(run(criterion));
}

fn run(criterion: &mut Criterion) -> Result<()> {
    let runtime = Runtime::new()?;
    let hello = guests::hello()?;
    let world = runtime.block_on(world::World::new(ENVIRONMENTS))?;
    let warm = runtime.block_on(world.create("warm", hello.clone(), false))?;
    let fresh = runtime.block_on(world.create("fresh", hello, true))?;
    let Bare { floor, variables, context } = Bare::of(&world, &warm)?;
    let [warm, fresh] = [warm, fresh].map(|name| FunctionRef { name, qualifier: None });
    let event = Bytes::from_static(EVENT);
    let invoke = async |target: &FunctionRef| {
        let invocation = world::invocation(target.clone(), event.clone());
        world::answer(world.invoker.invoke(invocation).await?)
    };

    let mut group = criterion.benchmark_group("warm_invoke");
    group.measurement_time(Duration::from_secs(10));
    let mut instance = runtime.block_on(floor.instantiate(&variables))?;
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|n| timed(&runtime, n, async || instance.handle(&event, &context).await));
    });
    drop(instance);
    group.bench_function("lamina", |bencher| {
        bencher.iter_custom(|n| timed(&runtime, n, async || invoke(&warm).await));
    });
    group.finish();

    let mut group = criterion.benchmark_group("fresh_invoke");
    group.measurement_time(Duration::from_secs(10));
    let serve = floor::SERVE_VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (id, variables) in [("floor", variables.as_slice()), ("floor_one_variable", &serve)] {
        let once = async || floor.instantiate(variables).await?.handle(&event, &context).await;
        group.bench_function(id, |bencher| bencher.iter_custom(|n| timed(&runtime, n, once)));
    }
    group.bench_function("lamina", |bencher| {
        bencher.iter_custom(|n| timed(&runtime, n, async || invoke(&fresh).await));
    });
    group.finish();
    eprintln!("log lines that the log writer did not keep up with: {}", world.log_lines_dropped());
    Ok(())
}

criterion_group!(all, benches);
criterion_main!(all);
