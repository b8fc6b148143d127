//! The order of ending.
//!
//! Every task that outlives the call that started it is spawned here, in the [`Phase`] in which it has to end; nothing
//! else in the daemon detaches a task. Ending goes phase by phase: the phase's token is cancelled, its tasks are awaited,
//! then comes the next one. What a later phase owns (storage) is therefore still there while an earlier one finishes.
//!
//! Bounds: the phases before [`Phase::Flush`] share the drain limit; when it passes, their tasks are dropped where they
//! wait. The flush phase has a limit of its own, because what is acknowledged must reach the disk however long the drain took.
//! The first signal starts the drain, a second one ends it at once. Nothing here exits the process: [`Ending`] says
//! how it ended, and only `main` acts on it.
//!
//! Assumptions: tasks watch the token they are given. A task that panics is logged by name; it takes no other task with it.

use futures_util::{FutureExt, Stream, StreamExt};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// When a task has to end, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Listeners, pollers and timers: whatever lets new work in. They finish what they have let in.
    Intake,
    /// Work that goes on behind the answer: idle eviction, replacing environments, deliveries.
    Work,
    /// Writers of what is acknowledged.
    Flush,
}

const PHASES: [Phase; 3] = [Phase::Intake, Phase::Work, Phase::Flush];

/// Limits of an ending.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For [`Phase::Intake`] and [`Phase::Work`] together.
    pub drain: Duration,
    /// For [`Phase::Flush`].
    pub flush: Duration,
}

/// How the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ending {
    /// Every task ended of its own accord.
    Drained,
    /// The limits passed first.
    Cut {
        /// Tasks that were dropped.
        tasks: usize,
    },
    /// A second signal came.
    Forced,
}

struct Stage {
    /// Cancelled when the phase begins to end.
    stop: CancellationToken,
    /// Cancelled when its tasks are to be dropped.
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Stage {
    fn new() -> Self {
        Self { stop: CancellationToken::new(), cut: CancellationToken::new(), tasks: TaskTracker::new() }
    }
}

struct Stages {
    intake: Stage,
    work: Stage,
    flush: Stage,
}

/// The handle to spawn long-lived tasks with and to end them. Cheap to clone.
#[derive(Clone)]
pub struct Shutdown {
    stages: Arc<Stages>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A handle with no tasks yet.
    pub fn new() -> Self {
        Self { stages: Arc::new(Stages { intake: Stage::new(), work: Stage::new(), flush: Stage::new() }) }
    }

    fn stage(&self, phase: Phase) -> &Stage {
        match phase {
            Phase::Intake => &self.stages.intake,
            Phase::Work => &self.stages.work,
            Phase::Flush => &self.stages.flush,
        }
    }

    /// The token that is cancelled when `phase` begins to end.
    pub fn token(&self, phase: Phase) -> CancellationToken {
        self.stage(phase).stop.clone()
    }

    /// Whether the daemon is on its way out: `/readyz` and new work look here.
    pub fn has_begun(&self) -> bool {
        self.stages.intake.stop.is_cancelled()
    }

    /// Tasks that still run in `phase`.
    pub fn running(&self, phase: Phase) -> usize {
        self.stage(phase).tasks.len()
    }

    /// Spawns `task` so that the end of `phase` waits for it. `name` is for the log, should it panic. A task spawned into a
    /// phase that was cut is dropped at its first wait.
    pub fn spawn<F>(&self, phase: Phase, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stage = self.stage(phase);
        let cut = stage.cut.clone();
        // Large futures are moved once, not with every layer around them.
        let task = Box::pin(task);
        stage.tasks.spawn(async move {
            let guarded = AssertUnwindSafe(cut.run_until_cancelled_owned(task)).catch_unwind();
            if let Err(panic) = guarded.await {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                tracing::error!(task = name, panic = text, "a background task panicked");
            }
        });
    }

    /// Spawns what goes on after a restart: it is dropped where it waits as soon as [`Phase::Work`] is to end.
    pub fn spawn_resumable<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.token(Phase::Work);
        self.spawn(Phase::Work, name, async move {
            stop.run_until_cancelled_owned(task).await;
        });
    }

    /// Ends all phases in order, within `limits`.
    pub async fn drain(&self, limits: Limits) -> Ending {
        let deadline = tokio::time::Instant::now() + limits.drain;
        let mut dropped = 0usize;
        for phase in PHASES {
            let stage = self.stage(phase);
            stage.stop.cancel();
            stage.tasks.close();
            let until = match phase {
                Phase::Intake | Phase::Work => deadline,
                Phase::Flush => tokio::time::Instant::now() + limits.flush,
            };
            if tokio::time::timeout_at(until, stage.tasks.wait()).await.is_err() {
                let left = stage.tasks.len();
                tracing::warn!(?phase, tasks = left, "the drain limit passed; dropping what still runs");
                dropped = dropped.saturating_add(left);
                stage.cut.cancel();
                // A task that never yields cannot be dropped: it must not hold up the rest either.
                let _ = tokio::time::timeout(CUT_GRACE, stage.tasks.wait()).await;
            }
        }
        if dropped == 0 { Ending::Drained } else { Ending::Cut { tasks: dropped } }
    }

    /// Waits for the first of `signals`, drains, and answers how that went; a second signal answers at once.
    /// Where `signals` ends without an item, that counts as the first one.
    pub async fn run_until(&self, signals: impl Stream<Item = ()>, limits: Limits) -> Ending {
        let mut signals = pin!(signals);
        let first = signals.next().await;
        let drain = self.drain(limits);
        if first.is_none() {
            return drain.await;
        }
        tokio::select! {
            biased;
            Some(()) = signals.next() => Ending::Forced,
            ending = drain => ending,
        }
    }
}

/// How long dropped tasks have to reach their next wait.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// `SIGTERM` and `SIGINT` as a stream. Registers the handlers when called; from then on the default action is off.
pub fn signals() -> std::io::Result<impl Stream<Item = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    Ok(futures_util::stream::unfold((terminate, interrupt), |(mut terminate, mut interrupt)| async move {
        let got = tokio::select! {
            got = terminate.recv() => got,
            got = interrupt.recv() => got,
        };
        got.map(|()| ((), (terminate, interrupt)))
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]
    use super::*;
    use futures_util::stream;
    use parking_lot::Mutex;

    const LIMITS: Limits = Limits { drain: Duration::from_secs(10), flush: Duration::from_secs(5) };

    #[tokio::test(start_paused = true)]
    async fn phases_end_in_order() {
        let shutdown = Shutdown::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        for phase in [Phase::Flush, Phase::Intake, Phase::Work] {
            let (stop, order) = (shutdown.token(phase), Arc::clone(&order));
            shutdown.spawn(phase, "test", async move {
                stop.cancelled().await;
                // The later a phase, the shorter its task: only waiting in order gives this order.
                let ms = match phase {
                    Phase::Intake => 300,
                    Phase::Work => 200,
                    Phase::Flush => 100,
                };
                tokio::time::sleep(Duration::from_millis(ms)).await;
                order.lock().push(phase);
            });
        }
        assert!(!shutdown.has_begun());
        assert_eq!(shutdown.run_until(stream::once(async {}), LIMITS).await, Ending::Drained);
        assert!(shutdown.has_begun());
        assert_eq!(*order.lock(), PHASES);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_cut_and_the_flush_still_runs() {
        let shutdown = Shutdown::new();
        let flushed = Arc::new(Mutex::new(false));
        shutdown.spawn(Phase::Intake, "stuck", std::future::pending());
        let (stop, done) = (shutdown.token(Phase::Flush), Arc::clone(&flushed));
        shutdown.spawn(Phase::Flush, "flush", async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            *done.lock() = true;
        });
        assert_eq!(shutdown.drain(LIMITS).await, Ending::Cut { tasks: 1 });
        assert!(*flushed.lock());
        assert_eq!(shutdown.running(Phase::Intake), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_ends_at_once() {
        let shutdown = Shutdown::new();
        shutdown.spawn(Phase::Work, "stuck", std::future::pending());
        let begun = tokio::time::Instant::now();
        assert_eq!(shutdown.run_until(stream::iter([(), ()]), LIMITS).await, Ending::Forced);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_stays_in_its_task() {
        let shutdown = Shutdown::new();
        shutdown.spawn(Phase::Work, "bad", async { panic!("on purpose") });
        assert_eq!(shutdown.drain(LIMITS).await, Ending::Drained);
    }
}
