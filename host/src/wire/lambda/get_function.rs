//! `GetFunction` and `GetFunctionConfiguration`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html>).

use super::{LambdaApi, describe, package, target};
use crate::catalog::LiveVersion;
use crate::ids::{FunctionRef, Qualifier};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let (version, configuration) = described(api, &target)?;
    let mut code = json!({ "RepositoryType": "S3" });
    if let (Some(url), Some(code)) =
        (package::location(request, &version.record.code.package_sha256), code.as_object_mut())
    {
        code.insert("Location".into(), url.into());
    }
    let function = api.catalog.function(&target.name)?.view();
    let function = &function.records.function;
    let mut shape = json!({ "Configuration": configuration, "Code": code });
    if let Some(members) = shape.as_object_mut() {
        if !function.tags.is_empty() {
            members.insert("Tags".into(), json!(function.tags));
        }
        if let Some(reserved) = function.reserved_concurrency {
            members.insert("Concurrency".into(), json!({ "ReservedConcurrentExecutions": reserved }));
        }
    }
    codec::json(StatusCode::OK, &shape)
}

pub(super) fn configuration(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    codec::json(StatusCode::OK, &described(api, &target)?.1)
}

fn described(api: &LambdaApi, target: &FunctionRef) -> Result<(Arc<LiveVersion>, Value), WireError> {
    let version = api.catalog.version(&target.name, target.qualifier.as_ref())?;
    let qualifier = target.qualifier.as_ref().map(|qualifier: &Qualifier| qualifier as &dyn std::fmt::Display);
    let shape = describe::configuration(api.catalog.home(), &version.record, qualifier);
    Ok((version, shape))
}
