//! `UntagLogGroup` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagLogGroup.html>).

use super::constraints::check_group_name;
use super::{LogsApi, done, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    tags: Option<Vec<String>>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &name)?;
    let keys = required("tags", input.tags)?;
    api.logs.change_tags(name, BTreeMap::new(), keys).await?;
    Ok(done())
}
