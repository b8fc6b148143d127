//! `GetLayerVersion` and `GetLayerVersionByArn`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersion.html>).

use super::{name, view};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use crate::wire::lambda::LambdaApi;
use crate::wire::lambda::constraints::{missing, one_of};
use http::StatusCode;

pub(super) fn handle(api: &LambdaApi, request: &Request, layer: &str, version: &str) -> Result<Answer, WireError> {
    let home = api.catalog.home();
    let record = api.catalog.layer_version(&name::layer(home, layer)?, name::version(version)?)?;
    codec::json(StatusCode::OK, &view::whole(home, &record, request))
}

pub(super) fn by_arn(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let home = api.catalog.home();
    one_of(&request.query("find").unwrap_or_default(), "find", &["LayerVersion"])?;
    let arn = request.query("Arn").ok_or_else(|| missing("arn"))?;
    let (layer, version) = name::version_arn(home, &arn, "arn")?;
    let record = api.catalog.layer_version(&layer, version)?;
    codec::json(StatusCode::OK, &view::whole(home, &record, request))
}
