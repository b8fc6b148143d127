//! `TagResource` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html>).

use super::constraints::check_tags;
use super::{LogsApi, done, group_of_arn, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    resource_arn: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = group_of_arn(api, required("resourceArn", input.resource_arn)?)?;
    let tags = required("tags", input.tags)?;
    check_tags(&tags)?;
    api.logs.change_tags(name, tags, Vec::new()).await?;
    Ok(done())
}
