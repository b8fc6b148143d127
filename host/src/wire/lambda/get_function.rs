//! `GetFunction` and `GetFunctionConfiguration`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html>).

use super::{LambdaApi, describe, package, target};
use crate::ids::{FunctionRef, Qualifier, Version};
use crate::storage::functions::ImageRecord;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let (stored, configuration) = described(api, &target)?;
    let code = match stored {
        // AWS knows one kind of registry, and clients know its name.
        Stored { image: Some(image), .. } => {
            json!({ "RepositoryType": "ECR", "ImageUri": image.uri, "ResolvedImageUri": image.resolved_uri })
        }
        Stored { package_sha256, .. } => match package_sha256.and_then(|sha256| package::location(request, &sha256)) {
            Some(url) => json!({ "RepositoryType": "S3", "Location": url }),
            None => json!({ "RepositoryType": "S3" }),
        },
    };
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

/// Where a version's code is.
struct Stored {
    package_sha256: Option<String>,
    image: Option<ImageRecord>,
}

/// A version as it is now, and where its code is.
fn described(api: &LambdaApi, target: &FunctionRef) -> Result<(Stored, Value), WireError> {
    let view = api.catalog.function(&target.name)?.view();
    let qualifier = target.qualifier.as_ref().map(|qualifier: &Qualifier| qualifier as &dyn std::fmt::Display);
    let number = match &target.qualifier {
        None => Version::Latest,
        Some(Qualifier::Version(version)) => *version,
        Some(Qualifier::Alias(_)) => api.catalog.version(&target.name, target.qualifier.as_ref())?.record.version,
    };
    let stored =
        Stored { package_sha256: view.package_sha256(number).map(str::to_owned), image: view.image(number).cloned() };
    match describe::version(&api.catalog, &view, number, qualifier) {
        Some(shape) => Ok((stored, shape)),
        None => Err(match api.catalog.version(&target.name, target.qualifier.as_ref()) {
            Err(error) => error.into(),
            // It came a moment ago.
            Ok(live) => {
                let shape = describe::configuration(&api.catalog, &live.record, qualifier);
                let code = &live.record.code;
                let package_sha256 = Some(code.package_sha256.clone());
                return Ok((Stored { package_sha256, image: code.image.clone() }, shape));
            }
        }),
    }
}
