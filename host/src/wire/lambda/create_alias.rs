//! `CreateAlias` (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html>).

use super::constraints::{length, missing};
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
    name: Option<String>,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingConfig>,
}

pub(super) async fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let input: Input = request.json()?;
    let alias = target::alias_name(&input.name.ok_or_else(|| missing("name"))?)?;
    let version = input.function_version.ok_or_else(|| missing("functionVersion"))?;
    if let Some(description) = &input.description {
        length(description, "description", 256)?;
    }
    let mut change = AliasChange {
        version: Some(routing::version(&version)?),
        description: input.description,
        ..AliasChange::default()
    };
    if let Some(routing) = input.routing_config {
        routing.apply(&mut change)?;
    }
    let record = api.catalog.create_alias(&name, alias, change).await?;
    codec::json(StatusCode::CREATED, &routing::describe(api.catalog.home(), &record))
}
