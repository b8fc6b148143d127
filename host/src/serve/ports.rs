//! How the parts of the daemon reach each other where neither knows the other.

use crate::catalog::Catalog;
use crate::config::MappingDeclaration;
use crate::ids::FunctionRef;
use crate::invocation::lineage::{Lineage, RUNS_LIMIT};
use crate::reconcile::{MappingPort, SchedulePort};
use crate::storage::functions::RecursiveLoop;
use crate::storage::mappings::{FunctionResponseType, MappingRecord};
use crate::storage::schedules::{PutMode, PutOutcome, ScheduleGroupRecord, ScheduleKey, ScheduleRecord};
use crate::triggers::queue::{EventSourceMappings, FunctionDirectory, MappingChange, NewMapping};
use crate::triggers::schedule::Scheduler;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The catalog as event source mappings see it.
pub(super) struct Directory(pub(super) Arc<Catalog>);

impl FunctionDirectory for Directory {
    fn exists(&self, function: &FunctionRef) -> bool {
        self.0.exists(function)
    }

    fn stops(&self, function: &FunctionRef, lineage: &Lineage) -> bool {
        let Ok((_, target)) = self.0.resolve(function, None) else { return false };
        let stops = target.recursive_loop == RecursiveLoop::Terminate && lineage.runs(target.mark) >= RUNS_LIMIT;
        if stops {
            self.0.parts.metrics.recursive_invocations_dropped.inc();
        }
        stops
    }
}

/// The scheduler as reconciliation sees it.
pub(super) struct Schedules(pub(super) Arc<Scheduler>);

impl SchedulePort for Schedules {
    fn get(&self, key: ScheduleKey) -> BoxFuture<'_, Result<Option<ScheduleRecord>, String>> {
        Box::pin(async { self.0.get(key).await.map_err(|error| error.to_string()) })
    }

    fn put(&self, schedule: ScheduleRecord) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let now_ms = self.0.clock().now_ms();
            let group = ScheduleGroupRecord {
                name: schedule.key.group.clone(),
                tags: BTreeMap::new(),
                created_at_ms: now_ms,
                modified_at_ms: now_ms,
            };
            // A group that is there is what is wanted.
            self.0.put_group(group, PutMode::Create).await.map_err(|error| error.to_string())?;
            match self.0.put(schedule, PutMode::Either).await.map_err(|error| error.to_string())? {
                PutOutcome::Stored(_) => Ok(()),
                other => Err(format!("the schedule was not stored: {other:?}")),
            }
        })
    }
}

/// Event source mappings as reconciliation sees them.
pub(super) struct Mappings(pub(super) Arc<EventSourceMappings>);

impl MappingPort for Mappings {
    fn list(&self) -> Vec<MappingRecord> {
        self.0.list()
    }

    fn create(&self, declared: MappingDeclaration, event_source_arn: String) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let new = NewMapping {
                batch_size: Some(declared.batch_size),
                batching_window_s: declared.batching_window_s,
                enabled: declared.enabled,
                function_response_types: response_types(&declared),
                maximum_concurrency: declared.maximum_concurrency,
                filters: declared.filters.clone(),
                ..NewMapping::new(declared.target(), event_source_arn)
            };
            self.0.create(new).await.map(drop).map_err(|error| error.to_string())
        })
    }

    fn update(&self, uuid: String, declared: MappingDeclaration) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let change = MappingChange {
                batch_size: Some(declared.batch_size),
                batching_window_s: Some(declared.batching_window_s),
                enabled: Some(declared.enabled),
                function_response_types: Some(response_types(&declared)),
                maximum_concurrency: Some(declared.maximum_concurrency),
                filters: Some(declared.filters.clone()),
                ..MappingChange::default()
            };
            self.0.update(&uuid, change).await.map(drop).map_err(|error| error.to_string())
        })
    }
}

fn response_types(declared: &MappingDeclaration) -> Vec<FunctionResponseType> {
    match declared.report_batch_item_failures {
        true => vec![FunctionResponseType::ReportBatchItemFailures],
        false => Vec::new(),
    }
}
