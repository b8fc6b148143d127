//! Attributes that senders put on messages, and what a message may hold.
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#message-attribute-components>)

use super::super::error::WireError;
use super::fault;
use crate::triggers::queue::message_attributes::{MessageAttribute, MessageAttributes};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Attributes of one message at most.
const LIMIT: usize = 10;

/// The one system attribute that a sender may set.
pub(super) const TRACE_HEADER: &str = "AWSTraceHeader";

/// An attribute as a request has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Given {
    data_type: Option<String>,
    string_value: Option<String>,
    binary_value: Option<String>,
    #[serde(default)]
    string_list_values: Vec<String>,
    #[serde(default)]
    binary_list_values: Vec<String>,
}

/// Checks a message's attributes.
pub(super) fn check_user(given: BTreeMap<String, Given>) -> Result<MessageAttributes, WireError> {
    if given.len() > LIMIT {
        let message = format!("Number of message attributes [{}] exceeds the allowed maximum [{LIMIT}].", given.len());
        return Err(fault::invalid_parameter(message));
    }
    given
        .into_iter()
        .map(|(name, given)| {
            check_name(&name)?;
            let attribute = check_value(&name, "user", given)?;
            Ok((name, attribute))
        })
        .collect()
}

/// Checks a message's system attributes.
pub(super) fn check_system(given: BTreeMap<String, Given>) -> Result<MessageAttributes, WireError> {
    given
        .into_iter()
        .map(|(name, given)| {
            if name != TRACE_HEADER {
                let message = format!("Message system attribute name '{}' is invalid.", shortened(&name));
                return Err(fault::invalid_parameter(message));
            }
            let attribute = check_value(&name, "system", given)?;
            if attribute.data_type != "String" {
                let message = format!("The type of message (system) attribute '{name}' must be String.");
                return Err(fault::invalid_parameter(message));
            }
            Ok((name, attribute))
        })
        .collect()
}

/// Bytes that attributes count towards a message's size: names, types and values.
pub(super) fn size_bytes(attributes: &BTreeMap<String, Given>) -> usize {
    attributes.iter().fold(0, |sum, (name, given)| {
        let data_type = given.data_type.as_deref().map_or(0, str::len);
        let text = given.string_value.as_deref().map_or(0, str::len);
        let binary = given.binary_value.as_deref().map_or(0, |base64| {
            // Four characters are three bytes; padding stands for none.
            base64.trim_end_matches('=').len().saturating_mul(3) / 4
        });
        sum.saturating_add(name.len()).saturating_add(data_type).saturating_add(text).saturating_add(binary)
    })
}

/// Whether SQS takes all characters of a text.
pub(super) fn is_valid_text(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}'))
}

fn check_name(name: &str) -> Result<(), WireError> {
    let lower = name.to_ascii_lowercase();
    let reason = if name.is_empty() || name.len() > 256 {
        "must be 1 to 256 characters long"
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        "can contain only A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.)"
    } else if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        "must not start or end with a period (.) or have periods in succession"
    } else if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        "must not start with a reserved prefix such as AWS. or Amazon."
    } else {
        return Ok(());
    };
    Err(fault::invalid_parameter(format!("Message (user) attribute name '{}' {reason}.", shortened(name))))
}

fn check_value(name: &str, kind: &str, given: Given) -> Result<MessageAttribute, WireError> {
    let refuse = |reason: &str| {
        Err(fault::invalid_parameter(format!("Message ({kind}) attribute '{}' {reason}", shortened(name))))
    };
    if !given.string_list_values.is_empty() || !given.binary_list_values.is_empty() {
        return Err(fault::unsupported("Message attribute list values in SendMessage operation are not supported."));
    }
    let Some(data_type) = given.data_type.filter(|data_type| !data_type.is_empty()) else {
        return refuse("must contain a non-empty message attribute type.");
    };
    if data_type.len() > 256 || !is_valid_text(&data_type) {
        return refuse("has a type that is longer than 256 bytes or has invalid characters.");
    }
    let base = data_type.split('.').next().unwrap_or_default();
    let (string_value, binary_value) = match base {
        "String" | "Number" => {
            let Some(text) = given.string_value.filter(|text| !text.is_empty()) else {
                return refuse(&format!("must contain a non-empty value of type '{base}'."));
            };
            if !is_valid_text(&text) {
                return Err(fault::invalid_contents());
            }
            if base == "Number" && !is_number(&text) {
                return refuse("has a value that cannot be cast to a number.");
            }
            (Some(text), None)
        }
        "Binary" => (None, given.binary_value.filter(|value| !value.is_empty())),
        _ => return refuse("has an invalid type: the supported type prefixes are Binary, Number, and String."),
    };
    let is_binary = base == "Binary";
    let attribute = MessageAttribute { data_type, string_value, binary_value };
    if is_binary {
        match (&attribute.binary_value, attribute.binary()) {
            (None, _) => return refuse("must contain a non-empty value of type 'Binary'."),
            (Some(_), None) => return refuse("has a value that is not base64."),
            (Some(_), Some(_)) => {}
        }
    }
    Ok(attribute)
}

/// Up to 38 digits between 10^-128 and 10^126, positive or negative.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()),
        None => (unsigned, Some(0)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.len().saturating_add(fraction.len());
    (1..=256).contains(&digits)
        && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        && whole.trim_start_matches('0').len().saturating_add(fraction.trim_end_matches('0').len()) <= 38
        && exponent.is_some_and(|exponent| (-128..=126).contains(&exponent))
}

fn shortened(name: &str) -> String {
    name.chars().take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_other_text() {
        for text in ["0", "-1", "+3.25", "1e10", "1.5E-7", ".5", "5."] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", ".", "x", "1e", "1e999", "1 ", "0x10", "NaN", &"9".repeat(39)] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn texts_hold_what_xml_could() {
        assert!(is_valid_text("a\t\r\n é \u{FFFD} 🦀"));
        for text in ["\0", "\u{8}", "\u{FFFE}", "\u{FFFF}"] {
            assert!(!is_valid_text(text), "{text:?}");
        }
    }
}
