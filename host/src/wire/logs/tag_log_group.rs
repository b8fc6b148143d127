//! `TagLogGroup` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagLogGroup.html>).

use super::constraints::{check_group_name, check_tags};
use super::{LogsApi, done, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &name)?;
    let tags = required("tags", input.tags)?;
    check_tags(&tags)?;
    api.logs.change_tags(name, tags, Vec::new()).await?;
    Ok(done())
}
