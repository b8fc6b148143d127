//! `PublishVersion` (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>).

use super::constraints::{invalid, length, unsupported};
use super::{LambdaApi, describe, target};
use crate::catalog::Precondition;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
    publish_to: Option<String>,
}

pub(super) async fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let input: Input = request.json()?;
    if input.publish_to.is_some() {
        return Err(unsupported("PublishTo", "leave it out"));
    }
    if let Some(description) = &input.description {
        length(description, "description", 256)?;
    }
    let code_sha256 = match input.code_sha256.filter(|sha| !sha.is_empty()) {
        Some(sha) => {
            Some(describe::hex_of_code(&sha).ok_or_else(|| invalid(format!("CodeSha256 is not base64: {sha:?}")))?)
        }
        None => None,
    };
    let precondition = Precondition { revision_id: input.revision_id.filter(|id| !id.is_empty()) };
    let record = api.catalog.publish_version(&name, input.description, code_sha256.as_deref(), &precondition).await?;
    codec::json(StatusCode::CREATED, &describe::configuration(&api.catalog, &record, None))
}
