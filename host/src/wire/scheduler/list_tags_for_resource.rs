//! `ListTagsForResource` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListTagsForResource.html>).

use super::{SchedulerApi, tags};
use crate::wire::codec::{Answer, json};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) async fn handle(api: &SchedulerApi, arn: &str) -> Result<Answer, WireError> {
    let group = tags::group(api, arn).await?;
    json(StatusCode::OK, &serde_json::json!({"Tags": tags::written(&group.tags)}))
}
