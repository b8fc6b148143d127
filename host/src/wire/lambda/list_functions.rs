//! `ListFunctions` (<https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>).

use super::constraints::{one_of, pattern};
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
    if let Some(region) = request.query("MasterRegion").filter(|region| !region.is_empty()) {
        let words = "ALL|[a-z]{2}(-gov)?-[a-z]+-\\d{1}";
        let is_region = |text: &str| {
            text.split('-').count() >= 3
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        pattern(&region, "masterRegion", words, |text| text == "ALL" || is_region(text))?;
        // It asks for Lambda@Edge functions that were replicated from another region: there are none.
        if region != "ALL" && region != *home.region {
            return page::answer("Functions", Vec::new(), None);
        }
    }
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
