//! Function URLs: `CreateFunctionUrlConfig` and its `Get`, `Update`, `List` and `Delete`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunctionUrlConfig.html>).

use super::constraints::{failed, invalid, length, missing, one_of, range};
use super::page::{self, Page};
use super::{LambdaApi, describe, target};
use crate::catalog::UrlChange;
use crate::ids::{AliasName, FunctionName, Qualifier};
use crate::storage::functions::{Cors, InvokeMode, UrlAuthType, UrlRecord};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Items of the lists of [`Cors`], by the model.
const MAX_METHODS: usize = 6;
const MAX_ITEMS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    auth_type: Option<String>,
    cors: Option<CorsInput>,
    invoke_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CorsInput {
    allow_credentials: Option<bool>,
    allow_headers: Option<Vec<String>>,
    allow_methods: Option<Vec<String>>,
    allow_origins: Option<Vec<String>>,
    expose_headers: Option<Vec<String>>,
    max_age: Option<i64>,
}

pub(super) async fn create(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let (name, alias) = named(api, request, name)?;
    let input: Input = request.json()?;
    let auth_type = auth_type(&input.auth_type.ok_or_else(|| missing("authType"))?)?;
    let cors = input.cors.map(cors).transpose()?;
    let invoke_mode = input.invoke_mode.as_deref().map_or(Ok(InvokeMode::Buffered), invoke_mode)?;
    let record = api.catalog.create_url(&name, alias, auth_type, cors, invoke_mode).await?;
    let mut shape = shape(api, &record);
    // What was just made was not modified.
    shape.remove("LastModifiedTime");
    codec::json(StatusCode::CREATED, &shape)
}

pub(super) fn get(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let (name, alias) = named(api, request, name)?;
    codec::json(StatusCode::OK, &shape(api, &*api.catalog.url(&name, alias.as_ref())?))
}

pub(super) async fn update(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let (name, alias) = named(api, request, name)?;
    let input: Input = request.json()?;
    let change = UrlChange {
        auth_type: input.auth_type.as_deref().map(auth_type).transpose()?,
        cors: input.cors.map(cors).transpose()?,
        invoke_mode: input.invoke_mode.as_deref().map(invoke_mode).transpose()?,
    };
    let record = api.catalog.update_url(&name, alias, change).await?;
    codec::json(StatusCode::OK, &shape(api, &record))
}

pub(super) async fn delete(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let (name, alias) = named(api, request, name)?;
    api.catalog.delete_url(&name, alias).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

pub(super) fn list(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let page = Page::<Option<AliasName>>::of(request, 50)?;
    let view = api.catalog.function(&name)?.view();
    let (found, next) = page.cut(view.records.urls.values(), |url| url.alias.clone())?;
    let shapes = found.into_iter().map(|url| shape(api, url).into()).collect();
    page::answer("FunctionUrlConfigs", shapes, next)
}

/// The function and, where there is one, the alias: a URL belongs to `$LATEST` or to an alias, never to a version.
fn named(api: &LambdaApi, request: &Request, name: &str) -> Result<(FunctionName, Option<AliasName>), WireError> {
    let target = target::qualified(api, name, request)?;
    match target.qualifier {
        None => Ok((target.name, None)),
        Some(Qualifier::Alias(alias)) => Ok((target.name, Some(alias))),
        Some(Qualifier::Version(version)) => Err(failed(
            version,
            "qualifier",
            "Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)",
        )),
    }
}

fn auth_type(text: &str) -> Result<UrlAuthType, WireError> {
    one_of(text, "authType", &["NONE", "AWS_IAM"])?;
    Ok(if text == "NONE" { UrlAuthType::None } else { UrlAuthType::AwsIam })
}

fn invoke_mode(text: &str) -> Result<InvokeMode, WireError> {
    one_of(text, "invokeMode", &["BUFFERED", "RESPONSE_STREAM"])?;
    Ok(if text == "BUFFERED" { InvokeMode::Buffered } else { InvokeMode::ResponseStream })
}

fn cors(input: CorsInput) -> Result<Cors, WireError> {
    let max_age = input.max_age.map(|seconds| range(seconds, "cors.maxAge", 0, 86_400)).transpose()?;
    for (list, member, items, chars) in [
        (&input.allow_headers, "cors.allowHeaders", MAX_ITEMS, 1024),
        (&input.allow_methods, "cors.allowMethods", MAX_METHODS, 6),
        (&input.allow_origins, "cors.allowOrigins", MAX_ITEMS, 253),
        (&input.expose_headers, "cors.exposeHeaders", MAX_ITEMS, 1024),
    ] {
        let list = list.as_deref().unwrap_or_default();
        if list.len() > items {
            let constraint = format!("Member must have length less than or equal to {items}");
            return Err(failed(format!("[{}]", list.join(", ")), member, constraint));
        }
        for item in list {
            length(item, member, chars)?;
            // It goes out as a header.
            if HeaderValue::try_from(item.as_str()).is_err() || item.contains(',') {
                return Err(invalid(format!("{item:?} at '{member}' cannot stand in a header.")));
            }
        }
    }
    for origin in input.allow_origins.iter().flatten() {
        if origin.is_empty() {
            return Err(failed(origin, "cors.allowOrigins", "Member must have length greater than or equal to 1"));
        }
    }
    let CorsInput { allow_credentials, allow_headers, allow_methods, allow_origins, expose_headers, .. } = input;
    Ok(Cors { allow_credentials, allow_headers, allow_methods, allow_origins, expose_headers, max_age })
}

fn shape(api: &LambdaApi, record: &UrlRecord) -> Map<String, Value> {
    let alias = record.alias.as_ref().map(|alias| alias as &dyn std::fmt::Display);
    let time = |ms| describe::time(ms, "%Y-%m-%dT%H:%M:%S%.6fZ");
    let mut shape = Map::new();
    shape.insert("FunctionUrl".into(), api.urls.url(&record.url_id).into());
    shape.insert("FunctionArn".into(), api.catalog.home().function_arn(&record.function, alias).into());
    shape.insert("AuthType".into(), json!(record.auth_type));
    if let Some(cors) = &record.cors {
        shape.insert("Cors".into(), json!(cors));
    }
    shape.insert("CreationTime".into(), time(record.created_at_ms).into());
    shape.insert("LastModifiedTime".into(), time(record.modified_at_ms).into());
    shape.insert("InvokeMode".into(), json!(record.invoke_mode));
    shape
}
