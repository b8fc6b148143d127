//! `ListTagsForResource` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html>).

use super::{LogsApi, answer, group_of_arn, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    resource_arn: Option<String>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = group_of_arn(api, required("resourceArn", input.resource_arn)?)?;
    answer(&json!({ "tags": api.logs.group(&name).await?.tags }))
}
