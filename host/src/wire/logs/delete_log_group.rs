//! `DeleteLogGroup` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html>).

use super::constraints::check_group_name;
use super::{LogsApi, done, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &name)?;
    api.logs.delete_group(name).await?;
    Ok(done())
}
