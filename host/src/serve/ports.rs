//! How the parts of the daemon reach each other where neither knows the other.

use crate::catalog::Catalog;
use crate::config::MappingDeclaration;
use crate::credentials::{Ask, Authenticator, Context, Denied};
use crate::ids::{FunctionRef, Qualifier, Version};
use crate::invocation::http_event;
use crate::invocation::lineage::{Lineage, RUNS_LIMIT};
use crate::reconcile::{MappingPort, SchedulePort};
use crate::storage::functions::{RecursiveLoop, UrlRecord};
use crate::storage::mappings::{FunctionResponseType, MappingRecord};
use crate::storage::schedules::{PutMode, PutOutcome, ScheduleGroupRecord, ScheduleKey, ScheduleRecord};
use crate::triggers::asynchronous::{Destination, FunctionSettings, Settings};
use crate::triggers::http::urls;
use crate::triggers::queue::{EventSourceMappings, FunctionDirectory, MappingChange, NewMapping};
use crate::triggers::schedule::Scheduler;
use crate::triggers::subscription::Destinations;
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

/// The catalog as subscription filters see it.
impl Destinations for Directory {
    fn may_invoke(&self, function: &FunctionRef, group_arn: &str) -> bool {
        self.0.exists(function) && self.0.may_service_invoke("logs.amazonaws.com", group_arn, function)
    }

    fn stops(&self, function: &FunctionRef, lineage: &Lineage) -> bool {
        FunctionDirectory::stops(self, function, lineage)
    }
}

/// The catalog as the HTTP trigger sees it.
pub(super) struct Urls(pub(super) Arc<Catalog>);

impl urls::Directory for Urls {
    fn find(&self, url_id: &str) -> Option<Arc<UrlRecord>> {
        self.0.url_by_id(url_id)
    }
}

/// Access keys and policies as function URLs see them.
pub(super) struct UrlAuthorizer {
    pub(super) authenticator: Authenticator,
    pub(super) catalog: Arc<Catalog>,
}

impl urls::Authorizer for UrlAuthorizer {
    fn is_public(&self, url: &UrlRecord) -> bool {
        self.catalog.is_url_public(url)
    }

    fn authorize(&self, request: &urls::UrlRequest<'_>) -> Result<http_event::Caller, urls::Denied> {
        let denied = |denied: Denied| urls::Denied { reason: denied.to_string() };
        // Whether the connection is TLS is not known here: a body has to be signed.
        let body = lamina_sigv4::sha256(request.body);
        let caller = self.authenticator.verify(request.parts, "lambda", &body, false).map_err(denied)?;
        let (home, url) = (self.catalog.home(), request.url);
        let function = home.function_arn(&url.function, None);
        let (arn, also) = match &url.alias {
            None => (function, Vec::new()),
            Some(alias) => (home.function_arn(&url.function, Some(alias)), vec![function]),
        };
        let target = FunctionRef { name: url.function.clone(), qualifier: url.alias.clone().map(Qualifier::Alias) };
        let context = Context {
            function_url_auth_type: Some(url.auth_type.as_str()),
            invoked_via_function_url: true,
            ..Context::default()
        };
        let allowed = self.catalog.with_statements(&target, |statements| {
            let (action, owner) = ("lambda:InvokeFunctionUrl", &*home.account);
            caller.authorize(&Ask { action, resource: &arn, also: &also, owner, statements, context })
        });
        allowed.map_err(denied)?;
        Ok(http_event::Caller {
            access_key: caller.access_key_id().to_owned(),
            account_id: caller.account().to_owned(),
            caller_id: caller.user_id(),
            user_arn: caller.arn(),
        })
    }
}

/// The catalog as asynchronous invocation sees it.
impl FunctionSettings for Directory {
    fn settings(&self, target: &FunctionRef) -> Settings {
        let mut settings = Settings::default();
        let Ok(function) = self.0.function(&target.name) else { return settings };
        settings.is_switched_off = function.concurrency.is_switched_off();
        // What is stored was checked when it was set.
        let destination = |arn: &str| Destination::parse(self.0.home(), arn).ok();
        let qualifier = target.qualifier.clone().unwrap_or(Qualifier::Version(Version::Latest));
        if let Some(record) = function.view().records.event_invoke.get(&qualifier) {
            settings.maximum_retry_attempts = record.maximum_retry_attempts.unwrap_or(settings.maximum_retry_attempts);
            settings.maximum_event_age_s = record.maximum_event_age_s.unwrap_or(settings.maximum_event_age_s);
            settings.on_success = record.on_success.as_deref().and_then(destination);
            settings.on_failure = record.on_failure.as_deref().and_then(destination);
        }
        if let Ok(version) = self.0.version(&target.name, target.qualifier.as_ref())
            && let Some(arn) = version.record.configuration.dead_letter_arn()
            && let Some(Destination::Queue(queue)) = destination(arn)
        {
            settings.dead_letter_queue = Some(queue);
        }
        settings
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
