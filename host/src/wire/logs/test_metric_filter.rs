//! `TestMetricFilter` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TestMetricFilter.html>).

use super::constraints::{invalid, pattern};
use super::{answer, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const MESSAGES_LIMIT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    filter_pattern: Option<String>,
    log_event_messages: Option<Vec<String>>,
}

pub(super) async fn handle(request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let pattern = pattern(&required("filterPattern", input.filter_pattern)?)?;
    let messages = required("logEventMessages", input.log_event_messages)?;
    if messages.is_empty() || messages.len() > MESSAGES_LIMIT {
        return Err(invalid(format!("logEventMessages must have 1 to {MESSAGES_LIMIT} members.")));
    }
    let matches: Vec<Value> = messages
        .iter()
        .zip(1_u32..)
        .filter_map(|(message, number)| {
            let extracted: Map<String, Value> =
                pattern.extract(message)?.into_iter().map(|(name, value)| (name, value.into())).collect();
            Some(json!({ "eventNumber": number, "eventMessage": message, "extractedValues": extracted }))
        })
        .collect();
    answer(&json!({ "matches": matches }))
}
