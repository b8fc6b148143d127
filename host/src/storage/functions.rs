//! Functions, their versions and aliases, what is provisioned for them, and their URLs.
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
    /// What becomes of a chain of invocations that comes back here again and again.
    #[serde(default)]
    pub recursive_loop: RecursiveLoop,
    /// Id of the code signing configuration that new code has to satisfy.
    #[serde(default)]
    pub code_signing_config: Option<String>,
    /// When versions take up a new runtime, where that was set.
    #[serde(default)]
    pub runtime_management: BTreeMap<Version, RuntimeManagement>,
    /// What `$LATEST` is to become, where that takes long or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentRecord>,
}

/// Code and configuration that were accepted for `$LATEST` and are not there yet, since they are compiled, or could not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// SHA-256 of the package, lower-case hex; its name in the blob store.
    pub package_sha256: String,
    /// Size of the package.
    pub package_size_bytes: u64,
    /// The image that the package was in, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRecord>,
    /// ARN of the signing profile whose key signed the package, where that was checked.
    pub signing_profile_version_arn: Option<String>,
    /// The configuration that goes with it.
    pub configuration: ConfigurationRecord,
    /// The number of the version to be published with it, given out already.
    pub publish: Option<u64>,
    /// What `$LATEST` will have.
    pub revision_id: String,
    /// Milliseconds since the Unix epoch.
    pub modified_at_ms: i64,
    /// Why it failed; `None` while it is under way.
    pub failure: Option<DeploymentFailure>,
}

/// Why a deployment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFailure {
    /// One of AWS's codes: `FunctionError`, `InternalError` …
    pub code: String,
    /// In words.
    pub reason: String,
}

impl DeploymentRecord {
    /// Whether it may still come to an end.
    pub fn is_under_way(&self) -> bool {
        self.failure.is_none()
    }
}

/// What becomes of a chain of invocations that comes back to a function again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecursiveLoop {
    /// It goes on.
    Allow,
    /// It is stopped.
    #[default]
    Terminate,
}

/// When a version takes up a new runtime. Kept; the runtime is the daemon itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeManagement {
    /// `Auto`, `FunctionUpdate` or `Manual`.
    pub update_runtime_on: String,
    /// With `Manual`, the runtime to stay on.
    pub runtime_version_arn: Option<String>,
}

/// A resource policy: who may call a function, a version or an alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// The function.
    pub function: FunctionName,
    /// The version or alias; `None` is the function as such.
    pub qualifier: Option<Qualifier>,
    /// Statements as the policy document has them, in the order in which they were added.
    pub statements: Vec<serde_json::Value>,
    /// Changes with every update.
    pub revision_id: String,
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
    /// Exports `lamina:function/extension`: part of a layer, beside functions, and never one itself.
    Extension,
    /// Source code that a language runtime of this host interprets.
    Runtime,
}

/// Which of the host's engines a guest runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Guests without component-model concurrency: everything up to WASI 0.2. Calls are cheaper.
    Plain,
    /// Guests that import or export WASI 0.3.
    Concurrent,
    /// Language runtimes: core modules with a large memory and a deep stack.
    Runtime,
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
    /// SHA-256 of the component made from it, lower-case hex; its name in the blob store. Of code that is interpreted, that of the package.
    pub component_sha256: String,
    /// Name of the runtime that interprets it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// How the component is called.
    pub kind: GuestKind,
    /// The engine it runs on.
    pub family: Family,
    /// Linear memory it starts with; a function's memory size cannot be below it.
    pub initial_memory_bytes: u64,
    /// ARN of the signing profile whose key signed the package, where that was checked.
    #[serde(default)]
    pub signing_profile_version_arn: Option<String>,
    /// Extensions of its layers, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<ExtensionRecord>,
    /// The image that the package was in, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRecord>,
}

impl CodeRecord {
    /// What names this code to callers, lower-case hex: SHA-256 of the image's manifest, or of the package.
    pub fn sha256(&self) -> &str {
        self.image.as_ref().map_or(&self.package_sha256, |image| &image.manifest_sha256)
    }

    /// Whether it is the same code, under whatever tag its image was found.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.image, &other.image) {
            (Some(one), Some(other)) => one.manifest_sha256 == other.manifest_sha256,
            _ => self == other,
        }
    }
}

/// An image that code came from. It was pulled once: the package holds all of it that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The reference, as given.
    pub uri: String,
    /// The reference by digest.
    pub resolved_uri: String,
    /// SHA-256 of its manifest, lower-case hex.
    pub manifest_sha256: String,
}

/// An extension that environments of a version have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionRecord {
    /// Its file's name in the layer, without the ending.
    pub name: String,
    /// SHA-256 of the component, lower-case hex; its name in the blob store.
    pub component_sha256: String,
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

impl ConfigurationRecord {
    /// ARN of the queue that gets asynchronous events given up, where `DeadLetterConfig` names one.
    pub fn dead_letter_arn(&self) -> Option<&str> {
        self.echoed.get("DeadLetterConfig")?.get("TargetArn")?.as_str()
    }

    /// Whether published versions are to be optimised as Lambda's SnapStart does.
    pub fn wants_snapshots(&self) -> bool {
        self.echoed
            .get("SnapStart")
            .and_then(|snap_start| snap_start.get("ApplyOn"))
            .is_some_and(|on| on == "PublishedVersions")
    }

    /// Whether code comes as an image (`PackageType`). Never changes.
    pub fn is_image(&self) -> bool {
        self.echoed.get("PackageType").is_some_and(|kind| kind == "Image")
    }

    /// The arguments of the guest: what `ImageConfig` has as `EntryPoint`, then its `Command`.
    pub fn arguments(&self) -> Vec<String> {
        let config = self.echoed.get("ImageConfigResponse").and_then(|response| response.get("ImageConfig"));
        let list = |name: &str| config.and_then(|config| config.get(name)?.as_array()).into_iter().flatten();
        list("EntryPoint").chain(list("Command")).filter_map(|argument| argument.as_str().map(str::to_owned)).collect()
    }
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

/// Who may call a function URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UrlAuthType {
    /// Everybody.
    None,
    /// Who signs the request and may invoke the function.
    AwsIam,
}

impl UrlAuthType {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::AwsIam => "AWS_IAM",
        }
    }
}

/// How a function URL answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InvokeMode {
    /// With the whole response, once it is there.
    Buffered,
    /// As the response is made.
    ResponseStream,
}

/// What pages of other origins may do with a function URL. Members are as given; `None` was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cors {
    /// Whether cookies and the like may be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    /// Headers that a request may carry; `*` is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_headers: Option<Vec<String>>,
    /// Methods; `*` is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_methods: Option<Vec<String>>,
    /// Origins; `*` is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_origins: Option<Vec<String>>,
    /// Headers of a response that a page may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose_headers: Option<Vec<String>>,
    /// Seconds that a browser may keep a preflight's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

/// A function's, or an alias's, own HTTP address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlRecord {
    /// The function.
    pub function: FunctionName,
    /// The alias; `None` is `$LATEST`.
    pub alias: Option<AliasName>,
    /// Its name, never given twice: 32 characters of `[0-9a-f]`.
    pub url_id: String,
    /// Who may call it.
    pub auth_type: UrlAuthType,
    /// For pages of other origins; `None` adds nothing to responses.
    pub cors: Option<Cors>,
    /// How it answers.
    pub invoke_mode: InvokeMode,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub modified_at_ms: i64,
}

/// How events of asynchronous invocations of a version or an alias are treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInvokeRecord {
    /// The function.
    pub function: FunctionName,
    /// `$LATEST`, a version number or an alias.
    pub qualifier: Qualifier,
    /// 0 to 2; `None` is Lambda's default, 2.
    pub maximum_retry_attempts: Option<u32>,
    /// 60 to 21,600; `None` is Lambda's default, 21,600.
    pub maximum_event_age_s: Option<u32>,
    /// ARN of what gets a record of each success.
    pub on_success: Option<String>,
    /// ARN of what gets a record of each event given up.
    pub on_failure: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub modified_at_ms: i64,
}

/// One step of a change; a list of them is applied all or none.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Creates or replaces.
    PutFunction(FunctionRecord),
    /// Deletes the function with its versions, aliases and configurations; keeps its `next_version`.
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
    /// Creates or replaces.
    PutUrl(UrlRecord),
    /// Deletes the URL of a function or of an alias of it.
    DeleteUrl(FunctionName, Option<AliasName>),
    /// Creates or replaces.
    PutEventInvoke(EventInvokeRecord),
    /// Deletes one configuration of asynchronous invocation.
    DeleteEventInvoke(FunctionName, Qualifier),
    /// Creates or replaces.
    PutPolicy(PolicyRecord),
    /// Deletes the policy of a version or alias, or (`None`) of the function as such.
    DeletePolicy(FunctionName, Option<Qualifier>),
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
    /// All function URLs.
    pub urls: Vec<UrlRecord>,
    /// All configurations of asynchronous invocation.
    pub event_invoke: Vec<EventInvokeRecord>,
    /// All policies.
    pub policies: Vec<PolicyRecord>,
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
