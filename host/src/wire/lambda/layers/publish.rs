//! `PublishLayerVersion` (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html>).

use super::{name, runtimes, view};
use crate::catalog::{NewLayerVersion, Package};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use crate::wire::lambda::LambdaApi;
use crate::wire::lambda::constraints::{length, missing};
use crate::wire::lambda::package::{self, Code};
use http::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    content: Option<Code>,
    description: Option<String>,
    license_info: Option<String>,
    compatible_runtimes: Option<Vec<String>>,
    compatible_architectures: Option<Vec<String>>,
}

pub(super) async fn handle(api: &LambdaApi, request: &Request, layer: &str) -> Result<Answer, WireError> {
    let name = name::layer(api.catalog.home(), layer)?;
    let installed: Vec<String> = api.catalog.installed_runtimes().into_iter().map(str::to_owned).collect();
    let new = package::parse(request, move |body| {
        let input: Input = codec::parse(body)?;
        let content = input.content.ok_or_else(|| missing("content"))?;
        let description = input.description.unwrap_or_default();
        length(&description, "description", 256)?;
        if let Some(license) = &input.license_info {
            length(license, "licenseInfo", 512)?;
        }
        let compatible_runtimes = input.compatible_runtimes.unwrap_or_default();
        runtimes::check_runtimes(&compatible_runtimes, &installed)?;
        let compatible_architectures = input.compatible_architectures.unwrap_or_default();
        runtimes::check_architectures(&compatible_architectures)?;
        let Package::Upload(archive) = content.decode("PublishLayerVersion")? else {
            return Err(missing("content"));
        };
        Ok(NewLayerVersion {
            name,
            archive,
            description,
            license_info: input.license_info,
            compatible_runtimes,
            compatible_architectures,
        })
    })
    .await?;
    let record = api.catalog.publish_layer_version(new).await?;
    codec::json(StatusCode::CREATED, &view::whole(api.catalog.home(), &record, request))
}
