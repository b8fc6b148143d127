//! `ListEventSourceMappings`: in order of ids, a marker being the last id of the page before.

use super::super::codec::{self, Answer, Request};
use super::super::error::WireError;
use super::{settings, view};
use crate::ids::{FunctionRef, Qualifier, Version};
use crate::storage::mappings::MappingRecord;
use crate::triggers::queue::EventSourceMappings;
use http::StatusCode;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Mappings a page at most; without `MaxItems` a page is as long.
const PAGE_LIMIT: usize = 100;

pub(super) fn handle(mappings: &EventSourceMappings, request: &Request) -> Result<Answer, WireError> {
    let asked = |name: &str| request.query(name).filter(|value| !value.is_empty());
    let function = asked("FunctionName").map(|name| FunctionRef::parse(&name)).transpose();
    let function = function.map_err(|error| WireError::validation(format_args!("{error} at 'functionName'")))?;
    let max_items = asked("MaxItems")
        .map(|text| text.parse::<i64>())
        .transpose()
        .map_err(|_| WireError::bad_request("SerializationException", "MaxItems is not a number."))?;
    let max_items = settings::within("maxItems", max_items, 1, 10_000)?;
    let limit = max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(PAGE_LIMIT).min(PAGE_LIMIT);
    let (source, marker) = (asked("EventSourceArn"), asked("Marker"));
    if marker.as_ref().is_some_and(|marker| Uuid::try_parse(marker).is_err()) {
        let message = "The Marker is not one of this list's.";
        return Err(WireError::bad_request("InvalidParameterValueException", message));
    }
    let mut records = mappings.list();
    records.retain(|record| {
        source.as_ref().is_none_or(|source| record.event_source_arn == *source)
            && function.as_ref().is_none_or(|function| is_of(record, function))
            && marker.as_ref().is_none_or(|marker| record.uuid > *marker)
    });
    let more = records.len() > limit;
    records.truncate(limit);
    let mut answer = Map::new();
    if let Some(last) = records.last().filter(|_| more) {
        answer.insert("NextMarker".into(), last.uuid.clone().into());
    }
    let shown = records.iter().map(|record| Value::Object(view::show(mappings.home(), record))).collect();
    answer.insert("EventSourceMappings".into(), Value::Array(shown));
    codec::json(StatusCode::OK, &answer)
}

/// Whether a mapping invokes this function with this qualifier; none and `$LATEST` are the same.
fn is_of(record: &MappingRecord, function: &FunctionRef) -> bool {
    let named = |qualifier: &Option<Qualifier>| {
        qualifier.clone().filter(|qualifier| *qualifier != Qualifier::Version(Version::Latest))
    };
    record.function == function.name && named(&record.qualifier) == named(&function.qualifier)
}
