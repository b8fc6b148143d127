//! `CreateLogStream` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html>).

use super::constraints::{check_group_name, check_stream_name};
use super::{LogsApi, done, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let group = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &group)?;
    let stream = required("logStreamName", input.log_stream_name)?;
    check_stream_name("logStreamName", &stream)?;
    api.logs.create_stream(group, stream).await?;
    Ok(done())
}
