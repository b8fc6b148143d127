//! The model's constraints, with AWS's words for those that are not met.

use crate::wire::error::WireError;
use std::fmt::Display;

/// How much of an offending value an error repeats.
const SHOWN_CHARS: usize = 256;

/// A member that does not meet its constraint. `member` is spelled as AWS's errors spell it: `memorySize`.
pub(super) fn failed(value: impl Display, member: &str, constraint: impl Display) -> WireError {
    let shown: String = value.to_string().chars().take(SHOWN_CHARS).collect();
    WireError::validation(format!("Value '{shown}' at '{member}' failed to satisfy constraint: {constraint}"))
}

/// A required member that is missing.
pub(super) fn missing(member: &str) -> WireError {
    WireError::validation(format!("Value null at '{member}' failed to satisfy constraint: Member must not be null"))
}

/// A value the API takes no offence at, but Lamina or Lambda does.
pub(super) fn invalid(message: impl Into<String>) -> WireError {
    WireError::bad_request("InvalidParameterValueException", message)
}

/// A feature that Lamina does not have.
pub(super) fn unsupported(member: &str, why: &str) -> WireError {
    invalid(format!("{member} is not supported by Lamina: {why}"))
}

/// A number between two others, both included.
pub(super) fn range(value: i64, member: &str, least: u32, most: u32) -> Result<u32, WireError> {
    if value < i64::from(least) {
        return Err(failed(value, member, format!("Member must have value greater than or equal to {least}")));
    }
    match u32::try_from(value) {
        Ok(value) if value <= most => Ok(value),
        _ => Err(failed(value, member, format!("Member must have value less than or equal to {most}"))),
    }
}

/// A text of at most `most` characters.
pub(super) fn length(text: &str, member: &str, most: usize) -> Result<(), WireError> {
    if text.chars().count() <= most {
        return Ok(());
    }
    Err(failed(text, member, format!("Member must have length less than or equal to {most}")))
}

/// A text that `matches`; `pattern` is how AWS has it.
pub(super) fn pattern(
    text: &str,
    member: &str,
    pattern: &str,
    matches: impl FnOnce(&str) -> bool,
) -> Result<(), WireError> {
    if matches(text) {
        return Ok(());
    }
    Err(failed(text, member, format!("Member must satisfy regular expression pattern: {pattern}")))
}

/// A text out of a set.
pub(super) fn one_of(text: &str, member: &str, set: &[&str]) -> Result<(), WireError> {
    if set.contains(&text) {
        return Ok(());
    }
    Err(failed(text, member, format!("Member must satisfy enum value set: [{}]", set.join(", "))))
}

/// An optional number in the query.
pub(super) fn query_number(
    text: Option<String>,
    member: &str,
    least: u32,
    most: u32,
) -> Result<Option<u32>, WireError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(number) => range(number, member, least, most).map(Some),
        Err(_) => Err(invalid(format!("{text:?} is not a number at '{member}'"))),
    }
}
