//! `UpdateFunctionConfiguration`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html>).

use super::configuration::Requested;
use super::{LambdaApi, describe, destinations, target};
use crate::catalog::Precondition;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    revision_id: Option<String>,
}

pub(super) async fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let input: Input = request.json()?;
    let requested: Requested = request.json()?;
    let checked = requested.check(&api.catalog)?;
    if let Some(arn) = checked.dead_letter_arn() {
        destinations::check(api, arn).await?;
    }
    let precondition = Precondition { revision_id: input.revision_id.filter(|id| !id.is_empty()) };
    let changed = api
        .catalog
        .update_configuration(&name, &precondition, |configuration| checked.clone().apply(&api.catalog, configuration));
    codec::json(StatusCode::OK, &describe::configuration(&api.catalog, &changed.await?, None))
}
