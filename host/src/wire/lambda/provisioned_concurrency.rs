//! Provisioned concurrency: `PutProvisionedConcurrencyConfig` and its `Get`, `List` and `Delete`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html>).

use super::constraints::{missing, one_of, range};
use super::page::{self, Page};
use super::{LambdaApi, describe, target};
use crate::catalog::{LiveProvisioned, ProvisionedStatus};
use crate::ids::{FunctionName, Qualifier};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    provisioned_concurrent_executions: Option<i64>,
}

pub(super) async fn put(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let (name, qualifier) = named(api, request, name)?;
    let input: Input = request.json()?;
    let member = "provisionedConcurrentExecutions";
    let wanted = input.provisioned_concurrent_executions.ok_or_else(|| missing(member))?;
    let wanted = range(wanted, member, 1, i32::MAX.unsigned_abs())?;
    let provisioned = api.catalog.put_provisioned(&name, qualifier, wanted).await?;
    codec::json(StatusCode::ACCEPTED, &shape(&provisioned))
}

pub(super) fn get_or_list(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    if let Some(list) = request.query("List") {
        one_of(&list, "list", &["ALL"])?;
        return self::list(api, request, name);
    }
    let (name, qualifier) = named(api, request, name)?;
    let provisioned = api.catalog.provisioned(&name, &qualifier)?;
    codec::json(StatusCode::OK, &shape(&provisioned))
}

fn list(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let page = Page::<Qualifier>::of(request, 50)?;
    let view = api.catalog.function(&name)?.view();
    let (found, next) = page.cut(view.provisioned.values(), |provisioned| provisioned.record.qualifier.clone())?;
    let shapes = found
        .into_iter()
        .map(|provisioned| {
            let mut item = shape(provisioned);
            let arn = api.catalog.home().function_arn(&name, Some(&provisioned.record.qualifier));
            item.insert("FunctionArn".into(), arn.into());
            item.into()
        })
        .collect();
    page::answer("ProvisionedConcurrencyConfigs", shapes, next)
}

pub(super) async fn delete(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let (name, qualifier) = named(api, request, name)?;
    api.catalog.delete_provisioned(&name, &qualifier).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

fn named(api: &LambdaApi, request: &Request, name: &str) -> Result<(FunctionName, Qualifier), WireError> {
    let target = target::qualified(api, name, request)?;
    Ok((target.name, target.qualifier.ok_or_else(|| missing("qualifier"))?))
}

fn shape(provisioned: &LiveProvisioned) -> Map<String, Value> {
    let record = &provisioned.record;
    let mut shape = Map::new();
    shape.insert("RequestedProvisionedConcurrentExecutions".into(), record.requested.into());
    shape.insert("AvailableProvisionedConcurrentExecutions".into(), provisioned.available().into());
    shape.insert("AllocatedProvisionedConcurrentExecutions".into(), provisioned.allocated().into());
    let (status, reason) = match provisioned.status() {
        ProvisionedStatus::InProgress => ("IN_PROGRESS", None),
        ProvisionedStatus::Ready => ("READY", None),
        ProvisionedStatus::Failed(reason) => ("FAILED", Some(reason)),
    };
    shape.insert("Status".into(), status.into());
    if let Some(reason) = reason {
        shape.insert("StatusReason".into(), reason.into());
    }
    shape.insert("LastModified".into(), describe::time(record.modified_at_ms, "%Y-%m-%dT%H:%M:%S+0000").into());
    shape
}
