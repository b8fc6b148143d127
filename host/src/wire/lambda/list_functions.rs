//! `ListFunctions` (<https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>).

use super::constraints::{one_of, pattern};
use super::page::{self, Page};
use super::{LambdaApi, describe};
use crate::catalog::View;
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
            let shapes =
                functions.iter().filter_map(|f| describe::version(&api.catalog, &f.view(), Version::Latest, None));
            let shapes = shapes.collect();
            page::answer("Functions", shapes, next)
        }
        Some(which) => {
            one_of(&which, "functionVersion", &["ALL"])?;
            let page = Page::<(FunctionName, Version)>::of(request, 10_000)?;
            let versions = functions.iter().flat_map(|function| {
                let view = function.view();
                let versions = view.accepted_versions();
                versions.into_iter().map(move |version| (Arc::clone(&view), version))
            });
            let key = |(view, version): &(Arc<View>, Version)| (view.records.function.name.clone(), *version);
            let (versions, next) = page.cut(versions, key)?;
            let shape =
                |(view, version): &(Arc<View>, Version)| describe::version(&api.catalog, view, *version, Some(version));
            let shapes = versions.iter().filter_map(shape).collect();
            page::answer("Functions", shapes, next)
        }
    }
}
