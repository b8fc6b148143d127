//! Each warm invocation timed by itself, through `Invoker::invoke` and on bare wasmtime: percentiles, where criterion has means of many.
//!
//! The two take turns, so that what disturbs the machine disturbs both. Prints `<side> p50_ns <n>` and `<side> p99_ns <n>`.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use anyhow::{Context, Result};
use bytes::Bytes;
use lamina::ids::FunctionRef;
use lamina_benches::floor::Bare;
use lamina_benches::{guests, world};
use std::time::Instant;

const EVENT: &[u8] = br#"{"name":"Ada"}"#;
const ENVIRONMENTS: u32 = 1_000;
/// Invocations of a side between two turns, and turns.
const RUN: usize = 1_000;
const TURNS: usize = 200;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let world = runtime.block_on(world::World::new(ENVIRONMENTS))?;
    let name = runtime.block_on(world.create("warm", guests::hello()?, false))?;
    let floor = Bare::of(&world, &name)?;
    let target = FunctionRef { name, qualifier: None };
    let event = Bytes::from_static(EVENT);
    let (mut bare, mut lamina) = (Vec::with_capacity(RUN * TURNS), Vec::with_capacity(RUN * TURNS));
    runtime.block_on(async {
        let mut instance = floor.instantiate().await?;
        for _ in 0..TURNS {
            for _ in 0..RUN {
                let started = Instant::now();
                instance.handle(&event, &floor.context).await?;
                bare.push(started.elapsed());
            }
            for _ in 0..RUN {
                let started = Instant::now();
                world::answer(world.invoker.invoke(world::invocation(target.clone(), event.clone())).await?)?;
                lamina.push(started.elapsed());
            }
        }
        anyhow::Ok(())
    })?;
    for (side, mut times) in [("floor", bare), ("lamina", lamina)] {
        times.sort_unstable();
        for (name, per_mille) in [("p50", 500), ("p99", 990)] {
            let at = times.get(times.len() * per_mille / 1_000).context("no samples")?;
            println!("{side} {name}_ns {}", at.as_nanos());
        }
    }
    Ok(())
}
