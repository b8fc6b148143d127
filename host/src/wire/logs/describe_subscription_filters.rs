//! `DescribeSubscriptionFilters` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeSubscriptionFilters.html>).

use super::constraints::{check_filter_name, check_group_name, limit};
use super::{LogsApi, answer, parse, required};
use crate::telemetry::logs::SubscriptionFilter;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const FILTERS_LIMIT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    filter_name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let group = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &group)?;
    if let Some(prefix) = &input.filter_name_prefix {
        check_filter_name("filterNamePrefix", prefix)?;
    }
    let prefix = input.filter_name_prefix.unwrap_or_default();
    // A token is the last name of the page before.
    if let Some(token) = &input.next_token {
        check_filter_name("nextToken", token)?;
    }
    let limit = limit(input.limit, FILTERS_LIMIT, FILTERS_LIMIT)?;
    let after = input.next_token.as_deref();
    let mut filters = api.logs.subscription_filters(&group, &prefix, after, limit.saturating_add(1)).await?;
    let more = filters.len() > limit;
    filters.truncate(limit);
    let mut body = Map::new();
    if let Some(last) = filters.last().filter(|_| more) {
        body.insert("nextToken".into(), last.name.clone().into());
    }
    body.insert("subscriptionFilters".into(), filters.iter().map(|filter| shape(&group, filter)).collect());
    answer(&body)
}

fn shape(group: &str, filter: &SubscriptionFilter) -> Value {
    json!({
        "filterName": filter.name,
        "logGroupName": group,
        "filterPattern": filter.definition.pattern,
        "destinationArn": filter.definition.destination_arn,
        "distribution": filter.definition.distribution,
        "applyOnTransformedLogs": false,
        "creationTime": filter.created_ms,
    })
}
