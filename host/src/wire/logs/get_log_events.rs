//! `GetLogEvents` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html>).

use super::constraints::{invalid, limit};
use super::{LogsApi, answer, group, parse, stream_not_found, token};
use crate::telemetry::logs::{EventId, LogQuery, Order, Streams};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Value, json};

const EVENTS_LIMIT: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<i64>,
    #[serde(default)]
    start_from_head: bool,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let group = group(api, input.log_group_name, input.log_group_identifier)?;
    let stream = input.log_stream_name.filter(|name| !name.is_empty());
    let stream = stream.ok_or_else(|| invalid("logStreamName is required."))?;
    // A stream's own name is the first of those that start with it.
    let known = api.logs.streams(&group, &stream, None, 1).await?;
    if known.first().is_none_or(|known| known.name != stream) {
        return Err(stream_not_found());
    }
    let (order, cursor) = match input.next_token.as_deref().map(token::read).transpose()? {
        Some((order, event)) => (order, Some(event)),
        None if input.start_from_head => (Order::OldestFirst, None),
        None => (Order::NewestFirst, None),
    };
    let query = LogQuery {
        streams: Streams::Named(vec![stream]),
        from_ms: input.start_time,
        until_ms: input.end_time,
        cursor,
        order,
        limit: limit(input.limit, EVENTS_LIMIT, EVENTS_LIMIT)?,
        ..LogQuery::of(group)
    };
    let mut page = api.logs.query(query).await?;
    // Whatever the direction, a page is in order of time.
    if order == Order::NewestFirst {
        page.events.reverse();
    }
    let first = page.events.first().map(|event| event.id);
    let last = page.events.last().map(|event| event.id);
    // Where nothing was found, reading goes on from where it got to, and back to where it came from.
    let (forward, backward) = match order {
        Order::OldestFirst => (last.unwrap_or(page.next), first.or(cursor).unwrap_or(EventId::FIRST)),
        Order::NewestFirst => (last.or(cursor).unwrap_or(page.next), first.unwrap_or(page.next)),
    };
    let events: Vec<Value> = page
        .events
        .iter()
        .map(|event| {
            json!({
                "timestamp": event.timestamp_ms,
                "message": event.text(),
                "ingestionTime": event.ingestion_ms,
            })
        })
        .collect();
    answer(&json!({
        "events": events,
        "nextForwardToken": token::write(Order::OldestFirst, forward),
        "nextBackwardToken": token::write(Order::NewestFirst, backward),
    }))
}
