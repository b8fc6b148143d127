//! Paths and methods of the API.

use super::{
    LambdaApi, aliases, async_events, code_signing, concurrency, create_alias, create_function, delete_function,
    event_invoke, function_urls, get_account_settings, get_function, invoke, invoke_with_response_stream, layers,
    list_functions, list_versions, package, permissions, provisioned_concurrency, publish_version, recursion,
    runtime_management, tags, unsupported, update_alias, update_function_code, update_function_configuration,
};
use crate::invocation::PAYLOAD_LIMIT_BYTES;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use http::{Method, StatusCode};
use uuid::Uuid;

/// The largest body with a deployment package in it, as AWS has it.
pub(super) const PACKAGE_BODY_LIMIT_BYTES: usize = 70_167_211;

/// Room above an event's limit, so that a slightly larger one is refused with its size.
const EVENT_SLACK_BYTES: usize = 1 << 20;

/// How much of a request's body is to be read.
pub fn body_limit_bytes(method: &Method, path: &str) -> usize {
    match Route::of(method, path) {
        Some(
            Route::CreateFunction
            | Route::UpdateFunctionCode(_)
            | Route::Layers(layers::Operation::PublishLayerVersion(_)),
        ) => PACKAGE_BODY_LIMIT_BYTES,
        _ => PAYLOAD_LIMIT_BYTES.saturating_add(EVENT_SLACK_BYTES),
    }
}

/// The part of a path that names a function, still percent-encoded.
type Name = String;

/// An operation with what its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    ListFunctions,
    CreateFunction,
    GetFunction(Name),
    DeleteFunction(Name),
    GetFunctionConfiguration(Name),
    UpdateFunctionConfiguration(Name),
    UpdateFunctionCode(Name),
    PublishVersion(Name),
    ListVersionsByFunction(Name),
    CreateAlias(Name),
    ListAliases(Name),
    GetAlias(Name, String),
    UpdateAlias(Name, String),
    DeleteAlias(Name, String),
    PutFunctionConcurrency(Name),
    GetFunctionConcurrency(Name),
    DeleteFunctionConcurrency(Name),
    PutProvisionedConcurrency(Name),
    GetProvisionedConcurrency(Name),
    DeleteProvisionedConcurrency(Name),
    CreateFunctionUrlConfig(Name),
    GetFunctionUrlConfig(Name),
    UpdateFunctionUrlConfig(Name),
    ListFunctionUrlConfigs(Name),
    DeleteFunctionUrlConfig(Name),
    GetAccountSettings,
    PutEventInvoke(Name),
    UpdateEventInvoke(Name),
    GetEventInvoke(Name),
    ListEventInvoke(Name),
    DeleteEventInvoke(Name),
    Invoke(Name),
    InvokeWithResponseStream(Name),
    InvokeAsync(Name),
    ListAsyncEvents,
    GetAsyncEvent(String),
    RedriveAsyncEvents,
    RedriveAsyncEvent(String),
    PurgeAsyncEvents,
    PurgeAsyncEvent(String),
    /// One of the operations on layers.
    Layers(layers::Operation),
    /// Where `GetFunction` sends those who want the package.
    GetPackage(String),
    AddPermission(Name),
    RemovePermission(Name, String),
    GetPolicy(Name),
    TagResource(String),
    UntagResource(String),
    ListTags(String),
    PutRecursionConfig(Name),
    GetRecursionConfig(Name),
    PutRuntimeManagement(Name),
    GetRuntimeManagement(Name),
    CreateCodeSigningConfig,
    ListCodeSigningConfigs,
    GetCodeSigningConfig(String),
    UpdateCodeSigningConfig(String),
    DeleteCodeSigningConfig(String),
    ListFunctionsByCodeSigningConfig(String),
    PutFunctionCodeSigning(Name),
    GetFunctionCodeSigning(Name),
    DeleteFunctionCodeSigning(Name),
    /// One of Lambda's that Lamina does not have.
    Unsupported(String),
}

impl Route {
    /// `None` where the path is not Lambda's, or belongs to its event source mappings.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let inner = path.strip_prefix('/')?;
        let segments: Vec<&str> = inner.strip_suffix('/').unwrap_or(inner).split('/').collect();
        let own = |text: &&str| (*text).to_owned();
        let found = match (method.as_str(), segments.as_slice()) {
            ("GET", ["2015-03-31", "functions"]) => Self::ListFunctions,
            ("POST", ["2015-03-31", "functions"]) => Self::CreateFunction,
            ("GET", ["2015-03-31", "functions", name]) => Self::GetFunction(own(name)),
            ("DELETE", ["2015-03-31", "functions", name]) => Self::DeleteFunction(own(name)),
            ("GET", ["2015-03-31", "functions", name, "configuration"]) => Self::GetFunctionConfiguration(own(name)),
            ("PUT", ["2015-03-31", "functions", name, "configuration"]) => Self::UpdateFunctionConfiguration(own(name)),
            ("PUT", ["2015-03-31", "functions", name, "code"]) => Self::UpdateFunctionCode(own(name)),
            ("POST", ["2015-03-31", "functions", name, "versions"]) => Self::PublishVersion(own(name)),
            ("GET", ["2015-03-31", "functions", name, "versions"]) => Self::ListVersionsByFunction(own(name)),
            ("POST", ["2015-03-31", "functions", name, "aliases"]) => Self::CreateAlias(own(name)),
            ("GET", ["2015-03-31", "functions", name, "aliases"]) => Self::ListAliases(own(name)),
            ("GET", ["2015-03-31", "functions", name, "aliases", alias]) => Self::GetAlias(own(name), own(alias)),
            ("PUT", ["2015-03-31", "functions", name, "aliases", alias]) => Self::UpdateAlias(own(name), own(alias)),
            ("DELETE", ["2015-03-31", "functions", name, "aliases", alias]) => Self::DeleteAlias(own(name), own(alias)),
            ("POST", ["2015-03-31", "functions", name, "invocations"]) => Self::Invoke(own(name)),
            ("POST", ["2021-11-15", "functions", name, "response-streaming-invocations"]) => {
                Self::InvokeWithResponseStream(own(name))
            }
            ("PUT", ["2017-10-31", "functions", name, "concurrency"]) => Self::PutFunctionConcurrency(own(name)),
            ("DELETE", ["2017-10-31", "functions", name, "concurrency"]) => Self::DeleteFunctionConcurrency(own(name)),
            ("GET", ["2019-09-30", "functions", name, "concurrency"]) => Self::GetFunctionConcurrency(own(name)),
            ("PUT", ["2019-09-30", "functions", name, "provisioned-concurrency"]) => {
                Self::PutProvisionedConcurrency(own(name))
            }
            ("GET", ["2019-09-30", "functions", name, "provisioned-concurrency"]) => {
                Self::GetProvisionedConcurrency(own(name))
            }
            ("DELETE", ["2019-09-30", "functions", name, "provisioned-concurrency"]) => {
                Self::DeleteProvisionedConcurrency(own(name))
            }
            ("POST", ["2021-10-31", "functions", name, "url"]) => Self::CreateFunctionUrlConfig(own(name)),
            ("GET", ["2021-10-31", "functions", name, "url"]) => Self::GetFunctionUrlConfig(own(name)),
            ("PUT", ["2021-10-31", "functions", name, "url"]) => Self::UpdateFunctionUrlConfig(own(name)),
            ("DELETE", ["2021-10-31", "functions", name, "url"]) => Self::DeleteFunctionUrlConfig(own(name)),
            ("GET", ["2021-10-31", "functions", name, "urls"]) => Self::ListFunctionUrlConfigs(own(name)),
            ("GET", ["2016-08-19", "account-settings"]) => Self::GetAccountSettings,
            ("PUT", ["2019-09-25", "functions", name, "event-invoke-config"]) => Self::PutEventInvoke(own(name)),
            ("POST", ["2019-09-25", "functions", name, "event-invoke-config"]) => Self::UpdateEventInvoke(own(name)),
            ("GET", ["2019-09-25", "functions", name, "event-invoke-config"]) => Self::GetEventInvoke(own(name)),
            ("GET", ["2019-09-25", "functions", name, "event-invoke-config", "list"]) => {
                Self::ListEventInvoke(own(name))
            }
            ("DELETE", ["2019-09-25", "functions", name, "event-invoke-config"]) => Self::DeleteEventInvoke(own(name)),
            ("POST", ["2014-11-13", "functions", name, "invoke-async"]) => Self::InvokeAsync(own(name)),
            ("GET", ["lamina", "async-events"]) => Self::ListAsyncEvents,
            ("POST", ["lamina", "async-events", "redrive"]) => Self::RedriveAsyncEvents,
            ("DELETE", ["lamina", "async-events"]) => Self::PurgeAsyncEvents,
            ("GET", ["lamina", "async-events", id]) => Self::GetAsyncEvent(own(id)),
            ("POST", ["lamina", "async-events", id, "redrive"]) => Self::RedriveAsyncEvent(own(id)),
            ("DELETE", ["lamina", "async-events", id]) => Self::PurgeAsyncEvent(own(id)),
            (method, ["2018-10-31", "layers", rest @ ..]) if layers::Operation::of(method, rest).is_some() => {
                Self::Layers(layers::Operation::of(method, rest)?)
            }
            ("GET", ["lamina", "packages", sha256]) => Self::GetPackage(own(sha256)),
            ("POST", ["2015-03-31", "functions", name, "policy"]) => Self::AddPermission(own(name)),
            ("GET", ["2015-03-31", "functions", name, "policy"]) => Self::GetPolicy(own(name)),
            ("DELETE", ["2015-03-31", "functions", name, "policy", id]) => Self::RemovePermission(own(name), own(id)),
            ("POST", ["2017-03-31", "tags", resource]) => Self::TagResource(own(resource)),
            ("DELETE", ["2017-03-31", "tags", resource]) => Self::UntagResource(own(resource)),
            ("GET", ["2017-03-31", "tags", resource]) => Self::ListTags(own(resource)),
            ("PUT", ["2024-08-31", "functions", name, "recursion-config"]) => Self::PutRecursionConfig(own(name)),
            ("GET", ["2024-08-31", "functions", name, "recursion-config"]) => Self::GetRecursionConfig(own(name)),
            ("PUT", ["2021-07-20", "functions", name, "runtime-management-config"]) => {
                Self::PutRuntimeManagement(own(name))
            }
            ("GET", ["2021-07-20", "functions", name, "runtime-management-config"]) => {
                Self::GetRuntimeManagement(own(name))
            }
            ("POST", ["2020-04-22", "code-signing-configs"]) => Self::CreateCodeSigningConfig,
            ("GET", ["2020-04-22", "code-signing-configs"]) => Self::ListCodeSigningConfigs,
            ("GET", ["2020-04-22", "code-signing-configs", arn]) => Self::GetCodeSigningConfig(own(arn)),
            ("PUT", ["2020-04-22", "code-signing-configs", arn]) => Self::UpdateCodeSigningConfig(own(arn)),
            ("DELETE", ["2020-04-22", "code-signing-configs", arn]) => Self::DeleteCodeSigningConfig(own(arn)),
            ("GET", ["2020-04-22", "code-signing-configs", arn, "functions"]) => {
                Self::ListFunctionsByCodeSigningConfig(own(arn))
            }
            ("PUT", ["2020-06-30", "functions", name, "code-signing-config"]) => {
                Self::PutFunctionCodeSigning(own(name))
            }
            ("GET", ["2020-06-30", "functions", name, "code-signing-config"]) => {
                Self::GetFunctionCodeSigning(own(name))
            }
            ("DELETE", ["2020-06-30", "functions", name, "code-signing-config"]) => {
                Self::DeleteFunctionCodeSigning(own(name))
            }
            (_, [date, collection, ..]) if is_date(date) && COLLECTIONS.contains(collection) => {
                let operation = unsupported::operation(method.as_str(), &segments);
                Self::Unsupported(operation.map_or_else(|| format!("{method} {path}"), str::to_owned))
            }
            _ => return None,
        };
        Some(found)
    }

    /// Whether the operation changes anything but what the function itself does.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Layers(operation) => operation.changes(),
            Self::CreateFunction
            | Self::DeleteFunction(_)
            | Self::UpdateFunctionConfiguration(_)
            | Self::UpdateFunctionCode(_)
            | Self::PublishVersion(_)
            | Self::CreateAlias(_)
            | Self::UpdateAlias(..)
            | Self::DeleteAlias(..)
            | Self::PutFunctionConcurrency(_)
            | Self::DeleteFunctionConcurrency(_)
            | Self::PutProvisionedConcurrency(_)
            | Self::DeleteProvisionedConcurrency(_)
            | Self::CreateFunctionUrlConfig(_)
            | Self::UpdateFunctionUrlConfig(_)
            | Self::DeleteFunctionUrlConfig(_)
            | Self::PutEventInvoke(_)
            | Self::UpdateEventInvoke(_)
            | Self::DeleteEventInvoke(_)
            | Self::RedriveAsyncEvents
            | Self::RedriveAsyncEvent(_)
            | Self::PurgeAsyncEvents
            | Self::PurgeAsyncEvent(_)
            | Self::AddPermission(_)
            | Self::RemovePermission(..)
            | Self::TagResource(_)
            | Self::UntagResource(_)
            | Self::PutRecursionConfig(_)
            | Self::PutRuntimeManagement(_)
            | Self::CreateCodeSigningConfig
            | Self::UpdateCodeSigningConfig(_)
            | Self::DeleteCodeSigningConfig(_)
            | Self::PutFunctionCodeSigning(_)
            | Self::DeleteFunctionCodeSigning(_) => true,
            Self::ListFunctions
            | Self::GetFunction(_)
            | Self::GetFunctionConfiguration(_)
            | Self::ListVersionsByFunction(_)
            | Self::ListAliases(_)
            | Self::GetAlias(..)
            | Self::GetFunctionConcurrency(_)
            | Self::GetProvisionedConcurrency(_)
            | Self::GetFunctionUrlConfig(_)
            | Self::ListFunctionUrlConfigs(_)
            | Self::GetAccountSettings
            | Self::GetEventInvoke(_)
            | Self::ListEventInvoke(_)
            | Self::GetPolicy(_)
            | Self::ListTags(_)
            | Self::GetRecursionConfig(_)
            | Self::GetRuntimeManagement(_)
            | Self::ListCodeSigningConfigs
            | Self::GetCodeSigningConfig(_)
            | Self::ListFunctionsByCodeSigningConfig(_)
            | Self::GetFunctionCodeSigning(_)
            | Self::Invoke(_)
            | Self::InvokeWithResponseStream(_)
            | Self::InvokeAsync(_)
            | Self::ListAsyncEvents
            | Self::GetAsyncEvent(_)
            | Self::GetPackage(_)
            | Self::Unsupported(_) => false,
        }
    }

    /// Runs the operation.
    pub(super) async fn run(&self, api: &LambdaApi, request: &Request, id: Uuid) -> Result<Answer, WireError> {
        match self {
            Self::ListFunctions => list_functions::handle(api, request),
            Self::CreateFunction => create_function::handle(api, request).await,
            Self::GetFunction(name) => get_function::handle(api, request, name),
            Self::DeleteFunction(name) => delete_function::handle(api, request, name).await,
            Self::GetFunctionConfiguration(name) => get_function::configuration(api, request, name),
            Self::UpdateFunctionConfiguration(name) => update_function_configuration::handle(api, request, name).await,
            Self::UpdateFunctionCode(name) => update_function_code::handle(api, request, name).await,
            Self::PublishVersion(name) => publish_version::handle(api, request, name).await,
            Self::ListVersionsByFunction(name) => list_versions::handle(api, request, name),
            Self::CreateAlias(name) => create_alias::handle(api, request, name).await,
            Self::ListAliases(name) => aliases::list(api, request, name),
            Self::GetAlias(name, alias) => aliases::get(api, name, alias),
            Self::UpdateAlias(name, alias) => update_alias::handle(api, request, name, alias).await,
            Self::DeleteAlias(name, alias) => aliases::delete(api, name, alias).await,
            Self::PutFunctionConcurrency(name) => concurrency::put(api, request, name).await,
            Self::GetFunctionConcurrency(name) => concurrency::get(api, name),
            Self::DeleteFunctionConcurrency(name) => concurrency::delete(api, name).await,
            Self::PutProvisionedConcurrency(name) => provisioned_concurrency::put(api, request, name).await,
            Self::GetProvisionedConcurrency(name) => provisioned_concurrency::get_or_list(api, request, name),
            Self::DeleteProvisionedConcurrency(name) => provisioned_concurrency::delete(api, request, name).await,
            Self::CreateFunctionUrlConfig(name) => function_urls::create(api, request, name).await,
            Self::GetFunctionUrlConfig(name) => function_urls::get(api, request, name),
            Self::UpdateFunctionUrlConfig(name) => function_urls::update(api, request, name).await,
            Self::ListFunctionUrlConfigs(name) => function_urls::list(api, request, name),
            Self::DeleteFunctionUrlConfig(name) => function_urls::delete(api, request, name).await,
            Self::GetAccountSettings => get_account_settings::handle(api),
            Self::PutEventInvoke(name) => event_invoke::put(api, request, name).await,
            Self::UpdateEventInvoke(name) => event_invoke::update(api, request, name).await,
            Self::GetEventInvoke(name) => event_invoke::get(api, request, name),
            Self::ListEventInvoke(name) => event_invoke::list(api, request, name),
            Self::DeleteEventInvoke(name) => event_invoke::delete(api, request, name).await,
            Self::Invoke(name) => invoke::handle(api, request, name, id).await,
            Self::InvokeWithResponseStream(name) => invoke_with_response_stream::handle(api, request, name, id).await,
            Self::InvokeAsync(name) => invoke::handle_async(api, request, name, id).await,
            Self::ListAsyncEvents => async_events::list(api, request).await,
            Self::GetAsyncEvent(event) => async_events::get(api, event).await,
            Self::RedriveAsyncEvents => async_events::redrive_all(api, request).await,
            Self::RedriveAsyncEvent(event) => async_events::redrive(api, event).await,
            Self::PurgeAsyncEvents => async_events::purge_all(api, request).await,
            Self::PurgeAsyncEvent(event) => async_events::purge(api, event).await,
            Self::Layers(operation) => operation.run(api, request).await,
            Self::GetPackage(sha256) => package::serve(api, sha256).await,
            Self::AddPermission(name) => permissions::add(api, request, name).await,
            Self::RemovePermission(name, id) => permissions::remove(api, request, name, id).await,
            Self::GetPolicy(name) => permissions::get(api, request, name),
            Self::TagResource(resource) => tags::tag(api, request, resource).await,
            Self::UntagResource(resource) => tags::untag(api, request, resource).await,
            Self::ListTags(resource) => tags::list(api, resource),
            Self::PutRecursionConfig(name) => recursion::put(api, request, name).await,
            Self::GetRecursionConfig(name) => recursion::get(api, name),
            Self::PutRuntimeManagement(name) => runtime_management::put(api, request, name).await,
            Self::GetRuntimeManagement(name) => runtime_management::get(api, request, name),
            Self::CreateCodeSigningConfig => code_signing::create(api, request).await,
            Self::ListCodeSigningConfigs => code_signing::list(api, request),
            Self::GetCodeSigningConfig(arn) => code_signing::get(api, arn),
            Self::UpdateCodeSigningConfig(arn) => code_signing::update(api, request, arn).await,
            Self::DeleteCodeSigningConfig(arn) => code_signing::delete(api, arn).await,
            Self::ListFunctionsByCodeSigningConfig(arn) => code_signing::list_functions(api, request, arn),
            Self::PutFunctionCodeSigning(name) => code_signing::put_of_function(api, request, name).await,
            Self::GetFunctionCodeSigning(name) => code_signing::get_of_function(api, name),
            Self::DeleteFunctionCodeSigning(name) => code_signing::delete_of_function(api, name).await,
            Self::Unsupported(what) => Err(WireError::new(
                StatusCode::NOT_FOUND,
                "UnknownOperationException",
                format!("{what} is not supported by Lamina."),
            )),
        }
    }
}

/// What Lambda's paths have behind their date.
const COLLECTIONS: [&str; 11] = [
    "functions",
    "account-settings",
    "layers",
    "layers-by-arn",
    "tags",
    "code-signing-configs",
    "event-invoke-config",
    "capacity-providers",
    "durable-executions",
    "durable-execution-callbacks",
    "resource-policy",
];

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
