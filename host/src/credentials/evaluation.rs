//! Whether a request may go on: policies of keys, roles and resources together
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>).
//!
//! Pure: who asks, for what, and the statements that the resource has, in; a [`Verdict`] out. A deny of either policy wins. Within the
//! resource's account one policy that allows is enough; a key or role of another account needs both. A statement for an account (its number, or
//! `:root`) leaves it to that account's own policies: within the account it allows nothing by itself. Services and strangers have no
//! policies of their own.
//!
//! A statement that is not understood (an operator of conditions, an element) allows nothing, and denies what it may be about. Condition
//! keys that have no value here, such as `aws:PrincipalOrgID`, meet no condition: there are no organizations.

use super::policy::{Decision, Policy, matches, matches_any_case};
use serde_json::Value;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Principal<'a> {
    /// A key, or a function with its role.
    Key {
        /// `arn:aws:iam::<account>:user/<name>`, or `arn:aws:sts::<account>:assumed-role/<role>/<function>`.
        arn: &'a str,
        /// The role's ARN.
        role: Option<&'a str>,
        /// The account of either.
        account: &'a str,
        /// What it may do.
        policy: &'a Policy,
    },
    /// A service of AWS's name, such as `logs.amazonaws.com`.
    Service {
        /// The name without a region.
        name: &'a str,
        /// The region, for statements that name the service with it (`logs.us-east-1.amazonaws.com`).
        region: &'a str,
    },
    /// Somebody.
    Anonymous,
}

/// What conditions look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// `aws:SourceArn`: for what a service asks.
    pub source_arn: Option<&'a str>,
    /// `aws:SourceAccount`: whose that is.
    pub source_account: Option<&'a str>,
    /// `lambda:EventSourceToken`.
    pub event_source_token: Option<&'a str>,
    /// `lambda:FunctionUrlAuthType`: the kind of URL that is asked for or configured.
    pub function_url_auth_type: Option<&'a str>,
    /// `lambda:InvokedViaFunctionUrl`.
    pub invoked_via_function_url: bool,
}

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Such as `lambda:InvokeFunction`.
    pub action: &'a str,
    /// An ARN, or `*`.
    pub resource: &'a str,
    /// Further names of the resource, by which a key's policy can deny it.
    pub also: &'a [String],
    /// The account that the resource belongs to.
    pub owner: &'a str,
    /// The statements of the resource's own policy.
    pub statements: &'a [Value],
    /// What conditions look at.
    pub context: Context<'a>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allowed,
    /// No: no policy of this kind allows it.
    NotAllowed(Kind),
    /// No: a policy of this kind denies it.
    Denied(Kind),
}

/// A kind of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key's or a role's.
    Identity,
    /// A resource's.
    Resource,
}

impl Kind {
    /// As AWS's messages have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based",
            Self::Resource => "resource-based",
        }
    }

    /// The same behind its article.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Identity => "an identity-based",
            Self::Resource => "a resource-based",
        }
    }
}

/// What a resource's policy says of one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Nothing,
    /// It leaves it to the policies of the account of the one who asks.
    Delegated,
    Allowed,
    Denied,
}

/// Answers a question.
pub fn decide(principal: Principal<'_>, ask: &Ask<'_>) -> Verdict {
    let said = ask.statements.iter().map(|statement| said(statement, principal, ask)).max().unwrap_or(Said::Nothing);
    let (identity, is_of_owner) = match principal {
        Principal::Key { account, policy, .. } => {
            (Some(policy.decide(ask.action, ask.resource, ask.also)), account == ask.owner)
        }
        Principal::Service { .. } | Principal::Anonymous => (None, false),
    };
    if said == Said::Denied {
        return Verdict::Denied(Kind::Resource);
    }
    let is_named = matches!(said, Said::Allowed | Said::Delegated);
    match identity {
        Some(Decision::Denied) => Verdict::Denied(Kind::Identity),
        None if said == Said::Allowed => Verdict::Allowed,
        None => Verdict::NotAllowed(Kind::Resource),
        Some(Decision::Allowed) if is_of_owner || is_named => Verdict::Allowed,
        Some(Decision::Allowed) => Verdict::NotAllowed(Kind::Resource),
        Some(Decision::NotAllowed) if is_of_owner && said == Said::Allowed => Verdict::Allowed,
        Some(Decision::NotAllowed) => Verdict::NotAllowed(Kind::Identity),
    }
}

fn said(statement: &Value, principal: Principal<'_>, ask: &Ask<'_>) -> Said {
    let is_deny = statement.get("Effect").and_then(Value::as_str) != Some("Allow");
    let is_understood = statement.as_object().is_some_and(|members| {
        members
            .keys()
            .all(|key| matches!(key.as_str(), "Sid" | "Effect" | "Principal" | "Action" | "Resource" | "Condition"))
    });
    if !is_understood {
        return if is_deny { Said::Denied } else { Said::Nothing };
    }
    let one_of = |element: &str, fits: &dyn Fn(&str) -> bool| {
        texts(statement.get(element)).map_or(is_deny, |texts| texts.iter().any(|text| fits(text)))
    };
    let applies = one_of("Action", &|pattern| matches_any_case(pattern, ask.action))
        && one_of("Resource", &|pattern| matches(pattern, ask.resource));
    let named = statement.get("Principal").map_or(Said::Nothing, |element| names(element, principal));
    if !applies || named == Said::Nothing {
        return Said::Nothing;
    }
    let met = statement.get("Condition").map_or(Some(true), |conditions| conditions_met(conditions, principal, ask));
    match met {
        Some(true) if is_deny => Said::Denied,
        Some(true) => named,
        None if is_deny => Said::Denied,
        Some(false) | None => Said::Nothing,
    }
}

/// A text or a list of them.
fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Whether a `Principal` element names one who asks, and how.
fn names(element: &Value, principal: Principal<'_>) -> Said {
    if element.as_str() == Some("*") {
        return Said::Allowed;
    }
    let of = |kind: &str| texts(element.get(kind)).unwrap_or_default().into_iter();
    match principal {
        Principal::Anonymous => of("AWS").find(|text| *text == "*").map_or(Said::Nothing, |_| Said::Allowed),
        Principal::Service { name, region } => {
            let is_it = |text: &str| {
                text == name
                    || name
                        .strip_suffix(".amazonaws.com")
                        .zip(text.strip_suffix(".amazonaws.com"))
                        .and_then(|(name, text)| text.strip_prefix(name)?.strip_prefix('.'))
                        .is_some_and(|text| text == region)
            };
            of("Service").find(|text| is_it(text)).map_or(Said::Nothing, |_| Said::Allowed)
        }
        Principal::Key { arn, role, account, .. } => {
            let said = |text: &str| match text {
                "*" => Said::Allowed,
                text if text == arn || Some(text) == role => Said::Allowed,
                text if text == account || root_account(text) == Some(account) => Said::Delegated,
                _ => Said::Nothing,
            };
            of("AWS").map(said).max().unwrap_or(Said::Nothing)
        }
    }
}

/// The account behind `arn:aws:iam::<account>:root`.
fn root_account(arn: &str) -> Option<&str> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(":iam::")?;
    partition.starts_with("aws").then_some(())?;
    rest.strip_suffix(":root")
}

/// Whether all conditions are met; `None` where one is not understood.
fn conditions_met(conditions: &Value, principal: Principal<'_>, ask: &Ask<'_>) -> Option<bool> {
    let mut all = true;
    for (operator, keys) in conditions.as_object()? {
        for (key, wanted) in keys.as_object()? {
            let wanted = texts(Some(wanted))?;
            let found = value_of(key, principal, ask);
            let fits = |pattern: &str, found: &str| -> Option<bool> {
                Some(match operator.as_str() {
                    "StringEquals" => pattern == found,
                    "StringEqualsIgnoreCase" | "Bool" => pattern.eq_ignore_ascii_case(found),
                    "StringLike" => matches(pattern, found),
                    "ArnLike" | "ArnEquals" => arn_matches(pattern, found),
                    _ => return None,
                })
            };
            let mut met = false;
            for pattern in wanted {
                met |= fits(pattern, found.unwrap_or_default())? && found.is_some();
            }
            all &= met;
        }
    }
    Some(all)
}

/// The value of a condition key; `None` where it has none in this request.
fn value_of<'a>(key: &str, principal: Principal<'a>, ask: &Ask<'a>) -> Option<&'a str> {
    let context = &ask.context;
    match key.to_ascii_lowercase().as_str() {
        "aws:sourcearn" => context.source_arn,
        "aws:sourceaccount" => context.source_account,
        "lambda:eventsourcetoken" => context.event_source_token,
        "lambda:functionurlauthtype" => context.function_url_auth_type,
        "lambda:invokedviafunctionurl" => Some(if context.invoked_via_function_url { "true" } else { "false" }),
        "aws:principalaccount" => match principal {
            Principal::Key { account, .. } => Some(account),
            _ => None,
        },
        "aws:principalarn" => match principal {
            // That of the role, whoever has it.
            Principal::Key { arn, role, .. } => Some(role.unwrap_or(arn)),
            _ => None,
        },
        _ => None,
    }
}

/// ARNs compare part by part, so that a `*` reaches over no colon but in the last one.
fn arn_matches(pattern: &str, arn: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if matches(pattern, part) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
