//! Message attributes: how they are stored, and the digest by which clients check them.
//!
//! Stored as SQS's JSON protocol writes them: name → `{DataType, StringValue | BinaryValue}`, binary values in base64.
//! The digest is SQS's own, over names in order
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation>).
//! What a name or a type may be is checked where messages come in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Attributes by name, in the order that the digest takes.
pub type MessageAttributes = BTreeMap<String, MessageAttribute>;

/// The value of an attribute: of its two members the one is set that its type names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, and after a dot whatever the sender likes.
    pub data_type: String,
    /// Of strings and numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// Of binary values, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

impl MessageAttribute {
    /// A string.
    pub fn text(value: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), string_value: Some(value.into()), binary_value: None }
    }

    /// The binary value; `None` if there is none or its base64 is broken.
    pub fn binary(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.binary_value.as_deref()?).ok()
    }
}

/// Reads stored attributes; what cannot be read counts as none, which only data from elsewhere can bring about.
pub fn decode(stored: Option<&str>) -> MessageAttributes {
    let Some(stored) = stored else { return MessageAttributes::new() };
    serde_json::from_str(stored).unwrap_or_else(|error| {
        tracing::error!(%error, "stored message attributes cannot be read");
        MessageAttributes::new()
    })
}

/// Writes attributes for storage; `None` for no attributes.
pub fn encode(attributes: &MessageAttributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    serde_json::to_string(attributes).map_err(|error| tracing::error!(%error, "attributes cannot be written")).ok()
}

/// The MD5 of a message's body, in hex.
pub fn md5_of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// The MD5 of attributes, in hex; `None` for no attributes.
pub fn md5_of_attributes(attributes: &MessageAttributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    let mut part = |bytes: &[u8], before: &[u8]| {
        digest.update(before);
        digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(bytes);
    };
    for (name, attribute) in attributes {
        part(name.as_bytes(), &[]);
        part(attribute.data_type.as_bytes(), &[]);
        match &attribute.string_value {
            Some(text) => part(text.as_bytes(), &[1]),
            None => part(&attribute.binary().unwrap_or_default(), &[2]),
        }
    }
    Some(hex(&digest.finalize()))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(value: &str) -> MessageAttribute {
        MessageAttribute { data_type: "String".into(), string_value: Some(value.into()), binary_value: None }
    }

    /// The digests were answered by SQS itself.
    #[test]
    fn digests_are_those_of_sqs() {
        assert_eq!(md5_of_body("message-body-1"), "19c9e282d65f9733bc6b35d50062c7ee");
        let mut attributes = MessageAttributes::new();
        assert_eq!(md5_of_attributes(&attributes), None);
        attributes.insert("Hello".into(), string("There"));
        assert_eq!(md5_of_attributes(&attributes).as_deref(), Some("a311262e065454b75da111d535b8dacd"));
        attributes.insert("Help.Me".into(), string("Me"));
        assert_eq!(md5_of_attributes(&attributes).as_deref(), Some("83fee93c1bcd8b9a5a923ffacdc636c7"));
        attributes.insert("General".into(), string("Kenobi"));
        assert_eq!(md5_of_attributes(&attributes).as_deref(), Some("4c360f3fdafd970e05fae2f149d997f5"));
        let value = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01";
        let binary = MessageAttribute {
            data_type: "Binary".into(),
            string_value: None,
            binary_value: Some(STANDARD.encode(value)),
        };
        let attributes = MessageAttributes::from([("attr1".into(), binary)]);
        assert_eq!(md5_of_attributes(&attributes).as_deref(), Some("8cbe4db156db8a94db8b801b7addb984"));
    }

    #[test]
    fn attributes_survive_storage() {
        let attributes = MessageAttributes::from([("a".into(), string("b"))]);
        let stored = encode(&attributes);
        assert_eq!(stored.as_deref(), Some(r#"{"a":{"DataType":"String","StringValue":"b"}}"#));
        assert_eq!(decode(stored.as_deref()), attributes);
        assert_eq!(encode(&MessageAttributes::new()), None);
        assert_eq!(decode(Some("[")), MessageAttributes::new());
    }
}
