//! One condition on one value: the members of a field's array in a pattern.
//!
//! Conditions see single values; arrays and objects are taken apart in [`crate::tree`].
//! Every operator of [EventBridge's list][aws] is here, with the refusals EventBridge words.
//!
//! [aws]: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::PatternError;
use crate::cidr::Cidr;
use crate::number::Num;
use crate::wildcard::Wildcard;

#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Null,
    Bool(bool),
    Number(Num),
    Text(String),
    /// A text that is an IP address: equal in any spelling.
    Address(IpAddr),
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    EqualsIgnoreCase(String),
    Wildcard(Wildcard),
    Cidr(Cidr),
    Numeric(Vec<(Comparison, Num)>),
    Exists,
    Absent,
    AnythingBut(Vec<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

type Result<T> = std::result::Result<T, PatternError>;

fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(PatternError::new(reason))
}

impl Condition {
    /// Reads one member of a field's array.
    pub(crate) fn parse(value: &Value) -> Result<Self> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Bool(value) => Ok(Self::Bool(*value)),
            Value::Number(_) => number(value, || "Match value must be a finite number".to_owned()).map(Self::Number),
            Value::String(text) => Ok(match text.parse() {
                Ok(address) => Self::Address(address),
                Err(_) => Self::Text(text.clone()),
            }),
            Value::Object(expression) => Self::operator(expression),
            Value::Array(_) => refuse("Match value must be String, number, true, false, or null"),
        }
    }

    fn operator(expression: &Map<String, Value>) -> Result<Self> {
        let Some((name, operand)) = expression.iter().next() else {
            return refuse("Match expression name not found");
        };
        let condition = match name.as_str() {
            "exactly" => Self::Text(text(operand, "exact")?),
            "prefix" => match ignoring_case(operand, name)? {
                Some(text) => Self::PrefixIgnoreCase(text),
                None => Self::Prefix(text(operand, "prefix")?),
            },
            "suffix" => match ignoring_case(operand, name)? {
                Some(text) => Self::SuffixIgnoreCase(text),
                None => Self::Suffix(text(operand, "suffix")?),
            },
            "equals-ignore-case" => Self::EqualsIgnoreCase(folded(&text(operand, "equals-ignore-case")?)),
            "wildcard" => Self::Wildcard(Wildcard::parse(&text(operand, "wildcard")?)?),
            // AWS names the wrong operator here.
            "cidr" => Self::Cidr(Cidr::parse(&text(operand, "prefix")?)?),
            "numeric" => Self::Numeric(numeric(operand)?),
            "exists" => match operand {
                Value::Bool(true) => Self::Exists,
                Value::Bool(false) => Self::Absent,
                _ => return refuse("exists match pattern must be either true or false."),
            },
            "anything-but" => Self::AnythingBut(anything_but(operand)?),
            _ => return refuse(format!("Unrecognized match type {name}")),
        };
        only_key(expression)?;
        Ok(condition)
    }

    /// Whether a single value, neither an array nor an object, meets the condition.
    pub(crate) fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exists => return true,
            Self::Absent => return false,
            Self::AnythingBut(refused) => {
                return !refused.iter().any(|refused| refused.matches(value));
            }
            _ => {}
        }
        match value {
            Value::Null => matches!(self, Self::Null),
            Value::Bool(value) => matches!(self, Self::Bool(wanted) if wanted == value),
            Value::Number(value) => Num::of(value).is_some_and(|value| self.matches_number(value)),
            Value::String(value) => self.matches_text(value),
            Value::Array(_) | Value::Object(_) => false,
        }
    }

    fn matches_number(&self, value: Num) -> bool {
        match self {
            Self::Number(wanted) => *wanted == value,
            Self::Numeric(bounds) => bounds.iter().all(|(comparison, bound)| match comparison {
                Comparison::Equal => value == *bound,
                Comparison::Less => value < *bound,
                Comparison::LessOrEqual => value <= *bound,
                Comparison::Greater => value > *bound,
                Comparison::GreaterOrEqual => value >= *bound,
            }),
            _ => false,
        }
    }

    fn matches_text(&self, value: &str) -> bool {
        match self {
            Self::Text(wanted) => wanted == value,
            Self::Address(wanted) => value.parse::<IpAddr>().is_ok_and(|address| address == *wanted),
            Self::Prefix(wanted) => value.starts_with(wanted.as_str()),
            Self::PrefixIgnoreCase(wanted) => folded(value).starts_with(wanted.as_str()),
            Self::Suffix(wanted) => value.ends_with(wanted.as_str()),
            Self::SuffixIgnoreCase(wanted) => folded(value).ends_with(wanted.as_str()),
            Self::EqualsIgnoreCase(wanted) => folded(value) == *wanted,
            Self::Wildcard(wildcard) => wildcard.matches(value),
            Self::Cidr(block) => block.contains(value),
            _ => false,
        }
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase()
}

fn only_key(expression: &Map<String, Value>) -> Result<()> {
    if expression.len() == 1 { Ok(()) } else { refuse("Only one key allowed in match expression") }
}

fn text(operand: &Value, operator: &str) -> Result<String> {
    match operand {
        Value::String(text) => Ok(text.clone()),
        _ => refuse(format!("{operator} match pattern must be a string")),
    }
}

/// The text of `{"equals-ignore-case": text}`, where `prefix` and `suffix` may have that for an operand.
fn ignoring_case(operand: &Value, operator: &str) -> Result<Option<String>> {
    let Value::Object(expression) = operand else {
        return Ok(None);
    };
    let Some((name, inner)) = expression.iter().next() else {
        return refuse("Match expression name not found");
    };
    if name != "equals-ignore-case" {
        return refuse(format!("Unsupported {operator} pattern: {name}"));
    }
    only_key(expression)?;
    text(inner, "equals-ignore-case").map(|text| Some(folded(&text)))
}

fn number(value: &Value, refusal: impl FnOnce() -> String) -> Result<Num> {
    let number = match value {
        Value::Number(number) => Num::of(number),
        _ => None,
    };
    number.ok_or_else(|| PatternError::new(refusal()))
}

/// `["=", n]`, one bound, or a lower bound followed by an upper one.
fn numeric(operand: &Value) -> Result<Vec<(Comparison, Num)>> {
    let Value::Array(terms) = operand else {
        return refuse("Value of numeric must be an array.");
    };
    let mut terms = terms.iter();
    let operator = match terms.next() {
        Some(Value::String(operator)) => operator.as_str(),
        Some(other) => return refuse(format!("Invalid member in numeric match: {other}")),
        None => return refuse("Invalid member in numeric match: ]"),
    };
    let comparison = match operator {
        "=" => Comparison::Equal,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return refuse(format!("Unrecognized numeric range operator: {operator}")),
    };
    let named = if comparison == Comparison::Equal { "equals" } else { operator };
    let bottom = number(terms.next().unwrap_or(&Value::Null), || format!("Value of {named} must be numeric"))?;
    let Some(next) = terms.next() else {
        return Ok(vec![(comparison, bottom)]);
    };
    if !matches!(comparison, Comparison::Greater | Comparison::GreaterOrEqual) {
        return refuse("Too many elements in numeric expression");
    }
    let Value::String(upper) = next else {
        return refuse(format!("Bad value in numeric range: {next}"));
    };
    let upper_comparison = match upper.as_str() {
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        _ => return refuse(format!("Bad numeric range operator: {upper}")),
    };
    let top = number(terms.next().unwrap_or(&Value::Null), || format!("Value of {upper} must be numeric"))?;
    if terms.next().is_some() {
        return refuse("Too many terms in numeric range expression");
    }
    if bottom >= top {
        return refuse("Bottom must be less than top");
    }
    Ok(vec![(comparison, bottom), (upper_comparison, top)])
}

/// What a value must not be. A list refuses each of its members.
fn anything_but(operand: &Value) -> Result<Vec<Condition>> {
    match operand {
        Value::String(text) => Ok(vec![Condition::Text(text.clone())]),
        Value::Number(_) => plain(operand).map(|refused| vec![refused]),
        Value::Array(list) => {
            let refused = list.iter().map(plain).collect::<Result<Vec<_>>>()?;
            let numbers = refused.iter().filter(|refused| matches!(refused, Condition::Number(_))).count();
            if refused.is_empty() || (numbers != 0 && numbers != refused.len()) {
                return refuse(
                    "Inside anything but list, either all values are number or string, mixed type is not supported",
                );
            }
            Ok(refused)
        }
        Value::Object(expression) => anything_but_operator(expression),
        Value::Null | Value::Bool(_) => refuse(NO_ANYTHING_BUT),
    }
}

const NO_ANYTHING_BUT: &str = "Value of anything-but must be an array or single string/number value.";

fn plain(value: &Value) -> Result<Condition> {
    match value {
        Value::String(text) => Ok(Condition::Text(text.clone())),
        Value::Number(_) => number(value, || "Match value must be a finite number".to_owned()).map(Condition::Number),
        _ => refuse("Inside anything but list, start|null|boolean is not supported."),
    }
}

fn anything_but_operator(expression: &Map<String, Value>) -> Result<Vec<Condition>> {
    let Some((name, operand)) = expression.iter().next() else {
        return refuse("Anything-But expression name not found");
    };
    let read: fn(&str) -> Result<Condition> = match name.as_str() {
        "prefix" => |text| Ok(Condition::Prefix(text.to_owned())),
        "suffix" => |text| Ok(Condition::Suffix(text.to_owned())),
        "equals-ignore-case" => |text| Ok(Condition::EqualsIgnoreCase(folded(text))),
        "wildcard" => |text| Wildcard::parse(text).map(Condition::Wildcard),
        _ => return refuse(format!("Unsupported anything-but pattern: {name}")),
    };
    let members = match operand {
        Value::Array(list) => list.as_slice(),
        Value::Object(_) => return refuse(NO_ANYTHING_BUT),
        _ => std::slice::from_ref(operand),
    };
    if members.is_empty() {
        return refuse("Empty arrays are not allowed");
    }
    let refused = members
        .iter()
        .map(|member| match (member, name.as_str()) {
            (Value::String(text), "prefix" | "suffix") if text.is_empty() => refuse("Null prefix/suffix not allowed"),
            (Value::String(text), _) => read(text),
            (_, "equals-ignore-case") => {
                refuse("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.")
            }
            (_, "wildcard") => refuse("wildcard match pattern must be a string"),
            _ => refuse("prefix/suffix match pattern must be a string"),
        })
        .collect::<Result<Vec<_>>>()?;
    only_key(expression)?;
    Ok(refused)
}
