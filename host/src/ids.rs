//! Names of things, parsed once at the edge into checked types.
//!
//! Patterns and lengths are those of the Lambda API reference
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>, request parameters).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A name or ARN that does not follow its pattern. The caller's fault; do not retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {what}")]
pub struct InvalidName {
    /// What was expected, in words.
    pub what: &'static str,
    /// What was given, cut to 256 characters.
    pub value: String,
}

impl InvalidName {
    fn new(what: &'static str, value: &str) -> Self {
        Self { what, value: value.chars().take(256).collect() }
    }
}

/// `true` for 1 to `max` characters of `[a-zA-Z0-9-_]`.
fn is_word(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= max && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A function's name: 1 to 64 characters of `[a-zA-Z0-9-_]`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(Arc<str>);

impl FunctionName {
    /// Checks `name` against the pattern.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if is_word(name, 64) { Ok(Self(name.into())) } else { Err(InvalidName::new("function name", name)) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FunctionName {
    type Error = InvalidName;
    fn try_from(value: String) -> Result<Self, InvalidName> {
        Self::new(&value)
    }
}

impl From<FunctionName> for String {
    fn from(value: FunctionName) -> String {
        value.as_str().to_owned()
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets maps keyed by [`FunctionName`] be asked with a `&str`.
impl std::borrow::Borrow<str> for FunctionName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A layer's name: 1 to 140 characters of `[a-zA-Z0-9-_]`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LayerName(Arc<str>);

impl LayerName {
    /// Checks `name` against the pattern.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if is_word(name, 140) { Ok(Self(name.into())) } else { Err(InvalidName::new("layer name", name)) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LayerName {
    type Error = InvalidName;
    fn try_from(value: String) -> Result<Self, InvalidName> {
        Self::new(&value)
    }
}

impl From<LayerName> for String {
    fn from(value: LayerName) -> String {
        value.as_str().to_owned()
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An alias's name: 1 to 128 characters of `[a-zA-Z0-9-_]`, not all digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AliasName(Arc<str>);

impl AliasName {
    /// Checks `name` against the pattern.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if is_word(name, 128) && !name.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName::new("alias name", name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AliasName {
    type Error = InvalidName;
    fn try_from(value: String) -> Result<Self, InvalidName> {
        Self::new(&value)
    }
}

impl From<AliasName> for String {
    fn from(value: AliasName) -> String {
        value.as_str().to_owned()
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One version of a function: the mutable `$LATEST`, or a published number (from 1, never reused).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Version {
    /// The version that updates change.
    Latest,
    /// A published, immutable version.
    Number(u64),
}

impl Version {
    /// Parses `$LATEST` or a decimal number.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text == "$LATEST" {
            return Ok(Self::Latest);
        }
        match text.parse::<u64>() {
            Ok(number) if number > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(Self::Number(number)),
            _ => Err(InvalidName::new("version", text)),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidName;
    fn try_from(value: String) -> Result<Self, InvalidName> {
        Self::new(&value)
    }
}

impl From<Version> for String {
    fn from(value: Version) -> String {
        value.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// What a caller may put behind a function's name: a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Qualifier {
    /// `$LATEST` or a number.
    Version(Version),
    /// An alias of the function.
    Alias(AliasName),
}

impl Qualifier {
    /// Parses a version or an alias name.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if let Ok(version) = Version::new(text) {
            return Ok(Self::Version(version));
        }
        AliasName::new(text).map(Self::Alias).map_err(|_| InvalidName::new("qualifier", text))
    }
}

impl TryFrom<String> for Qualifier {
    type Error = InvalidName;
    fn try_from(value: String) -> Result<Self, InvalidName> {
        Self::new(&value)
    }
}

impl From<Qualifier> for String {
    fn from(value: Qualifier) -> String {
        value.to_string()
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Alias(alias) => alias.fmt(f),
        }
    }
}

/// A queue's name: 1 to 80 characters of `[a-zA-Z0-9-_]`; a FIFO queue's ends in `.fifo`, which counts. Cheap to clone.
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>)
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Checks `name` against the pattern.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        if name.len() <= 80 && is_word(stem, 80) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName::new("queue name", name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is that of a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }
}

impl TryFrom<String> for QueueName {
    type Error = InvalidName;
    fn try_from(value: String) -> Result<Self, InvalidName> {
        Self::new(&value)
    }
}

impl From<QueueName> for String {
    fn from(value: QueueName) -> String {
        value.as_str().to_owned()
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets maps keyed by [`QueueName`] be asked with a `&str`.
impl std::borrow::Borrow<str> for QueueName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A function and, where given, the qualifier behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    /// The function.
    pub name: FunctionName,
    /// `None` where the caller named none: `$LATEST`.
    pub qualifier: Option<Qualifier>,
}

impl FunctionRef {
    /// Parses every form Lambda takes for `FunctionName`: `name`, `name:qualifier`,
    /// `account:function:name[:qualifier]` and the full ARN. Account and region are not compared here.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName::new("function name or ARN", text);
        if text.len() > 256 {
            return Err(invalid());
        }
        let rest = match text.strip_prefix("arn:") {
            Some(arn) => {
                let mut parts = arn.splitn(5, ':');
                let (partition, service) = (parts.next(), parts.next());
                let (_region, account) = (parts.next(), parts.next());
                let rest = parts.next().ok_or_else(invalid)?;
                let partition_ok = partition.is_some_and(|p| p == "aws" || p.starts_with("aws-"));
                if !partition_ok || service != Some("lambda") || !account.is_some_and(is_account) {
                    return Err(invalid());
                }
                rest.strip_prefix("function:").ok_or_else(invalid)?
            }
            None => match text.split_once(":function:") {
                Some((account, rest)) if is_account(account) => rest,
                Some(_) => return Err(invalid()),
                None => text.strip_prefix("function:").unwrap_or(text),
            },
        };
        let (name, qualifier) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(Qualifier::new(qualifier).map_err(|_| invalid())?)),
            None => (rest, None),
        };
        Ok(Self { name: FunctionName::new(name).map_err(|_| invalid())?, qualifier })
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// What stands for a function in the lineage of a chain of invocations: 32 bits of a hash of its ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FunctionMark(pub u32);

impl FunctionMark {
    /// The mark of an unqualified ARN.
    pub fn of(arn: &str) -> Self {
        use sha2::{Digest, Sha256};
        let hash = Sha256::digest(arn.as_bytes());
        Self(hash.iter().take(4).fold(0, |mark, byte| (mark << 8) | u32::from(*byte)))
    }
}

/// Region and account that this daemon answers for: they appear in every ARN it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Such as `us-east-1`.
    pub region: Arc<str>,
    /// Twelve digits.
    pub account: Arc<str>,
}

impl Default for Home {
    fn default() -> Self {
        Self { region: "us-east-1".into(), account: "000000000000".into() }
    }
}

impl Home {
    /// `arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`.
    pub fn function_arn(&self, name: &FunctionName, qualifier: Option<&dyn fmt::Display>) -> String {
        let base = format!("arn:aws:lambda:{}:{}:function:{name}", self.region, self.account);
        match qualifier {
            Some(qualifier) => format!("{base}:{qualifier}"),
            None => base,
        }
    }

    /// `arn:aws:lambda:<region>:<account>:layer:<name>[:<version>]`.
    pub fn layer_arn(&self, name: &LayerName, version: Option<u64>) -> String {
        match version {
            Some(version) => self.arn("lambda", &format!("layer:{name}:{version}")),
            None => self.arn("lambda", &format!("layer:{name}")),
        }
    }

    /// The layer version that an ARN of [`Home::layer_arn`] names.
    pub fn layer_version(&self, arn: &str) -> Option<(LayerName, u64)> {
        let (name, version) = arn.strip_prefix(&self.arn("lambda", "layer:"))?.split_once(':')?;
        let version = version.parse().ok().filter(|version| *version > 0)?;
        Some((LayerName::new(name).ok()?, version))
    }

    /// `arn:aws:<service>:<region>:<account>:<resource>`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_function_reference_is_read() {
        for (text, name, qualifier) in [
            ("hello", "hello", None),
            ("hello:$LATEST", "hello", Some("$LATEST")),
            ("hello:12", "hello", Some("12")),
            ("hello:live", "hello", Some("live")),
            ("000000000000:function:hello:live", "hello", Some("live")),
            ("function:hello", "hello", None),
            ("arn:aws:lambda:us-east-1:000000000000:function:hello", "hello", None),
            ("arn:aws-cn:lambda:cn-north-1:000000000000:function:hello:3", "hello", Some("3")),
        ] {
            let parsed = FunctionRef::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(parsed.name.as_str(), name, "{text}");
            assert_eq!(parsed.qualifier.map(|q| q.to_string()).as_deref(), qualifier, "{text}");
        }
    }

    #[test]
    fn what_breaks_a_pattern_is_refused() {
        for text in [
            "",
            "a b",
            "a:",
            "a:b:c",
            ":x",
            "arn:aws:sqs:us-east-1:000000000000:q",
            "arn:aws:lambda:r:1:function:f",
            "é",
            "a/b",
            "../x",
        ] {
            assert!(FunctionRef::parse(text).is_err(), "{text}");
        }
        assert!(FunctionName::new(&"a".repeat(65)).is_err());
        assert!(Version::new("0").is_err() && Version::new("+1").is_err() && Version::new("007").is_ok());
        assert!(QueueName::new("q.fifo").is_ok_and(|q| q.is_fifo()) && QueueName::new("q").is_ok_and(|q| !q.is_fifo()));
        for name in ["", ".fifo", "a.b", "q.fifo.fifo", "q.fif", &"a".repeat(81), &format!("{}.fifo", "a".repeat(76))] {
            assert!(QueueName::new(name).is_err(), "{name}");
        }
        assert!(AliasName::new("123").is_err() && AliasName::new("v123").is_ok());
    }
}
