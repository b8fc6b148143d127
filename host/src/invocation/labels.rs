//! How the terms of an invocation appear in metrics. [`crate::telemetry`] stands below this module and cannot know them.

use super::{Source, StartKind, ThrottleReason};
use crate::telemetry::metrics::labels;

impl From<Source> for labels::Source {
    fn from(source: Source) -> Self {
        match source {
            Source::Api => Self::Api,
            Source::Http => Self::Http,
            Source::Schedule => Self::Schedule,
            Source::Queue => Self::Queue,
            Source::Asynchronous => Self::Asynchronous,
        }
    }
}

impl From<StartKind> for labels::Start {
    fn from(start: StartKind) -> Self {
        match start {
            StartKind::Cold => Self::Cold,
            StartKind::Warm => Self::Warm,
            StartKind::Provisioned => Self::Provisioned,
        }
    }
}

impl From<ThrottleReason> for labels::Throttle {
    fn from(reason: ThrottleReason) -> Self {
        match reason {
            ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded => Self::Reserved,
            ThrottleReason::ConcurrentInvocationLimitExceeded => Self::Concurrency,
            ThrottleReason::HostCapacity => Self::HostCapacity,
            ThrottleReason::Overload => Self::Overload,
        }
    }
}
