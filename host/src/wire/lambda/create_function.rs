//! `CreateFunction` (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>).

use super::configuration::Requested;
use super::constraints::missing;
use super::package::{self, Code};
use super::{LambdaApi, code_signing, describe, destinations, tags, target};
use crate::catalog::NewFunction;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    function_name: Option<String>,
    code: Option<Code>,
    publish: Option<bool>,
    publish_to: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    code_signing_config_arn: Option<String>,
}

pub(super) async fn handle(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let (home, catalog) = (api.catalog.home().clone(), Arc::clone(&api.catalog));
    let new = package::parse(request, move |body| {
        let input: Input = codec::parse(body)?;
        let name = input.function_name.ok_or_else(|| missing("functionName"))?;
        let name = target::unqualified(target::parse(&home, &name)?)?;
        let code = input.code.ok_or_else(|| missing("code"))?;
        if input.publish_to.is_some() {
            return Err(super::constraints::unsupported("PublishTo", "publish a version with Publish"));
        }
        let tags = input.tags.unwrap_or_default();
        tags::check(&tags)?;
        let signing = input.code_signing_config_arn.filter(|arn| !arn.is_empty());
        let code_signing_config = signing.map(|arn| code_signing::id_of(&home, &arn)).transpose()?;
        let requested: Requested = codec::parse(body)?;
        let package_type = requested.package_type()?;
        let package = code.decode("CreateFunction");
        package_type.check(package.as_ref().ok())?;
        let configuration = requested.check(&catalog)?.create(&catalog, package_type)?;
        let package = package?;
        let publish = input.publish.unwrap_or(false);
        Ok(NewFunction { name, package, configuration, tags, publish, code_signing_config })
    })
    .await?;
    if let Some(arn) = new.configuration.dead_letter_arn() {
        destinations::check(api, arn).await?;
    }
    let deployment = api.catalog.create_function_soon(new).await?;
    let answer = codec::json(StatusCode::CREATED, &describe::deployed(&api.catalog, &deployment));
    api.finish(deployment);
    answer
}
