//! What a mapping may be set to, and the wording in which Lambda refuses the rest
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html>).

use super::filter::Filter;
use super::{Parts, USER_INITIATED};
use crate::ids::{FunctionRef, Home, Qualifier, QueueName, Version};
use crate::storage::mappings::{FunctionResponseType, MappingRecord, MappingState};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Messages a batch at most, of standard and of FIFO queues.
pub(super) const BATCH_SIZES: RangeInclusive<u32> = 1..=10_000;
const FIFO_BATCH_SIZE: u32 = 10;
const BATCHING_WINDOWS_S: RangeInclusive<u32> = 0..=300;
const CONCURRENCIES: RangeInclusive<u32> = 2..=1000;
/// Patterns of a mapping at most, and the length of each.
const FILTERS_LIMIT: usize = 10;
const PATTERN_LIMIT: usize = 4096;
/// Messages a batch where nothing is said.
const DEFAULT_BATCH_SIZE: u32 = 10;

/// A mapping to be created.
#[derive(Debug, Clone)]
pub struct NewMapping {
    /// The function, with version or alias.
    pub function: FunctionRef,
    /// ARN of the queue.
    pub event_source_arn: String,
    /// At most so many messages a batch, 1 to 10,000 (FIFO: 10); `None` is 10.
    pub batch_size: Option<u32>,
    /// How long a batch is gathered, 0 to 300; not on FIFO queues, and needed for batches of more than 10.
    pub batching_window_s: u32,
    /// Whether it polls.
    pub enabled: bool,
    /// Event patterns; a message that matches none is deleted. Empty lets all pass.
    pub filters: Vec<String>,
    /// What the function's response may say.
    pub function_response_types: Vec<FunctionResponseType>,
    /// At most so many invocations at a time, 2 to 1,000.
    pub maximum_concurrency: Option<u32>,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
    /// Members of the AWS API that are stored and echoed only.
    pub echoed: Map<String, Value>,
}

impl NewMapping {
    /// A mapping with Lambda's defaults.
    pub fn new(function: FunctionRef, event_source_arn: impl Into<String>) -> Self {
        Self {
            function,
            event_source_arn: event_source_arn.into(),
            batch_size: None,
            batching_window_s: 0,
            enabled: true,
            filters: Vec::new(),
            function_response_types: Vec::new(),
            maximum_concurrency: None,
            tags: BTreeMap::new(),
            echoed: Map::new(),
        }
    }
}

/// What to change about a mapping; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct MappingChange {
    /// The function, with version or alias.
    pub function: Option<FunctionRef>,
    /// As in [`NewMapping`].
    pub batch_size: Option<u32>,
    /// As in [`NewMapping`].
    pub batching_window_s: Option<u32>,
    /// As in [`NewMapping`].
    pub enabled: Option<bool>,
    /// As in [`NewMapping`]; empty removes all.
    pub filters: Option<Vec<String>>,
    /// As in [`NewMapping`].
    pub function_response_types: Option<Vec<FunctionResponseType>>,
    /// As in [`NewMapping`]; `Some(None)` removes it.
    pub maximum_concurrency: Option<Option<u32>>,
    /// As in [`NewMapping`].
    pub tags: Option<BTreeMap<String, String>>,
    /// Replaced member by member; null removes one.
    pub echoed: Map<String, Value>,
}

/// Why a mapping was not created or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MappingError {
    /// The caller's fault.
    #[error("The resource you requested does not exist.")]
    NoSuchMapping(String),
    /// The caller's fault.
    #[error("Function not found: {arn}")]
    NoSuchFunction {
        /// The ARN asked for, qualifier included.
        arn: String,
    },
    /// The caller's fault.
    #[error(
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: \
         The specified queue does not exist or you do not have access to it."
    )]
    NoSuchQueue,
    /// The caller's fault: there already is a mapping of this queue and function.
    #[error(
        "An event source mapping with SQS arn (\" {event_source_arn} \") and function (\" {function} \") already exists. \
         Please update or delete the existing mapping with UUID {uuid}"
    )]
    Conflict {
        /// The queue.
        event_source_arn: String,
        /// The function, with qualifier.
        function: String,
        /// The mapping that there is.
        uuid: String,
    },
    /// The caller's fault: a value out of bounds.
    #[error("{0}")]
    Invalid(String),
    /// The platform's fault; nothing was changed.
    #[error(transparent)]
    Storage(#[from] crate::storage::Error),
}

fn invalid<T>(message: impl Into<String>) -> Result<T, MappingError> {
    Err(MappingError::Invalid(message.into()))
}

/// The queue that an ARN names, if it is one of ours.
pub(super) fn queue_of(home: &Home, arn: &str) -> Option<QueueName> {
    QueueName::new(arn.strip_prefix(&home.arn("sqs", ""))?).ok()
}

pub(super) async fn new_record(
    parts: &Parts,
    new: NewMapping,
    others: &[MappingRecord],
    now_ms: i64,
) -> Result<MappingRecord, MappingError> {
    if new.event_source_arn.split(':').nth(2) != Some("sqs") {
        return invalid("Unrecognized event source: it must be an Amazon SQS queue.");
    }
    let queue = queue_of(&parts.home, &new.event_source_arn).ok_or(MappingError::NoSuchQueue)?;
    if parts.queues.get(queue).await?.is_none() {
        return Err(MappingError::NoSuchQueue);
    }
    let record = MappingRecord {
        uuid: uuid::Uuid::new_v4().to_string(),
        function: new.function.name,
        qualifier: new.function.qualifier,
        event_source_arn: new.event_source_arn,
        batch_size: new.batch_size.unwrap_or(DEFAULT_BATCH_SIZE),
        batching_window_s: new.batching_window_s,
        enabled: new.enabled,
        filters: new.filters,
        function_response_types: new.function_response_types,
        maximum_concurrency: new.maximum_concurrency,
        tags: new.tags,
        echoed: new.echoed,
        state: state(new.enabled),
        state_reason: USER_INITIATED.into(),
        created_at_ms: now_ms,
        modified_at_ms: now_ms,
    };
    check(parts, &record, others)?;
    Ok(record)
}

pub(super) fn changed_record(
    parts: &Parts,
    old: &MappingRecord,
    change: MappingChange,
    others: &[MappingRecord],
    now_ms: i64,
) -> Result<MappingRecord, MappingError> {
    let mut record = old.clone();
    if let Some(function) = change.function {
        record.function = function.name;
        record.qualifier = function.qualifier;
    }
    record.batch_size = change.batch_size.unwrap_or(record.batch_size);
    record.batching_window_s = change.batching_window_s.unwrap_or(record.batching_window_s);
    record.enabled = change.enabled.unwrap_or(record.enabled);
    record.filters = change.filters.unwrap_or(record.filters);
    record.function_response_types = change.function_response_types.unwrap_or(record.function_response_types);
    record.maximum_concurrency = change.maximum_concurrency.unwrap_or(record.maximum_concurrency);
    record.tags = change.tags.unwrap_or(record.tags);
    record.echoed.extend(change.echoed);
    record.echoed.retain(|_, value| !value.is_null());
    record.state = state(record.enabled);
    record.state_reason = USER_INITIATED.into();
    record.modified_at_ms = now_ms;
    check(parts, &record, others)?;
    Ok(record)
}

fn state(enabled: bool) -> MappingState {
    if enabled { MappingState::Enabled } else { MappingState::Disabled }
}

fn check(parts: &Parts, record: &MappingRecord, others: &[MappingRecord]) -> Result<(), MappingError> {
    let fifo = record.event_source_arn.ends_with(".fifo");
    let function = target(record);
    if !parts.functions.exists(&function) {
        let qualifier = function.qualifier.as_ref().map(|qualifier| qualifier as &dyn std::fmt::Display);
        return Err(MappingError::NoSuchFunction { arn: parts.home.function_arn(&function.name, qualifier) });
    }
    if !BATCH_SIZES.contains(&record.batch_size) {
        return invalid("Batch size must be between 1 and 10000.");
    }
    if fifo && record.batch_size > FIFO_BATCH_SIZE {
        return invalid("Batch size must be between 1 and 10 for FIFO queues.");
    }
    if !BATCHING_WINDOWS_S.contains(&record.batching_window_s) {
        return invalid("Maximum batch window in seconds must be between 0 and 300.");
    }
    if fifo && record.batching_window_s > 0 {
        return invalid("Batching window is not supported for FIFO queues");
    }
    if record.batch_size > 10 && record.batching_window_s == 0 {
        return invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        );
    }
    if record.maximum_concurrency.is_some_and(|concurrency| !CONCURRENCIES.contains(&concurrency)) {
        return invalid("Maximum concurrency must be between 2 and 1000.");
    }
    if record.filters.len() > FILTERS_LIMIT {
        return invalid(format!("The number of filters exceeds the limit of {FILTERS_LIMIT}."));
    }
    if record.filters.iter().any(|filter| filter.chars().count() > PATTERN_LIMIT) {
        return invalid(format!("A filter pattern is longer than {PATTERN_LIMIT} characters."));
    }
    if let Err(reason) = Filter::compile(&record.filters) {
        return invalid(format!("Invalid filter pattern definition. {reason}"));
    }
    let same = |other: &&MappingRecord| {
        other.uuid != record.uuid
            && other.event_source_arn == record.event_source_arn
            && other.function == record.function
            && version_or_alias(other) == version_or_alias(record)
    };
    if let Some(other) = others.iter().find(same) {
        let function = match &record.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", record.function),
            None => record.function.to_string(),
        };
        let event_source_arn = record.event_source_arn.clone();
        return Err(MappingError::Conflict { event_source_arn, function, uuid: other.uuid.clone() });
    }
    Ok(())
}

/// `$LATEST` and no qualifier are the same.
fn version_or_alias(record: &MappingRecord) -> Option<&Qualifier> {
    record.qualifier.as_ref().filter(|qualifier| **qualifier != Qualifier::Version(Version::Latest))
}

/// What a mapping invokes.
pub(super) fn target(record: &MappingRecord) -> FunctionRef {
    FunctionRef { name: record.function.clone(), qualifier: record.qualifier.clone() }
}
