//! How many durable sends of 1 kB a second the embedded queue takes, for several numbers of concurrent senders.
//!
//! `cargo run --release --example queue_send -- [seconds a run] [directory]`. The directory decides which disk is measured.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use anyhow::Context as _;
use hdrhistogram::Histogram;
use lamina::ids::QueueName;
use lamina::storage::queues::{Created, NewMessage, QueueAttributes, QueueRecord};
use lamina::storage::{CommitObserver, Options, Storage};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Commits(AtomicU64);

impl CommitObserver for Commits {
    fn committed(&self, _latency: Duration, _jobs: usize, _succeeded: bool) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse()).context("seconds a run")?;
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    println!(
        "{:>8} {:>12} {:>12} {:>10} {:>10} {:>10}",
        "senders", "sends/s", "commits/s", "p50 ms", "p99 ms", "p99.9 ms"
    );
    for senders in [1, 8, 64, 256] {
        let dir = tempfile::tempdir_in(&parent)?;
        let commits = Arc::new(Commits::default());
        let options = Options { observer: Some(commits.clone()), ..Options::default() };
        let storage = Storage::embedded(dir.path(), options)?;
        let queue = QueueName::new("q")?;
        let record = QueueRecord {
            name: queue.clone(),
            attributes: QueueAttributes::default(),
            tags: Default::default(),
            created_at_ms: 0,
            modified_at_ms: 0,
        };
        anyhow::ensure!(storage.queues.create(record).await? == Created::New, "the queue is there already");
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..senders {
            let (queues, queue) = (storage.queues.clone(), queue.clone());
            tasks.spawn(async move {
                let mut latency = Histogram::<u64>::new(3)?;
                while Instant::now() < end {
                    let message = NewMessage { body: "x".repeat(1024), ..NewMessage::default() };
                    let started = Instant::now();
                    queues.send(queue.clone(), vec![message], 1).await??;
                    latency.record(started.elapsed().as_micros().try_into()?)?;
                }
                anyhow::Ok(latency)
            });
        }
        let mut latency = Histogram::<u64>::new(3)?;
        while let Some(done) = tasks.join_next().await {
            latency.add(done??)?;
        }
        let rate = |count: u64| count as f64 / seconds as f64;
        let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
        println!(
            "{senders:>8} {:>12.0} {:>12.0} {:>10.3} {:>10.3} {:>10.3}",
            rate(latency.len()),
            rate(commits.0.load(Ordering::Relaxed)),
            ms(0.5),
            ms(0.99),
            ms(0.999)
        );
        let wal = std::fs::metadata(dir.path().join("lamina.db-wal")).map_or(0, |file| file.len());
        println!("{:>8} log {} MiB, closing", "", wal >> 20);
        storage.close().await?;
    }
    Ok(())
}
