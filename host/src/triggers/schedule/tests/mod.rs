//! Schedules on a paused clock, over storage in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod firings;
mod restarts;
mod timings;

use super::*;
use crate::clock::{Clock, TokioClock};
use crate::ids::{QueueName, Version};
use crate::invocation::{
    FunctionError, Invocation, InvokeError, Outcome, Payload, Response, StartKind, ThrottleReason,
};
use crate::shutdown::{Ending, Limits};
use crate::storage::Storage;
use crate::storage::queues::{QueueAttributes, QueueRecord, ReceivedMessage};
use crate::storage::schedules::{ActionAfterCompletion, ScheduleTarget};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub(crate) fn key(name: &str) -> ScheduleKey {
    ScheduleKey { group: "default".into(), name: name.into() }
}

pub(crate) fn record(name: &str, expression: &str) -> ScheduleRecord {
    ScheduleRecord {
        key: key(name),
        revision: 0,
        expression: expression.into(),
        timezone: "UTC".into(),
        start_at_ms: None,
        end_at_ms: None,
        state: ScheduleState::Enabled,
        flexible_window_min: None,
        target: ScheduleTarget {
            arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
            role_arn: "arn:aws:iam::000000000000:role/r".into(),
            input: Some("<aws.scheduler.scheduled-time> <aws.scheduler.attempt-number>".into()),
            maximum_retry_attempts: 185,
            maximum_event_age_s: 86_400,
            dead_letter_arn: None,
            echoed: serde_json::Map::new(),
        },
        after_completion: ActionAfterCompletion::None,
        missed: MissedPolicy::Once,
        description: String::new(),
        kms_key_arn: None,
        created_at_ms: 0,
        modified_at_ms: 0,
        next_fire_at_ms: None,
    }
}

/// What the function does with one event.
#[derive(Clone, Copy)]
enum Does {
    Succeed,
    Fail,
    Throttle,
    NotFound,
    Hang,
    Take(Duration),
}

/// Records when it was called with what, and does as told: the last of `does` again and again.
struct Recorder {
    clock: SharedClock,
    does: Mutex<Vec<Does>>,
    calls: Mutex<Vec<String>>,
    ended: AtomicUsize,
}

impl Invoke for Recorder {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(async move {
            let Payload::Event(event) = &invocation.payload else { panic!("an event was expected") };
            let at = self.clock.now().strftime("%dT%H:%M:%S").to_string();
            self.calls.lock().push(format!("{at} {}", String::from_utf8_lossy(event)));
            let does = {
                let mut does = self.does.lock();
                if does.len() > 1 { does.remove(0) } else { does[0] }
            };
            let result = match does {
                Does::Succeed => Ok(Response::Event(Bytes::from_static(b"null"))),
                Does::Fail => Err(FunctionError {
                    handled: true,
                    error_type: "Oops".into(),
                    error_message: "it failed".into(),
                    stack_trace: Vec::new(),
                    document: None,
                }),
                Does::Throttle => return Err(InvokeError::Throttled(ThrottleReason::HostCapacity)),
                Does::NotFound => return Err(InvokeError::FunctionNotFound { arn: "a".into() }),
                Does::Hang => std::future::pending().await,
                Does::Take(duration) => {
                    self.clock.sleep(duration).await;
                    Ok(Response::Event(Bytes::new()))
                }
            };
            self.ended.fetch_add(1, Ordering::Relaxed);
            Ok(Outcome {
                executed_version: Version::Latest,
                result,
                start: StartKind::Warm,
                duration: Duration::ZERO,
                init_duration: None,
                log_tail: None,
            })
        })
    }
}

#[derive(Default)]
struct Counts {
    fired: AtomicU64,
    late_ms: AtomicU64,
    missed: AtomicU64,
    failed: AtomicU64,
}

impl ScheduleObserver for Counts {
    fn fired(&self, lateness: Option<Duration>) {
        self.fired.fetch_add(1, Ordering::Relaxed);
        let late_ms = lateness.map_or(0, |lateness| u64::try_from(lateness.as_millis()).unwrap());
        self.late_ms.fetch_max(late_ms, Ordering::Relaxed);
    }
    fn missed(&self, firings: u64) {
        self.missed.fetch_add(firings, Ordering::Relaxed);
    }
    fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A daemon's part in this, which can be killed or stopped and started again over the same storage.
struct World {
    clock: SharedClock,
    storage: Storage,
    recorder: Arc<Recorder>,
    counts: Arc<Counts>,
    shutdown: Shutdown,
    scheduler: Arc<Scheduler>,
    config: Config,
}

impl World {
    async fn at(start: &str) -> Self {
        Self::with(start, Config::default()).await
    }

    async fn with(start: &str, config: Config) -> Self {
        let clock: SharedClock = Arc::new(TokioClock::starting_at(start.parse().unwrap()));
        let storage = Storage::memory().unwrap();
        let recorder = Arc::new(Recorder {
            clock: Arc::clone(&clock),
            does: Mutex::new(vec![Does::Succeed]),
            calls: Mutex::default(),
            ended: AtomicUsize::new(0),
        });
        let counts = Arc::new(Counts::default());
        let shutdown = Shutdown::new();
        let scheduler = begin(&clock, &storage, &recorder, &counts, &shutdown, &config).await;
        Self { clock, storage, recorder, counts, shutdown, scheduler, config }
    }

    /// Ends everything at once, as `kill -9` does: what is not stored is gone.
    async fn kill(&self) {
        let limits = Limits { drain: Duration::ZERO, flush: Duration::ZERO };
        let _ = self.shutdown.drain(limits).await;
    }

    async fn stop(&self) -> Ending {
        let limits = Limits { drain: Duration::from_secs(10), flush: Duration::from_secs(10) };
        self.shutdown.drain(limits).await
    }

    /// Starts again, forgetting what was recorded of the run before.
    async fn restart(&mut self) {
        self.recorder.calls.lock().clear();
        self.counts = Arc::new(Counts::default());
        self.shutdown = Shutdown::new();
        self.scheduler =
            begin(&self.clock, &self.storage, &self.recorder, &self.counts, &self.shutdown, &self.config).await;
    }

    fn does(&self, does: &[Does]) {
        *self.recorder.does.lock() = does.to_vec();
    }

    async fn put(&self, record: ScheduleRecord) {
        let put = self.scheduler.put(record, PutMode::Either).await;
        assert!(matches!(put, Ok(PutOutcome::Stored(_))), "{put:?}");
    }

    async fn run_for(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn run_s(&self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds)).await;
    }

    fn calls(&self) -> Vec<String> {
        self.recorder.calls.lock().clone()
    }

    /// When the function was called, without its events.
    fn times(&self) -> Vec<String> {
        self.calls().iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect()
    }

    async fn stored(&self, name: &str) -> Option<ScheduleRecord> {
        self.scheduler.get(key(name)).await.unwrap()
    }

    async fn unfinished(&self) -> usize {
        self.storage.schedules.unfinished().await.unwrap().len()
    }

    async fn queue(&self, name: &str) {
        let name = QueueName::new(name).unwrap();
        let fifo = name.is_fifo().then(Default::default);
        let attributes = QueueAttributes { fifo, ..QueueAttributes::default() };
        let queue = QueueRecord { name, attributes, tags: Default::default(), created_at_ms: 0, modified_at_ms: 0 };
        self.storage.queues.create(queue).await.unwrap();
    }

    async fn received(&self, name: &str) -> Vec<ReceivedMessage> {
        let name = QueueName::new(name).unwrap();
        self.storage.queues.receive(name, 10, None, self.clock.now_ms()).await.unwrap().unwrap().messages
    }
}

async fn begin(
    clock: &SharedClock,
    storage: &Storage,
    recorder: &Arc<Recorder>,
    counts: &Arc<Counts>,
    shutdown: &Shutdown,
    config: &Config,
) -> Arc<Scheduler> {
    let parts = Parts {
        schedules: Arc::clone(&storage.schedules),
        queues: Arc::clone(&storage.queues),
        invoker: Arc::clone(recorder) as Arc<dyn Invoke>,
        observer: Arc::clone(counts) as Arc<dyn ScheduleObserver>,
        clock: Arc::clone(clock),
        home: Home::default(),
    };
    Scheduler::start(parts, config.clone(), shutdown.clone()).await.unwrap()
}
