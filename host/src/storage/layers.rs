//! Layer versions: archives whose content functions see at `/opt`.
//!
//! The catalog keeps all of them in memory; it reads at start and then writes. Values are validated by the caller
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html>). Times are milliseconds since the Unix epoch.

use super::Pending;
use crate::ids::LayerName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a layer version holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerContent {
    /// SHA-256 of the archive, lower-case hex; its name in the blob store.
    pub sha256: String,
    /// Size of the archive.
    pub size_bytes: u64,
    /// What its files come to.
    pub unpacked_bytes: u64,
    /// Components in it that functions are composed with.
    pub libraries: u32,
    /// Extensions in it.
    #[serde(default)]
    pub extensions: u32,
}

/// A layer version. All but its policy never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerVersionRecord {
    /// The layer.
    pub name: LayerName,
    /// Its number, from 1; never used again, not even after all versions were deleted.
    pub version: u64,
    /// At most 256 characters.
    pub description: String,
    /// At most 512 characters.
    pub license_info: Option<String>,
    /// Runtimes it is meant for, as given.
    pub compatible_runtimes: Vec<String>,
    /// Architectures it is meant for, as given.
    pub compatible_architectures: Vec<String>,
    /// The archive.
    pub content: LayerContent,
    /// Statements of its policy by their ids, in AWS's shape.
    pub policy: BTreeMap<String, serde_json::Value>,
    /// Changes with the policy.
    pub revision_id: String,
    /// When it was published.
    pub created_at_ms: i64,
}

/// The table of layer versions.
pub trait Layers: Send + Sync + 'static {
    /// Stores a new version of a layer under the layer's next number, which it answers; the record's own is not looked at.
    fn publish(&self, layer: LayerVersionRecord) -> Pending<'_, u64>;

    /// Replaces a version that is there; `false` if it is not.
    fn replace(&self, layer: LayerVersionRecord) -> Pending<'_, bool>;

    /// Deletes a version; `false` if there is none.
    fn delete(&self, name: LayerName, version: u64) -> Pending<'_, bool>;

    /// All versions, by name and number.
    fn load(&self) -> Pending<'_, Vec<LayerVersionRecord>>;
}
