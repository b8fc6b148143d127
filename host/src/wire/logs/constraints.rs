//! What the service model demands of members, worded as AWS words it.

use crate::wire::error::WireError;
use lamina_log_patterns::Pattern;
use std::collections::BTreeMap;

pub(super) fn invalid(message: impl Into<String>) -> WireError {
    WireError::bad_request("InvalidParameterException", message)
}

fn violated(member: &str, value: &str, constraint: &str) -> WireError {
    let shown: String = value.chars().take(128).collect();
    invalid(format!(
        "1 validation error detected: Value '{shown}' at '{member}' failed to satisfy constraint: Member must satisfy {constraint}"
    ))
}

/// Whether a text has only characters of groups' names: `[.-_/#A-Za-z0-9]`.
pub(super) fn is_group_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b'#'))
}

/// Names and prefixes of groups: 1 to 512 such characters.
pub(super) fn check_group_name(member: &str, name: &str) -> Result<(), WireError> {
    if !(1..=512).contains(&name.len()) {
        return Err(violated(member, name, "a length between 1 and 512"));
    }
    match is_group_name(name) {
        true => Ok(()),
        false => Err(violated(member, name, "regular expression pattern: [\\.\\-_/#A-Za-z0-9]+")),
    }
}

/// Names and prefixes of streams: 1 to 512 characters, neither `:` nor `*`.
pub(super) fn check_stream_name(member: &str, name: &str) -> Result<(), WireError> {
    if !(1..=512).contains(&name.chars().count()) {
        return Err(violated(member, name, "a length between 1 and 512"));
    }
    match name.contains([':', '*']) {
        false => Ok(()),
        true => Err(violated(member, name, "regular expression pattern: [^:*]*")),
    }
}

/// Names and prefixes of filters: as [`check_stream_name`].
pub(super) fn check_filter_name(member: &str, name: &str) -> Result<(), WireError> {
    check_stream_name(member, name)
}

/// Up to 50 tags, keys of 1 to 128 and values of up to 256 characters; `aws:` is AWS's own.
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), WireError> {
    if tags.len() > 50 {
        return Err(invalid(
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50",
        ));
    }
    let allowed = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
    for (key, value) in tags {
        if !(1..=128).contains(&key.chars().count()) || !allowed(key) || key.starts_with("aws:") {
            return Err(violated("tags", key, "regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+)$"));
        }
        if value.chars().count() > 256 || !allowed(value) {
            return Err(violated("tags", value, "regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$"));
        }
    }
    Ok(())
}

pub(super) fn limit(given: Option<i64>, most: usize, default: usize) -> Result<usize, WireError> {
    let Some(given) = given else { return Ok(default) };
    match usize::try_from(given) {
        Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(invalid(format!(
            "1 validation error detected: Value '{given}' at 'limit' failed to satisfy constraint: Member must have value between 1 and {most}"
        ))),
    }
}

pub(super) fn pattern(text: &str) -> Result<Pattern, WireError> {
    Pattern::parse(text).map_err(|error| invalid(error.to_string()))
}
