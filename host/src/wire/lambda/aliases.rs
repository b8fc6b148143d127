//! `GetAlias`, `ListAliases` and `DeleteAlias`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_GetAlias.html>).

use super::page::{self, Page};
use super::{LambdaApi, routing, target};
use crate::ids::AliasName;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) fn get(api: &LambdaApi, name: &str, alias: &str) -> Result<Answer, WireError> {
    let record = api.catalog.alias(&target::function(api, name)?, &target::alias(alias)?)?;
    codec::json(StatusCode::OK, &routing::describe(api.catalog.home(), &record))
}

pub(super) fn list(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let page = Page::<AliasName>::of(request, 10_000)?;
    let only = request.query("FunctionVersion").map(|version| routing::version(&version)).transpose()?;
    let view = api.catalog.function(&name)?.view();
    // An alias that gives a version only some of its requests points to it as well.
    let points = |alias: &&crate::storage::functions::AliasRecord| {
        only.is_none_or(|version| alias.version == version || alias.weights.contains_key(&version))
    };
    let (aliases, next) = page.cut(view.records.aliases.values().filter(points), |alias| alias.name.clone())?;
    let shapes = aliases.into_iter().map(|alias| routing::describe(api.catalog.home(), alias)).collect();
    page::answer("Aliases", shapes, next)
}

pub(super) async fn delete(api: &LambdaApi, name: &str, alias: &str) -> Result<Answer, WireError> {
    api.catalog.delete_alias(&target::function(api, name)?, &target::alias(alias)?).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}
