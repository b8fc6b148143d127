//! `PutSubscriptionFilter` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutSubscriptionFilter.html>).

use super::constraints::{check_filter_name, check_group_name, invalid, pattern};
use super::{LogsApi, done, parse, required};
use crate::ids::FunctionRef;
use crate::telemetry::logs::FilterDefinition;
use crate::triggers::subscription::group_arn;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    filter_name: Option<String>,
    filter_pattern: Option<String>,
    destination_arn: Option<String>,
    role_arn: Option<String>,
    distribution: Option<String>,
    #[serde(default)]
    apply_on_transformed_logs: bool,
    field_selection_criteria: Option<String>,
    #[serde(default)]
    emit_system_fields: Vec<String>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let group = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &group)?;
    let name = required("filterName", input.filter_name)?;
    check_filter_name("filterName", &name)?;
    let text = required("filterPattern", input.filter_pattern)?;
    let pattern = pattern(&text)?;
    let arn = required("destinationArn", input.destination_arn)?;
    let distribution = input.distribution.unwrap_or_else(|| "ByLogStream".to_owned());
    if !matches!(distribution.as_str(), "ByLogStream" | "Random") {
        return Err(invalid(format!(
            "1 validation error detected: Value '{distribution}' at 'distribution' failed to satisfy constraint: Member must satisfy enum value set: [Random, ByLogStream]"
        )));
    }
    if input.apply_on_transformed_logs {
        return Err(invalid("applyOnTransformedLogs is not supported by Lamina: no log group has a transformer."));
    }
    if input.field_selection_criteria.is_some_and(|criteria| !criteria.is_empty()) {
        return Err(invalid("fieldSelectionCriteria is not supported by Lamina."));
    }
    if !input.emit_system_fields.is_empty() {
        return Err(invalid("emitSystemFields is not supported by Lamina."));
    }
    let target = function(&arn)?;
    if input.role_arn.is_some() {
        return Err(invalid("destinationArn for vendor lambda cannot be used with roleArn"));
    }
    api.logs.group(&group).await?;
    let is_here = arn.starts_with(&api.home.arn("lambda", "function:"));
    if !is_here || !api.destinations.may_invoke(&target, &group_arn(&api.home, &group)) {
        return Err(invalid(
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.",
        ));
    }
    let definition =
        FilterDefinition { pattern: text, expressions: pattern.expressions(), destination_arn: arn, distribution };
    api.logs.put_subscription_filter(group, name, definition).await?;
    Ok(done())
}

/// The function, version or alias that an ARN names.
fn function(arn: &str) -> Result<FunctionRef, WireError> {
    let wrong = || invalid("Invalid parameter(s): destinationArn");
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", _, vendor, _, _, _] = parts.as_slice() else { return Err(wrong()) };
    match vendor {
        "lambda" => FunctionRef::parse(arn).map_err(|_| wrong()),
        "kinesis" | "firehose" | "logs" => Err(invalid(format!(
            "destinationArn for vendor {vendor} is not supported by Lamina; name a function, a version or an alias."
        ))),
        _ => {
            Err(invalid(format!("PutSubscriptionFilter operation cannot work with destinationArn for vendor {vendor}")))
        }
    }
}
