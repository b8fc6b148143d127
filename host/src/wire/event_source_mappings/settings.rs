//! Members that creating and updating a mapping share, and the limits of their shapes.

use super::super::codec::Request;
use super::super::error::WireError;
use crate::ids::FunctionRef;
use crate::storage::mappings::FunctionResponseType;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Members that are stored and echoed only.
const ECHOED: [&str; 4] = ["KMSKeyArn", "MetricsConfig", "LoggingConfig", "ProvisionedPollerConfig"];

/// Members that queues do not have.
const FOREIGN: [&str; 15] = [
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "TumblingWindowInSeconds",
    "Topics",
    "Queues",
    "SourceAccessConfigurations",
    "SelfManagedEventSource",
    "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
];

/// The members of a request.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    pub(super) function_name: Option<String>,
    pub(super) event_source_arn: Option<String>,
    pub(super) batch_size: Option<i64>,
    pub(super) maximum_batching_window_in_seconds: Option<i64>,
    pub(super) enabled: Option<bool>,
    filter_criteria: Option<FilterCriteria>,
    function_response_types: Option<Vec<String>>,
    scaling_config: Option<ScalingConfig>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterCriteria {
    #[serde(default)]
    filters: Option<Vec<Filter>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    #[serde(default)]
    pattern: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingConfig {
    maximum_concurrency: Option<i64>,
}

impl Input {
    pub(super) fn read(request: &Request) -> Result<Self, WireError> {
        let input: Self = request.json()?;
        let foreign = FOREIGN.iter().find(|name| input.others.get(**name).is_some_and(|value| !value.is_null()));
        match foreign {
            Some(name) => Err(WireError::bad_request(
                "InvalidParameterValueException",
                format!("Unsupported {name} parameter for given event source mapping type."),
            )),
            None => Ok(input),
        }
    }

    pub(super) fn batch_size(&self) -> Result<Option<u32>, WireError> {
        within("batchSize", self.batch_size, 1, 10_000)
    }

    pub(super) fn batching_window_s(&self) -> Result<Option<u32>, WireError> {
        within("maximumBatchingWindowInSeconds", self.maximum_batching_window_in_seconds, 0, 300)
    }

    /// `Some(None)` where the configuration is there and empty, which removes it.
    pub(super) fn maximum_concurrency(&self) -> Result<Option<Option<u32>>, WireError> {
        let Some(scaling) = &self.scaling_config else { return Ok(None) };
        within("scalingConfig.maximumConcurrency", scaling.maximum_concurrency, 2, 1000).map(Some)
    }

    pub(super) fn function(&self) -> Result<Option<FunctionRef>, WireError> {
        let Some(name) = &self.function_name else { return Ok(None) };
        FunctionRef::parse(name)
            .map(Some)
            .map_err(|error| WireError::validation(format_args!("{error} at 'functionName'")))
    }

    pub(super) fn filters(&mut self) -> Option<Vec<String>> {
        let filters = self.filter_criteria.take()?.filters.unwrap_or_default();
        // A filter without a pattern is refused with the patterns that cannot be read.
        Some(filters.into_iter().map(|filter| filter.pattern.unwrap_or_default()).collect())
    }

    pub(super) fn function_response_types(&self) -> Result<Option<Vec<FunctionResponseType>>, WireError> {
        let Some(types) = &self.function_response_types else { return Ok(None) };
        if types.len() > 1 {
            return Err(WireError::validation(
                "Value at 'functionResponseTypes' failed to satisfy constraint: Member must have length less than or equal to 1",
            ));
        }
        let read = |kind: &String| match kind.as_str() {
            "ReportBatchItemFailures" => Ok(FunctionResponseType::ReportBatchItemFailures),
            _ => Err(WireError::validation(
                "Value at 'functionResponseTypes' failed to satisfy constraint: Member must satisfy constraint: \
                 [Member must satisfy enum value set: [ReportBatchItemFailures]]",
            )),
        };
        types.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn echoed(&mut self) -> Map<String, Value> {
        let echoed = ECHOED.iter().filter_map(|name| Some(((*name).to_owned(), self.others.remove(*name)?)));
        echoed.collect()
    }
}

/// A number within bounds, or Lambda's words for one that is not.
pub(super) fn within(name: &str, value: Option<i64>, least: u32, most: u32) -> Result<Option<u32>, WireError> {
    let Some(value) = value else { return Ok(None) };
    let refuse = |constraint: String| {
        Err(WireError::validation(format_args!(
            "Value '{value}' at '{name}' failed to satisfy constraint: Member must have value {constraint}"
        )))
    };
    match u32::try_from(value) {
        Ok(number) if number > most => refuse(format!("less than or equal to {most}")),
        Ok(number) if number >= least => Ok(Some(number)),
        Err(_) if value > 0 => refuse(format!("less than or equal to {most}")),
        Ok(_) | Err(_) => refuse(format!("greater than or equal to {least}")),
    }
}
