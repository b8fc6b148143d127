//! `ListFunctions` (<https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>).

use super::constraints::one_of;
use super::page::{self, Page};
use super::{LambdaApi, describe};
use crate::catalog::Error;
use crate::ids::{FunctionName, Version};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use std::sync::Arc;

pub(super) fn handle(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let home = api.catalog.home();
    let functions = api.catalog.list();
    match request.query("FunctionVersion") {
        None => {
            let page = Page::<FunctionName>::of(request, 10_000)?;
            let (functions, next) = page.cut(functions.iter(), |function| function.name.clone())?;
            let mut shapes = Vec::with_capacity(functions.len());
            for function in functions {
                match api.catalog.version(&function.name, None) {
                    Ok(latest) => shapes.push(describe::configuration(home, &latest.record, None)),
                    // Deleted since the list was made.
                    Err(Error::FunctionNotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            page::answer("Functions", shapes, next)
        }
        Some(which) => {
            one_of(&which, "functionVersion", &["ALL"])?;
            let page = Page::<(FunctionName, Version)>::of(request, 10_000)?;
            let versions = functions.iter().flat_map(|function| {
                let view = function.view();
                view.versions.values().map(Arc::clone).collect::<Vec<_>>()
            });
            let key =
                |version: &Arc<crate::catalog::LiveVersion>| (version.record.function.clone(), version.record.version);
            let (versions, next) = page.cut(versions, key)?;
            let shapes = versions
                .iter()
                .map(|version| describe::configuration(home, &version.record, Some(&version.record.version)))
                .collect();
            page::answer("Functions", shapes, next)
        }
    }
}
