//! `PutLogEvents` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>).

use super::constraints::{check_group_name, check_stream_name, invalid};
use super::{LogsApi, answer, parse, required};
use crate::invocation::lineage;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, json};
use std::iter;
use std::sync::Arc;

/// Bytes of all messages, with [`EVENT_OVERHEAD_BYTES`] for each.
const BATCH_LIMIT_BYTES: usize = 1_048_576;
const EVENT_OVERHEAD_BYTES: usize = 26;
const EVENTS_LIMIT: usize = 10_000;

const HOUR_MS: i64 = 3_600_000;
const SPAN_LIMIT_MS: i64 = 24 * HOUR_MS;
const OLDEST_MS: i64 = 14 * 24 * HOUR_MS;
const NEWEST_MS: i64 = 2 * HOUR_MS;

/// Tokens are no longer looked at, nor do streams have one; clients of old want to see some.
const SEQUENCE_TOKEN: &str = "49000000000000000000000000000000000000000000000000000000";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
    log_events: Option<Vec<Event>>,
}

#[derive(Deserialize)]
struct Event {
    timestamp: Option<i64>,
    message: Option<String>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &name)?;
    let stream = required("logStreamName", input.log_stream_name)?;
    check_stream_name("logStreamName", &stream)?;
    let mut events = checked(required("logEvents", input.log_events)?)?;
    let group = api.logs.group(&name).await?;
    let now_ms = api.clock.now_ms();
    let retention_ms =
        group.retention_hours.filter(|hours| *hours > 0).map(|hours| i64::from(hours).saturating_mul(HOUR_MS));
    // The batch is in order of time, so what is refused is its start and its end.
    let before = |age_ms: i64| {
        let limit = now_ms.saturating_sub(age_ms);
        events.iter().take_while(|(timestamp_ms, _)| *timestamp_ms < limit).count()
    };
    let too_old = before(OLDEST_MS);
    let expired = retention_ms.map_or(0, before);
    let newest = now_ms.saturating_add(NEWEST_MS);
    let too_new = events.iter().take_while(|(timestamp_ms, _)| *timestamp_ms <= newest).count();
    let mut rejected = Map::new();
    if too_new < events.len() {
        rejected.insert("tooNewLogEventStartIndex".into(), too_new.into());
    }
    if too_old > 0 {
        rejected.insert("tooOldLogEventEndIndex".into(), too_old.into());
    }
    if expired > 0 {
        rejected.insert("expiredLogEventEndIndex".into(), expired.into());
    }
    events.truncate(too_new);
    events.drain(..too_old.max(expired).min(events.len()));
    // Of a function's chain of invocations, for its loops to be seen.
    let trace = request.header("x-amzn-trace-id").and_then(|header| lineage::merged(iter::once(header)));
    let trace = trace.map(Arc::from);
    api.logs.put(name, stream, events, trace).await?;
    let mut body = json!({ "nextSequenceToken": SEQUENCE_TOKEN });
    if let (false, Some(members)) = (rejected.is_empty(), body.as_object_mut()) {
        members.insert("rejectedLogEventsInfo".into(), rejected.into());
    }
    answer(&body)
}

/// Timestamps and messages, once they keep to what holds for a batch as a whole.
fn checked(events: Vec<Event>) -> Result<Vec<(i64, String)>, WireError> {
    if events.is_empty() || events.len() > EVENTS_LIMIT {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and {EVENTS_LIMIT}"
        )));
    }
    let mut checked = Vec::with_capacity(events.len());
    let mut size = 0_usize;
    for event in events {
        let message = required("message", event.message)?;
        let timestamp_ms = required("timestamp", event.timestamp)?;
        if message.is_empty() || timestamp_ms < 0 {
            return Err(invalid(
                "1 validation error detected: a log event needs a message and a timestamp that is not negative.",
            ));
        }
        let size_bytes = message.len().saturating_add(EVENT_OVERHEAD_BYTES);
        if size_bytes > BATCH_LIMIT_BYTES {
            return Err(invalid(format!(
                "Log event too large: {size_bytes} bytes exceeds limit of {BATCH_LIMIT_BYTES}"
            )));
        }
        size = size.saturating_add(size_bytes);
        checked.push((timestamp_ms, message));
    }
    if size > BATCH_LIMIT_BYTES {
        return Err(invalid(format!("Upload too large: {size} bytes exceeds limit of {BATCH_LIMIT_BYTES}")));
    }
    if !checked.is_sorted_by_key(|(timestamp_ms, _)| *timestamp_ms) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    let span_ms = match (checked.first(), checked.last()) {
        (Some((first, _)), Some((last, _))) => last.saturating_sub(*first),
        _ => 0,
    };
    if span_ms > SPAN_LIMIT_MS {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(checked)
}
