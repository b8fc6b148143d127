//! `StartLiveTail` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html>).

use super::constraints::{invalid, pattern};
use super::{LogsApi, group, parse, required};
use crate::clock::SharedClock;
use crate::telemetry::logs::{LogEvent, Watch};
use crate::telemetry::metrics::TailMetrics;
use crate::wire::codec::{Answer, AnswerBody, Request};
use crate::wire::error::WireError;
use crate::wire::event_stream;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderValue, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use lamina_log_patterns::Pattern;
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// Sessions at a time (CloudWatch Logs' quota).
pub(super) const SESSIONS_LIMIT: usize = 15;

const GROUPS_LIMIT: usize = 10;
const STREAMS_LIMIT: usize = 100;

/// One update holds what came in that long, and at most so many events.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
const UPDATE_LIMIT: usize = 500;

const SESSION_LIMIT: Duration = Duration::from_secs(3 * 3600);

const JSON: &str = "application/json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_identifiers: Option<Vec<String>>,
    #[serde(default)]
    log_stream_names: Vec<String>,
    #[serde(default)]
    log_stream_name_prefixes: Vec<String>,
    log_event_filter_pattern: Option<String>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let identifiers = required("logGroupIdentifiers", input.log_group_identifiers)?;
    if identifiers.is_empty() || identifiers.len() > GROUPS_LIMIT {
        return Err(invalid(format!("logGroupIdentifiers must have 1 to {GROUPS_LIMIT} members.")));
    }
    let (names, prefixes) = (input.log_stream_names, input.log_stream_name_prefixes);
    if names.len() > STREAMS_LIMIT || prefixes.len() > STREAMS_LIMIT {
        return Err(invalid(format!("At most {STREAMS_LIMIT} log streams or prefixes can be given.")));
    }
    if !names.is_empty() && !prefixes.is_empty() {
        return Err(invalid("Only one of logStreamNames and logStreamNamePrefixes can be given."));
    }
    if identifiers.len() > 1 && !(names.is_empty() && prefixes.is_empty()) {
        return Err(invalid("Log streams can be given for a single log group only."));
    }
    let pattern_text = input.log_event_filter_pattern.unwrap_or_default();
    let pattern = pattern(&pattern_text)?;
    let mut groups = Vec::with_capacity(identifiers.len());
    for identifier in &identifiers {
        let name = group(api, None, Some(identifier.clone()))?;
        api.logs.group(&name).await?;
        groups.push(Arc::from(name));
    }
    let permit = Arc::clone(&api.tails).try_acquire_owned().map_err(|_| {
        WireError::bad_request(
            "LimitExceededException",
            format!("{SESSIONS_LIMIT} live tail sessions are open; no more can be."),
        )
    })?;
    let start = json!({
        "requestId": request.parts.extensions.get::<uuid::Uuid>().map(ToString::to_string),
        "sessionId": uuid::Uuid::new_v4().to_string(),
        "logGroupIdentifiers": identifiers,
        "logStreamNames": names,
        "logStreamNamePrefixes": prefixes,
        "logEventFilterPattern": pattern_text,
    });
    let session = Session {
        watch: api.logs.watch(groups),
        names,
        prefixes,
        pattern,
        account: api.home.account.to_string(),
        clock: Arc::clone(&api.clock),
        ends_ms: api.clock.now_ms().saturating_add(i64::try_from(SESSION_LIMIT.as_millis()).unwrap_or(i64::MAX)),
        stop: api.stop.clone(),
        open: Open::new(api.tails_seen.clone()),
        _permit: permit,
    };
    let opening = [event("initial-response", b"{}"), event("sessionStart", start.to_string().as_bytes())];
    let updates = stream::unfold(Some(session), Session::next);
    let frames = stream::iter(opening).chain(updates).map(|message| Ok::<_, Infallible>(Frame::data(message)));
    let body = StreamBody::new(frames).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Answer::new(AnswerBody::Streamed(body));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(event_stream::CONTENT_TYPE));
    Ok(answer)
}

fn event(event_type: &str, payload: &[u8]) -> Bytes {
    event_stream::event(event_type, JSON, payload)
}

/// One client's session. What it does not read in time is left out, and the next update says `sampled`.
struct Session {
    watch: Watch,
    names: Vec<String>,
    prefixes: Vec<String>,
    pattern: Pattern,
    account: String,
    clock: SharedClock,
    ends_ms: i64,
    stop: CancellationToken,
    open: Open,
    _permit: OwnedSemaphorePermit,
}

/// An open session, counted until dropped.
struct Open(TailMetrics);

impl Open {
    fn new(metrics: TailMetrics) -> Self {
        metrics.sessions.inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.sessions.dec();
    }
}

impl Session {
    /// The next message; `None` after the last.
    async fn next(session: Option<Self>) -> Option<(Bytes, Option<Self>)> {
        let mut session = session?;
        if session.clock.now_ms() >= session.ends_ms {
            let text = json!({ "message": "The session has reached its limit of 3 hours." }).to_string();
            return Some((event_stream::exception("SessionTimeoutException", JSON, text.as_bytes()), None));
        }
        let (mut results, mut left_out) = (Vec::new(), 0_u64);
        let clock = Arc::clone(&session.clock);
        let due = clock.sleep(UPDATE_EVERY);
        tokio::pin!(due);
        loop {
            let written = tokio::select! {
                biased;
                () = session.stop.cancelled() => return None,
                () = &mut due => break,
                written = session.watch.next() => written?,
            };
            left_out = left_out.saturating_add(written.left_out);
            for event in written.events.iter().filter(|event| session.wants(event)) {
                if results.len() < UPDATE_LIMIT {
                    results.push(session.shape(&written.group, event));
                } else {
                    left_out = left_out.saturating_add(1);
                }
            }
        }
        left_out = left_out.saturating_add(session.watch.take_skipped());
        session.open.0.sent.inc_by(results.len() as u64);
        session.open.0.left_out.inc_by(left_out);
        let update = json!({ "sessionMetadata": { "sampled": left_out > 0 }, "sessionResults": results });
        Some((event("sessionUpdate", update.to_string().as_bytes()), Some(session)))
    }

    fn wants(&self, event: &LogEvent) -> bool {
        let named = self.names.is_empty() || self.names.iter().any(|name| **name == *event.stream);
        let prefixed =
            self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| event.stream.starts_with(prefix.as_str()));
        named && prefixed && self.pattern.matches(&event.message)
    }

    fn shape(&self, group: &str, event: &LogEvent) -> Value {
        json!({
            "logStreamName": event.stream,
            "logGroupIdentifier": format!("{}:{group}", self.account),
            "message": event.text(),
            "timestamp": event.timestamp_ms,
            "ingestionTime": event.ingestion_ms,
        })
    }
}
