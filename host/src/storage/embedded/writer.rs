//! The one thread that writes, and the group commit.
//!
//! Writes wait in a bounded channel. The thread takes what is there (at most [`GROUP_JOBS`], for at most [`GROUP_TIME`]), runs it in one
//! transaction, commits (one fsync) and then answers all. If any of them fails, or the commit does, the transaction is rolled back and
//! each is run again in a transaction of its own, so that a failure reaches only the write that caused it; therefore a write
//! may run more than once, from the same state. Only SQLite's own errors fail a write, so this is rare.
//!
//! The write-ahead log is copied into the database by a second thread while writes go on. Under writes without a pause that copy never
//! catches up; at [`WAL_BOUND_PAGES`] the writer does the rest itself, after which the log starts over.

use super::super::arrivals::Arrivals;
use super::super::{CommitObserver, Error, Result};
use super::queues::Directory;
use arc_swap::ArcSwap;
use rusqlite::Connection;
use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Writes in one commit.
const GROUP_JOBS: usize = 512;
/// For how long a commit gathers writes while more are waiting.
const GROUP_TIME: Duration = Duration::from_millis(10);
/// Writes that wait; further callers wait for room.
const WAITING_JOBS: usize = 4096;
/// Each time the log has grown by this much (16 MiB), the second thread copies it.
const WAL_COPY_PAGES: i32 = 4_000;
/// At this length of the log (64 MiB) the writer copies the rest.
const WAL_BOUND_PAGES: i32 = 16_384;
/// Numbers of the sequence made durable at a time; as many are lost at most in a crash.
const SEQUENCE_STEP: i64 = 1_000_000;

thread_local! {
    /// Pages in the log after this thread's last commit.
    static WAL_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// What a write sees: the open transaction and what the writer keeps in memory beside it.
pub(super) struct Txn<'a> {
    /// In the transaction.
    pub(super) connection: &'a Connection,
    /// As of this transaction.
    pub(super) state: &'a mut State,
}

/// What the writer keeps in memory. Read anew from the database after a rollback.
pub(super) struct State {
    /// All queues.
    pub(super) queues: Arc<Directory>,
    /// Queues in which something may have become visible.
    pub(super) arrived: Vec<crate::ids::QueueName>,
    next_number: i64,
    reserved: i64,
}

impl State {
    fn read(connection: &Connection) -> Result<Self> {
        let reserved: i64 = connection.query_row("SELECT reserved FROM sequence", (), |row| row.get(0))?;
        let queues = Arc::new(super::queues::read_directory(connection)?);
        Ok(Self { queues, arrived: Vec::new(), next_number: reserved, reserved })
    }
}

impl Txn<'_> {
    /// A number greater than any given before, over restarts too.
    pub(super) fn next_number(&mut self) -> Result<i64> {
        if self.state.next_number >= self.state.reserved {
            let reserved = self.state.next_number.saturating_add(SEQUENCE_STEP);
            self.connection.prepare_cached("UPDATE sequence SET reserved = ?1")?.execute([reserved])?;
            self.state.reserved = reserved;
        }
        let number = self.state.next_number;
        self.state.next_number = number.saturating_add(1);
        Ok(number)
    }
}

/// A write, its answer kept back until the commit.
trait Job: Send {
    /// Runs the write; `false` if it failed. May be called again after a rollback.
    fn run(&mut self, txn: &mut Txn<'_>) -> bool;
    /// Answers: with the write's own failure, else with the commit's, else with its result.
    fn answer(self: Box<Self>, commit: Result<()>);
}

struct Write<T, F> {
    work: F,
    /// Of the last run; `None` before any.
    result: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&mut Txn<'_>) -> Result<T> + Send> Job for Write<T, F> {
    fn run(&mut self, txn: &mut Txn<'_>) -> bool {
        let result = (self.work)(txn);
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn answer(self: Box<Self>, commit: Result<()>) {
        let result = match (self.result, commit) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::Closed),
        };
        // A caller that no longer waits has nothing to be told.
        drop(self.caller.send(result));
    }
}

enum Order {
    Write(Box<dyn Job>),
    Stop(oneshot::Sender<()>),
}

/// The way to the writing thread.
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
    /// Marks of what became visible.
    pub(super) arrivals: Arc<Arrivals>,
    /// The queues as of the last commit.
    pub(super) queues: Arc<ArcSwap<Directory>>,
}

impl Writer {
    /// Starts the threads. `lock` is held until the writing thread has closed the database.
    pub(super) fn start(
        connection: Connection,
        path: &Path,
        observer: Option<Arc<dyn CommitObserver>>,
        lock: File,
    ) -> Result<Self> {
        let state = State::read(&connection)?;
        let queues = Arc::new(ArcSwap::new(state.queues.clone()));
        let arrivals = Arc::new(Arrivals::default());
        let (orders, waiting) = mpsc::channel(WAITING_JOBS);
        connection.wal_hook(Some(|_, pages| {
            WAL_PAGES.set(pages);
            Ok(())
        }));
        let failed = |e: std::io::Error| Error::Backend(format!("cannot start a thread: {e}"));
        let (copies, copy) = sync_channel(1);
        let database = path.to_owned();
        let copying = std::thread::Builder::new()
            .name("storage-checkpoint".into())
            .spawn(move || copy_log(&database, &copy))
            .map_err(failed)?;
        let thread = Thread {
            connection,
            state,
            queues: queues.clone(),
            arrivals: arrivals.clone(),
            observer,
            copies,
            copying,
            copied_at: 0,
            stale: false,
        };
        std::thread::Builder::new()
            .name("storage-writer".into())
            .spawn(move || thread.run(waiting, lock))
            .map_err(failed)?;
        Ok(Self { orders, arrivals, queues })
    }

    /// Runs `work` in a transaction; resolves once it is durable. `work` may run more than once, after a rollback.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Txn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Write { work, result: None, caller });
        self.orders.send(Order::Write(job)).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Commits what was sent before, refuses what comes after, and closes the database.
    pub(super) async fn stop(&self) -> Result<()> {
        let (done, stopped) = oneshot::channel();
        if self.orders.send(Order::Stop(done)).await.is_ok() {
            // An error means that another stop came first; it has emptied the channel by then.
            drop(stopped.await);
        }
        self.orders.closed().await;
        Ok(())
    }
}

struct Thread {
    connection: Connection,
    state: State,
    queues: Arc<ArcSwap<Directory>>,
    arrivals: Arc<Arrivals>,
    observer: Option<Arc<dyn CommitObserver>>,
    copies: SyncSender<()>,
    copying: JoinHandle<()>,
    /// Length of the log when a copy was last asked for.
    copied_at: i32,
    /// Going back to the last commit failed; it comes first.
    stale: bool,
}

impl Thread {
    fn run(mut self, mut waiting: mpsc::Receiver<Order>, lock: File) {
        let mut stopped = None;
        while stopped.is_none()
            && let Some(order) = waiting.blocking_recv()
        {
            stopped = self.group(order, &mut waiting);
            self.bound_log();
        }
        // Those still in the channel are dropped with it, which tells their callers that storage is closed.
        waiting.close();
        while waiting.try_recv().is_ok() {}
        drop(self.copies);
        if self.copying.join().is_err() {
            tracing::error!("the thread that copies the write-ahead log ended in a panic");
        }
        let checkpointed = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        if let Err(error) = checkpointed {
            tracing::warn!(%error, "the write-ahead log was not emptied at the end; the next start reads it");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
        drop(lock);
        if let Some(done) = stopped {
            // Who asked may have stopped waiting.
            let _ = done.send(());
        }
    }

    /// Runs `first` and what is waiting behind it as one commit. Gives who waits for the end, if an end was asked for.
    fn group(&mut self, first: Order, waiting: &mut mpsc::Receiver<Order>) -> Option<oneshot::Sender<()>> {
        let started = Instant::now();
        let mut jobs = Vec::new();
        let mut stop = None;
        let mut next = Some(first);
        let mut outcome = self.begin();
        while let Some(order) = next.take() {
            match order {
                Order::Write(mut job) => {
                    // After a failure the rest is only gathered: each runs by itself.
                    outcome = outcome.and_then(|()| self.run_job(&mut job));
                    jobs.push(job);
                }
                Order::Stop(done) => {
                    stop = Some(done);
                    break;
                }
            }
            if jobs.len() < GROUP_JOBS && started.elapsed() < GROUP_TIME {
                next = waiting.try_recv().ok();
            }
        }
        self.finish(started, outcome, jobs);
        stop
    }

    /// Commits, if all went well so far, and answers.
    fn finish(&mut self, started: Instant, ran: Result<()>, jobs: Vec<Box<dyn Job>>) {
        let outcome = ran.and_then(|()| Ok(self.connection.execute_batch("COMMIT")?));
        if !jobs.is_empty()
            && let Some(observer) = &self.observer
        {
            observer.committed(started.elapsed(), jobs.len(), outcome.is_ok());
        }
        let Err(error) = outcome else {
            self.publish();
            jobs.into_iter().for_each(|job| job.answer(Ok(())));
            return;
        };
        if let Err(error) = self.roll_back() {
            // What is in memory may be ahead of the database; nothing may be built on it.
            tracing::error!(%error, "storage could not go back to its last commit");
            jobs.into_iter().for_each(|job| job.answer(Err(error.clone())));
            return;
        }
        if jobs.len() == 1 {
            jobs.into_iter().for_each(|job| job.answer(Err(error.clone())));
            return;
        }
        for mut job in jobs {
            let started = Instant::now();
            let ran = self.begin().and_then(|()| self.run_job(&mut job));
            self.finish(started, ran, vec![job]);
        }
    }

    fn begin(&mut self) -> Result<()> {
        if self.stale {
            self.roll_back()?;
        }
        Ok(self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(()).map(drop)?)
    }

    fn run_job(&mut self, job: &mut Box<dyn Job>) -> Result<()> {
        let mut txn = Txn { connection: &self.connection, state: &mut self.state };
        if job.run(&mut txn) { Ok(()) } else { Err(Error::Backend("a write of the group failed".into())) }
    }

    /// Goes back to the last commit, in memory too.
    fn roll_back(&mut self) -> Result<()> {
        self.stale = true;
        // After some errors SQLite has rolled back already.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.state = State::read(&self.connection)?;
        self.stale = false;
        Ok(())
    }

    /// Lets readers and waiters see what was committed.
    fn publish(&mut self) {
        if !Arc::ptr_eq(&self.queues.load(), &self.state.queues) {
            self.queues.store(self.state.queues.clone());
        }
        for queue in self.state.arrived.drain(..) {
            self.arrivals.mark(&queue);
        }
    }

    /// Sees to it that the log is copied into the database before it grows too long.
    fn bound_log(&mut self) {
        let pages = WAL_PAGES.get();
        if pages >= WAL_BOUND_PAGES {
            if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(())) {
                tracing::warn!(%error, "the write-ahead log could not be copied");
            }
        } else if pages < self.copied_at || pages.saturating_sub(self.copied_at) >= WAL_COPY_PAGES {
            self.copied_at = pages;
            // A full channel means that a copy is coming up anyway.
            let _ = self.copies.try_send(());
        }
    }
}

/// Copies the log into the database whenever told to, until the writer is gone.
fn copy_log(database: &Path, orders: &Receiver<()>) {
    let connection = match super::schema::connect(database) {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(%error, "no thread copies the write-ahead log; the writer does it alone");
            return;
        }
    };
    while orders.recv().is_ok() {
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log could not be copied");
        }
    }
}
