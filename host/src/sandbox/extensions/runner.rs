//! The task of one extension: every call into it, one at a time, until its environment ends or it fails.

use super::hub::Hub;
use super::{ExtensionsSpec, SHUTDOWN_LIMIT, Sandbox, ShutdownReason, TELEMETRY_LIMIT, wit, write_lines};
use crate::clock::SharedClock;
use crate::sandbox::Failure;
use crate::sandbox::environment::TimeLimits;
use crate::telemetry::logs::{LogLine, LogStore};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::labels::ExtensionPhase;
use crate::telemetry::record::{self, RecordSource, TelemetryRecord};
use crate::telemetry::report::PlatformLine;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What an environment tells an extension.
pub(super) enum Message {
    /// An invocation begins. The deadline is set when the call is made.
    Invoke(Arc<wit::InvokeEvent>),
    /// The environment ends.
    Shutdown(ShutdownReason),
}

pub(super) struct Runner {
    pub(super) sandbox: Sandbox,
    pub(super) name: Arc<str>,
    pub(super) events: Arc<[&'static str]>,
    pub(super) hears_shutdown: bool,
    /// Its place in the hub.
    pub(super) index: usize,
    pub(super) inbox: mpsc::Receiver<Message>,
    pub(super) hub: Arc<Hub>,
    pub(super) spec: Arc<ExtensionsSpec>,
    pub(super) log_stream: Arc<str>,
    pub(super) logs: Arc<LogStore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: SharedClock,
    /// For the daemon's log.
    pub(super) function: Arc<str>,
}

/// An extension that failed is not called again.
struct Failed;

/// Nobody may wait for an extension whose task is gone, however it went.
struct Ending {
    hub: Arc<Hub>,
    is_orderly: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.is_orderly {
            self.hub.fail();
        }
    }
}

impl Runner {
    /// Until the environment's end, or `stop` while no invocation has it.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ending = Ending { hub: Arc::clone(&self.hub), is_orderly: false };
        ending.is_orderly = self.serve(&stop).await.is_ok();
        if let Some(buffer) = self.hub.buffer(self.index) {
            buffer.close();
        }
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), Failed> {
        loop {
            match self.next(stop).await? {
                Message::Invoke(event) => self.invoke(&event).await?,
                Message::Shutdown(reason) => return self.shutdown(reason).await,
            }
        }
    }

    /// The next message; records that are due are delivered meanwhile.
    async fn next(&mut self, stop: &CancellationToken) -> Result<Message, Failed> {
        let buffer = self.hub.buffer(self.index).cloned();
        if buffer.as_ref().is_some_and(|buffer| buffer.is_due()) {
            self.deliver(TELEMETRY_LIMIT).await?;
        }
        loop {
            let due = async {
                match &buffer {
                    Some(buffer) => buffer.due().await,
                    None => std::future::pending().await,
                }
            };
            let stopped = async {
                stop.cancelled().await;
                self.hub.resting().await;
            };
            tokio::select! {
                // An environment that is dropped says so first.
                message = self.inbox.recv() => {
                    return Ok(message.unwrap_or(Message::Shutdown(ShutdownReason::Spindown)));
                }
                () = stopped => return Ok(Message::Shutdown(ShutdownReason::Spindown)),
                () = due => {}
            }
            self.deliver(TELEMETRY_LIMIT).await?;
        }
    }

    async fn invoke(&mut self, event: &wit::InvokeEvent) -> Result<(), Failed> {
        let limits = self.spec.limits;
        let event = wit::InvokeEvent { deadline_ms: self.deadline_ms(limits.wall), ..event.clone() };
        let answered = self.sandbox.invoke(&event, limits).await;
        self.collect_log();
        let outcome = answered.map_err(|failure| self.failed(ExtensionPhase::Invoke, &failure));
        // Before the environment is seen as settled.
        if outcome.is_err() {
            self.hub.fail();
        }
        self.hub.arrived();
        outcome
    }

    /// Delivers one batch.
    async fn deliver(&mut self, limit: Duration) -> Result<(), Failed> {
        let Some(buffer) = self.hub.buffer(self.index).cloned() else { return Ok(()) };
        let records = buffer.take(self.clock.now_ms());
        if records.is_empty() {
            return Ok(());
        }
        let told: Vec<_> = records.iter().map(written).collect();
        let limits = TimeLimits { wall: limit, cpu: self.spec.limits.cpu };
        let taken = self.sandbox.telemetry(&told, limits).await;
        self.collect_log();
        match taken {
            Ok(()) => {
                self.metrics.extensions.records.inc_by(u64::try_from(records.len()).unwrap_or(u64::MAX));
                Ok(())
            }
            Err(failure) => {
                buffer.lost(&records);
                let failed = self.failed(ExtensionPhase::Telemetry, &failure);
                // It answered, so it is there for the next.
                if failure.keeps_environment() { Ok(()) } else { Err(failed) }
            }
        }
    }

    /// Hands over the last records and says goodbye.
    async fn shutdown(&mut self, reason: ShutdownReason) -> Result<(), Failed> {
        let started = Instant::now();
        let left = || SHUTDOWN_LIMIT.saturating_sub(started.elapsed());
        let deadline_ms = self.deadline_ms(SHUTDOWN_LIMIT);
        while self.hub.buffer(self.index).is_some_and(|buffer| !buffer.is_empty()) {
            self.deliver(left()).await?;
        }
        if !self.hears_shutdown {
            return Ok(());
        }
        let limits = TimeLimits { wall: left(), cpu: self.spec.limits.cpu };
        let ended = self.sandbox.shutdown(wit::ShutdownEvent { reason, deadline_ms }, limits).await;
        self.collect_log();
        ended.map_err(|failure| self.failed(ExtensionPhase::Shutdown, &failure))
    }

    fn deadline_ms(&self, limit: Duration) -> u64 {
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        u64::try_from(self.clock.now_ms()).unwrap_or(0).saturating_add(limit_ms)
    }

    /// Counts a failure and tells of it wherever someone may look.
    fn failed(&self, phase: ExtensionPhase, failure: &Failure) -> Failed {
        self.metrics.extensions.failed(phase);
        tracing::debug!(function = %self.function, extension = %self.name, ?phase, ?failure, "an extension failed");
        let error_type = failure.extension_error_type();
        let now_ms = self.clock.now_ms();
        let line = PlatformLine::Extension {
            name: Arc::clone(&self.name),
            state: "ExitError",
            events: Arc::clone(&self.events),
            error_type: Some(error_type),
        };
        write_lines(&self.logs, &self.spec, &self.log_stream, vec![LogLine::platform(now_ms, line)], self.hub.trace());
        if self.hub.wants(RecordSource::Platform) {
            let told = record::extension(&self.name, "ExitError", &self.events, Some(error_type));
            let told = TelemetryRecord::platform(now_ms, "platform.extension", &told);
            self.hub.publish(Some(self.index), &[told]);
        }
        Failed
    }

    /// What it printed goes to the function's log and to the extensions that want it.
    fn collect_log(&self) {
        let lines = self.sandbox.take_log();
        if lines.is_empty() {
            return;
        }
        if self.hub.wants(RecordSource::Extension) {
            let is_json = self.spec.json_log.is_some();
            let records: Vec<_> = lines
                .iter()
                .map(|line| TelemetryRecord::line(line.timestamp_ms, RecordSource::Extension, &line.text, is_json))
                .collect();
            // Its own would make it print again.
            self.hub.publish(Some(self.index), &records);
        }
        let lines = lines.into_iter().map(LogLine::from).collect();
        write_lines(&self.logs, &self.spec, &self.log_stream, lines, self.hub.trace());
    }
}

fn written(record: &TelemetryRecord) -> wit::TelemetryRecord {
    wit::TelemetryRecord { time: record.time(), type_: record.kind.to_owned(), record: record.record.to_string() }
}
