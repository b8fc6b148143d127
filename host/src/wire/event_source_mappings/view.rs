//! A mapping as Lambda's API shows it.

use super::super::codec::{self, Answer};
use super::super::error::WireError;
use crate::ids::Home;
use crate::storage::mappings::{FunctionResponseType, MappingRecord};
use http::StatusCode;
use serde_json::{Map, Value, json};

pub(super) fn answer(status: StatusCode, home: &Home, record: &MappingRecord) -> Result<Answer, WireError> {
    codec::json(status, &show(home, record))
}

pub(super) fn show(home: &Home, record: &MappingRecord) -> Map<String, Value> {
    let qualifier = record.qualifier.as_ref().map(|qualifier| qualifier as &dyn std::fmt::Display);
    let response_types: Vec<&str> = record
        .function_response_types
        .iter()
        .map(|kind| match kind {
            FunctionResponseType::ReportBatchItemFailures => "ReportBatchItemFailures",
        })
        .collect();
    let mut shown = record.echoed.clone();
    let mut set = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    set("UUID", record.uuid.clone().into());
    set("BatchSize", record.batch_size.into());
    set("MaximumBatchingWindowInSeconds", record.batching_window_s.into());
    set("EventSourceArn", record.event_source_arn.clone().into());
    set("EventSourceMappingArn", home.arn("lambda", &format!("event-source-mapping:{}", record.uuid)).into());
    set("FunctionArn", home.function_arn(&record.function, qualifier).into());
    set("FunctionResponseTypes", response_types.into());
    set("LastModified", seconds(record.modified_at_ms));
    set("State", format!("{:?}", record.state).into());
    set("StateTransitionReason", record.state_reason.clone().into());
    if !record.filters.is_empty() {
        let filters: Vec<_> = record.filters.iter().map(|pattern| json!({ "Pattern": pattern })).collect();
        set("FilterCriteria", json!({ "Filters": filters }));
    }
    if let Some(concurrency) = record.maximum_concurrency {
        set("ScalingConfig", json!({ "MaximumConcurrency": concurrency }));
    }
    shown
}

/// A time as seconds with a fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of our times are exact in a double until the year 287396")]
fn seconds(at_ms: i64) -> Value {
    (at_ms as f64 / 1000.0).into()
}
