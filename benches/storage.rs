//! Durable writes: queue sends by several senders at once, and commits to the functions table.
//!
//! Floors: SQLite alone in one thread, in the same mode (write-ahead log, `synchronous=FULL`), with as many rows to a commit as there
//! are senders: what a perfect group commit would reach. `TMPDIR` decides which disk is measured.

use anyhow::{Result, ensure};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lamina::ids::{FunctionName, QueueName};
use lamina::storage::functions::{Change, FunctionRecord};
use lamina::storage::queues::{Created, NewMessage, QueueAttributes, QueueRecord};
use lamina::storage::{Options, Storage};
use lamina_benches::timing::{sound, timed};
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const SENDERS: [u64; 3] = [1, 8, 64];
const BODY_BYTES: usize = 1024;

fn queue_send(criterion: &mut Criterion) {
    sound(run_queue_send(criterion));
}

fn run_queue_send(criterion: &mut Criterion) -> Result<()> {
    let runtime = Runtime::new()?;
    let mut group = criterion.benchmark_group("queue_send");
    group.measurement_time(Duration::from_secs(10)).throughput(Throughput::Elements(1));
    for senders in SENDERS {
        let dir = tempfile::tempdir()?;
        let mut database = bare(dir.path())?;
        group.bench_function(BenchmarkId::new("floor", senders), |bencher| {
            bencher.iter_custom(|n| sound(insert(&mut database, n, senders)));
        });
        drop(database);

        let dir = tempfile::tempdir()?;
        let storage = Storage::embedded(dir.path(), Options::default())?;
        let queue = QueueName::new("q")?;
        let record = QueueRecord {
            name: queue.clone(),
            attributes: QueueAttributes::default(),
            tags: Default::default(),
            created_at_ms: 0,
            modified_at_ms: 0,
        };
        let created = runtime.block_on(storage.queues.create(record))?;
        ensure!(created == Created::New, "the queue is there already");
        group.bench_function(BenchmarkId::new("lamina", senders), |bencher| {
            bencher.iter_custom(|n| sound(runtime.block_on(send(&storage, &queue, n, senders))));
        });
        runtime.block_on(storage.close())?;
    }
    group.finish();
    Ok(())
}

/// How long `count` sends take when `senders` of them are under way at any time.
async fn send(storage: &Storage, queue: &QueueName, count: u64, senders: u64) -> Result<Duration> {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..senders {
        let (queues, queue) = (storage.queues.clone(), queue.clone());
        let mine = count / senders + u64::from(sender < count % senders);
        tasks.spawn(async move {
            for _ in 0..mine {
                let message = NewMessage { body: "x".repeat(BODY_BYTES), ..NewMessage::default() };
                queues.send(queue.clone(), vec![message], 1).await??;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(started.elapsed())
}

/// How long `count` inserts take in transactions of `group` rows.
fn insert(database: &mut Connection, count: u64, group: u64) -> Result<Duration> {
    let body = "x".repeat(BODY_BYTES);
    let started = Instant::now();
    let mut left = count;
    while left > 0 {
        let rows = left.min(group);
        let transaction = database.transaction()?;
        {
            let mut statement = transaction.prepare_cached("INSERT INTO message (body) VALUES (?1)")?;
            for _ in 0..rows {
                statement.execute([&body])?;
            }
        }
        transaction.commit()?;
        left -= rows;
    }
    Ok(started.elapsed())
}

fn commit(criterion: &mut Criterion) {
    sound(run_commit(criterion));
}

fn run_commit(criterion: &mut Criterion) -> Result<()> {
    let runtime = Runtime::new()?;
    let mut group = criterion.benchmark_group("commit");
    // A row put again as it is makes SQLite write nothing: each differs from the one before.
    let name = FunctionName::new("hello")?;
    let record = |n: u64| FunctionRecord {
        name: name.clone(),
        next_version: 1,
        reserved_concurrency: None,
        tags: Default::default(),
        created_at_ms: n.cast_signed(),
        code_signing_config: None,
        recursive_loop: Default::default(),
        runtime_management: Default::default(),
        deployment: None,
    };
    let mut count = 0u64;

    let dir = tempfile::tempdir()?;
    let database = bare(dir.path())?;
    group.bench_function("floor", |bencher| {
        bencher.iter(|| {
            count += 1;
            let put = || -> Result<usize> {
                let text = serde_json::to_string(&record(count))?;
                let sql = "INSERT OR REPLACE INTO function VALUES (?1, ?2)";
                Ok(database.prepare_cached(sql)?.execute(["hello", &text])?)
            };
            sound(put())
        });
    });
    drop(database);

    let dir = tempfile::tempdir()?;
    let storage = Storage::embedded(dir.path(), Options::default())?;
    group.bench_function("lamina", |bencher| {
        bencher.iter_custom(|n| {
            let next = AtomicU64::new(0);
            let put = async || {
                let record = record(next.fetch_add(1, Ordering::Relaxed));
                Ok(storage.functions.commit(vec![Change::PutFunction(record)]).await?)
            };
            timed(&runtime, n, put)
        });
    });
    runtime.block_on(storage.close())?;
    group.finish();
    Ok(())
}

/// A database in the mode of Lamina's own.
fn bare(dir: &Path) -> Result<Connection> {
    let database = Connection::open(dir.join("floor.db"))?;
    database.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch(
        "CREATE TABLE message (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
         CREATE TABLE function (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;",
    )?;
    Ok(database)
}

criterion_group!(all, queue_send, commit);
criterion_main!(all);
