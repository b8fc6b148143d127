//! `PutRuntimeManagementConfig` and `GetRuntimeManagementConfig`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_PutRuntimeManagementConfig.html>).
//!
//! The setting is kept for each version. The runtime is the daemon: an update of it is everybody's, whatever is set here.

use super::constraints::{invalid, length, missing, one_of, pattern};
use super::{LambdaApi, target};
use crate::catalog::LiveVersion;
use crate::ids::{FunctionRef, Qualifier, Version};
use crate::storage::functions::RuntimeManagement;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    update_runtime_on: Option<String>,
    runtime_version_arn: Option<String>,
}

pub(super) async fn put(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let live = live(api, &target)?;
    let version = live.record.version;
    let installed = api.catalog.runtime_version_arn(Some(&live.record.code), &live.record.configuration);
    let input: Input = request.json()?;
    let mode = input.update_runtime_on.ok_or_else(|| missing("updateRuntimeOn"))?;
    one_of(&mode, "updateRuntimeOn", &["Auto", "Manual", "FunctionUpdate"])?;
    if let Some(arn) = &input.runtime_version_arn {
        length(arn, "runtimeVersionArn", 2048)?;
        let words = "arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}::runtime:.+";
        pattern(arn, "runtimeVersionArn", words, |text| {
            text.len() >= 26 && text.starts_with("arn:aws") && text.contains(":lambda:") && text.contains("::runtime:")
        })?;
    }
    match (mode.as_str(), &input.runtime_version_arn) {
        ("Manual", None) => {
            return Err(invalid("RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual."));
        }
        ("Manual", Some(arn)) if *arn != installed => {
            return Err(invalid(format!("The runtime version {arn} is not installed.")));
        }
        ("Manual", Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            return Err(invalid("RuntimeVersionArn can only be set when UpdateRuntimeOn is set to Manual."));
        }
    }
    let management = RuntimeManagement { update_runtime_on: mode, runtime_version_arn: input.runtime_version_arn };
    let kept = management.clone();
    api.catalog
        .update_function(&target.name, |function| {
            function.runtime_management.insert(version, kept);
            Ok(())
        })
        .await?;
    codec::json(StatusCode::OK, &shape(api, &target, version, &management))
}

pub(super) fn get(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let version = live(api, &target)?.record.version;
    let view = api.catalog.function(&target.name)?.view();
    let set = view.records.function.runtime_management.get(&version).cloned();
    let default = RuntimeManagement { update_runtime_on: "Auto".into(), runtime_version_arn: None };
    codec::json(StatusCode::OK, &shape(api, &target, version, &set.unwrap_or(default)))
}

/// The version that is meant; it has to be there. An alias has no runtime of its own.
fn live(api: &LambdaApi, target: &FunctionRef) -> Result<Arc<LiveVersion>, WireError> {
    if let Some(Qualifier::Alias(alias)) = &target.qualifier {
        return Err(invalid(format!("The qualifier {alias} must be $LATEST or the number of a published version.")));
    }
    Ok(api.catalog.version(&target.name, target.qualifier.as_ref())?)
}

fn shape(api: &LambdaApi, target: &FunctionRef, version: Version, management: &RuntimeManagement) -> Value {
    let arn = api.catalog.home().function_arn(&target.name, Some(&version));
    json!({
        "FunctionArn": arn,
        "UpdateRuntimeOn": management.update_runtime_on,
        "RuntimeVersionArn": management.runtime_version_arn,
    })
}
