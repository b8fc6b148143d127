//! `GetAccountSettings` (<https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html>).
//!
//! Code of all functions together has no limit but the disk: `AccountLimit.TotalCodeSize` is the largest number there is.

use super::LambdaApi;
use super::package::PACKAGE_LIMIT_BYTES;
use crate::sandbox::package::UNPACKED_LIMIT_BYTES;
use crate::wire::codec::{self, Answer};
use crate::wire::error::WireError;
use http::StatusCode;
use serde_json::json;

pub(super) fn handle(api: &LambdaApi) -> Result<Answer, WireError> {
    let functions = api.catalog.list();
    let total_bytes = functions.iter().fold(0u64, |sum, function| {
        let view = function.view();
        let versions = view.records.versions.values();
        versions.fold(sum, |sum, version| sum.saturating_add(version.code.package_size_bytes))
    });
    let account = api.catalog.account();
    codec::json(
        StatusCode::OK,
        &json!({
            "AccountLimit": {
                "TotalCodeSize": i64::MAX,
                "CodeSizeUnzipped": UNPACKED_LIMIT_BYTES,
                "CodeSizeZipped": PACKAGE_LIMIT_BYTES,
                "ConcurrentExecutions": account.ceiling(),
                "UnreservedConcurrentExecutions": account.unreserved_capacity(),
            },
            "AccountUsage": { "TotalCodeSize": total_bytes, "FunctionCount": functions.len() },
        }),
    )
}
