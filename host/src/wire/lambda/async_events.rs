//! Events that wait for asynchronous invocation or died of it: listed, looked at, redriven, purged. AWS has no operations for these;
//! they are under `/lamina/async-events`, in the manner of Lambda's own.

use super::constraints::{failed, invalid, one_of, query_number};
use super::error::not_found;
use super::{LambdaApi, describe, page, target};
use crate::storage::async_events::{EventSummary, Selection, Standing};
use crate::triggers::asynchronous::Seen;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Events of one answer at most.
const PAGE_ITEMS: u32 = 1_000;

const TIME: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";

pub(super) async fn list(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let selection = selection(api, request)?;
    let limit = query_number(request.query("MaxItems"), "maxItems", 1, 10_000)?.unwrap_or(50).min(PAGE_ITEMS);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let marker = request.query("Marker").filter(|marker| !marker.is_empty());
    let bad_marker = |_| invalid("The Marker is not one of this list's.");
    let after = marker.map(|marker| marker.parse::<i64>().map_err(bad_marker)).transpose()?;
    let mut events = api.asynchronous.list(selection, after, limit.saturating_add(1)).await?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|last| last.event.id.to_string());
    page::answer("Events", events.iter().map(|seen| shape(api, seen).into()).collect(), next)
}

pub(super) async fn get(api: &LambdaApi, id: &str) -> Result<Answer, WireError> {
    let id = request_id(id)?;
    let Seen { event, in_flight } = api.asynchronous.find(id).await?.ok_or_else(|| no_event(id))?;
    let mut members = shape(api, &Seen { event: event.summary, in_flight });
    let document = |text: &[u8]| {
        serde_json::from_slice(text).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(text).into_owned()))
    };
    members.insert("Payload".into(), document(&event.payload));
    if let Some(trace_id) = event.trace_id {
        members.insert("TraceId".into(), trace_id.into());
    }
    if let Some(failure) = event.failure {
        members.insert("LastFailure".into(), document(failure.as_bytes()));
    }
    codec::json(StatusCode::OK, &members)
}

pub(super) async fn redrive_all(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let selection = bounded(api, request)?;
    let redriven = api.asynchronous.redrive(selection).await?;
    codec::json(StatusCode::OK, &json!({ "Redriven": redriven }))
}

pub(super) async fn redrive(api: &LambdaApi, id: &str) -> Result<Answer, WireError> {
    let id = request_id(id)?;
    match api.asynchronous.redrive(Selection { request_id: Some(id), ..Selection::default() }).await? {
        0 => Err(no_event(id)),
        redriven => codec::json(StatusCode::OK, &json!({ "Redriven": redriven })),
    }
}

pub(super) async fn purge_all(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let selection = bounded(api, request)?;
    let purged = api.asynchronous.purge(selection).await?;
    codec::json(StatusCode::OK, &json!({ "Purged": purged }))
}

pub(super) async fn purge(api: &LambdaApi, id: &str) -> Result<Answer, WireError> {
    let id = request_id(id)?;
    match api.asynchronous.purge(Selection { request_id: Some(id), ..Selection::default() }).await? {
        0 if api.asynchronous.find(id).await?.is_some() => Err(WireError::new(
            StatusCode::CONFLICT,
            "ResourceConflictException",
            format!("The event {id} is being delivered."),
        )),
        0 => Err(no_event(id)),
        purged => codec::json(StatusCode::OK, &json!({ "Purged": purged })),
    }
}

/// Which events a request names.
fn selection(api: &LambdaApi, request: &Request) -> Result<Selection, WireError> {
    let function = request.query("FunctionName").filter(|name| !name.is_empty());
    let function = function.map(|name| target::unqualified(target::parse(api.catalog.home(), &name)?)).transpose()?;
    let standing = match request.query("State") {
        None => None,
        Some(state) => {
            one_of(&state, "state", &["Waiting", "Dead"])?;
            Some(if state == "Dead" { Standing::Dead } else { Standing::Waiting })
        }
    };
    Ok(Selection { function, standing, request_id: None })
}

/// As [`selection`], for a change: all functions at once have to be asked for in so many words.
fn bounded(api: &LambdaApi, request: &Request) -> Result<Selection, WireError> {
    let selection = selection(api, request)?;
    if selection.function.is_none() && request.query("All").as_deref() != Some("true") {
        return Err(invalid("Name a function with FunctionName, or ask for all with All=true."));
    }
    Ok(selection)
}

fn request_id(text: &str) -> Result<Uuid, WireError> {
    Uuid::try_parse(text).map_err(|_| failed(text, "requestId", "Member must be a UUID"))
}

fn no_event(id: Uuid) -> WireError {
    not_found(format!("Asynchronous event not found: {id}"))
}

fn shape(api: &LambdaApi, seen: &Seen<EventSummary>) -> Map<String, Value> {
    let Seen { event, in_flight } = seen;
    let target = &event.target;
    let qualifier = target.qualifier.as_ref().map(|qualifier| qualifier as &dyn std::fmt::Display);
    let state = match (event.dead_at_ms, in_flight) {
        (Some(_), _) => "Dead",
        (None, true) => "InFlight",
        (None, false) => "Waiting",
    };
    let time = |ms| Value::from(describe::time(ms, TIME));
    let members = [
        ("RequestId", Some(event.request_id.to_string().into())),
        ("FunctionArn", Some(api.catalog.home().function_arn(&target.name, qualifier).into())),
        ("State", Some(state.into())),
        ("Attempts", Some(event.attempts.into())),
        ("AcceptedAt", Some(time(event.accepted_at_ms))),
        ("NextAttemptAt", event.dead_at_ms.is_none().then(|| time(event.due_at_ms))),
        ("DiedAt", event.dead_at_ms.map(time)),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
