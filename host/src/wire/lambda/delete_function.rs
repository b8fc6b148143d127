//! `DeleteFunction` (<https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html>).

use super::constraints::invalid;
use super::{LambdaApi, target};
use crate::ids::Qualifier;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) async fn handle(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    match target.qualifier {
        None => api.catalog.delete_function(&target.name).await?,
        Some(Qualifier::Version(version)) => api.catalog.delete_version(&target.name, version).await?,
        Some(Qualifier::Alias(_)) => return Err(invalid("Deletion of aliases is not currently supported.")),
    }
    Ok(codec::empty(StatusCode::NO_CONTENT))
}
