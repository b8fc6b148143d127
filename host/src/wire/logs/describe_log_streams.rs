//! `DescribeLogStreams` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html>).

use super::constraints::{invalid, limit};
use super::{LogsApi, answer, group, parse};
use crate::telemetry::logs::LogStream;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;

const STREAMS_LIMIT: usize = 50;
/// Streams of one group that are put in another order than that of their names.
const SORTED_LIMIT: usize = 50_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<OrderBy>,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum OrderBy {
    LogStreamName,
    LastEventTime,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let group = group(api, input.log_group_name, input.log_group_identifier)?;
    let prefix = input.log_stream_name_prefix.unwrap_or_default();
    let by_time = input.order_by == Some(OrderBy::LastEventTime);
    if by_time && !prefix.is_empty() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let limit = limit(input.limit, STREAMS_LIMIT, STREAMS_LIMIT)?;
    let (streams, next) = if by_time || input.descending {
        let start = match &input.next_token {
            None => 0,
            Some(token) => token.parse().map_err(|_| invalid("The specified nextToken is invalid."))?,
        };
        let mut all = api.logs.streams(&group, &prefix, None, SORTED_LIMIT).await?;
        match (by_time, input.descending) {
            (true, false) => all.sort_by_key(|stream| stream.times.map(|times| times.last_event_ms)),
            (true, true) => all.sort_by_key(|stream| Reverse(stream.times.map(|times| times.last_event_ms))),
            (false, _) => all.reverse(),
        }
        let end = limit.saturating_add(start);
        let next = (all.len() > end).then(|| end.to_string());
        (all.into_iter().skip(start).take(limit).collect(), next)
    } else {
        let mut streams =
            api.logs.streams(&group, &prefix, input.next_token.as_deref(), limit.saturating_add(1)).await?;
        let more = streams.len() > limit;
        streams.truncate(limit);
        let next = streams.last().filter(|_| more).map(|last| last.name.clone());
        (streams, next)
    };
    let mut body = Map::new();
    if let Some(next) = next {
        body.insert("nextToken".into(), next.into());
    }
    body.insert("logStreams".into(), streams.iter().map(|stream| shape(api, &group, stream)).collect());
    answer(&body)
}

fn shape(api: &LogsApi, group: &str, stream: &LogStream) -> Value {
    let mut shape = json!({
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": api.home.arn("logs", &format!("log-group:{group}:log-stream:{}", stream.name)),
        "storedBytes": 0,
    });
    if let (Some(times), Some(members)) = (stream.times, shape.as_object_mut()) {
        members.insert("firstEventTimestamp".into(), times.first_event_ms.into());
        members.insert("lastEventTimestamp".into(), times.last_event_ms.into());
        members.insert("lastIngestionTime".into(), times.last_ingestion_ms.into());
    }
    shape
}
