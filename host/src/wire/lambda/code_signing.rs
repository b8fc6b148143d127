//! Code signing configurations, and which function has which
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateCodeSigningConfig.html>).

use super::constraints::{failed, length, missing, one_of, pattern};
use super::page::{self, Page};
use super::permissions::{ARN_PATTERN, is_arn};
use super::{LambdaApi, describe, tags, target};
use crate::ids::{FunctionName, Home};
use crate::storage::code_signing::{CodeSigningConfigRecord, UntrustedArtifact};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use rand::Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Characters of an id behind `csc-`.
const ID_CHARS: usize = 17;

const PUBLISHERS_LIMIT: usize = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Input {
    description: Option<String>,
    allowed_publishers: Option<AllowedPublishers>,
    code_signing_policies: Option<CodeSigningPolicies>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct AllowedPublishers {
    signing_profile_version_arns: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CodeSigningPolicies {
    untrusted_artifact_on_deployment: Option<String>,
}

/// What a request says, checked.
struct Checked {
    description: Option<String>,
    publishers: Option<Vec<String>>,
    untrusted_artifact: Option<UntrustedArtifact>,
}

pub(super) async fn create(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let mut input: Input = request.json()?;
    let tags = input.tags.take().unwrap_or_default();
    tags::check(&tags)?;
    let Checked { description, publishers, untrusted_artifact } = input.check()?;
    let config = CodeSigningConfigRecord {
        id: new_id(),
        description: description.unwrap_or_default(),
        allowed_publishers: publishers.ok_or_else(|| missing("allowedPublishers"))?,
        untrusted_artifact: untrusted_artifact.unwrap_or_default(),
        tags,
        modified_at_ms: api.catalog.parts.clock.now_ms(),
    };
    let config = api.catalog.create_code_signing_config(config).await?;
    answer(StatusCode::CREATED, api, &config)
}

pub(super) fn get(api: &LambdaApi, arn: &str) -> Result<Answer, WireError> {
    answer(StatusCode::OK, api, &api.catalog.code_signing_config(&id_of(api.catalog.home(), &target::decode(arn))?)?)
}

pub(super) async fn update(api: &LambdaApi, request: &Request, arn: &str) -> Result<Answer, WireError> {
    let id = id_of(api.catalog.home(), &target::decode(arn))?;
    let Checked { description, publishers, untrusted_artifact } = request.json::<Input>()?.check()?;
    let changed = api.catalog.update_code_signing_config(&id, |config| {
        if let Some(description) = description {
            config.description = description;
        }
        if let Some(publishers) = publishers {
            config.allowed_publishers = publishers;
        }
        if let Some(untrusted_artifact) = untrusted_artifact {
            config.untrusted_artifact = untrusted_artifact;
        }
        Ok(())
    });
    answer(StatusCode::OK, api, &changed.await?)
}

pub(super) async fn delete(api: &LambdaApi, arn: &str) -> Result<Answer, WireError> {
    let id = id_of(api.catalog.home(), &target::decode(arn))?;
    api.catalog.delete_code_signing_config(&id).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

pub(super) fn list(api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
    let page = Page::<String>::of(request, 10_000)?;
    let (configs, next) = page.cut(api.catalog.code_signing_configs().into_iter(), |config| config.id.clone())?;
    let shapes = configs.iter().map(|config| shape(api.catalog.home(), config)).collect();
    page::answer("CodeSigningConfigs", shapes, next)
}

pub(super) fn list_functions(api: &LambdaApi, request: &Request, arn: &str) -> Result<Answer, WireError> {
    let id = id_of(api.catalog.home(), &target::decode(arn))?;
    api.catalog.code_signing_config(&id)?;
    let page = Page::<FunctionName>::of(request, 10_000)?;
    let (names, next) = page.cut(api.catalog.functions_of_code_signing_config(&id).into_iter(), Clone::clone)?;
    let arns = names.iter().map(|name| api.catalog.home().function_arn(name, None).into()).collect();
    page::answer("FunctionArns", arns, next)
}

pub(super) async fn put_of_function(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        code_signing_config_arn: Option<String>,
    }
    let name = target::function(api, name)?;
    let arn = request.json::<Input>()?.code_signing_config_arn.ok_or_else(|| missing("codeSigningConfigArn"))?;
    let id = id_of(api.catalog.home(), &arn)?;
    api.catalog.set_code_signing_config(&name, Some(&id)).await?;
    codec::json(StatusCode::OK, &json!({ "CodeSigningConfigArn": arn, "FunctionName": name }))
}

pub(super) fn get_of_function(api: &LambdaApi, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    let id = api.catalog.function(&name)?.view().records.function.code_signing_config.clone();
    let id =
        id.ok_or_else(|| super::error::not_found(format!("The function {name} has no code signing configuration.")))?;
    codec::json(StatusCode::OK, &json!({ "CodeSigningConfigArn": arn(api.catalog.home(), &id), "FunctionName": name }))
}

pub(super) async fn delete_of_function(api: &LambdaApi, name: &str) -> Result<Answer, WireError> {
    let name = target::function(api, name)?;
    api.catalog.set_code_signing_config(&name, None).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

/// The id in an ARN of a code signing configuration of this home.
pub(super) fn id_of(home: &Home, arn: &str) -> Result<String, WireError> {
    length(arn, "codeSigningConfigArn", 200)?;
    let words = "arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:\
                 code-signing-config:csc-[a-z0-9]{17}";
    let id = is_arn(arn).then(|| arn.rsplit_once(":code-signing-config:")).flatten().map(|(_, id)| id);
    let Some(id) = id.filter(|id| is_id(id)) else {
        return Err(failed(
            arn,
            "codeSigningConfigArn",
            format!("Member must satisfy regular expression pattern: {words}"),
        ));
    };
    if *arn != self::arn(home, id) {
        return Err(super::error::not_found(format!("The code signing configuration cannot be found: {arn}")));
    }
    Ok(id.to_owned())
}

/// Whether a text is the id of a code signing configuration.
pub(super) fn is_id(text: &str) -> bool {
    text.strip_prefix("csc-").is_some_and(|id| {
        id.len() == ID_CHARS && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

fn arn(home: &Home, id: &str) -> String {
    home.arn("lambda", &format!("code-signing-config:{id}"))
}

fn new_id() -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    let pick = |_| ALPHABET.get(random.random_range(0..ALPHABET.len())).map_or('0', |byte| char::from(*byte));
    format!("csc-{}", (0..ID_CHARS).map(pick).collect::<String>())
}

impl Input {
    fn check(self) -> Result<Checked, WireError> {
        if let Some(description) = &self.description {
            length(description, "description", 256)?;
        }
        let publishers = match self.allowed_publishers {
            None => None,
            Some(publishers) => {
                let member = "allowedPublishers.signingProfileVersionArns";
                let arns = publishers.signing_profile_version_arns.ok_or_else(|| missing(member))?;
                if arns.is_empty() || arns.len() > PUBLISHERS_LIMIT {
                    let constraint = format!(
                        "Member must have length less than or equal to {PUBLISHERS_LIMIT} and greater than or equal to 1"
                    );
                    return Err(failed(format!("[{}]", arns.join(", ")), member, constraint));
                }
                for arn in &arns {
                    pattern(arn, member, ARN_PATTERN, is_arn)?;
                }
                Some(arns)
            }
        };
        let policy = self.code_signing_policies.and_then(|policies| policies.untrusted_artifact_on_deployment);
        if let Some(policy) = &policy {
            one_of(policy, "codeSigningPolicies.untrustedArtifactOnDeployment", &["Warn", "Enforce"])?;
        }
        let untrusted_artifact = policy.map(|policy| match policy.as_str() {
            "Enforce" => UntrustedArtifact::Enforce,
            _ => UntrustedArtifact::Warn,
        });
        Ok(Checked { description: self.description, publishers, untrusted_artifact })
    }
}

fn answer(status: StatusCode, api: &LambdaApi, config: &CodeSigningConfigRecord) -> Result<Answer, WireError> {
    codec::json(status, &json!({ "CodeSigningConfig": shape(api.catalog.home(), config) }))
}

fn shape(home: &Home, config: &CodeSigningConfigRecord) -> Value {
    json!({
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": arn(home, &config.id),
        "Description": config.description,
        "AllowedPublishers": { "SigningProfileVersionArns": config.allowed_publishers },
        "CodeSigningPolicies": { "UntrustedArtifactOnDeployment": config.untrusted_artifact },
        "LastModified": describe::time(config.modified_at_ms, "%Y-%m-%dT%H:%M:%S%.3f+0000"),
    })
}
