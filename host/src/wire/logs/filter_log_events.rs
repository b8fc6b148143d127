//! `FilterLogEvents` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>).

use super::constraints::{invalid, limit, pattern};
use super::{LogsApi, answer, group, parse, token};
use crate::telemetry::logs::{LogQuery, Order, Streams};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const EVENTS_LIMIT: usize = 10_000;
const STREAMS_LIMIT: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let group = group(api, input.log_group_name, input.log_group_identifier)?;
    let streams = match (input.log_stream_names, input.log_stream_name_prefix) {
        (Some(_), Some(_)) => {
            return Err(invalid("Only one of logStreamNames and logStreamNamePrefix can be given."));
        }
        (Some(names), None) if names.is_empty() || names.len() > STREAMS_LIMIT => {
            return Err(invalid(format!("logStreamNames must have 1 to {STREAMS_LIMIT} members.")));
        }
        (Some(names), None) => Streams::Named(names),
        (None, Some(prefix)) => Streams::Prefix(prefix),
        (None, None) => Streams::All,
    };
    let pattern = pattern(input.filter_pattern.as_deref().unwrap_or_default())?;
    let cursor = match input.next_token.as_deref().map(token::read).transpose()? {
        Some((Order::NewestFirst, _)) => return Err(invalid("The specified nextToken is invalid.")),
        Some((Order::OldestFirst, event)) => Some(event),
        None => None,
    };
    let query = LogQuery {
        streams,
        from_ms: input.start_time,
        // The end is included here, and not in the query.
        until_ms: input.end_time.map(|end| end.saturating_add(1)),
        cursor,
        contains: pattern.contained().map(str::to_owned),
        pattern: (!pattern.matches_all()).then(|| pattern.into()),
        limit: limit(input.limit, EVENTS_LIMIT, EVENTS_LIMIT)?,
        ..LogQuery::of(group)
    };
    let page = api.logs.query(query).await?;
    let events: Vec<Value> = page
        .events
        .iter()
        .map(|event| {
            json!({
                "logStreamName": event.stream,
                "timestamp": event.timestamp_ms,
                "message": event.text(),
                "ingestionTime": event.ingestion_ms,
                "eventId": event.id.to_raw().to_string(),
            })
        })
        .collect();
    let mut body = Map::new();
    body.insert("events".into(), events.into());
    body.insert("searchedLogStreams".into(), json!([]));
    if !page.done {
        body.insert("nextToken".into(), token::write(Order::OldestFirst, page.next).into());
    }
    answer(&body)
}
