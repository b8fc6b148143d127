//! `GetFunction` and `GetFunctionConfiguration`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html>).

use super::{LambdaApi, describe, package, target};
use crate::ids::{FunctionRef, Qualifier, Version};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let (sha256, configuration) = described(api, &target)?;
    let mut code = json!({ "RepositoryType": "S3" });
    let url = sha256.and_then(|sha256| package::location(request, &sha256));
    if let (Some(url), Some(code)) = (url, code.as_object_mut()) {
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

/// A version as it is now, and the hash of its package.
fn described(api: &LambdaApi, target: &FunctionRef) -> Result<(Option<String>, Value), WireError> {
    let view = api.catalog.function(&target.name)?.view();
    let qualifier = target.qualifier.as_ref().map(|qualifier: &Qualifier| qualifier as &dyn std::fmt::Display);
    let number = match &target.qualifier {
        None => Version::Latest,
        Some(Qualifier::Version(version)) => *version,
        Some(Qualifier::Alias(_)) => api.catalog.version(&target.name, target.qualifier.as_ref())?.record.version,
    };
    let sha256 = view.package_sha256(number).map(str::to_owned);
    match describe::version(api.catalog.home(), &view, number, qualifier) {
        Some(shape) => Ok((sha256, shape)),
        None => Err(match api.catalog.version(&target.name, target.qualifier.as_ref()) {
            Err(error) => error.into(),
            // It came a moment ago.
            Ok(live) => {
                let shape = describe::configuration(api.catalog.home(), &live.record, qualifier);
                return Ok((Some(live.record.code.package_sha256.clone()), shape));
            }
        }),
    }
}
