//! `ListLayers` and `ListLayerVersions` (<https://docs.aws.amazon.com/lambda/latest/api/API_ListLayers.html>).

use super::{name, runtimes, view};
use crate::ids::LayerName;
use crate::storage::layers::LayerVersionRecord;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use crate::wire::lambda::LambdaApi;
use crate::wire::lambda::page::{self, Page};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The model's bound of `MaxItems`.
const MAX_ITEMS: u32 = 50;

/// What a list is narrowed to.
struct Filter {
    runtime: Option<String>,
    architecture: Option<String>,
}

impl Filter {
    fn of(api: &LambdaApi, request: &Request) -> Result<Self, WireError> {
        let filter =
            Self { runtime: request.query("CompatibleRuntime"), architecture: request.query("CompatibleArchitecture") };
        if let Some(runtime) = &filter.runtime {
            runtimes::check_runtime(runtime, "compatibleRuntime", &api.catalog.installed_runtimes())?;
        }
        if let Some(architecture) = &filter.architecture {
            runtimes::check_architecture(architecture, "compatibleArchitecture")?;
        }
        Ok(filter)
    }

    fn lets_pass(&self, record: &LayerVersionRecord) -> bool {
        let has = |wanted: &Option<String>, list: &[String]| wanted.as_ref().is_none_or(|wanted| list.contains(wanted));
        has(&self.runtime, &record.compatible_runtimes) && has(&self.architecture, &record.compatible_architectures)
    }
}

/// Each layer with its latest version of those that match.
pub(super) fn layers(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let (home, filter) = (api.catalog.home(), Filter::of(api, request)?);
    let page = Page::<LayerName>::of(request, MAX_ITEMS)?;
    let mut latest: BTreeMap<LayerName, Arc<LayerVersionRecord>> = BTreeMap::new();
    // In order of their numbers, so that the last one stays.
    for record in api.catalog.layer_versions().into_iter().filter(|record| filter.lets_pass(record)) {
        latest.insert(record.name.clone(), record);
    }
    let (layers, next) = page.cut(latest.into_values(), |record| record.name.clone())?;
    let shapes = layers.iter().map(|record| {
        json!({
            "LayerName": record.name,
            "LayerArn": home.layer_arn(&record.name, None),
            "LatestMatchingVersion": view::item(home, record),
        })
    });
    page::answer("Layers", shapes.collect(), next)
}

/// The versions of a layer, the latest first; none of a layer that is not there.
pub(super) fn versions(api: &LambdaApi, request: &Request, layer: &str) -> Result<Answer, WireError> {
    let (home, filter) = (api.catalog.home(), Filter::of(api, request)?);
    let layer = name::layer(home, layer)?;
    let page = Page::<Reverse<u64>>::of(request, MAX_ITEMS)?;
    let all = api.catalog.layer_versions();
    let matching = all.iter().rev().filter(|record| record.name == layer && filter.lets_pass(record));
    let (versions, next) = page.cut(matching, |record| Reverse(record.version))?;
    page::answer("LayerVersions", versions.iter().map(|record| view::item(home, record).into()).collect(), next)
}
