//! How late 10,000 schedules fire that are all due in the same seconds, with durable storage and functions that take no time.
//!
//! `lateness [schedules [seconds]]`; 10,000 and 20 where not given.

use futures_util::future::BoxFuture;
use lamina::clock::{Clock, SharedClock, SystemClock};
use lamina::ids::{Home, Version};
use lamina::invocation::{Invocation, Invoke, InvokeError, Outcome, Response, StartKind};
use lamina::shutdown::{Limits, Shutdown};
use lamina::storage::schedules::{
    ActionAfterCompletion, MissedPolicy, PutMode, ScheduleKey, ScheduleRecord, ScheduleState, ScheduleTarget,
};
use lamina::storage::{Options, Storage};
use lamina::triggers::schedule::{Config, Parts, ScheduleObserver, Scheduler};
use lamina_benches as _;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

struct Instant;

impl Invoke for Instant {
    fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(async {
            Ok(Outcome {
                executed_version: Version::Latest,
                result: Ok(Response::Event("null".into())),
                start: StartKind::Warm,
                duration: Duration::ZERO,
                init_duration: None,
                log_tail: None,
            })
        })
    }
}

#[derive(Default)]
struct Lateness(Mutex<Vec<Duration>>);

impl ScheduleObserver for Lateness {
    fn fired(&self, lateness: Option<Duration>) {
        self.0.lock().extend(lateness);
    }
    fn missed(&self, _: u64) {}
    fn failed(&self) {}
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let missed = match arguments.next().as_deref() {
        None | Some("once") => MissedPolicy::Once,
        Some("skip") => MissedPolicy::Skip,
        Some("all") => MissedPolicy::All,
        Some(other) => anyhow::bail!("{other:?} is none of skip, once, all"),
    };
    let dir = tempfile::tempdir()?;
    let storage = Storage::embedded(dir.path(), Options::default())?;
    let clock: SharedClock = Arc::new(SystemClock);
    let now_ms = SystemClock.now_ms();
    let home = Home::default();
    let first_ms = (now_ms / 1000 + 5) * 1000;
    let puts = (0..count).map(|index| {
        let record = ScheduleRecord {
            key: ScheduleKey { group: "default".into(), name: format!("s{index}") },
            revision: 0,
            expression: "rate(5 seconds)".into(),
            timezone: "UTC".into(),
            start_at_ms: Some(first_ms),
            end_at_ms: None,
            state: ScheduleState::Enabled,
            flexible_window_min: None,
            target: ScheduleTarget {
                arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
                role_arn: "arn:aws:iam::000000000000:role/r".into(),
                input: None,
                maximum_retry_attempts: 0,
                maximum_event_age_s: 60,
                dead_letter_arn: None,
                echoed: serde_json::Map::new(),
            },
            after_completion: ActionAfterCompletion::None,
            missed,
            description: String::new(),
            kms_key_arn: None,
            created_at_ms: now_ms,
            modified_at_ms: now_ms,
            next_fire_at_ms: Some(first_ms),
        };
        storage.schedules.put(record, PutMode::Create)
    });
    for put in futures_util::future::join_all(puts).await {
        put?;
    }
    let lateness = Arc::new(Lateness::default());
    let shutdown = Shutdown::new();
    let parts = Parts {
        schedules: Arc::clone(&storage.schedules),
        queues: Arc::clone(&storage.queues),
        invoker: Arc::new(Instant),
        observer: Arc::clone(&lateness) as Arc<dyn ScheduleObserver>,
        clock,
        home,
    };
    let _scheduler = Scheduler::start(parts, Config::default(), shutdown.clone()).await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let _ = shutdown.drain(Limits { drain: Duration::from_secs(10), flush: Duration::from_secs(10) }).await;
    let mut seen = lateness.0.lock().clone();
    seen.sort_unstable();
    let at = |share: f64| seen.get((seen.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    use std::io::Write as _;
    writeln!(
        out,
        "{count} schedules due at once, {} firings: lateness p50 {:?}, p99 {:?}, max {:?}",
        seen.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    )?;
    Ok(())
}
