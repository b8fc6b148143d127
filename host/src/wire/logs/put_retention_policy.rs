//! `PutRetentionPolicy` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>).

use super::constraints::{check_group_name, invalid};
use super::{LogsApi, done, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;

/// What AWS allows.
const DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    retention_in_days: Option<i64>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &name)?;
    let given = required("retentionInDays", input.retention_in_days)?;
    let days = u32::try_from(given).ok().filter(|days| DAYS.contains(days));
    let days = days.ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value '{given}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {DAYS:?}"
        ))
    })?;
    api.logs.set_retention(name, Some(days.saturating_mul(24))).await?;
    Ok(done())
}
