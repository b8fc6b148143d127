//! `UntagResource` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagResource.html>).

use super::{LogsApi, done, group_of_arn, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = group_of_arn(api, required("resourceArn", input.resource_arn)?)?;
    let keys = required("tagKeys", input.tag_keys)?;
    api.logs.change_tags(name, BTreeMap::new(), keys).await?;
    Ok(done())
}
