//! `ListVersionsByFunction` (<https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html>).

use super::page::{self, Page};
use super::{LambdaApi, describe, target};
use crate::ids::Version;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;

pub(super) fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let page = Page::<Version>::of(request, 10_000)?;
    let view = api.catalog.function(&name)?.view();
    let (versions, next) = page.cut(view.accepted_versions().into_iter(), |version| *version)?;
    let shape = |version: &Version| describe::version(&api.catalog, &view, *version, Some(version));
    let shapes = versions.iter().filter_map(shape).collect();
    page::answer("Versions", shapes, next)
}
