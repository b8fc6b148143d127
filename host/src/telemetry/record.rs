//! Records of Lambda's Telemetry API, schema 2022-12-13
//! (<https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html>).
//!
//! The schema's members as far as Lamina has what they say; JSON logs use the same records. Durations are milliseconds with three places.

use super::report::{InitPhase, Report, Status};
use crate::ids::Version;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What a record tells of, which is what subscriptions choose by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordSource {
    /// The platform.
    Platform,
    /// What the function printed.
    Function,
    /// What an extension printed.
    Extension,
}

/// One record, written out once for all who get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryRecord {
    /// In milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// Such as `platform.start` or `function`.
    pub kind: &'static str,
    /// JSON text.
    pub record: Arc<str>,
}

impl TelemetryRecord {
    /// A record of the platform's.
    pub fn platform(time_ms: i64, kind: &'static str, record: &Value) -> Self {
        Self { time_ms, kind, record: record.to_string().into() }
    }

    /// A line that a function or an extension printed; where its log is JSON, a line that is an object stays one.
    pub fn line(time_ms: i64, source: RecordSource, line: &[u8], is_json: bool) -> Self {
        let kind = if source == RecordSource::Extension { "extension" } else { "function" };
        let text = String::from_utf8_lossy(line);
        let is_object = is_json
            && text.trim_start().starts_with('{')
            && serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        let record = if is_object { Arc::from(&*text) } else { Value::from(&*text).to_string().into() };
        Self { time_ms, kind, record }
    }

    /// What it tells of.
    pub fn source(&self) -> RecordSource {
        match self.kind {
            "function" => RecordSource::Function,
            "extension" => RecordSource::Extension,
            _ => RecordSource::Platform,
        }
    }

    /// Roughly what it comes to when it is written out.
    pub fn size_bytes(&self) -> usize {
        self.record.len().saturating_add(self.kind.len()).saturating_add(64)
    }

    /// The time as the schema writes it.
    pub fn time(&self) -> String {
        time(self.time_ms)
    }
}

/// `platform.start`.
pub fn start(request_id: Uuid, version: Version, trace_id: Option<&str>) -> Value {
    let mut record = json!({ "requestId": request_id.to_string(), "version": version });
    if let (Some(value), Some(members)) = (trace_id, record.as_object_mut()) {
        members.insert("tracing".into(), json!({ "type": "X-Amzn-Trace-Id", "value": value }));
    }
    record
}

/// `platform.runtimeDone`.
pub fn runtime_done(report: &Report) -> Value {
    let mut record = ended(&report.status, json!({ "durationMs": ms(report.duration) }));
    record.insert("requestId".into(), report.request_id.to_string().into());
    record.into()
}

/// `platform.report`.
pub fn report(report: &Report) -> Value {
    let mut metrics = json!({
        "durationMs": ms(report.duration),
        "billedDurationMs": report.billed_ms(),
        "memorySizeMB": report.memory_size_mb,
        "maxMemoryUsedMB": report.max_memory_used_mb,
    });
    if let (Some(init), Some(members)) = (report.init_duration, metrics.as_object_mut()) {
        members.insert("initDurationMs".into(), ms(init).into());
    }
    if let (Some(restore), Some(members)) = (report.restore_duration, metrics.as_object_mut()) {
        members.insert("restoreDurationMs".into(), ms(restore).into());
        let billed = u64::try_from(restore.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        members.insert("billedRestoreDurationMs".into(), billed.into());
    }
    let mut record = ended(&report.status, metrics);
    record.insert("requestId".into(), report.request_id.to_string().into());
    record.into()
}

/// `platform.initStart`.
///
/// - `initialization`: `on-demand` or `provisioned-concurrency`.
pub fn init_start(initialization: &str, function: &str, version: &str) -> Value {
    json!({
        "initializationType": initialization,
        "phase": "init",
        "runtimeVersion": concat!("lamina:", env!("CARGO_PKG_VERSION")),
        "functionName": function,
        "functionVersion": version,
    })
}

/// `platform.initRuntimeDone`.
pub fn init_runtime_done(initialization: &str, status: &Status) -> Value {
    let mut record = outcome(status);
    record.insert("initializationType".into(), initialization.into());
    record.insert("phase".into(), "init".into());
    record.into()
}

/// `platform.initReport`.
pub fn init_report(initialization: &str, phase: InitPhase, duration: Duration, status: &Status) -> Value {
    let mut record = ended(status, json!({ "durationMs": ms(duration) }));
    record.insert("initializationType".into(), initialization.into());
    let phase = match phase {
        InitPhase::Init => "init",
        InitPhase::Invoke => "invoke",
    };
    record.insert("phase".into(), phase.into());
    record.into()
}

/// `platform.restoreReport`, of a restoration that succeeded.
pub fn restore_report(duration: Duration) -> Value {
    ended(&Status::Success, json!({ "durationMs": ms(duration) })).into()
}

/// `platform.extension`.
pub fn extension(name: &str, state: &str, events: &[&str], error_type: Option<&str>) -> Value {
    let mut record = json!({ "name": name, "state": state, "events": events });
    if let (Some(error_type), Some(members)) = (error_type, record.as_object_mut()) {
        members.insert("errorType".into(), error_type.into());
    }
    record
}

/// `platform.telemetrySubscription`.
pub fn telemetry_subscription(name: &str, types: &[&str]) -> Value {
    json!({ "name": name, "state": "Subscribed", "types": types })
}

/// `platform.logsDropped`.
pub fn logs_dropped(reason: &str, records: u64, bytes: u64) -> Value {
    json!({ "reason": reason, "droppedRecords": records, "droppedBytes": bytes })
}

fn outcome(status: &Status) -> Map<String, Value> {
    let mut record = Map::new();
    let word = match status {
        Status::Success => "success",
        Status::Timeout => "timeout",
        Status::Error(error_type) => {
            record.insert("errorType".into(), error_type.as_ref().into());
            "error"
        }
    };
    record.insert("status".into(), word.into());
    record
}

fn ended(status: &Status, metrics: Value) -> Map<String, Value> {
    let mut record = outcome(status);
    record.insert("metrics".into(), metrics);
    record
}

/// Milliseconds with three places.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

pub(super) fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_text_unless_the_log_is_json_and_they_are_objects() {
        let record =
            |line: &str, is_json| TelemetryRecord::line(0, RecordSource::Function, line.as_bytes(), is_json).record;
        assert_eq!(&*record("a \"b\"", false), r#""a \"b\"""#);
        assert_eq!(&*record(r#"{"a":1}"#, false), r#""{\"a\":1}""#);
        assert_eq!(&*record(r#"{"a":1}"#, true), r#"{"a":1}"#);
        assert_eq!(&*record(r#"{"a":1"#, true), r#""{\"a\":1""#);
    }

    #[test]
    fn records_have_the_schemas_members() {
        let status = Status::Error("Runtime.ExitError".into());
        assert_eq!(
            init_report("on-demand", InitPhase::Init, Duration::from_micros(1_234), &status),
            json!({
                "initializationType": "on-demand", "phase": "init", "status": "error", "errorType": "Runtime.ExitError",
                "metrics": { "durationMs": 1.234 },
            })
        );
        assert_eq!(
            start(Uuid::nil(), Version::Latest, Some("Root=1-2-3")),
            json!({
                "requestId": "00000000-0000-0000-0000-000000000000", "version": "$LATEST",
                "tracing": { "type": "X-Amzn-Trace-Id", "value": "Root=1-2-3" },
            })
        );
        let record = TelemetryRecord::platform(1_700_000_000_123, "platform.logsDropped", &logs_dropped("why", 2, 30));
        assert_eq!(record.time(), "2023-11-14T22:13:20.123Z");
        assert_eq!(&*record.record, r#"{"reason":"why","droppedRecords":2,"droppedBytes":30}"#);
        assert_eq!(record.source(), RecordSource::Platform);
    }
}
