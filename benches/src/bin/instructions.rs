//! Invocations to count the instructions of: `cargo xtask test` runs it under callgrind.
//!
//! `instructions prepare DIR` deploys `hello` twice, `warm` and `fresh`, compiled. `instructions warm|fresh COUNT DIR` invokes one of them
//! COUNT times through `Invoker::invoke`, on one thread, after a few that are not cold any more. Two runs with different counts differ by
//! what the invocations between them cost, and by nothing else: not by start, compilation or the first invocations.

use anyhow::{Result, bail};
use bytes::Bytes;
use lamina::ids::{FunctionName, FunctionRef};
use lamina::storage::{Options, Storage};
use lamina_benches::guests;
use lamina_benches::world::{self, Parts};
use std::path::Path;

const EVENT: &[u8] = br#"{"name":"Ada"}"#;
/// Environments there is room for: few, since a tool that watches memory reserves as much again.
const ENVIRONMENTS: u32 = 4;
/// Invocations until nothing is the first of its kind.
const FIRST: u32 = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.as_slice() {
        ["prepare", dir] => runtime.block_on(prepare(Path::new(dir))),
        [function @ ("warm" | "fresh"), count, dir] => {
            runtime.block_on(invoke(function, count.parse()?, Path::new(dir)))
        }
        _ => bail!("instructions prepare DIR, or instructions warm|fresh COUNT DIR"),
    }
}

async fn prepare(dir: &Path) -> Result<()> {
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, ENVIRONMENTS, storage.clone()).await?;
    let hello = guests::hello()?;
    world::create(&parts.catalog, "warm", hello.clone(), false).await?;
    world::create(&parts.catalog, "fresh", hello, true).await?;
    Ok(storage.close().await?)
}

async fn invoke(function: &str, count: u32, dir: &Path) -> Result<()> {
    let storage = Storage::embedded(dir, Options::default())?;
    let parts = Parts::open(dir, ENVIRONMENTS, storage.clone()).await?;
    let target = FunctionRef { name: FunctionName::new(function)?, qualifier: None };
    let event = Bytes::from_static(EVENT);
    for _ in 0..FIRST.saturating_add(count) {
        let invocation = world::invocation(target.clone(), event.clone());
        world::answer(parts.invoker.invoke(invocation).await?)?;
    }
    Ok(storage.close().await?)
}
