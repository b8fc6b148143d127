//! What a key or a role may do: an IAM policy document with `Effect`, `Action` and `Resource`
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>).
//!
//! Patterns have `*` (any characters, none too) and `?` (one). Actions compare without regard to case, resources with. What no statement
//! allows is denied; a `Deny` wins. Elements without an effect here (`Condition`, `NotAction`, `NotResource`, `Principal`) are refused
//! rather than ignored: a policy that says less than it seems to is worse than none.

use serde::{Deserialize, Serialize};

/// Statements of one policy.
pub const MAX_STATEMENTS: usize = 100;

/// Actions or resources of one statement.
const MAX_PATTERNS: usize = 100;

/// Characters of a pattern.
const MAX_PATTERN_CHARS: usize = 512;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
    /// The version of the language; the only one is the default.
    #[serde(default = "language")]
    pub version: String,
    /// What tells it from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is allowed and denied.
    #[serde(deserialize_with = "one_or_many")]
    pub statement: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    /// What tells it from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Allow or deny.
    pub effect: Effect,
    /// Such as `lambda:InvokeFunction`, `sqs:*`, `*`.
    #[serde(deserialize_with = "one_or_many")]
    pub action: Vec<String>,
    /// ARNs, or `*`.
    #[serde(deserialize_with = "one_or_many")]
    pub resource: Vec<String>,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Allows.
    Allow,
    /// Denies, whatever else allows.
    Deny,
}

/// What a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

fn language() -> String {
    "2012-10-17".to_owned()
}

/// AWS lets a list of one stand without its brackets.
fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    // Not an untagged enum: its errors say nothing.
    let value = serde_json::Value::deserialize(deserializer)?;
    let many = match value {
        serde_json::Value::Array(many) => many,
        one => vec![one],
    };
    many.into_iter().map(|one| serde_json::from_value(one).map_err(serde::de::Error::custom)).collect()
}

impl Policy {
    /// A policy of one statement that allows.
    pub fn allowing(actions: &[&str], resources: &[String]) -> Self {
        let action = actions.iter().map(|&action| action.to_owned()).collect();
        let statement = Statement { sid: None, effect: Effect::Allow, action, resource: resources.to_vec() };
        Self { version: language(), id: None, statement: vec![statement] }
    }

    /// The policy of who has none: it allows nothing.
    pub(super) fn nothing() -> Self {
        Self { version: language(), id: None, statement: Vec::new() }
    }

    /// Reads a policy document.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = serde_json::from_str(text).map_err(|error| format!("the policy is not one: {error}"))?;
        policy.check()?;
        Ok(policy)
    }

    /// Whether the policy is within bounds and says what can be meant.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(&self) -> Result<(), String> {
        if !matches!(self.version.as_str(), "2012-10-17" | "2008-10-17") {
            return Err(format!("the policy has version {:?}, which is not \"2012-10-17\"", self.version));
        }
        if self.statement.is_empty() || self.statement.len() > MAX_STATEMENTS {
            return Err(format!("a policy has 1 to {MAX_STATEMENTS} statements"));
        }
        for statement in &self.statement {
            for (what, patterns) in [("Action", &statement.action), ("Resource", &statement.resource)] {
                if patterns.is_empty() || patterns.len() > MAX_PATTERNS {
                    return Err(format!("{what} of a statement has 1 to {MAX_PATTERNS} patterns"));
                }
                if patterns.iter().any(|pattern| pattern.is_empty() || pattern.chars().count() > MAX_PATTERN_CHARS) {
                    return Err(format!("a pattern of {what} has 1 to {MAX_PATTERN_CHARS} characters"));
                }
            }
            if let Some(action) = statement.action.iter().find(|action| *action != "*" && !action.contains(':')) {
                return Err(format!("the action {action:?} is not of the form service:action"));
            }
            let is_resource = |resource: &&String| *resource == "*" || resource.starts_with("arn:");
            if let Some(resource) = statement.resource.iter().find(|resource| !is_resource(resource)) {
                return Err(format!("the resource {resource:?} is neither an ARN nor \"*\""));
            }
        }
        Ok(())
    }

    /// What the policy says of an action on a resource. `also` are further names that the resource goes by: a `Deny` of any of them holds.
    pub fn decide(&self, action: &str, resource: &str, also: &[String]) -> Decision {
        let acts = |statement: &Statement| statement.action.iter().any(|pattern| matches_any_case(pattern, action));
        let of = |statement: &Statement, name: &str| statement.resource.iter().any(|pattern| matches(pattern, name));
        let mut decision = Decision::NotAllowed;
        for statement in self.statement.iter().filter(|statement| acts(statement)) {
            match statement.effect {
                Effect::Deny if of(statement, resource) || also.iter().any(|name| of(statement, name)) => {
                    return Decision::Denied;
                }
                Effect::Allow if of(statement, resource) => decision = Decision::Allowed,
                Effect::Deny | Effect::Allow => {}
            }
        }
        decision
    }
}

pub(super) fn matches_any_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

/// Whether `text` is as `pattern` says, with `*` and `?`. Takes at most the product of their lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.chars();
    let mut text = text.chars();
    // Where to go on if what follows the last star does not fit: one character of the text further.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let here = (pattern.clone(), text.clone());
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                text = here.1.clone();
                retry = Some((pattern.clone(), here.1));
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => {
                let Some((after_star, mut from)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                text = from.clone();
                retry = Some((after_star, from));
            }
        }
    }
}
