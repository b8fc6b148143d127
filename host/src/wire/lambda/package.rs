//! Deployment packages: read out of requests, and given back.

use super::LambdaApi;
use super::constraints::{invalid, unsupported};
use super::error::not_found;
use super::route::PACKAGE_BODY_LIMIT_BYTES;
use crate::catalog::Package;
use crate::wire::access::Links;
use crate::wire::codec::{Answer, Request, whole};
use crate::wire::error::WireError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Deserialize;

/// Size of an uploaded package (Lambda quota: 50 MB).
pub(super) const PACKAGE_LIMIT_BYTES: usize = 50 << 20;

/// The members that carry code.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Code {
    zip_file: Option<String>,
    s3_bucket: Option<String>,
    s3_key: Option<String>,
    s3_object_version: Option<String>,
    s3_object_storage_mode: Option<String>,
    image_uri: Option<String>,
    #[serde(rename = "SourceKMSKeyArn")]
    source_kms_key_arn: Option<String>,
}

impl Code {
    /// The package in the request, decoded, or the image that it names. Takes a while where it is large.
    pub(super) fn decode(&self, operation: &str) -> Result<Package, WireError> {
        let s3 = [&self.s3_bucket, &self.s3_key, &self.s3_object_version, &self.s3_object_storage_mode];
        if s3.iter().any(|member| member.is_some()) {
            return Err(unsupported("Code in S3 (S3Bucket, S3Key)", "send the package as ZipFile"));
        }
        if self.source_kms_key_arn.as_deref().is_some_and(|key| !key.is_empty()) {
            return Err(unsupported("SourceKMSKeyArn", "packages are not encrypted"));
        }
        let zip = self.zip_file.as_deref().filter(|text| !text.is_empty());
        let text = match (zip, self.image_uri.as_deref().filter(|uri| !uri.is_empty())) {
            (Some(text), None) => text,
            (None, Some(uri)) => return Ok(Package::Image(uri.to_owned())),
            (Some(_), Some(_)) => return Err(invalid("Please provide only one source for function code.")),
            (None, None) => return Err(invalid("Please provide a source for function code.")),
        };
        let package = BASE64_STANDARD.decode(text).map_err(|error| {
            WireError::bad_request("SerializationException", format!("ZipFile is not base64: {error}"))
        })?;
        if package.len() > PACKAGE_LIMIT_BYTES {
            return Err(WireError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLargeException",
                format!("Request must be smaller than {PACKAGE_BODY_LIMIT_BYTES} bytes for the {operation} operation"),
            ));
        }
        Ok(Package::Upload(package.into()))
    }
}

/// Parses a body that may hold a package, away from the threads that serve.
pub(super) async fn parse<T, F>(request: &Request, parse: F) -> Result<T, WireError>
where
    T: Send + 'static,
    F: FnOnce(&[u8]) -> Result<T, WireError> + Send + 'static,
{
    let body = request.body.clone();
    tokio::task::spawn_blocking(move || parse(&body)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a package could not be read");
        Err(WireError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ServiceException",
            "The service could not read the package. Try again later.",
        ))
    })
}

/// Where a package can be fetched, as seen by the client that asks.
pub(super) fn location(request: &Request, sha256: &str) -> Option<String> {
    let authority = match request.parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => request.header(header::HOST.as_str())?,
    };
    let path = format!("/lamina/packages/{sha256}");
    Some(match request.parts.extensions.get::<Links>() {
        Some(links) => links.to(authority, &path),
        None => format!("http://{authority}{path}"),
    })
}

/// Gives the package of a version.
pub(super) async fn serve(api: &LambdaApi, sha256: &str) -> Result<Answer, WireError> {
    // Blobs hold compiled components as well, and for a while what was deleted.
    let known = api.catalog.list().iter().any(|function| {
        let view = function.view();
        view.accepted_versions().into_iter().any(|version| view.package_sha256(version) == Some(sha256))
    });
    let known = known || api.catalog.layer_versions().iter().any(|layer| layer.content.sha256 == sha256);
    let package = if known { api.catalog.parts.storage.blobs.get(sha256.to_owned()).await? } else { None };
    let package = package.ok_or_else(|| not_found("No function or layer has this package.".to_owned()))?;
    let content_type = if package.starts_with(b"PK") { "application/zip" } else { "application/wasm" };
    let mut answer = Response::new(whole(package));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(answer)
}
