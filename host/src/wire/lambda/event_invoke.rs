//! Configuration of asynchronous invocation: `PutFunctionEventInvokeConfig`, its `Update`, `Get`, `List` and `Delete`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html>).

use super::constraints::{failed, invalid, length, range};
use super::page::{self, Page};
use super::{LambdaApi, destinations, target};
use crate::catalog::EventInvokeChange;
use crate::ids::{FunctionRef, Home, Qualifier};
use crate::storage::functions::EventInvokeRecord;
use crate::triggers::asynchronous::Destination;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    maximum_retry_attempts: Option<i64>,
    maximum_event_age_in_seconds: Option<i64>,
    destination_config: Option<DestinationConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationConfig {
    on_success: Option<Target>,
    on_failure: Option<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    destination: Option<String>,
}

pub(super) async fn put(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    set(api, request, name, true).await
}

pub(super) async fn update(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    set(api, request, name, false).await
}

async fn set(api: &LambdaApi, request: &Request, name: &str, replace: bool) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let change = checked(api.catalog.home(), &target, request.json()?)?;
    if change == EventInvokeChange::default() {
        return Err(invalid("You must specify at least one of error handling or destination setting."));
    }
    for arn in [&change.on_success, &change.on_failure].into_iter().flatten().flatten() {
        destinations::check(api, arn).await?;
    }
    let record = api.catalog.put_event_invoke(&target.name, target.qualifier, change, replace).await?;
    codec::json(StatusCode::OK, &shape(api.catalog.home(), &record))
}

pub(super) fn get(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let record = api.catalog.event_invoke(&target.name, target.qualifier)?;
    codec::json(StatusCode::OK, &shape(api.catalog.home(), &record))
}

pub(super) fn list(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let page = Page::<Qualifier>::of(request, 50)?;
    let view = api.catalog.function(&name)?.view();
    let (found, next) = page.cut(view.records.event_invoke.values(), |record| record.qualifier.clone())?;
    let shapes = found.into_iter().map(|record| shape(api.catalog.home(), record).into()).collect();
    page::answer("FunctionEventInvokeConfigs", shapes, next)
}

pub(super) async fn delete(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    api.catalog.delete_event_invoke(&target.name, target.qualifier).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

fn checked(home: &Home, function: &FunctionRef, input: Input) -> Result<EventInvokeChange, WireError> {
    let number = |value: Option<i64>, member, least, most| value.map(|value| range(value, member, least, most));
    let mut change = EventInvokeChange {
        maximum_retry_attempts: number(input.maximum_retry_attempts, "maximumRetryAttempts", 0, 2).transpose()?,
        maximum_event_age_s: number(input.maximum_event_age_in_seconds, "maximumEventAgeInSeconds", 60, 21_600)
            .transpose()?,
        ..EventInvokeChange::default()
    };
    if let Some(config) = input.destination_config {
        change.on_success = Some(destination(home, function, config.on_success, "onSuccess")?);
        change.on_failure = Some(destination(home, function, config.on_failure, "onFailure")?);
    }
    Ok(change)
}

/// A destination's ARN; an empty one is none.
fn destination(
    home: &Home,
    function: &FunctionRef,
    target: Option<Target>,
    which: &str,
) -> Result<Option<String>, WireError> {
    let Some(arn) = target.and_then(|target| target.destination).filter(|arn| !arn.is_empty()) else {
        return Ok(None);
    };
    let member = format!("destinationConfig.{which}.destination");
    length(&arn, &member, 350)?;
    if !arn.starts_with("arn:aws") || arn.splitn(6, ':').count() < 6 {
        let pattern = "$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:\
                       ((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)";
        return Err(failed(&arn, &member, format!("Member must satisfy regular expression pattern: {pattern}")));
    }
    match Destination::parse(home, &arn) {
        Ok(Destination::Function(to)) if to.name == function.name => {
            Err(invalid(format!("A function cannot be its own destination: {arn}")))
        }
        Ok(_) => Ok(Some(arn)),
        Err(error) => Err(invalid(format!("DestinationConfig: {error}"))),
    }
}

fn shape(home: &Home, record: &EventInvokeRecord) -> Map<String, Value> {
    let destination = |arn: &Option<String>| match arn {
        Some(arn) => json!({ "Destination": arn }),
        None => json!({}),
    };
    let members = [
        ("LastModified", Some(json!(record.modified_at_ms as f64 / 1_000.0))),
        ("FunctionArn", Some(json!(home.function_arn(&record.function, Some(&record.qualifier))))),
        ("MaximumRetryAttempts", record.maximum_retry_attempts.map(Value::from)),
        ("MaximumEventAgeInSeconds", record.maximum_event_age_s.map(Value::from)),
        (
            "DestinationConfig",
            Some(json!({
                "OnSuccess": destination(&record.on_success),
                "OnFailure": destination(&record.on_failure),
            })),
        ),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
