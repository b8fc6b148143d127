//! Event source mappings: one for each declared pair of queue and function.

use super::{Run, shown};
use crate::config::MappingDeclaration;
use crate::storage::mappings::{FunctionResponseType, MappingRecord};
use futures_util::future::BoxFuture;

/// What a run needs of the event source mappings. Errors are for the daemon's log.
pub trait MappingPort: Send + Sync + 'static {
    /// All mappings.
    fn list(&self) -> Vec<MappingRecord>;

    /// Creates a mapping of the queue with this ARN.
    fn create(&self, declared: MappingDeclaration, event_source_arn: String) -> BoxFuture<'_, Result<(), String>>;

    /// Changes a mapping to what is declared.
    fn update(&self, uuid: String, declared: MappingDeclaration) -> BoxFuture<'_, Result<(), String>>;
}

impl Run<'_> {
    pub(super) async fn mappings(&mut self) {
        let config = self.config;
        for (index, mapping) in config.mappings.iter().enumerate() {
            let shown = format!("mapping of {} to {}", mapping.queue, shown(&mapping.target()));
            match self.mapping(mapping).await {
                Ok(Some(what)) => self.changed(format!("{shown} {what}")),
                Ok(None) => self.outcome.unchanged = self.outcome.unchanged.saturating_add(1),
                Err(error) => self.failed(&format!("mappings[{index}]"), error),
            }
        }
    }

    async fn mapping(&self, declared: &MappingDeclaration) -> Result<Option<&'static str>, String> {
        let mappings = &self.parts.mappings;
        let arn = self.parts.catalog.home().arn("sqs", declared.queue.as_str());
        let is_it = |record: &MappingRecord| {
            record.event_source_arn == arn
                && record.function == declared.function
                && record.qualifier == declared.qualifier
        };
        let Some(current) = mappings.list().into_iter().find(is_it) else {
            mappings.create(declared.clone(), arn).await?;
            return Ok(Some("was created"));
        };
        let same = current.batch_size == declared.batch_size
            && current.batching_window_s == declared.batching_window_s
            && current.enabled == declared.enabled
            && current.filters == declared.filters
            && current.function_response_types == response_types(declared)
            && current.maximum_concurrency == declared.maximum_concurrency;
        if same {
            return Ok(None);
        }
        mappings.update(current.uuid, declared.clone()).await?;
        Ok(Some("was changed"))
    }
}

/// What the function's response may say.
pub(super) fn response_types(declared: &MappingDeclaration) -> Vec<FunctionResponseType> {
    match declared.report_batch_item_failures {
        true => vec![FunctionResponseType::ReportBatchItemFailures],
        false => Vec::new(),
    }
}
