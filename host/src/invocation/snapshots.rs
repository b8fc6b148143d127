//! The task that makes images of published versions, and what the functions' logs say of it.
//!
//! Everything that it works from is in the catalog and on the disk, so that it goes on after any end of the daemon. A few images are made at
//! a time: loading functions must not starve invocations.

use super::failure::{self, Limits};
use super::record::{init_start_line, written};
use crate::catalog::{Catalog, LiveVersion};
use crate::clock::SharedClock;
use crate::ids::FunctionName;
use crate::sandbox::runtime::snapshot::{Made, Progress};
use crate::telemetry::logs::{LineText, LogBatch, LogLine, LogStore};
use crate::telemetry::metrics::labels::ImageOutcome;
use crate::telemetry::report::{InitPhase, PlatformLine, Status};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Images made at once.
const PARALLEL: usize = 2;

/// How long after a failure of the platform's the next attempt comes.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What loading a function for its image may take at least. As with Lambda's SnapStart, a longer time-out of the function is the limit then
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>).
const LOAD_LIMIT: Duration = Duration::from_secs(130);

/// How often missing images are looked for even if nothing says so.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Makes images of published versions.
pub struct Snapshotter {
    catalog: Arc<Catalog>,
    logs: Arc<LogStore>,
    clock: SharedClock,
}

impl Snapshotter {
    /// For all functions of `catalog`.
    pub fn new(catalog: Arc<Catalog>, logs: Arc<LogStore>, clock: SharedClock) -> Self {
        Self { catalog, logs, clock }
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let woken = self.catalog.snapshots();
        let mut collected = false;
        loop {
            let failed = tokio::select! {
                () = stop.cancelled() => return,
                failed = self.make_all() => failed,
            };
            // Only now is it known what all versions need.
            if !failed && !collected {
                self.catalog.collect_images().await;
                collected = true;
            }
            let pause = if failed { RETRY_AFTER } else { LOOK_EVERY };
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken.notified() => {}
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// Makes what is missing; answers whether the platform failed at any.
    async fn make_all(&self) -> bool {
        let missing = stream::iter(self.catalog.missing_images());
        let made = missing.map(|(function, version)| self.make(function, version)).buffer_unordered(PARALLEL);
        made.fold(false, |failed, one| std::future::ready(failed | one)).await
    }

    async fn make(&self, function: FunctionName, version: Arc<LiveVersion>) -> bool {
        let number = version.record.version;
        match version.pool.make_image(load_limit(&version)).await {
            Ok(Some(made)) => {
                tracing::info!(%function, version = %number, duration_ms = made.duration.as_millis(), progress = ?made.progress,
                    "an image was made, or cannot be");
                if let Some(outcome) = outcome(&made.progress) {
                    self.catalog.parts.metrics.sandbox.image(outcome);
                }
                self.write(&version, made);
                false
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%function, version = %number, %error, "an image could not be made");
                true
            }
        }
    }

    /// What the function wrote when it was loaded, and what came of it.
    fn write(&self, version: &LiveVersion, made: Made) {
        let (now, now_ms) = (self.clock.now(), self.clock.now_ms());
        let mut lines: Vec<_> = made.init_start.map(init_start_line).into_iter().collect();
        lines.extend(made.log.into_iter().map(LogLine::from));
        let status = match &made.progress {
            Progress::Failed(failure) => {
                let memory_size_mb = version.record.configuration.memory_size_mb;
                let limits = Limits { timeout: load_limit(version), cpu: version.limits.cpu, memory_size_mb };
                failure::init_status(&failure::function_error(failure.clone(), Uuid::nil(), limits))
            }
            Progress::Pending | Progress::Ready | Progress::Refused(_) => Status::Success,
        };
        let report = PlatformLine::InitReport { duration: made.duration, phase: InitPhase::Init, status };
        lines.push(LogLine::platform(now_ms, report));
        let mut lines = written(version.json_log, lines);
        if let Progress::Refused(reason) = &made.progress {
            let text = format!("Environments of version {} start without an image: {reason}.", version.record.version);
            let text = match version.json_log {
                Some(_) => json!({ "timestamp": now.to_string(), "level": "WARN", "message": text }).to_string(),
                None => text,
            };
            lines.push(LogLine { timestamp_ms: now_ms, text: LineText::Guest(text.into()) });
        }
        self.logs.write(LogBatch {
            group: Arc::clone(&version.log_group),
            stream: made.log_stream,
            lines,
            trace: None,
        });
    }
}

fn outcome(progress: &Progress) -> Option<ImageOutcome> {
    match progress {
        Progress::Pending => None,
        Progress::Ready => Some(ImageOutcome::Made),
        Progress::Refused(_) => Some(ImageOutcome::Refused),
        Progress::Failed(_) => Some(ImageOutcome::Failed),
    }
}

fn load_limit(version: &LiveVersion) -> Duration {
    version.limits.wall.max(LOAD_LIMIT)
}
