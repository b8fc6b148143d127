//! Functions, their versions and aliases, and what is provisioned for them.
//!
//! The catalog decides a change as a list of [`Change`]s; they are applied in order in one transaction, all or none.

use super::Pending;
use super::layers::LayerContent;
use crate::ids::{AliasName, FunctionName, Qualifier, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What holds for a function as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionRecord {
    /// Its name, the key.
    pub name: FunctionName,
    /// The number that the next published version gets. Outlives the function: numbers are never reused,
    /// not even by a function deleted and created again.
    pub next_version: u64,
    /// Concurrency set aside for this function, and its cap; `None` shares the unreserved rest.
    pub reserved_concurrency: Option<u32>,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
}

/// How a guest is called, read from its exports at deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestKind {
    /// Exports `handle` of `lamina:function`.
    Event,
    /// Exports `wasi:http/incoming-handler@0.2`.
    HttpP2,
    /// Exports `wasi:http/handler@0.3`.
    HttpP3,
    /// Exports `wasi:cli/run`, or was a core module with `_start`: event on stdin, response on stdout.
    Command,
}

/// Which of the host's two engines a guest runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Guests without component-model concurrency: everything up to WASI 0.2. Calls are cheaper.
    Plain,
    /// Guests that import or export WASI 0.3.
    Concurrent,
}

/// The code of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    /// SHA-256 of the uploaded package, lower-case hex; the package's name in the blob store.
    pub package_sha256: String,
    /// Size of the uploaded package.
    pub package_size_bytes: u64,
    /// What the package comes to unpacked.
    #[serde(default)]
    pub unpacked_bytes: u64,
    /// SHA-256 of the component made from it, lower-case hex; its name in the blob store.
    pub component_sha256: String,
    /// How the component is called.
    pub kind: GuestKind,
    /// The engine it runs on.
    pub family: Family,
    /// Linear memory it starts with; a function's memory size cannot be below it.
    pub initial_memory_bytes: u64,
}

/// A layer version that a function has. It names the content, so that it outlives the layer version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedLayer {
    /// ARN of the layer version.
    pub arn: String,
    /// What it holds.
    pub content: LayerContent,
}

/// The configuration of one version, as `UpdateFunctionConfiguration` sets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigurationRecord {
    /// At most 256 characters.
    pub description: String,
    /// Names the wasm file in a package where it is not `bootstrap`.
    pub handler: String,
    /// As given: `provided.al2023`.
    pub runtime: String,
    /// As given; not interpreted.
    pub role: String,
    /// Wall-clock limit of one invocation, 1 to 900.
    pub timeout_s: u32,
    /// 128 to 10,240.
    pub memory_size_mb: u32,
    /// Size of `/tmp`, 512 to 10,240.
    pub ephemeral_storage_mb: u32,
    /// What `/opt` shows, later layers over earlier ones; at most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<AttachedLayer>,
    /// The guest's environment variables. Those named `LAMINA_*` set the sandbox (`docs/aws-parity.md`).
    pub environment: BTreeMap<String, String>,
    /// Members of the AWS API that are stored and echoed only (`Architectures`, `TracingConfig` …), by their AWS names.
    pub echoed: serde_json::Map<String, serde_json::Value>,
}

/// One version of a function: code and configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The function.
    pub function: FunctionName,
    /// `$LATEST`, or the number of this snapshot.
    pub version: Version,
    /// The code.
    pub code: CodeRecord,
    /// The configuration.
    pub configuration: ConfigurationRecord,
    /// Changes with every update.
    pub revision_id: String,
    /// Milliseconds since the Unix epoch.
    pub modified_at_ms: i64,
}

/// How an alias with weights picks a version for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum Sticky {
    /// By the hash of this request header's value; requests without it are split at random.
    Header(String),
    /// By the hash of this cookie's value; requests without it are split at random.
    Cookie(String),
}

/// An alias: a name for a version, or for several with weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AliasRecord {
    /// The function.
    pub function: FunctionName,
    /// The alias.
    pub name: AliasName,
    /// The version that gets what `weights` leave.
    pub version: Version,
    /// Further versions and the share of requests each gets, 0 to 1; together at most 1.
    pub weights: BTreeMap<Version, f64>,
    /// How the split is made; `None` is at random.
    pub sticky: Option<Sticky>,
    /// At most 256 characters.
    pub description: String,
    /// Changes with every update.
    pub revision_id: String,
}

/// Environments to be kept initialised for a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedRecord {
    /// The function.
    pub function: FunctionName,
    /// A version number or an alias.
    pub qualifier: Qualifier,
    /// How many.
    pub requested: u32,
    /// Milliseconds since the Unix epoch.
    pub modified_at_ms: i64,
}

/// One step of a change; a list of them is applied all or none.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a change is a few of these, on its way to a disk")]
pub enum Change {
    /// Creates or replaces.
    PutFunction(FunctionRecord),
    /// Deletes the function with its versions, aliases and provisioned configurations; keeps its `next_version`.
    DeleteFunction(FunctionName),
    /// Creates or replaces.
    PutVersion(VersionRecord),
    /// Deletes one version.
    DeleteVersion(FunctionName, Version),
    /// Creates or replaces.
    PutAlias(AliasRecord),
    /// Deletes one alias.
    DeleteAlias(FunctionName, AliasName),
    /// Creates or replaces.
    PutProvisioned(ProvisionedRecord),
    /// Deletes one provisioned configuration.
    DeleteProvisioned(FunctionName, Qualifier),
}

/// Everything stored about functions, as read at start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// All functions.
    pub functions: Vec<FunctionRecord>,
    /// All versions, `$LATEST` included.
    pub versions: Vec<VersionRecord>,
    /// All aliases.
    pub aliases: Vec<AliasRecord>,
    /// All provisioned configurations.
    pub provisioned: Vec<ProvisionedRecord>,
}

/// The table of functions. The catalog keeps all of it in memory; it reads at start and then only writes.
pub trait Functions: Send + Sync + 'static {
    /// Applies `changes` in order in one transaction; resolves once they are durable.
    fn commit(&self, changes: Vec<Change>) -> Pending<'_, ()>;

    /// Reads everything.
    fn load(&self) -> Pending<'_, Snapshot>;

    /// The number the next version of `name` gets if a function of that name existed before and was deleted.
    fn retired_next_version(&self, name: FunctionName) -> Pending<'_, Option<u64>>;
}
