//! `AddLayerVersionPermission`, `RemoveLayerVersionPermission`, `GetLayerVersionPolicy`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_AddLayerVersionPermission.html>).

use super::name;
use crate::catalog::Error;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::WireError;
use crate::wire::lambda::LambdaApi;
use crate::wire::lambda::constraints::{failed, invalid, length, missing};
use crate::wire::lambda::error::not_found;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    organization_id: Option<String>,
}

/// A statement, its members within their constraints.
struct Statement {
    id: String,
    principal: Value,
    organization: Option<String>,
}

fn pattern(value: &str, member: &str, pattern: &str) -> WireError {
    failed(value, member, format!("Member must satisfy regular expression pattern: {pattern}"))
}

fn check_statement_id(id: &str) -> Result<(), WireError> {
    length(id, "statementId", 100)?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.is_empty() || !id.bytes().all(is_word) {
        return Err(pattern(id, "statementId", "([a-zA-Z0-9-_]+)"));
    }
    Ok(())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The account behind `arn:aws:iam::<account>:root`.
fn root_of(principal: &str) -> Option<&str> {
    let (partition, rest) = principal.strip_prefix("arn:")?.split_once(":iam::")?;
    let account = rest.strip_suffix(":root")?;
    (partition.starts_with("aws") && is_account(account)).then_some(account)
}

impl Input {
    fn check(self) -> Result<Statement, WireError> {
        let id = self.statement_id.ok_or_else(|| missing("statementId"))?;
        let action = self.action.ok_or_else(|| missing("action"))?;
        let principal = self.principal.ok_or_else(|| missing("principal"))?;
        check_statement_id(&id)?;
        if action != "lambda:GetLayerVersion" {
            return Err(pattern(&action, "action", "lambda:GetLayerVersion"));
        }
        let shown = match principal.as_str() {
            "*" => json!("*"),
            account if is_account(account) => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
            root if root_of(root).is_some() => json!({ "AWS": root }),
            _ => {
                return Err(pattern(&principal, "principal", "\\d{12}|\\*|arn:(aws[a-zA-Z-]*):iam::\\d{12}:root"));
            }
        };
        if let Some(organization) = &self.organization_id {
            let id = organization.strip_prefix("o-").unwrap_or_default();
            let is_id = (10..=32).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            if !is_id {
                return Err(pattern(organization, "organizationId", "o-[a-z0-9]{10,32}"));
            }
            if principal != "*" {
                return Err(invalid("OrganizationId may be given with the principal * only."));
            }
        }
        Ok(Statement { id, principal: shown, organization: self.organization_id })
    }
}

fn revision(request: &Request) -> Option<String> {
    request.query("RevisionId").filter(|id| !id.is_empty())
}

pub(super) async fn add(api: &LambdaApi, request: &Request, layer: &str, version: &str) -> Result<Answer, WireError> {
    let home = api.catalog.home();
    let (layer, version) = (name::layer(home, layer)?, name::version(version)?);
    let input: Input = request.json()?;
    let Statement { id, principal, organization } = input.check()?;
    let mut statement = json!({
        "Sid": id,
        "Effect": "Allow",
        "Principal": principal,
        "Action": "lambda:GetLayerVersion",
        "Resource": home.layer_arn(&layer, Some(version)),
    });
    if let (Some(organization), Some(members)) = (organization, statement.as_object_mut()) {
        members.insert("Condition".into(), json!({ "StringEquals": { "aws:PrincipalOrgID": organization } }));
    }
    let revision = revision(request);
    let changed = api.catalog.edit_layer_policy(&layer, version, revision.as_deref(), |policy| {
        if policy.contains_key(&id) {
            return Err(Error::Conflict(format!(
                "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            )));
        }
        policy.insert(id.clone(), statement.clone());
        Ok(())
    });
    let (record, ()) = changed.await?;
    let answer = json!({ "Statement": statement.to_string(), "RevisionId": record.revision_id });
    codec::json(StatusCode::CREATED, &answer)
}

pub(super) async fn remove(
    api: &LambdaApi,
    request: &Request,
    layer: &str,
    version: &str,
    statement: &str,
) -> Result<Answer, WireError> {
    let (layer, version) = (name::layer(api.catalog.home(), layer)?, name::version(version)?);
    let id = name::decode(statement);
    check_statement_id(&id)?;
    let revision = revision(request);
    let changed = api.catalog.edit_layer_policy(&layer, version, revision.as_deref(), |policy| {
        let removed = policy.remove(&id);
        removed.map(drop).ok_or_else(|| Error::NotFound(format!("Statement {id} is not found in resource policy.")))
    });
    changed.await?;
    Ok(codec::empty(StatusCode::NO_CONTENT))
}

pub(super) fn get(api: &LambdaApi, layer: &str, version: &str) -> Result<Answer, WireError> {
    let record = api.catalog.layer_version(&name::layer(api.catalog.home(), layer)?, name::version(version)?)?;
    if record.policy.is_empty() {
        return Err(not_found("No policy is associated with the given resource.".to_owned()));
    }
    let statements: Vec<&Value> = record.policy.values().collect();
    let policy = json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements });
    codec::json(StatusCode::OK, &json!({ "Policy": policy.to_string(), "RevisionId": record.revision_id }))
}
