//! Reserved concurrency: `PutFunctionConcurrency`, `GetFunctionConcurrency`, `DeleteFunctionConcurrency`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html>).

use super::constraints::{missing, range};
use super::{LambdaApi, target};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    reserved_concurrent_executions: Option<i64>,
}

pub(super) async fn put(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let input: Input = request.json()?;
    let member = "reservedConcurrentExecutions";
    let wanted = input.reserved_concurrent_executions.ok_or_else(|| missing(member))?;
    let wanted = range(wanted, member, 0, i32::MAX.unsigned_abs())?;
    api.catalog.set_reserved_concurrency(&name, Some(wanted)).await?;
    codec::json(StatusCode::OK, &json!({ "ReservedConcurrentExecutions": wanted }))
}

pub(super) fn get(api: &LambdaApi, name: &str) -> Result<Answer, WireError> {
    let view = api.catalog.function(&target::function(api, name)?)?.view();
    let shape = match view.records.function.reserved_concurrency {
        Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
        None => json!({}),
    };
    codec::json(StatusCode::OK, &shape)
}

pub(super) async fn delete(api: &LambdaApi, name: &str) -> Result<Answer, WireError> {
    api.catalog.set_reserved_concurrency(&target::function(api, name)?, None).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}
