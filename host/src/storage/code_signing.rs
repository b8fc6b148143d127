//! Code signing configurations: whose packages a function takes, as Lambda has them
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html>).
//!
//! The catalog keeps all of them in memory; it reads at start and then writes. Values are validated by the caller.

use super::Pending;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What becomes of a package without a trusted signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UntrustedArtifact {
    /// It is deployed, and counted.
    #[default]
    Warn,
    /// It is refused.
    Enforce,
}

/// A code signing configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSigningConfigRecord {
    /// `csc-` and 17 characters, the key.
    pub id: String,
    /// At most 256 characters.
    pub description: String,
    /// ARNs of the signing profiles whose signatures are trusted, 1 to 20.
    pub allowed_publishers: Vec<String>,
    /// What becomes of other packages.
    pub untrusted_artifact: UntrustedArtifact,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
    /// Milliseconds since the Unix epoch.
    pub modified_at_ms: i64,
}

/// The table of code signing configurations.
pub trait CodeSigningConfigs: Send + Sync + 'static {
    /// Creates or replaces.
    fn put(&self, config: CodeSigningConfigRecord) -> Pending<'_, ()>;

    /// Deletes; `false` if there is none.
    fn delete(&self, id: String) -> Pending<'_, bool>;

    /// All of them, in order of their ids.
    fn load(&self) -> Pending<'_, Vec<CodeSigningConfigRecord>>;
}
