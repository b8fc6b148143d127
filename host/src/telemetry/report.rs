//! The lines Lambda adds to a function's log.
//!
//! Forms as of <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html> and as CloudWatch shows them today:
//! billed duration covers the init phase an invocation waited for (since August 2025), a failed invocation's REPORT ends in
//! its status, a traced one has a second line. Messages carry no line ending; CloudWatch's have one, so who speaks its API adds it.
//!
//! An invocation's lines are kept as values ([`PlatformLine`]) and written out by the log writer, off the invocation's path.

use crate::ids::Version;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A line of the platform's own, not yet written out.
#[derive(Debug, Clone, PartialEq)]
pub enum PlatformLine {
    /// `START RequestId: … Version: …`.
    Start {
        /// The invocation.
        request_id: Uuid,
        /// The version that runs.
        version: Version,
    },
    /// `END RequestId: …`.
    End {
        /// The invocation.
        request_id: Uuid,
    },
    /// `REPORT RequestId: …`.
    Report(Box<Report>),
    /// `<time>Z <request id> Task timed out after 3.00 seconds`.
    TimedOut {
        /// The invocation.
        request_id: Uuid,
        /// When it was cut off.
        at: Timestamp,
        /// The time-out that was set.
        timeout: Duration,
    },
    /// Two lines: `RequestId: … Error: …` and the error's type; printed where the guest ended itself or was ended.
    Fault {
        /// The invocation.
        request_id: Uuid,
        /// Such as `Runtime.ExitError`.
        error_type: Arc<str>,
        /// Such as `Runtime exited with error: exit status 1`.
        error_message: Arc<str>,
    },
    /// `INIT_START Runtime Version: …\tRuntime Version ARN: …`.
    InitStart {
        /// Such as `lamina:0.1.0`.
        runtime_version: Arc<str>,
        /// An ARN of the runtime.
        runtime_version_arn: Arc<str>,
    },
    /// `RESTORE_START Runtime Version: …\tRuntime Version ARN: …`.
    RestoreStart {
        /// Such as `python:3.13.5.lamina.0123456789ab`.
        runtime_version: Arc<str>,
        /// An ARN of the runtime.
        runtime_version_arn: Arc<str>,
    },
    /// `RESTORE_REPORT Restore Duration: … ms`.
    RestoreReport {
        /// How long it took.
        duration: Duration,
    },
    /// `EXTENSION\tName: …\tState: …\tEvents: […]`.
    Extension {
        /// The extension.
        name: Arc<str>,
        /// Such as `Ready`.
        state: &'static str,
        /// What it is told of.
        events: Arc<[&'static str]>,
        /// Such as `Extension.Crash`.
        error_type: Option<&'static str>,
    },
    /// `TELEMETRY\tName: …\tState: Subscribed\tTypes: […]`.
    TelemetrySubscription {
        /// The extension.
        name: Arc<str>,
        /// What it subscribed to.
        types: Arc<[&'static str]>,
    },
    /// `INIT_REPORT Init Duration: … ms\tPhase: …\tStatus: …`; printed where the init phase failed.
    InitReport {
        /// How long it took.
        duration: Duration,
        /// `init`, or `invoke` where the phase was repeated within an invocation.
        phase: InitPhase,
        /// How it ended.
        status: Status,
    },
}

/// When an init phase took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitPhase {
    /// Ahead of the invocation.
    Init,
    /// Within it.
    Invoke,
}

/// How an invocation or an init phase ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Status {
    /// With an answer, the function's own errors included.
    #[default]
    Success,
    /// At its time-out.
    Timeout,
    /// With a fault of the sandbox; the error's type, such as `Runtime.ExitError`.
    Error(Arc<str>),
}

/// What a REPORT line tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The invocation.
    pub request_id: Uuid,
    /// From the call of the guest to its end.
    pub duration: Duration,
    /// The init phase this invocation waited for.
    pub init_duration: Option<Duration>,
    /// The restoration from an image that it waited for, where that is told instead of an init phase.
    pub restore_duration: Option<Duration>,
    /// The function's memory size.
    pub memory_size_mb: u32,
    /// The most memory the environment has used so far, rounded up.
    pub max_memory_used_mb: u32,
    /// How it ended.
    pub status: Status,
    /// Where the invocation is traced.
    pub trace: Option<Trace>,
}

/// The X-Ray part of a REPORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Such as `1-5e34a614-10bdxmplf1fb44f07bc535a1`.
    pub trace_id: Arc<str>,
    /// Sixteen hexadecimal digits.
    pub segment_id: Arc<str>,
    /// Whether the trace is kept.
    pub sampled: bool,
}

impl Report {
    /// What is billed: duration and init phase, in milliseconds, rounded up.
    pub fn billed_ms(&self) -> u64 {
        nanos(self.duration.saturating_add(self.init_duration.unwrap_or_default())).div_ceil(1_000_000)
    }
}

/// Whole nanoseconds, up to five centuries: what is wider is slow to divide and to write, and each invocation does.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration as Lambda prints it: milliseconds with two places.
struct Ms(Duration);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = nanos(self.0).saturating_add(5_000) / 10_000;
        write!(f, "{}.{:02} ms", hundredths / 100, hundredths % 100)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "REPORT RequestId: {}\tDuration: {}\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            self.request_id,
            Ms(self.duration),
            self.billed_ms(),
            self.memory_size_mb,
            self.max_memory_used_mb
        )?;
        if let Some(init) = self.init_duration {
            write!(f, "Init Duration: {}\t", Ms(init))?;
        }
        if let Some(restore) = self.restore_duration {
            let billed_ms = nanos(restore).div_ceil(1_000_000);
            write!(f, "Restore Duration: {}\tBilled Restore Duration: {billed_ms} ms\t", Ms(restore))?;
        }
        // The trailing tab is Lambda's; a status is the last field and has none.
        self.status.fmt(f)?;
        if let Some(trace) = &self.trace {
            let Trace { trace_id, segment_id, sampled } = trace;
            write!(f, "\nXRAY TraceId: {trace_id}\tSegmentId: {segment_id}\tSampled: {sampled}\t")?;
        }
        Ok(())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => Ok(()),
            Self::Timeout => f.write_str("Status: timeout"),
            Self::Error(error_type) => write!(f, "Status: error\tError Type: {error_type}"),
        }
    }
}

impl fmt::Display for PlatformLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { request_id, version } => write!(f, "START RequestId: {request_id} Version: {version}"),
            Self::End { request_id } => write!(f, "END RequestId: {request_id}"),
            Self::Report(report) => report.fmt(f),
            Self::TimedOut { request_id, at, timeout } => {
                // An empty line follows, as in Lambda's.
                writeln!(f, "{at:.3} {request_id} Task timed out after {:.2} seconds", timeout.as_secs_f64())
            }
            Self::Fault { request_id, error_type, error_message } => {
                write!(f, "RequestId: {request_id} Error: {error_message}\n{error_type}")
            }
            Self::InitStart { runtime_version, runtime_version_arn } => {
                write!(f, "INIT_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_version_arn}")
            }
            Self::RestoreStart { runtime_version, runtime_version_arn } => {
                write!(
                    f,
                    "RESTORE_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_version_arn}"
                )
            }
            Self::RestoreReport { duration } => write!(f, "RESTORE_REPORT Restore Duration: {}", Ms(*duration)),
            Self::Extension { name, state, events, error_type } => {
                write!(f, "EXTENSION\tName: {name}\tState: {state}\tEvents: [{}]", events.join(","))?;
                error_type.map_or(Ok(()), |error_type| write!(f, "\tError Type: {error_type}"))
            }
            Self::TelemetrySubscription { name, types } => {
                write!(f, "TELEMETRY\tName: {name}\tState: Subscribed\tTypes: [{}]", types.join(","))
            }
            Self::InitReport { duration, phase, status } => {
                let phase = match phase {
                    InitPhase::Init => "init",
                    InitPhase::Invoke => "invoke",
                };
                write!(f, "INIT_REPORT Init Duration: {}\tPhase: {phase}", Ms(*duration))?;
                match status {
                    Status::Success => Ok(()),
                    failed => write!(f, "\t{failed}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x8f50_7cfc_0000_4697_b07a_ac58_fc91_4c95);

    fn report() -> Report {
        Report {
            request_id: ID,
            duration: Duration::from_micros(1_230),
            init_duration: None,
            restore_duration: None,
            memory_size_mb: 128,
            max_memory_used_mb: 31,
            status: Status::Success,
            trace: None,
        }
    }

    #[test]
    fn a_warm_report() {
        assert_eq!(
            report().to_string(),
            "REPORT RequestId: 8f507cfc-0000-4697-b07a-ac58fc914c95\tDuration: 1.23 ms\tBilled Duration: 2 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 31 MB\t"
        );
    }

    #[test]
    fn a_cold_traced_report_bills_its_init_phase() {
        let report = Report {
            duration: Duration::from_micros(2_370),
            init_duration: Some(Duration::from_micros(423_980)),
            restore_duration: None,
            trace: Some(Trace {
                trace_id: "1-6ac7d554-62c6be2f6c1bd8032dac9acf".into(),
                segment_id: "854892f93105b5ae".into(),
                sampled: true,
            }),
            ..report()
        };
        assert_eq!(
            report.to_string(),
            "REPORT RequestId: 8f507cfc-0000-4697-b07a-ac58fc914c95\tDuration: 2.37 ms\tBilled Duration: 427 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 31 MB\tInit Duration: 423.98 ms\t\n\
             XRAY TraceId: 1-6ac7d554-62c6be2f6c1bd8032dac9acf\tSegmentId: 854892f93105b5ae\tSampled: true\t"
        );
    }

    #[test]
    fn a_failed_report_ends_in_its_status() {
        let ends = |status, end: &str| {
            let text = Report { status, ..report() }.to_string();
            assert!(text.ends_with(end), "{text:?}");
        };
        ends(Status::Timeout, "\tMax Memory Used: 31 MB\tStatus: timeout");
        ends(
            Status::Error("Runtime.ExitError".into()),
            "\tMax Memory Used: 31 MB\tStatus: error\tError Type: Runtime.ExitError",
        );
    }

    #[test]
    fn durations_round() {
        assert_eq!(Ms(Duration::ZERO).to_string(), "0.00 ms");
        assert_eq!(Ms(Duration::from_nanos(4_999)).to_string(), "0.00 ms");
        assert_eq!(Ms(Duration::from_nanos(5_000)).to_string(), "0.01 ms");
        assert_eq!(Ms(Duration::from_secs(900)).to_string(), "900000.00 ms");
        assert_eq!(Ms(Duration::MAX).to_string().split('.').count(), 2);
        assert_eq!(Report { duration: Duration::ZERO, ..report() }.billed_ms(), 0);
        assert_eq!(Report { duration: Duration::from_millis(3_000), ..report() }.billed_ms(), 3_000);
        assert_eq!(Report { duration: Duration::from_nanos(1), ..report() }.billed_ms(), 1);
    }

    #[test]
    fn the_other_lines() {
        let at: Timestamp = "2026-01-29T16:41:15.998765Z".parse().unwrap();
        for (line, text) in [
            (
                PlatformLine::Start { request_id: ID, version: Version::Latest },
                "START RequestId: 8f507cfc-0000-4697-b07a-ac58fc914c95 Version: $LATEST",
            ),
            (PlatformLine::End { request_id: ID }, "END RequestId: 8f507cfc-0000-4697-b07a-ac58fc914c95"),
            (
                PlatformLine::TimedOut { request_id: ID, at, timeout: Duration::from_secs(3) },
                "2026-01-29T16:41:15.998Z 8f507cfc-0000-4697-b07a-ac58fc914c95 Task timed out after 3.00 seconds\n",
            ),
            (
                PlatformLine::Fault {
                    request_id: ID,
                    error_type: "Runtime.ExitError".into(),
                    error_message: "Runtime exited with error: exit status 1".into(),
                },
                "RequestId: 8f507cfc-0000-4697-b07a-ac58fc914c95 Error: Runtime exited with error: exit status 1\n\
                 Runtime.ExitError",
            ),
            (
                PlatformLine::InitStart { runtime_version: "lamina:1".into(), runtime_version_arn: "arn:x".into() },
                "INIT_START Runtime Version: lamina:1\tRuntime Version ARN: arn:x",
            ),
            (
                PlatformLine::Extension {
                    name: "counter".into(),
                    state: "ExitError",
                    events: ["INVOKE", "SHUTDOWN"].into(),
                    error_type: Some("Extension.Crash"),
                },
                "EXTENSION\tName: counter\tState: ExitError\tEvents: [INVOKE,SHUTDOWN]\tError Type: Extension.Crash",
            ),
            (
                PlatformLine::TelemetrySubscription { name: "counter".into(), types: ["Platform", "Function"].into() },
                "TELEMETRY\tName: counter\tState: Subscribed\tTypes: [Platform,Function]",
            ),
            (
                PlatformLine::InitReport {
                    duration: Duration::from_micros(154_030),
                    phase: InitPhase::Init,
                    status: Status::Error("Runtime.ExitError".into()),
                },
                "INIT_REPORT Init Duration: 154.03 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError",
            ),
        ] {
            assert_eq!(line.to_string(), text);
        }
    }
}
