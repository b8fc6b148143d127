//! `TagResource`, `UntagResource` and `ListTags` for functions, event source mappings and code signing configurations
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html>).

use super::constraints::{failed, invalid, length, missing};
use super::error::not_found;
use super::{LambdaApi, target};
use crate::catalog;
use crate::ids::FunctionName;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Tags of one resource.
const TAGS_LIMIT: usize = 50;

type Tags = BTreeMap<String, String>;

/// What can have tags.
enum Resource {
    Function(FunctionName),
    Mapping(String),
    CodeSigningConfig(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    tags: Option<Tags>,
}

pub(super) async fn tag(api: &LambdaApi, request: &Request, resource: &str) -> Result<Answer, WireError> {
    let resource = Resource::parse(api, resource)?;
    let input: Input = request.json()?;
    let added = input.tags.ok_or_else(|| missing("tags"))?;
    check(&added)?;
    resource.change(api, move |tags| tags.extend(added)).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn untag(api: &LambdaApi, request: &Request, resource: &str) -> Result<Answer, WireError> {
    let resource = Resource::parse(api, resource)?;
    let keys = request.query_all("tagKeys");
    if keys.is_empty() {
        return Err(missing("tagKeys"));
    }
    for key in &keys {
        length(key, "tagKeys.member", 128)?;
    }
    resource.change(api, move |tags| tags.retain(|key, _| !keys.contains(key))).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

pub(super) fn list(api: &LambdaApi, resource: &str) -> Result<Answer, WireError> {
    let tags = Resource::parse(api, resource)?.tags(api)?;
    codec::json(StatusCode::OK, &json!({ "Tags": tags }))
}

/// Checks tags on their way in.
pub(super) fn check(tags: &Tags) -> Result<(), WireError> {
    bounded(tags)?;
    let allowed = |text: &str| {
        text.chars().all(|c| c.is_alphabetic() || c.is_numeric() || c.is_whitespace() || "_.:/=+-@".contains(c))
    };
    let pattern = "Member must satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)";
    for (key, value) in tags {
        if key.is_empty() {
            return Err(failed(key, "tags.key", "Member must have length greater than or equal to 1"));
        }
        length(key, "tags.key", 128)?;
        length(value, "tags.value", 256)?;
        for (text, member) in [(key, "tags.key"), (value, "tags.value")] {
            if !allowed(text) {
                return Err(failed(text, member, pattern));
            }
        }
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(invalid("Tag keys starting with 'aws:' are reserved for internal use."));
        }
    }
    Ok(())
}

fn bounded(tags: &Tags) -> Result<(), WireError> {
    match tags.len() {
        0..=TAGS_LIMIT => Ok(()),
        _ => Err(invalid(format!("The maximum number of tags of a resource is {TAGS_LIMIT}."))),
    }
}

impl Resource {
    fn parse(api: &LambdaApi, segment: &str) -> Result<Self, WireError> {
        let arn = target::decode(segment);
        let bad = || {
            failed(
                &arn,
                "resource",
                "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}(-gov)?-[a-z]+-\\d{1}:\\d{12}:\
                 (function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|code-signing-config:csc-[a-z0-9]{17}|\
                 event-source-mapping:[0-9a-fA-F-]{36})",
            )
        };
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        let ["arn", _, "lambda", region, account, kind, id] = parts.as_slice() else { return Err(bad()) };
        let home = api.catalog.home();
        let is_here = **region == *home.region && **account == *home.account;
        let gone = || not_found(format!("Resource not found: {arn}"));
        match *kind {
            "function" => {
                let target = target::parse(home, &arn).map_err(|error| match error.status {
                    StatusCode::NOT_FOUND => error,
                    _ => bad(),
                })?;
                if target.qualifier.is_some() {
                    return Err(invalid(
                        "Tags on function aliases and versions are not supported. Please specify a function ARN.",
                    ));
                }
                Ok(Self::Function(target.name))
            }
            "event-source-mapping" if uuid::Uuid::try_parse(id).is_ok() && id.len() == 36 => {
                if is_here {
                    Ok(Self::Mapping(id.to_ascii_lowercase()))
                } else {
                    Err(gone())
                }
            }
            "code-signing-config" if super::code_signing::is_id(id) => {
                if is_here {
                    Ok(Self::CodeSigningConfig((*id).to_owned()))
                } else {
                    Err(gone())
                }
            }
            _ => Err(bad()),
        }
    }

    fn tags(&self, api: &LambdaApi) -> Result<Tags, WireError> {
        match self {
            Self::Function(name) => Ok(api.catalog.function(name)?.view().records.function.tags.clone()),
            Self::Mapping(uuid) => {
                let found = api.mappings.get(uuid).map(|mapping| mapping.tags);
                found.ok_or_else(|| not_found("The resource you requested does not exist.".into()))
            }
            Self::CodeSigningConfig(id) => Ok(api.catalog.code_signing_config(id)?.tags),
        }
    }

    async fn change(&self, api: &LambdaApi, edit: impl FnOnce(&mut Tags) + Send) -> Result<(), WireError> {
        let bound = |tags: &Tags| bounded(tags).map_err(|error| error.message);
        match self {
            Self::Function(name) => {
                api.catalog
                    .update_function(name, |function| {
                        edit(&mut function.tags);
                        bound(&function.tags).map_err(catalog::Error::Invalid)
                    })
                    .await?;
            }
            Self::Mapping(uuid) => {
                let limit = |tags: &Tags| bound(tags).map_err(crate::triggers::queue::MappingError::Invalid);
                api.mappings
                    .change_tags(uuid, |tags| {
                        edit(tags);
                        limit(tags)
                    })
                    .await?;
            }
            Self::CodeSigningConfig(id) => {
                api.catalog
                    .update_code_signing_config(id, |config| {
                        edit(&mut config.tags);
                        bound(&config.tags).map_err(catalog::Error::Invalid)
                    })
                    .await?;
            }
        }
        Ok(())
    }
}
