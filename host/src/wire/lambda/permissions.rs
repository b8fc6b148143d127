//! `AddPermission`, `RemovePermission` and `GetPolicy`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html>).

use super::constraints::{failed, invalid, length, missing, one_of, pattern};
use super::{LambdaApi, target};
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Input {
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    source_arn: Option<String>,
    source_account: Option<String>,
    event_source_token: Option<String>,
    function_url_auth_type: Option<String>,
    invoked_via_function_url: Option<bool>,
    #[serde(rename = "PrincipalOrgID")]
    principal_org_id: Option<String>,
    revision_id: Option<String>,
}

pub(super) async fn add(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let input: Input = request.json()?;
    let qualifier = target.qualifier.as_ref().map(|qualifier| qualifier as &dyn std::fmt::Display);
    let statement = input.statement(api.catalog.home().function_arn(&target.name, qualifier))?;
    let revision_id = input.revision_id.filter(|id| !id.is_empty());
    api.catalog.add_permission(&target, statement.clone(), revision_id.as_deref()).await?;
    codec::json(StatusCode::CREATED, &json!({ "Statement": statement.to_string() }))
}

pub(super) async fn remove(
    api: &LambdaApi,
    request: &Request,
    name: &str,
    statement_id: &str,
) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let statement_id = target::decode(statement_id);
    check_statement_id(&statement_id, true)?;
    let revision_id = request.query("RevisionId").filter(|id| !id.is_empty());
    api.catalog.remove_permission(&target, &statement_id, revision_id.as_deref()).await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

pub(super) fn get(api: &LambdaApi, request: &Request, name: &str) -> Result<Answer, WireError> {
    let policy = api.catalog.policy(&target::qualified(api, name, request)?)?;
    codec::json(StatusCode::OK, &json!({ "Policy": policy.document(), "RevisionId": policy.revision_id }))
}

fn check_statement_id(text: &str, dots: bool) -> Result<(), WireError> {
    length(text, "statementId", 100)?;
    let words = if dots { "([a-zA-Z0-9-_.]+)" } else { "([a-zA-Z0-9-_]+)" };
    pattern(text, "statementId", words, |text| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (dots && byte == b'.'))
    })
}

impl Input {
    /// The statement as the policy document has it.
    fn statement(&self, resource: String) -> Result<Value, WireError> {
        let sid = self.statement_id.as_deref().ok_or_else(|| missing("statementId"))?;
        check_statement_id(sid, false)?;
        let action = self.action.as_deref().ok_or_else(|| missing("action"))?;
        pattern(action, "action", "(lambda:[*]|lambda:[a-zA-Z]+|[*])", |text| match text.strip_prefix("lambda:") {
            Some("*") => true,
            Some(name) => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()),
            None => text == "*",
        })?;
        let principal = self.principal.as_deref().ok_or_else(|| missing("principal"))?;
        let mut statement = Map::new();
        statement.insert("Sid".into(), sid.into());
        statement.insert("Effect".into(), "Allow".into());
        statement.insert("Principal".into(), self::principal(principal)?);
        statement.insert("Action".into(), action.into());
        statement.insert("Resource".into(), resource.into());
        let conditions = self.conditions(action)?;
        if !conditions.is_empty() {
            statement.insert("Condition".into(), conditions.into());
        }
        Ok(statement.into())
    }

    fn conditions(&self, action: &str) -> Result<Map<String, Value>, WireError> {
        let mut equals = Map::new();
        let mut conditions = Map::new();
        if let Some(account) = &self.source_account {
            pattern(account, "sourceAccount", "\\d{12}", is_account)?;
            equals.insert("AWS:SourceAccount".into(), account.as_str().into());
        }
        if let Some(token) = &self.event_source_token {
            length(token, "eventSourceToken", 256)?;
            pattern(token, "eventSourceToken", "[a-zA-Z0-9._\\-]+", |text| {
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            })?;
            equals.insert("lambda:EventSourceToken".into(), token.as_str().into());
        }
        if let Some(kind) = &self.function_url_auth_type {
            one_of(kind, "functionUrlAuthType", &["NONE", "AWS_IAM"])?;
            if action != "lambda:InvokeFunctionUrl" {
                return Err(invalid("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"));
            }
            equals.insert("lambda:FunctionUrlAuthType".into(), kind.as_str().into());
        }
        if let Some(organization) = &self.principal_org_id {
            pattern(organization, "principalOrgID", "o-[a-z0-9]{10,32}", |text| {
                text.strip_prefix("o-").is_some_and(|id| {
                    (10..=32).contains(&id.len())
                        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                })
            })?;
            equals.insert("aws:PrincipalOrgID".into(), organization.as_str().into());
        }
        if !equals.is_empty() {
            conditions.insert("StringEquals".into(), equals.into());
        }
        if let Some(arn) = &self.source_arn {
            pattern(arn, "sourceArn", ARN_PATTERN, is_arn)?;
            conditions.insert("ArnLike".into(), json!({ "AWS:SourceArn": arn }));
        }
        if self.invoked_via_function_url == Some(true) {
            conditions.insert("Bool".into(), json!({ "lambda:InvokedViaFunctionUrl": "true" }));
        }
        Ok(conditions)
    }
}

pub(super) const ARN_PATTERN: &str =
    "arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}(-gov)?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)";

pub(super) fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, service, _, account, _] => {
            partition.starts_with("aws") && !service.is_empty() && (account.is_empty() || is_account(account))
        }
        _ => false,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A principal as a policy document has it: everybody, a service, an account, or who an ARN names.
fn principal(text: &str) -> Result<Value, WireError> {
    length(text, "principal", 2048)?;
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(failed(text, "principal", "Member must satisfy regular expression pattern: [^\\s]+"));
    }
    let is_service = |text: &str| {
        let words = |stem: &str| {
            !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        };
        text.strip_suffix(".amazonaws.com").is_some_and(words)
    };
    match text {
        "*" => Ok("*".into()),
        account if is_account(account) => Ok(json!({ "AWS": format!("arn:aws:iam::{account}:root") })),
        arn if is_arn(arn) => Ok(json!({ "AWS": arn })),
        service if is_service(service) => Ok(json!({ "Service": service })),
        _ => Err(invalid("The provided principal was invalid. Please check the principal and try again.")),
    }
}
