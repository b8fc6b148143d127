//! `DeleteLayerVersion` (<https://docs.aws.amazon.com/lambda/latest/api/API_DeleteLayerVersion.html>).

use super::name;
use crate::wire::codec::{self, Answer};
use crate::wire::error::WireError;
use crate::wire::lambda::LambdaApi;
use http::StatusCode;

/// Deleting what is not there succeeds, as with AWS.
pub(super) async fn handle(api: &LambdaApi, layer: &str, version: &str) -> Result<Answer, WireError> {
    let layer = name::layer(api.catalog.home(), layer)?;
    api.catalog.delete_layer_version(&layer, name::version(version)?).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}
