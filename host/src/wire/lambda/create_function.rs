//! `CreateFunction` (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>).

use super::configuration::Requested;
use super::constraints::{invalid, length, missing};
use super::package::{self, Code};
use super::{LambdaApi, describe, target};
use crate::catalog::NewFunction;
use crate::telemetry::logs;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tags of one function.
const TAGS_LIMIT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    function_name: Option<String>,
    code: Option<Code>,
    publish: Option<bool>,
    publish_to: Option<String>,
    tags: Option<BTreeMap<String, String>>,
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
        check_tags(&tags)?;
        let requested: Requested = codec::parse(body)?;
        let configuration = requested.check(&home, &logs::group_name(&name))?.create(&catalog)?;
        let package = code.decode("CreateFunction")?;
        Ok(NewFunction { name, package, configuration, tags, publish: input.publish.unwrap_or(false) })
    })
    .await?;
    let record = api.catalog.create_function(new).await?;
    codec::json(StatusCode::CREATED, &describe::configuration(api.catalog.home(), &record, None))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), WireError> {
    if tags.len() > TAGS_LIMIT {
        return Err(invalid(format!("A function can have at most {TAGS_LIMIT} tags.")));
    }
    for (key, value) in tags {
        if key.is_empty() || key.starts_with("aws:") {
            return Err(invalid("Tag keys must not be empty and must not start with aws:"));
        }
        length(key, "tags.key", 128)?;
        length(value, "tags.value", 256)?;
    }
    Ok(())
}
