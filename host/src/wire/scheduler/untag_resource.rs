//! `UntagResource` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UntagResource.html>).

use super::constraints::length;
use super::{SchedulerApi, tags};
use crate::wire::codec::{Answer, Request, json, percent_decode};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) async fn handle(api: &SchedulerApi, request: &Request, arn: &str) -> Result<Answer, WireError> {
    let query = request.parts.uri.query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let keys: Vec<String> = pairs.filter(|(name, _)| *name == "TagKeys").map(|(_, key)| percent_decode(key)).collect();
    for key in &keys {
        length(key, "tagKeys.member", 1..=128)?;
    }
    tags::change(api, arn, |tags| tags.retain(|key, _| !keys.contains(key))).await?;
    json(StatusCode::OK, &serde_json::json!({}))
}
