//! `PutFunctionRecursionConfig` and `GetFunctionRecursionConfig`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionRecursionConfig.html>).

use super::constraints::{missing, one_of};
use super::{LambdaApi, target};
use crate::storage::functions::RecursiveLoop;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    recursive_loop: Option<String>,
}

pub(super) async fn put(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let input: Input = request.json()?;
    let wanted = input.recursive_loop.ok_or_else(|| missing("recursiveLoop"))?;
    one_of(&wanted, "recursiveLoop", &["Allow", "Terminate"])?;
    let wanted = if wanted == "Allow" { RecursiveLoop::Allow } else { RecursiveLoop::Terminate };
    let changed = api.catalog.update_function(&name, |function| {
        function.recursive_loop = wanted;
        Ok(())
    });
    codec::json(StatusCode::OK, &json!({ "RecursiveLoop": changed.await?.recursive_loop }))
}

pub(super) fn get(api: &LambdaApi, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let recursive_loop = api.catalog.function(&name)?.view().records.function.recursive_loop;
    codec::json(StatusCode::OK, &json!({ "RecursiveLoop": recursive_loop }))
}
