//! What every invocation leaves behind: its log lines and its counts, in one place.

use super::{FunctionError, Source, StartKind, failure};
use crate::catalog::Target;
use crate::sandbox::extensions::Extensions;
use crate::sandbox::pool::InitStart;
use crate::telemetry::capture::{CapturedLine, TAIL_BYTES};
use crate::telemetry::json_log::JsonLog;
use crate::telemetry::logs::{LineText, LogBatch, LogLine, LogStore};
use crate::telemetry::report::{InitPhase, PlatformLine, Report, Status};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// One finished invocation.
pub(super) struct Record<'a> {
    pub(super) target: &'a Target,
    pub(super) request_id: Uuid,
    pub(super) source: Source,
    pub(super) trace_id: Option<&'a Arc<str>>,
    pub(super) start: StartKind,
    pub(super) log_stream: Arc<str>,
    pub(super) started_ms: i64,
    pub(super) ended_ms: i64,
    pub(super) duration: Duration,
    pub(super) init_duration: Option<Duration>,
    pub(super) peak_memory_bytes: u64,
    pub(super) init_start: Option<(i64, InitStart)>,
    /// Whether the init phase is told as a restoration from an image.
    pub(super) is_restored: bool,
    /// How long the environment took to come about.
    pub(super) environment_init: Duration,
    pub(super) lines: Vec<CapturedLine>,
    pub(super) error: Option<&'a FunctionError>,
    pub(super) extensions: Option<&'a Extensions>,
}

impl Record<'_> {
    /// Counts the invocation and hands its lines to the log. With `tail`, answers the last 4 kB of them as text.
    pub(super) fn write(self, logs: &LogStore, tail: bool) -> Option<Vec<u8>> {
        let series = &self.target.series;
        series.observe(self.source.into(), self.start.into(), self.duration, self.init_duration);
        if let Some(error) = self.error {
            series.function().error(&error.error_type);
        }
        let version = &self.target.version;
        let (request_id, timeout) = (self.request_id, version.limits.wall);
        let status = failure::status(self.error);
        let report = Report {
            request_id,
            duration: self.duration,
            init_duration: self.init_duration.filter(|_| !self.is_restored),
            restore_duration: self.init_duration.filter(|_| self.is_restored),
            memory_size_mb: version.record.configuration.memory_size_mb,
            max_memory_used_mb: u32::try_from(self.peak_memory_bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX),
            status,
            trace: None,
        };
        if let Some(extensions) = self.extensions {
            extensions.report(&self.lines, version.json_log, self.ended_ms, &report);
        }
        let mut lines = Vec::with_capacity(self.lines.len() + 6);
        let line = |ms, line| LogLine::platform(ms, line);
        match self.init_start {
            Some((ms, InitStart { runtime_version, runtime_version_arn })) if self.is_restored => {
                lines.push(line(ms, PlatformLine::RestoreStart { runtime_version, runtime_version_arn }));
                lines.push(line(ms, PlatformLine::RestoreReport { duration: self.environment_init }));
            }
            init_start => lines.extend(init_start.map(init_start_line)),
        }
        lines.push(line(self.started_ms, PlatformLine::Start { request_id, version: version.record.version }));
        lines.extend(self.lines.into_iter().map(LogLine::from));
        if let Some(error) = self.error.filter(|error| !error.handled) {
            lines.push(match report.status {
                Status::Timeout => {
                    let at = jiff::Timestamp::from_millisecond(self.ended_ms).unwrap_or_default();
                    line(self.ended_ms, PlatformLine::TimedOut { request_id, at, timeout })
                }
                _ => {
                    let prefix = format!("RequestId: {request_id} Error: ");
                    let message = error.error_message.strip_prefix(&prefix).unwrap_or(&error.error_message);
                    line(
                        self.ended_ms,
                        PlatformLine::Fault {
                            request_id,
                            error_type: error.error_type.as_str().into(),
                            error_message: message.into(),
                        },
                    )
                }
            });
        }
        lines.push(line(self.ended_ms, PlatformLine::End { request_id }));
        lines.push(line(self.ended_ms, PlatformLine::Report(Box::new(report))));
        let lines = written(version.json_log, lines);
        let tail = tail.then(|| tail_of(&lines));
        let group = Arc::clone(&version.log_group);
        logs.write(LogBatch { group, stream: self.log_stream, lines, trace: self.trace_id.cloned() });
        tail
    }
}

/// The first line of an environment's log.
pub(super) fn init_start_line((ms, InitStart { runtime_version, runtime_version_arn }): (i64, InitStart)) -> LogLine {
    LogLine::platform(ms, PlatformLine::InitStart { runtime_version, runtime_version_arn })
}

/// The lines in the format that the function asked for.
pub(super) fn written(format: Option<JsonLog>, lines: Vec<LogLine>) -> Vec<LogLine> {
    match format {
        Some(json) => json.lines(lines),
        None => lines,
    }
}

/// The end of a log, as `LogType=Tail` answers it.
fn tail_of(lines: &[LogLine]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        match &line.text {
            LineText::Guest(bytes) => text.extend_from_slice(bytes),
            LineText::Platform(line) => text.extend_from_slice(line.to_string().as_bytes()),
        }
        text.push(b'\n');
    }
    let excess = text.len().saturating_sub(TAIL_BYTES);
    text.drain(..excess);
    text
}

/// An init phase that failed.
pub(super) struct FailedInit {
    pub(super) duration: Duration,
    pub(super) printed: Vec<CapturedLine>,
    pub(super) init_start: Option<(i64, InitStart)>,
}

/// What a failed init phase wrote, and that it failed.
pub(super) fn write_failed_init(
    logs: &LogStore,
    target: &Target,
    (stream, trace): (Arc<str>, Option<Arc<str>>),
    now_ms: i64,
    failure: FailedInit,
    status: Status,
) {
    let FailedInit { duration, printed, init_start } = failure;
    let mut lines: Vec<_> = init_start.map(init_start_line).into_iter().collect();
    lines.extend(printed.into_iter().map(LogLine::from));
    lines.push(LogLine::platform(now_ms, PlatformLine::InitReport { duration, phase: InitPhase::Init, status }));
    let lines = written(target.version.json_log, lines);
    logs.write(LogBatch { group: Arc::clone(&target.version.log_group), stream, lines, trace });
}
