//! Warm invocations with one processor and with two, on all that there is to an invocation: `Invoker::invoke` in as many threads as processors,
//! and the thread that writes logs, all confined to them. Beside it bare wasmtime, which says what the second processor is worth at most:
//! it may be half of a core.
//!
//! Each measurement is a process of its own, since threads keep the processors that they were started on; one and two take turns.
//! Prints `<side> one_per_second <n>` and `<side> two_per_second <n>`, medians.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use lamina::ids::FunctionRef;
use lamina_benches::floor::Bare;
use lamina_benches::{guests, world};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const EVENT: &[u8] = br#"{"name":"Ada"}"#;
const ENVIRONMENTS: u32 = 100;
const TURNS: usize = 7;
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURE: Duration = Duration::from_secs(2);
const SIDES: [&str; 2] = ["floor", "lamina"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => all(),
        [side, processors] => measure(side, processors.parse()?),
        _ => bail!("cores [SIDE PROCESSORS]"),
    }
}

fn all() -> Result<()> {
    if thread::available_parallelism()?.get() < 2 {
        println!("left out: there is one processor");
        return Ok(());
    }
    let program = std::env::current_exe()?;
    for side in SIDES {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (processors, rates) in (1..).zip(&mut rates) {
                let mut child = Command::new(&program);
                let output = child.args([side, &format!("{processors}")]).stderr(Stdio::inherit()).output()?;
                ensure!(output.status.success(), "{side} on {processors}: {}", output.status);
                rates.push(String::from_utf8(output.stdout)?.trim().parse::<u64>()?);
            }
        }
        for (count, mut rates) in ["one", "two"].into_iter().zip(rates) {
            rates.sort_unstable();
            println!("{side} {count}_per_second {}", rates.get(TURNS / 2).context("no rates")?);
        }
    }
    Ok(())
}

/// Invocations a second of one side on so many of this process' processors.
fn measure(side: &str, processors: usize) -> Result<()> {
    confine(processors)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(processors).enable_all().build()?;
    let world = runtime.block_on(world::World::new(ENVIRONMENTS))?;
    let name = runtime.block_on(world.create("warm", guests::hello()?, false))?;
    let floor = Bare::of(&world, &name)?;
    let target = FunctionRef { name, qualifier: None };
    let caller = || {
        runtime.block_on(async {
            if side == "floor" {
                let mut instance = floor.instantiate().await?;
                rate(async || instance.handle(EVENT, &floor.context).await.map(drop)).await
            } else {
                let invoke = || world.invoker.invoke(world::invocation(target.clone(), Bytes::from_static(EVENT)));
                rate(async || world::answer(invoke().await?).map(drop)).await
            }
        })
    };
    let rates = thread::scope(|scope| {
        let callers: Vec<_> = (0..processors).map(|_| scope.spawn(caller)).collect();
        callers.into_iter().map(|caller| caller.join().map_err(|_| anyhow!("a caller panicked"))?).sum::<Result<f64>>()
    })?;
    println!("{rates:.0}");
    Ok(())
}

/// How often a second this thread does `call`.
async fn rate(mut call: impl AsyncFnMut() -> Result<()>) -> Result<f64> {
    let mut done = 0_u32;
    let started = Instant::now();
    while started.elapsed() < WARM_UP {
        call().await?;
    }
    let started = Instant::now();
    while started.elapsed() < MEASURE {
        call().await?;
        done += 1;
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

/// Confines this thread, and all that it starts, to the first so many processors that it may use.
fn confine(processors: usize) -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut chosen = CpuSet::new();
    for processor in (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor)).take(processors) {
        chosen.set(processor);
    }
    ensure!(chosen.count() as usize == processors, "this needs {processors} processors");
    Ok(sched_setaffinity(None, &chosen)?)
}
