//! Paths and methods of the API.

use super::{
    LambdaApi, aliases, concurrency, create_alias, create_function, delete_function, get_account_settings,
    get_function, invoke, layers, list_functions, list_versions, package, provisioned_concurrency, publish_version,
    update_alias, update_function_code, update_function_configuration,
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
    GetAccountSettings,
    Invoke(Name),
    /// One of the operations on layers.
    Layers(layers::Operation),
    /// Where `GetFunction` sends those who want the package.
    GetPackage(String),
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
            ("GET", ["2016-08-19", "account-settings"]) => Self::GetAccountSettings,
            (method, ["2018-10-31", "layers", rest @ ..]) if layers::Operation::of(method, rest).is_some() => {
                Self::Layers(layers::Operation::of(method, rest)?)
            }
            ("GET", ["lamina", "packages", sha256]) => Self::GetPackage(own(sha256)),
            (_, [date, collection, ..]) if is_date(date) && COLLECTIONS.contains(collection) => {
                Self::Unsupported(format!("{method} {path}"))
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
            | Self::DeleteProvisionedConcurrency(_) => true,
            Self::ListFunctions
            | Self::GetFunction(_)
            | Self::GetFunctionConfiguration(_)
            | Self::ListVersionsByFunction(_)
            | Self::ListAliases(_)
            | Self::GetAlias(..)
            | Self::GetFunctionConcurrency(_)
            | Self::GetProvisionedConcurrency(_)
            | Self::GetAccountSettings
            | Self::Invoke(_)
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
            Self::GetAccountSettings => get_account_settings::handle(api),
            Self::Invoke(name) => invoke::handle(api, request, name, id).await,
            Self::Layers(operation) => operation.run(api, request).await,
            Self::GetPackage(sha256) => package::serve(api, sha256).await,
            Self::Unsupported(what) => Err(WireError::new(
                StatusCode::NOT_FOUND,
                "UnknownOperationException",
                format!("{what} is not supported by Lamina."),
            )),
        }
    }
}

/// What Lambda's paths have behind their date.
const COLLECTIONS: [&str; 9] = [
    "functions",
    "account-settings",
    "layers",
    "layers-by-arn",
    "tags",
    "code-signing-configs",
    "event-invoke-config",
    "capacity-providers",
    "durable-executions",
];

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
