//! The model's constraints, with AWS's words for those that are not met.

use crate::wire::error::WireError;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// How much of an offending value an error repeats.
const SHOWN_CHARS: usize = 256;

/// A member that does not meet its constraint. `member` is spelled as AWS's errors spell it: `flexibleTimeWindow.mode`.
pub(super) fn failed(value: impl Display, member: &str, constraint: impl Display) -> WireError {
    let shown: String = value.to_string().chars().take(SHOWN_CHARS).collect();
    WireError::validation(format!("Value '{shown}' at '{member}' failed to satisfy constraint: {constraint}"))
}

/// A required member.
pub(super) fn required<T>(value: Option<T>, member: &str) -> Result<T, WireError> {
    let missing = || {
        WireError::validation(format!("Value null at '{member}' failed to satisfy constraint: Member must not be null"))
    };
    value.ok_or_else(missing)
}

/// A text's length in characters.
pub(super) fn length(text: &str, member: &str, bounds: RangeInclusive<usize>) -> Result<(), WireError> {
    let length = text.chars().count();
    if length < *bounds.start() {
        let constraint = format!("Member must have length greater than or equal to {}", bounds.start());
        return Err(failed(text, member, constraint));
    }
    if length > *bounds.end() {
        return Err(failed(text, member, format!("Member must have length less than or equal to {}", bounds.end())));
    }
    Ok(())
}

/// A number's bounds.
pub(super) fn range(value: i64, member: &str, bounds: RangeInclusive<u32>) -> Result<u32, WireError> {
    if value < i64::from(*bounds.start()) {
        let constraint = format!("Member must have value greater than or equal to {}", bounds.start());
        return Err(failed(value, member, constraint));
    }
    match u32::try_from(value) {
        Ok(value) if value <= *bounds.end() => Ok(value),
        _ => Err(failed(value, member, format!("Member must have value less than or equal to {}", bounds.end()))),
    }
}

/// A text out of a set.
pub(super) fn one_of<T: Copy>(text: &str, member: &str, set: &[(&str, T)]) -> Result<T, WireError> {
    set.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
        failed(text, member, format!("Member must satisfy enum value set: [{}]", names.join(", ")))
    })
}

/// A name of a schedule or group, or the beginning of one: 1 to 64 characters of `[0-9a-zA-Z-_.]`.
pub(super) fn name(text: &str, member: &str) -> Result<(), WireError> {
    length(text, member, 1..=64)?;
    pattern(text, member, "^[0-9a-zA-Z-_.]+$", |text| text.bytes().all(is_name_byte))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// A text of which `holds` says that it follows `pattern`.
pub(super) fn pattern(text: &str, member: &str, pattern: &str, holds: impl Fn(&str) -> bool) -> Result<(), WireError> {
    if holds(text) {
        return Ok(());
    }
    Err(failed(text, member, format!("Member must satisfy regular expression pattern: {pattern}")))
}

/// `arn:aws(-…):<service>:<region>:<account>:<resource>`, the resource as `holds` says; `region` says whether there is one.
pub(super) fn is_arn(text: &str, service: &str, region: bool, holds: impl Fn(&str) -> bool) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, of, in_region, account, resource] = parts.as_slice() else { return false };
    let partition = partition.strip_prefix("aws").is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
    });
    let region_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    partition
        && *of == service
        && in_region.is_empty() != region
        && in_region.bytes().all(region_byte)
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && holds(resource)
}
