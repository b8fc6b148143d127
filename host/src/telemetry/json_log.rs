//! Logs in JSON, as `LoggingConfig.LogFormat` `JSON` asks for them
//! (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>).
//!
//! The platform's lines become records of the Telemetry API's schema (`platform.start`, `platform.report` …), as far as the system log
//! level lets them through. A function writes its own lines: those that are JSON objects with a `level` are held back below the application
//! log level, all others stay as they are.

use super::logs::{LineText, LogLine};
use super::record::{self, time};
use super::report::{PlatformLine, Status};
use bytes::Bytes;
use serde_json::{Value, json};

/// Levels of a function's own lines, the least important first.
pub const APPLICATION_LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// Levels of the platform's lines, the least important first.
pub const SYSTEM_LEVELS: [&str; 3] = ["DEBUG", "INFO", "WARN"];

/// Which lines of a function are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLog {
    /// Index into [`APPLICATION_LEVELS`].
    application: usize,
    /// Index into [`SYSTEM_LEVELS`].
    system: usize,
}

const DEBUG: usize = 0;
const INFO: usize = 1;
const WARN: usize = 2;

impl JsonLog {
    /// With levels by their names; what is no level's name counts as `INFO`.
    pub fn new(application: &str, system: &str) -> Self {
        let place =
            |levels: &[&str], name: &str, default| levels.iter().position(|level| *level == name).unwrap_or(default);
        Self { application: place(&APPLICATION_LEVELS, application, 2), system: place(&SYSTEM_LEVELS, system, INFO) }
    }

    /// Whether a line of the function is kept.
    pub fn keeps(&self, line: &[u8]) -> bool {
        if line.trim_ascii_start().first() != Some(&b'{') {
            return true;
        }
        #[derive(serde::Deserialize)]
        struct Leveled {
            level: String,
        }
        let Ok(Leveled { level }) = serde_json::from_slice(line) else { return true };
        let level = APPLICATION_LEVELS.iter().position(|known| level.eq_ignore_ascii_case(known));
        level.is_none_or(|level| level >= self.application)
    }

    /// Lines in this format.
    pub fn lines(&self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let mut written = Vec::with_capacity(lines.len());
        for LogLine { timestamp_ms, text } in lines {
            match text {
                LineText::Guest(bytes) if !self.keeps(&bytes) => {}
                LineText::Guest(bytes) => written.push(LogLine { timestamp_ms, text: LineText::Guest(bytes) }),
                LineText::Platform(line) => {
                    let records = self.records(timestamp_ms, &line).into_iter();
                    written.extend(records.map(|record| LogLine { timestamp_ms, text: LineText::Guest(record) }));
                }
            }
        }
        written
    }

    /// What a line of the platform's becomes: no record, one, or two.
    pub fn records(&self, at_ms: i64, line: &PlatformLine) -> Vec<Bytes> {
        let mut records = Vec::new();
        let mut add = |level: usize, kind: &str, record: Value| {
            if level >= self.system {
                let record = json!({ "time": time(at_ms), "type": format!("platform.{kind}"), "record": record });
                records.push(Bytes::from(record.to_string()));
            }
        };
        match line {
            PlatformLine::Start { request_id, version } => {
                add(INFO, "start", record::start(*request_id, *version, None))
            }
            // What it says is in the two records of the report.
            PlatformLine::End { .. } => {}
            PlatformLine::Report(report) => {
                let failed = report.status != Status::Success;
                add(if failed { WARN } else { DEBUG }, "runtimeDone", record::runtime_done(report));
                add(if failed { WARN } else { INFO }, "report", record::report(report));
            }
            PlatformLine::TimedOut { request_id, timeout, .. } => {
                let message = format!("Task timed out after {:.2} seconds", timeout.as_secs_f64());
                records.push(fault(at_ms, &request_id.to_string(), "Sandbox.Timedout", &message));
            }
            PlatformLine::Fault { request_id, error_type, error_message } => {
                records.push(fault(at_ms, &request_id.to_string(), error_type, error_message));
            }
            PlatformLine::InitStart { runtime_version, runtime_version_arn } => {
                let record = json!({
                    "initializationType": "on-demand",
                    "phase": "init",
                    "runtimeVersion": runtime_version,
                    "runtimeVersionArn": runtime_version_arn,
                });
                add(INFO, "initStart", record);
            }
            PlatformLine::RestoreStart { runtime_version, runtime_version_arn } => {
                let record = json!({ "runtimeVersion": runtime_version, "runtimeVersionArn": runtime_version_arn });
                add(INFO, "restoreStart", record);
            }
            PlatformLine::RestoreReport { duration } => add(INFO, "restoreReport", record::restore_report(*duration)),
            PlatformLine::InitReport { duration, phase, status } => {
                let record = record::init_report("on-demand", *phase, *duration, status);
                add(if *status == Status::Success { INFO } else { WARN }, "initReport", record);
            }
            PlatformLine::Extension { name, state, events, error_type } => {
                let level = if error_type.is_some() { WARN } else { INFO };
                add(level, "extension", record::extension(name, state, events, *error_type));
            }
            PlatformLine::TelemetrySubscription { name, types } => {
                add(INFO, "telemetrySubscription", record::telemetry_subscription(name, types));
            }
        }
        records
    }
}

/// An error of the guest's, as a runtime writes it; no level holds it back.
fn fault(at_ms: i64, request_id: &str, error_type: &str, message: &str) -> Bytes {
    let record = json!({
        "timestamp": time(at_ms),
        "level": "ERROR",
        "requestId": request_id,
        "errorType": error_type,
        "errorMessage": message,
    });
    Bytes::from(record.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::*;
    use crate::ids::Version;
    use std::time::Duration;
    use uuid::Uuid;

    fn report(status: Status) -> PlatformLine {
        PlatformLine::Report(Box::new(Report {
            request_id: Uuid::nil(),
            duration: Duration::from_micros(1_230),
            init_duration: Some(Duration::from_millis(2)),
            restore_duration: None,
            memory_size_mb: 128,
            max_memory_used_mb: 31,
            status,
            trace: None,
        }))
    }

    fn types(log: JsonLog, line: &PlatformLine) -> Vec<String> {
        let records = log.records(0, line);
        let parse = |record: &Bytes| serde_json::from_slice::<Value>(record).unwrap();
        records.iter().map(|record| parse(record)["type"].as_str().unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn a_report_has_lambdas_members() {
        let records = JsonLog::new("INFO", "INFO").records(1_700_000_000_123, &report(Status::Success));
        let record: Value = serde_json::from_slice(&records[0]).unwrap();
        assert_eq!(
            record,
            json!({
                "time": "2023-11-14T22:13:20.123Z",
                "type": "platform.report",
                "record": {
                    "requestId": "00000000-0000-0000-0000-000000000000",
                    "status": "success",
                    "metrics": {
                        "durationMs": 1.23, "billedDurationMs": 4, "initDurationMs": 2.0, "memorySizeMB": 128, "maxMemoryUsedMB": 31
                    },
                },
            })
        );
    }

    #[test]
    fn system_levels_let_through_what_they_should() {
        let start = PlatformLine::Start { request_id: Uuid::nil(), version: Version::Latest };
        let failed = report(Status::Error("Runtime.ExitError".into()));
        let log = |level| JsonLog::new("INFO", level);
        assert_eq!(types(log("DEBUG"), &report(Status::Success)), ["platform.runtimeDone", "platform.report"]);
        assert_eq!(types(log("INFO"), &report(Status::Success)), ["platform.report"]);
        assert_eq!(types(log("WARN"), &report(Status::Success)), Vec::<String>::new());
        assert_eq!(types(log("WARN"), &failed), ["platform.runtimeDone", "platform.report"]);
        assert_eq!(types(log("INFO"), &start), ["platform.start"]);
        assert_eq!(types(log("WARN"), &start), Vec::<String>::new());
    }

    #[test]
    fn only_json_lines_with_a_low_level_are_held_back() {
        let log = JsonLog::new("WARN", "INFO");
        for kept in ["text", "", r#"{"level":"WARN"}"#, r#"{"level":"fatal"}"#, r#"{"level":"odd"}"#, r#"{"a":1}"#, "{"]
        {
            assert!(log.keeps(kept.as_bytes()), "{kept}");
        }
        for dropped in [r#"{"level":"INFO","message":"x"}"#, r#" {"level":"debug"}"#] {
            assert!(!log.keeps(dropped.as_bytes()), "{dropped}");
        }
    }
}
