//! `UpdateAlias` (<https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html>).

use super::constraints::length;
use super::routing::{self, RoutingConfig};
use super::{LambdaApi, target};
use crate::catalog::AliasChange;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingConfig>,
    revision_id: Option<String>,
}

pub(super) async fn handle(api: &LambdaApi, request: &Request, name: &str, alias: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let alias = target::alias(alias)?;
    let input: Input = request.json()?;
    if let Some(description) = &input.description {
        length(description, "description", 256)?;
    }
    let mut change = AliasChange {
        version: input.function_version.map(|version| routing::version(&version)).transpose()?,
        description: input.description,
        ..AliasChange::default()
    };
    if let Some(routing) = input.routing_config {
        routing.apply(&mut change)?;
    }
    let revision_id = input.revision_id.filter(|id| !id.is_empty());
    let record = api.catalog.update_alias(&name, &alias, change, revision_id.as_deref()).await?;
    codec::json(StatusCode::OK, &routing::describe(api.catalog.home(), &record))
}
