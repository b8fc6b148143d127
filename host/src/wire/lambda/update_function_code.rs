//! `UpdateFunctionCode` (<https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html>).

use super::configuration::check_architectures;
use super::constraints::unsupported;
use super::package::{self, Code};
use super::{LambdaApi, describe, target};
use crate::catalog::{CodeUpdate, Package, Precondition};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Input {
    publish: Option<bool>,
    publish_to: Option<String>,
    dry_run: Option<bool>,
    revision_id: Option<String>,
    architectures: Option<Vec<String>>,
}

pub(super) async fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    // Who names a function that is not there need not wait for the package to be read.
    api.catalog.function(&name)?;
    let (input, package) = package::parse(request, read).await?;
    let precondition = Precondition { revision_id: input.revision_id.filter(|id| !id.is_empty()) };
    let update = CodeUpdate {
        package,
        architectures: input.architectures,
        publish: input.publish.unwrap_or(false),
        dry_run: input.dry_run.unwrap_or(false),
    };
    let deployment = api.catalog.update_code_soon(&name, update, &precondition).await?;
    let answer = codec::json(StatusCode::OK, &describe::deployed(&api.catalog, &deployment));
    api.finish(deployment);
    answer
}

fn read(body: &[u8]) -> Result<(Input, Package), WireError> {
    let input: Input = codec::parse(body)?;
    if input.publish_to.is_some() {
        return Err(unsupported("PublishTo", "publish a version with Publish"));
    }
    if let Some(architectures) = &input.architectures {
        check_architectures(architectures)?;
    }
    let code: Code = codec::parse(body)?;
    Ok((input, code.decode("UpdateFunctionCode")?))
}
