//! `DescribeLogGroups` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html>).

use super::constraints::{check_group_name, invalid, limit};
use super::{LogsApi, answer, parse};
use crate::telemetry::logs::{GroupNames, LogGroup};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const GROUPS_LIMIT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let names = match (input.log_group_name_prefix, input.log_group_name_pattern) {
        (Some(_), Some(_)) => {
            return Err(invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."));
        }
        (_, Some(pattern)) if pattern.is_empty() => GroupNames::Prefix(pattern),
        (_, Some(pattern)) => {
            check_group_name("logGroupNamePattern", &pattern)?;
            GroupNames::Containing(pattern)
        }
        (Some(prefix), _) => {
            check_group_name("logGroupNamePrefix", &prefix)?;
            GroupNames::Prefix(prefix)
        }
        (None, None) => GroupNames::Prefix(String::new()),
    };
    let limit = limit(input.limit, GROUPS_LIMIT, GROUPS_LIMIT)?;
    let mut groups = api.logs.groups(names, input.next_token.as_deref(), limit.saturating_add(1)).await?;
    let more = groups.len() > limit;
    groups.truncate(limit);
    let mut body = Map::new();
    if let (true, Some(last)) = (more, groups.last()) {
        body.insert("nextToken".into(), last.name.clone().into());
    }
    body.insert("logGroups".into(), groups.iter().map(|group| shape(api, group)).collect());
    answer(&body)
}

fn shape(api: &LogsApi, group: &LogGroup) -> Value {
    let arn = api.home.arn("logs", &format!("log-group:{}", group.name));
    let mut shape = json!({
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
    });
    // Not given, retention is the configuration's or for good, as AWS leaves it out for the latter.
    let days = group.retention_hours.map(|hours| hours.div_ceil(24)).filter(|days| *days > 0);
    if let (Some(days), Some(members)) = (days, shape.as_object_mut()) {
        members.insert("retentionInDays".into(), days.into());
    }
    shape
}
