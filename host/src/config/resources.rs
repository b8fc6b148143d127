//! What is declared in the file: layers, functions with their aliases, routes, schedules, queues, mappings.
//!
//! Names, bounds and defaults are AWS's. What AWS's API has no member for (`sandbox`, `cpu_time_limit_ms`, `outbound_hosts`,
//! `idle_timeout_s`) becomes the environment variables of [`crate::catalog::Settings`].

use crate::catalog::runtimes;
use crate::ids::{AliasName, FunctionName, FunctionRef, Home, LayerName, Qualifier, QueueName, Version};
use crate::storage::functions::{ConfigurationRecord, Sticky};
use crate::storage::queues::{FifoAttributes, QueueAttributes, RedrivePolicy};
use crate::storage::schedules::{
    ActionAfterCompletion, MissedPolicy, ScheduleKey, ScheduleRecord, ScheduleState, ScheduleTarget,
};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// One `[[functions]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionDeclaration {
    /// Its name.
    pub name: FunctionName,
    /// The deployment package: bare wasm or wat, or a zip; for functions in source code a zip or a directory, packed without its
    /// links. Relative to the file; `${NAME:-default}` stands for a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PathBuf>,
    /// What runs the code, by AWS's name; where absent, the package brings all of its code as WebAssembly, or the API said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// An image in the place of a package; `${NAME:-default}` stands for a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Names the wasm file in a zip where it is not `bootstrap`; in source code the module and the function in it.
    #[serde(default = "default_handler")]
    pub handler: String,
    /// Whose policy says what the function may do itself: a name or an ARN. Where absent, `lamina`, or as the API left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// At most 256 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// 128 to 10,240.
    #[serde(default = "default_memory")]
    pub memory_size_mb: u32,
    /// Wall-clock limit of one invocation, 1 to 900.
    #[serde(default = "default_timeout")]
    pub timeout_s: u32,
    /// Size of `/tmp`, 512 to 10,240.
    #[serde(default = "default_tmp")]
    pub ephemeral_storage_mb: u32,
    /// The guest's environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Whether environments are used again.
    #[serde(default)]
    pub sandbox: SandboxMode,
    /// Processor time of one invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_time_limit_ms: Option<u64>,
    /// Where the guest may send requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbound_hosts: Vec<String>,
    /// How long an environment stays warm; where absent, as long as `sandbox.idle_timeout_s` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_s: Option<u64>,
    /// Concurrency set aside for this function, and its cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_concurrency: Option<u32>,
    /// Declared layers by name, at their last versions, and layer versions by ARN; where absent, as the API left them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<String>>,
    /// Its aliases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<AliasDeclaration>,
}

/// One `[[layers]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerDeclaration {
    /// Its name.
    pub name: LayerName,
    /// Its content: a directory, packed without its links, or a zip. Relative to the file; `${NAME:-default}` stands for a variable.
    pub path: PathBuf,
    /// At most 256 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// At most 512 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_info: Option<String>,
    /// Runtimes it is meant for, at most 15.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compatible_runtimes: Vec<String>,
}

fn default_handler() -> String {
    "bootstrap".to_owned()
}

fn default_memory() -> u32 {
    128
}

fn default_timeout() -> u32 {
    3
}

fn default_tmp() -> u32 {
    512
}

impl FunctionDeclaration {
    /// Whether a language runtime interprets its code.
    pub fn is_interpreted(&self) -> bool {
        self.runtime.as_deref().is_some_and(|runtime| !runtimes::PROVIDED.contains(&runtime))
    }

    /// The environment variables as the catalog keeps them, sandbox settings included.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.environment.clone();
        if self.sandbox == SandboxMode::Fresh {
            variables.insert("LAMINA_SANDBOX".into(), "fresh".into());
        }
        if let Some(limit) = self.cpu_time_limit_ms {
            variables.insert("LAMINA_CPU_TIME_LIMIT_MS".into(), limit.to_string());
        }
        if !self.outbound_hosts.is_empty() {
            variables.insert("LAMINA_OUTBOUND_HOSTS".into(), self.outbound_hosts.join(","));
        }
        if let Some(timeout) = self.idle_timeout_s {
            variables.insert("LAMINA_IDLE_TIMEOUT_S".into(), timeout.to_string());
        }
        variables
    }

    /// The ARN of its role.
    pub fn role_arn(&self, home: &Home) -> String {
        match self.role.as_deref().unwrap_or("lamina") {
            arn if arn.starts_with("arn:") => arn.to_owned(),
            name => format!("arn:aws:iam::{}:role/{name}", home.account),
        }
    }

    /// The configuration as the catalog keeps it.
    pub fn configuration(&self, home: &Home) -> ConfigurationRecord {
        let is_image = self.image.is_some();
        let of_package = |text: &str| if is_image { String::new() } else { text.to_owned() };
        let package_type = is_image.then(|| ("PackageType".to_owned(), "Image".into()));
        ConfigurationRecord {
            description: self.description.clone(),
            handler: of_package(&self.handler),
            runtime: of_package(self.runtime.as_deref().unwrap_or(runtimes::PROVIDED[0])),
            role: self.role_arn(home),
            timeout_s: self.timeout_s,
            memory_size_mb: self.memory_size_mb,
            ephemeral_storage_mb: self.ephemeral_storage_mb,
            layers: Vec::new(),
            environment: self.variables(),
            echoed: package_type.into_iter().collect(),
        }
    }
}

/// Whether environments are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    /// As Lambda does it.
    #[default]
    Reuse,
    /// A new sandbox for every invocation.
    Fresh,
}

/// One `[[functions.aliases]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasDeclaration {
    /// Its name.
    pub name: AliasName,
    /// The version that gets what `weights` leave.
    #[serde(default)]
    pub version: AliasVersion,
    /// Further versions, by number, and the share of requests each gets, 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<Version, f64>,
    /// How the split is made; where absent, at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickyBy>,
    /// At most 256 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Environments kept initialised for this alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_concurrency: Option<u32>,
}

/// The version an alias points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AliasVersion {
    /// `"latest-published"`: moves with every version that the file brings about.
    #[default]
    LatestPublished,
    /// A number, or `"$LATEST"`.
    Is(Version),
}

const LATEST_PUBLISHED: &str = "latest-published";

impl Serialize for AliasVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::LatestPublished => serializer.serialize_str(LATEST_PUBLISHED),
            Self::Is(Version::Number(number)) => serializer.serialize_u64(*number),
            Self::Is(Version::Latest) => serializer.serialize_str(&Version::Latest.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for AliasVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl Visitor<'_> for Reading {
            type Value = AliasVersion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a version's number, \"$LATEST\" or \"{LATEST_PUBLISHED}\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AliasVersion, E> {
                match text {
                    LATEST_PUBLISHED => Ok(AliasVersion::LatestPublished),
                    _ => Version::new(text).map(AliasVersion::Is).map_err(|_| {
                        E::custom(format!(
                            "{text:?} is neither a version's number, \"$LATEST\" nor \"{LATEST_PUBLISHED}\""
                        ))
                    }),
                }
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<AliasVersion, E> {
                match number {
                    0 => Err(E::custom("versions count from 1")),
                    _ => Ok(AliasVersion::Is(Version::Number(number))),
                }
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<AliasVersion, E> {
                self.visit_u64(u64::try_from(number).unwrap_or(0))
            }
        }

        deserializer.deserialize_any(Reading)
    }
}

/// What a sticky split goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StickyBy {
    /// `{ header = "x-user" }`
    Header(String),
    /// `{ cookie = "session" }`
    Cookie(String),
}

impl From<StickyBy> for Sticky {
    fn from(by: StickyBy) -> Self {
        match by {
            StickyBy::Header(name) => Self::Header(name),
            StickyBy::Cookie(name) => Self::Cookie(name),
        }
    }
}

/// One `[[schedules]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDeclaration {
    /// Its name, unique in its group: 1 to 64 characters of `[0-9a-zA-Z-_.]`.
    pub name: String,
    /// Its group; made where it does not exist.
    #[serde(default = "default_group")]
    pub group: String,
    /// `rate(…)`, `at(…)`, `cron(…)` or plain cron.
    pub expression: String,
    /// IANA name of the zone in which the expression is meant.
    #[serde(default = "default_timezone")]
    pub timezone: String,
    /// The function it invokes.
    pub function: FunctionName,
    /// A version or alias of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Qualifier>,
    /// The event, as JSON text; where absent, EventBridge Scheduler's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Whether it fires.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// It does not fire before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<jiff::Timestamp>,
    /// It does not fire after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_at: Option<jiff::Timestamp>,
    /// It fires within so many minutes after its time, 1 to 1,440; where absent, at its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flexible_window_min: Option<u32>,
    /// What becomes of firings missed while the daemon was down: `skip`, `once` (one for all of them) or `all`.
    #[serde(default = "default_missed")]
    pub missed: MissedPolicy,
    /// How often a failed firing is tried again, 0 to 185.
    #[serde(default = "default_retries")]
    pub max_retry_attempts: u32,
    /// How long a failed firing is tried again, 60 to 86,400.
    #[serde(default = "default_event_age")]
    pub max_event_age_s: u32,
    /// The queue that gets firings given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<QueueName>,
    /// At most 512 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

fn default_group() -> String {
    crate::storage::schedules::DEFAULT_GROUP.to_owned()
}

fn default_timezone() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

fn default_missed() -> MissedPolicy {
    MissedPolicy::Once
}

fn default_retries() -> u32 {
    185
}

fn default_event_age() -> u32 {
    86_400
}

impl ScheduleDeclaration {
    /// The schedule as the storage keeps it; its next firing is the scheduler's to find.
    pub fn record(&self, home: &Home, now_ms: i64) -> ScheduleRecord {
        let qualifier = self.qualifier.as_ref().map(|qualifier| qualifier as &dyn fmt::Display);
        ScheduleRecord {
            key: ScheduleKey { group: self.group.clone(), name: self.name.clone() },
            revision: 0,
            expression: self.expression.clone(),
            timezone: self.timezone.clone(),
            start_at_ms: self.start_at.map(jiff::Timestamp::as_millisecond),
            end_at_ms: self.end_at.map(jiff::Timestamp::as_millisecond),
            state: if self.enabled { ScheduleState::Enabled } else { ScheduleState::Disabled },
            flexible_window_min: self.flexible_window_min,
            target: ScheduleTarget {
                arn: home.function_arn(&self.function, qualifier),
                role_arn: format!("arn:aws:iam::{}:role/lamina", home.account),
                input: self.input.clone(),
                maximum_retry_attempts: self.max_retry_attempts,
                maximum_event_age_s: self.max_event_age_s,
                dead_letter_arn: self.dead_letter_queue.as_ref().map(|queue| home.arn("sqs", queue.as_str())),
                echoed: serde_json::Map::new(),
            },
            after_completion: ActionAfterCompletion::None,
            missed: self.missed,
            description: self.description.clone(),
            kms_key_arn: None,
            created_at_ms: now_ms,
            modified_at_ms: now_ms,
            next_fire_at_ms: None,
        }
    }

    /// What it invokes.
    pub fn target(&self) -> FunctionRef {
        FunctionRef { name: self.function.clone(), qualifier: self.qualifier.clone() }
    }
}

/// One `[[queues]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueDeclaration {
    /// Its name; `.fifo` at its end makes it a FIFO queue.
    pub name: QueueName,
    /// How long a received message stays invisible, 0 to 43,200.
    #[serde(default = "default_visibility")]
    pub visibility_timeout_s: u32,
    /// How long a sent message stays invisible, 0 to 900.
    #[serde(default)]
    pub delay_s: u32,
    /// How long a message is kept, 60 to 1,209,600.
    #[serde(default = "default_retention")]
    pub retention_s: u32,
    /// The largest message, 1,024 to 1,048,576.
    #[serde(default = "default_message_size")]
    pub maximum_message_size_bytes: u32,
    /// How long a receive waits where it does not say, 0 to 20.
    #[serde(default)]
    pub receive_wait_s: u32,
    /// Where messages go that were received `max_receive_count` times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<QueueName>,
    /// A message received this often moves to the dead-letter queue, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_receive_count: Option<u32>,
    /// FIFO only: messages without a deduplication id are told apart by their bodies.
    #[serde(default)]
    pub content_based_deduplication: bool,
}

fn default_visibility() -> u32 {
    QueueAttributes::default().visibility_timeout_s
}

fn default_retention() -> u32 {
    QueueAttributes::default().retention_s
}

fn default_message_size() -> u32 {
    QueueAttributes::default().maximum_message_size_bytes
}

/// How often a message is received before it is given up, where a dead-letter queue is named and nothing else is said.
const DEFAULT_MAX_RECEIVE_COUNT: u32 = 3;

impl QueueDeclaration {
    /// The attributes as the storage keeps them.
    pub fn attributes(&self) -> QueueAttributes {
        QueueAttributes {
            visibility_timeout_s: self.visibility_timeout_s,
            delay_s: self.delay_s,
            retention_s: self.retention_s,
            maximum_message_size_bytes: self.maximum_message_size_bytes,
            receive_wait_s: self.receive_wait_s,
            redrive: self.dead_letter_queue.clone().map(|dead_letter_queue| RedrivePolicy {
                dead_letter_queue,
                max_receive_count: self.max_receive_count.unwrap_or(DEFAULT_MAX_RECEIVE_COUNT),
            }),
            fifo: self.name.is_fifo().then(|| FifoAttributes {
                content_based_deduplication: self.content_based_deduplication,
                ..FifoAttributes::default()
            }),
            ..QueueAttributes::default()
        }
    }
}

/// One `[[mappings]]`: messages of a queue to a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingDeclaration {
    /// The queue.
    pub queue: QueueName,
    /// The function.
    pub function: FunctionName,
    /// A version or alias of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Qualifier>,
    /// At most so many messages a batch, 1 to 10,000 (FIFO: 10).
    #[serde(default = "default_batch_size")]
    pub batch_size: u32,
    /// How long a batch is gathered, 0 to 300.
    #[serde(default)]
    pub batching_window_s: u32,
    /// Whether it polls.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Event patterns, as JSON text; a message that matches none is deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// Whether the function's response says which messages of the batch failed.
    #[serde(default)]
    pub report_batch_item_failures: bool,
    /// At most so many invocations at a time, 2 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_concurrency: Option<u32>,
}

fn default_batch_size() -> u32 {
    10
}

impl MappingDeclaration {
    /// What it invokes.
    pub fn target(&self) -> FunctionRef {
        FunctionRef { name: self.function.clone(), qualifier: self.qualifier.clone() }
    }
}

/// Checks the name of a schedule or group.
pub(super) fn is_schedule_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}
