//! `DeleteSubscriptionFilter` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteSubscriptionFilter.html>).

use super::constraints::{check_filter_name, check_group_name};
use super::{LogsApi, done, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    filter_name: Option<String>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let group = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &group)?;
    let name = required("filterName", input.filter_name)?;
    check_filter_name("filterName", &name)?;
    api.logs.delete_subscription_filter(group, name).await?;
    Ok(done())
}
