//! Event source mappings: which queue's messages go to which function, as Lambda has them.
//!
//! The poller keeps all of them in memory; it reads at start and then writes. Values are validated by the caller
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html>). Times are milliseconds since the Unix epoch.

use super::Pending;
use crate::ids::{FunctionName, Qualifier};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a function's response may say beyond success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionResponseType {
    /// Which messages of the batch failed.
    ReportBatchItemFailures,
}

/// Where a mapping stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MappingState {
    /// Being created.
    Creating,
    /// Being enabled.
    Enabling,
    /// Polling.
    Enabled,
    /// Ending its polls.
    Disabling,
    /// Not polling.
    Disabled,
    /// Taking up a change.
    Updating,
    /// Ending its polls, then gone.
    Deleting,
}

/// An event source mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MappingRecord {
    /// Its id, the key, as text.
    pub uuid: String,
    /// The function.
    pub function: FunctionName,
    /// The version or alias; `None` is `$LATEST`.
    pub qualifier: Option<Qualifier>,
    /// ARN of the queue.
    pub event_source_arn: String,
    /// At most so many messages a batch, 1 to 10,000.
    pub batch_size: u32,
    /// How long a batch is gathered, 0 to 300.
    pub batching_window_s: u32,
    /// Whether it polls.
    pub enabled: bool,
    /// Event patterns, as given; a message that matches none is deleted. Empty lets all pass.
    pub filters: Vec<String>,
    /// What the function's response may say.
    pub function_response_types: Vec<FunctionResponseType>,
    /// At most so many invocations at a time, 2 to 1,000; `None` is no cap of its own.
    pub maximum_concurrency: Option<u32>,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
    /// Members of the AWS API that are stored and echoed only (`KMSKeyArn`, `MetricsConfig` …), by their AWS names.
    pub echoed: serde_json::Map<String, serde_json::Value>,
    /// Where it stands.
    pub state: MappingState,
    /// Why: `USER_INITIATED`, or what went wrong.
    pub state_reason: String,
    /// When it was created.
    pub created_at_ms: i64,
    /// When it was last changed.
    pub modified_at_ms: i64,
}

/// The table of event source mappings.
pub trait Mappings: Send + Sync + 'static {
    /// Creates or replaces.
    fn put(&self, mapping: MappingRecord) -> Pending<'_, ()>;

    /// One mapping.
    fn get(&self, uuid: String) -> Pending<'_, Option<MappingRecord>>;

    /// Deletes; `false` if there is none.
    fn delete(&self, uuid: String) -> Pending<'_, bool>;

    /// All mappings, in order of their ids.
    fn load(&self) -> Pending<'_, Vec<MappingRecord>>;
}
