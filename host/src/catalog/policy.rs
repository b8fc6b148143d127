//! Resource policies of functions, versions and aliases
//! (<https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html>).
//!
//! Statements are kept as the policy document has them; who makes them answers for their form. A policy goes with what it is about: what is
//! allowed for a function is not allowed for its versions and aliases, nor the other way around, and `$LATEST` by that name has none.
//! [`evaluation`] says what statements mean; here are the questions of those who have no key: services, and callers of open URLs.

use super::{Catalog, Error, Result, View};
use crate::credentials::evaluation::{self, Verdict};
use crate::credentials::{Ask, Context, Principal};
use crate::ids::{FunctionRef, LayerName, Qualifier, Version};
use crate::storage::functions::{Change, PolicyRecord, UrlAuthType, UrlRecord};
use serde_json::{Value, json};

/// A policy document at most (Lambda quota: 20 kB).
const POLICY_LIMIT_BYTES: usize = 20_480;

impl PolicyRecord {
    /// The policy document.
    pub fn document(&self) -> String {
        json!({ "Version": "2012-10-17", "Id": "default", "Statement": self.statements }).to_string()
    }
}

impl Catalog {
    /// Adds a statement, whose `Sid` must be new.
    pub async fn add_permission(
        &self,
        target: &FunctionRef,
        statement: Value,
        revision_id: Option<&str>,
    ) -> Result<PolicyRecord> {
        let function = self.function(&target.name)?;
        self.change(&function, |view| {
            let mut policy = self.policy_of(view, target)?.cloned().unwrap_or_else(|| PolicyRecord {
                function: target.name.clone(),
                qualifier: target.qualifier.clone(),
                statements: Vec::new(),
                revision_id: String::new(),
            });
            check_revision(&policy, revision_id)?;
            let sid = sid_of(&statement);
            if policy.statements.iter().any(|held| sid_of(held) == sid) {
                return Err(Error::Exists(format!(
                    "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
                     existing statement."
                )));
            }
            policy.statements.push(statement);
            let size_bytes = policy.document().len();
            if size_bytes > POLICY_LIMIT_BYTES {
                return Err(Error::PolicyTooLong { size_bytes, limit_bytes: POLICY_LIMIT_BYTES });
            }
            policy.revision_id = Self::new_revision();
            Ok((vec![Change::PutPolicy(policy.clone())], policy))
        })
        .await
    }

    /// Takes a statement away; the policy goes with its last one.
    pub async fn remove_permission(&self, target: &FunctionRef, sid: &str, revision_id: Option<&str>) -> Result<()> {
        let function = self.function(&target.name)?;
        self.change(&function, |view| {
            let mut policy = self.policy_of(view, target)?.cloned().ok_or_else(no_policy)?;
            let before = policy.statements.len();
            policy.statements.retain(|held| sid_of(held) != sid);
            if policy.statements.len() == before {
                return Err(Error::NotFound(format!("Statement {sid} is not found in resource policy.")));
            }
            check_revision(&policy, revision_id)?;
            policy.revision_id = Self::new_revision();
            let change = match policy.statements.is_empty() {
                true => Change::DeletePolicy(policy.function, policy.qualifier),
                false => Change::PutPolicy(policy),
            };
            Ok((vec![change], ()))
        })
        .await
    }

    /// The policy of a function, a version or an alias.
    pub fn policy(&self, target: &FunctionRef) -> Result<PolicyRecord> {
        let view = self.function(&target.name)?.view();
        self.policy_of(&view, target)?.cloned().ok_or_else(no_policy)
    }

    /// Gives `look` the statements about a function, a version or an alias: none where there is no such thing.
    pub fn with_statements<R>(&self, target: &FunctionRef, look: impl FnOnce(&[Value]) -> R) -> R {
        match self.function(&target.name) {
            Ok(function) => {
                let view = function.view();
                look(view.records.policies.get(&target.qualifier).map_or(&[], |policy| policy.statements.as_slice()))
            }
            Err(_) => look(&[]),
        }
    }

    /// The statements about a layer version: none where there is no such thing.
    pub fn layer_statements(&self, name: &LayerName, version: u64) -> Vec<Value> {
        self.layer_version(name, version)
            .map_or_else(|_| Vec::new(), |record| record.policy.values().cloned().collect())
    }

    /// Whether a service of AWS's name (`logs.amazonaws.com`) may invoke a function, a version or an alias on behalf of what `source_arn`
    /// names, which belongs to the account here.
    pub fn may_service_invoke(&self, service: &str, source_arn: &str, target: &FunctionRef) -> bool {
        let home = self.home();
        let context =
            Context { source_arn: Some(source_arn), source_account: Some(&home.account), ..Context::default() };
        let principal = Principal::Service { name: service, region: &home.region };
        self.decide(principal, "lambda:InvokeFunction", target, context) == Verdict::Allowed
    }

    /// Whether everybody may call a URL of the kind `NONE`.
    pub fn is_url_public(&self, url: &UrlRecord) -> bool {
        let target = FunctionRef { name: url.function.clone(), qualifier: url.alias.clone().map(Qualifier::Alias) };
        let context = Context {
            function_url_auth_type: Some(UrlAuthType::None.as_str()),
            invoked_via_function_url: true,
            ..Context::default()
        };
        self.decide(Principal::Anonymous, "lambda:InvokeFunctionUrl", &target, context) == Verdict::Allowed
    }

    fn decide(&self, principal: Principal<'_>, action: &str, target: &FunctionRef, context: Context<'_>) -> Verdict {
        let qualifier = target.qualifier.as_ref().map(|qualifier| qualifier as &dyn std::fmt::Display);
        let resource = self.home().function_arn(&target.name, qualifier);
        self.with_statements(target, |statements| {
            let owner = &self.home().account;
            evaluation::decide(principal, &Ask { action, resource: &resource, also: &[], owner, statements, context })
        })
    }

    /// The policy of what is there; `None` where it has none.
    fn policy_of<'a>(&self, view: &'a View, target: &FunctionRef) -> Result<Option<&'a PolicyRecord>> {
        match &target.qualifier {
            Some(Qualifier::Version(Version::Latest)) => {
                return Err(Error::Invalid("We currently do not support adding policies for $LATEST.".into()));
            }
            Some(qualifier @ Qualifier::Version(version)) if !view.records.versions.contains_key(version) => {
                return Err(self.not_found(&target.name, Some(qualifier)));
            }
            Some(Qualifier::Alias(alias)) if !view.records.aliases.contains_key(alias) => {
                return Err(self.no_alias(&target.name, alias));
            }
            _ => {}
        }
        Ok(view.records.policies.get(&target.qualifier))
    }
}

fn sid_of(statement: &Value) -> &str {
    statement.get("Sid").and_then(Value::as_str).unwrap_or_default()
}

fn check_revision(policy: &PolicyRecord, wanted: Option<&str>) -> Result<()> {
    if wanted.is_some_and(|wanted| wanted != policy.revision_id) {
        return Err(Error::RevisionMismatch);
    }
    Ok(())
}

fn no_policy() -> Error {
    Error::NotFound("The resource you requested does not exist.".into())
}
