//! Timing of asynchronous steps for criterion.

use anyhow::Result;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long `iterations` of `step` take, one after the other, within one task.
///
/// # Panics
/// Where a step fails: a figure for something that did not work would be a lie, and criterion takes no errors.
pub fn timed<T>(runtime: &Runtime, iterations: u64, mut step: impl AsyncFnMut() -> Result<T>) -> Duration {
    let measured = runtime.block_on(async {
        let started = Instant::now();
        for _ in 0..iterations {
            black_box(step().await?);
        }
        Ok(started.elapsed())
    });
    sound(measured)
}

/// The value.
///
/// # Panics
/// Where there is an error instead, with its text.
#[expect(clippy::panic, reason = "criterion's closures take no errors")]
pub fn sound<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}
