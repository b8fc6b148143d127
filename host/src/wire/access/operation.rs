//! What a request asks for, as policies name it: an action, and the resources that it is about.
//!
//! The tables are whole: they have every operation of the services offered, whether Lamina has it or not. A resource that cannot be told
//! from the request (a name that is none, a body that does not parse) is `*`, which only a policy for everything covers; the service
//! then refuses the request itself.

use crate::ids::{FunctionRef, Home, LayerName, Qualifier, QueueName};
use crate::wire::codec::{Request, percent_decode};
use crate::wire::{lambda, logs, sqs};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Everything, or something that a policy cannot name.
const ANY: &str = "*";

/// What precedes the name in a layer's ARN.
const LAYER: &str = "layer:";

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::wire) struct Operation {
    /// The signing name.
    pub(super) service: &'static str,
    /// Such as `lambda:InvokeFunction`.
    pub(super) action: String,
    about: About,
}

/// Where a request says what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    /// Nothing of its own: lists and account settings.
    Nothing,
    /// A function, still percent-encoded, and whether `Qualifier` may stand beside it.
    Function(String, bool),
    /// The function that the body names.
    NewFunction,
    /// What follows `arn:aws:<service>:<region>:<account>:`.
    Of(String),
    /// A name or an ARN, and what precedes the name in an ARN.
    Named(String, &'static str),
    /// An ARN of any kind.
    Arn(String),
    /// The ARN in the query.
    ArnInQuery,
    Queue,
    Schedule(String),
    LogGroup,
}

/// A resource, further names by which a policy may deny it, and who has the policy of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) arn: String,
    pub(super) also: Vec<String>,
    pub(super) holder: Option<Holder>,
}

/// What may have a policy of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// A function, a version or an alias.
    Function(FunctionRef),
    /// A layer version.
    Layer(LayerName, u64),
}

impl Resource {
    fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), also: Vec::new(), holder: None }
    }

    /// A layer or a layer version by its ARN, as it was given where it is no version here.
    fn layer(home: &Home, arn: String) -> Self {
        match lambda::layer_version_of(home, &arn) {
            None => Self::new(arn),
            Some((name, version)) => Self {
                arn: home.layer_arn(&name, Some(version)),
                also: Vec::new(),
                holder: Some(Holder::Layer(name, version)),
            },
        }
    }
}

impl Operation {
    /// What a request asks for, as its head tells; `None` for nothing of the services here.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        if let Some(target) = parts.headers.get("x-amz-target") {
            return by_target(target.to_str().ok()?);
        }
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let inner = path.strip_prefix('/')?;
        let segments: Vec<&str> = inner.strip_suffix('/').unwrap_or(inner).split('/').collect();
        of_lambda(method, &segments, parts.uri.query().unwrap_or_default()).or_else(|| of_scheduler(method, inner))
    }

    /// The resources that a request is about; the caller must be allowed the action on each. Never empty.
    pub(super) fn resources(&self, home: &Home, request: &Request) -> Vec<Resource> {
        let one = match &self.about {
            About::Nothing => Resource::new(ANY),
            About::Function(segment, takes_qualifier) => function(home, &decoded(segment), *takes_qualifier, request),
            About::NewFunction => match body::<NewFunction>(request) {
                Some(NewFunction { function_name }) => function(home, &function_name, false, request),
                None => Resource::new(ANY),
            },
            About::Of(rest) => Resource::new(home.arn(self.service, rest)),
            About::Named(name, before) => {
                let is_arn = name.starts_with("arn:");
                let arn = if is_arn { name.clone() } else { home.arn(self.service, &format!("{before}{name}")) };
                if *before == LAYER { Resource::layer(home, arn) } else { Resource::new(arn) }
            }
            // Functions have several ARNs.
            About::Arn(arn) if arn.contains(":function:") => function(home, arn, false, request),
            About::Arn(arn) => Resource::new(arn.clone()),
            About::ArnInQuery => Resource::layer(home, request.query("Arn").unwrap_or_else(|| ANY.to_owned())),
            About::Queue => queue(home, request),
            About::Schedule(name) => schedule(home, name, request),
            About::LogGroup => return log_groups(home, request, &self.action),
        };
        vec![one]
    }

    /// The layer versions that a request attaches to a function: the caller must be allowed to get each.
    pub(super) fn layers(&self, home: &Home, request: &Request) -> Vec<Resource> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Attaching {
            layers: Option<Vec<String>>,
        }
        if !matches!(self.action.as_str(), "lambda:CreateFunction" | "lambda:UpdateFunctionConfiguration") {
            return Vec::new();
        }
        // What does not parse attaches nothing: the service refuses it.
        let layers = body::<Attaching>(request).and_then(|body| body.layers).unwrap_or_default();
        layers.into_iter().map(|arn| Resource::layer(home, arn)).collect()
    }
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// The members that are asked for, out of a body of any size.
fn body<'a, T: Deserialize<'a>>(request: &'a Request) -> Option<T> {
    serde_json::from_slice(&request.body).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewFunction {
    function_name: String,
}

fn function(home: &Home, name: &str, takes_qualifier: bool, request: &Request) -> Resource {
    let Ok(target) = lambda::function_of(home, name) else { return Resource::new(ANY) };
    let beside = request.query("Qualifier").filter(|text| takes_qualifier && !text.is_empty());
    let qualifier = match beside {
        None => target.qualifier,
        Some(text) => match Qualifier::new(&text) {
            Ok(qualifier) => Some(qualifier),
            Err(_) => return Resource::new(ANY),
        },
    };
    let arn = |qualifier| home.function_arn(&target.name, qualifier);
    let (arn, also) = match &qualifier {
        None => (arn(None), Vec::new()),
        Some(qualifier) => (arn(Some(qualifier)), vec![arn(None)]),
    };
    Resource { arn, also, holder: Some(Holder::Function(FunctionRef { name: target.name, qualifier })) }
}

fn by_target(target: &str) -> Option<Operation> {
    let named = |prefix: &str| {
        let name = target.strip_prefix(prefix)?;
        (!name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(name)
    };
    if let Some(name) = named(sqs::TARGET_PREFIX) {
        // Batches are allowed as what they are batches of.
        let action = match name {
            "SendMessageBatch" => "SendMessage",
            "DeleteMessageBatch" => "DeleteMessage",
            "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
            name => name,
        };
        let about = if name == "ListQueues" { About::Nothing } else { About::Queue };
        return Some(Operation { service: "sqs", action: format!("sqs:{action}"), about });
    }
    let name = named(logs::TARGET_PREFIX)?;
    Some(Operation { service: "logs", action: format!("logs:{name}"), about: About::LogGroup })
}

fn queue(home: &Home, request: &Request) -> Resource {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Named {
        queue_url: Option<String>,
        queue_name: Option<String>,
        source_arn: Option<String>,
    }
    let name = match body::<Named>(request) {
        Some(Named { queue_url: Some(url), queue_name: None, source_arn: None }) => sqs::queue_of(home, &url),
        Some(Named { queue_url: None, queue_name: Some(name), source_arn: None }) => QueueName::new(&name).ok(),
        Some(Named { queue_url: None, queue_name: None, source_arn: Some(arn) }) => return Resource::new(arn),
        _ => None,
    };
    name.map_or_else(|| Resource::new(ANY), |name| Resource::new(home.arn("sqs", name.as_str())))
}

fn of_scheduler(method: &str, path: &str) -> Option<Operation> {
    let (collection, rest) = path.split_once('/').unwrap_or((path, ""));
    let named = decoded(rest);
    let group = || About::Of(format!("schedule-group/{named}"));
    let (action, about) = match (collection, method, rest.is_empty()) {
        ("schedules", "GET", true) => ("ListSchedules", About::Nothing),
        ("schedules", "POST", false) => ("CreateSchedule", About::Schedule(named)),
        ("schedules", "GET", false) => ("GetSchedule", About::Schedule(named)),
        ("schedules", "PUT", false) => ("UpdateSchedule", About::Schedule(named)),
        ("schedules", "DELETE", false) => ("DeleteSchedule", About::Schedule(named)),
        ("schedule-groups", "GET", true) => ("ListScheduleGroups", About::Nothing),
        ("schedule-groups", "POST", false) => ("CreateScheduleGroup", group()),
        ("schedule-groups", "GET", false) => ("GetScheduleGroup", group()),
        ("schedule-groups", "DELETE", false) => ("DeleteScheduleGroup", group()),
        ("tags", "GET", false) => ("ListTagsForResource", About::Arn(named)),
        ("tags", "POST", false) => ("TagResource", About::Arn(named)),
        ("tags", "DELETE", false) => ("UntagResource", About::Arn(named)),
        _ => return None,
    };
    Some(Operation { service: "scheduler", action: format!("scheduler:{action}"), about })
}

fn schedule(home: &Home, name: &str, request: &Request) -> Resource {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Grouped {
        group_name: Option<String>,
    }
    // Bodies name the group of what is made or changed, queries that of what is read or deleted.
    let group = match request.parts.method.as_str() {
        "POST" | "PUT" => match body::<Grouped>(request) {
            Some(grouped) => grouped.group_name,
            None => return Resource::new(ANY),
        },
        _ => request.query("groupName"),
    };
    let group = group.filter(|group| !group.is_empty()).unwrap_or_else(|| "default".to_owned());
    Resource::new(home.arn("scheduler", &format!("schedule/{group}/{name}")))
}

/// Logs names groups by name or ARN, one or several, and streams within.
fn log_groups(home: &Home, request: &Request, action: &str) -> Vec<Resource> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        log_group_name: Option<String>,
        log_group_identifier: Option<String>,
        #[serde(default)]
        log_group_identifiers: Vec<String>,
        #[serde(default)]
        log_group_names: Vec<String>,
        #[serde(default)]
        log_group_arn_list: Vec<String>,
        resource_arn: Option<String>,
        log_stream_name: Option<String>,
    }
    let text: &[u8] = if request.body.trim_ascii().is_empty() { b"{}" } else { &request.body };
    let Ok(named) = serde_json::from_slice::<Named>(text) else { return vec![Resource::new(ANY)] };
    let stream = named.log_stream_name.unwrap_or_default();
    let prefix = home.arn("logs", "log-group:");
    let groups = [named.log_group_name, named.log_group_identifier].into_iter().flatten();
    let groups = groups.chain(named.log_group_identifiers).chain(named.log_group_names).chain(named.log_group_arn_list);
    let of_group = |given: String| {
        let name = given.strip_prefix(&prefix).unwrap_or(&given);
        let group = match name.starts_with("arn:") {
            // Of another account or region: there is no such group here.
            true => name.to_owned(),
            false => format!("{prefix}{}", name.strip_suffix(":*").unwrap_or(name)),
        };
        Resource { arn: format!("{group}:log-stream:{stream}"), also: vec![group], holder: None }
    };
    let mut resources: Vec<Resource> = groups.map(of_group).collect();
    resources.extend(named.resource_arn.map(|arn| Resource { also: vec![format!("{arn}:*")], arn, holder: None }));
    if resources.is_empty() {
        // As AWS has it where no group is named.
        let lists = action == "logs:DescribeLogGroups" || action == "logs:ListLogGroups";
        resources.push(Resource::new(if lists { format!("{prefix}:log-stream:") } else { ANY.to_owned() }));
    }
    resources
}

/// Lambda's API by method and path. Names in braces are: `{F}` a function that may have a `Qualifier` beside it, `{f}` one that has none,
/// `{L}` a layer, `{V}` its version, `{C}` a code signing config, `{M}` an event source mapping, `{P}` a capacity provider, `{R}` an
/// ARN; `{}` something that resources do not tell. Actions are IAM's.
const LAMBDA: &[(&str, &str, &str)] = &[
    ("POST", "2014-11-13/functions/{f}/invoke-async", "InvokeAsync"),
    ("POST", "2015-03-31/event-source-mappings", "CreateEventSourceMapping"),
    ("GET", "2015-03-31/event-source-mappings", "ListEventSourceMappings"),
    ("DELETE", "2015-03-31/event-source-mappings/{M}", "DeleteEventSourceMapping"),
    ("GET", "2015-03-31/event-source-mappings/{M}", "GetEventSourceMapping"),
    ("PUT", "2015-03-31/event-source-mappings/{M}", "UpdateEventSourceMapping"),
    ("POST", "2015-03-31/functions", "CreateFunction"),
    ("GET", "2015-03-31/functions", "ListFunctions"),
    ("DELETE", "2015-03-31/functions/{F}", "DeleteFunction"),
    ("GET", "2015-03-31/functions/{F}", "GetFunction"),
    ("POST", "2015-03-31/functions/{f}/aliases", "CreateAlias"),
    ("GET", "2015-03-31/functions/{f}/aliases", "ListAliases"),
    ("DELETE", "2015-03-31/functions/{f}/aliases/{}", "DeleteAlias"),
    ("GET", "2015-03-31/functions/{f}/aliases/{}", "GetAlias"),
    ("PUT", "2015-03-31/functions/{f}/aliases/{}", "UpdateAlias"),
    ("PUT", "2015-03-31/functions/{f}/code", "UpdateFunctionCode"),
    ("GET", "2015-03-31/functions/{F}/configuration", "GetFunctionConfiguration"),
    ("PUT", "2015-03-31/functions/{f}/configuration", "UpdateFunctionConfiguration"),
    ("POST", "2015-03-31/functions/{F}/invocations", "InvokeFunction"),
    ("POST", "2015-03-31/functions/{F}/policy", "AddPermission"),
    ("GET", "2015-03-31/functions/{F}/policy", "GetPolicy"),
    ("DELETE", "2015-03-31/functions/{F}/policy/{}", "RemovePermission"),
    ("GET", "2015-03-31/functions/{f}/versions", "ListVersionsByFunction"),
    ("POST", "2015-03-31/functions/{f}/versions", "PublishVersion"),
    ("GET", "2016-08-19/account-settings", "GetAccountSettings"),
    ("GET", "2017-03-31/tags/{R}", "ListTags"),
    ("POST", "2017-03-31/tags/{R}", "TagResource"),
    ("DELETE", "2017-03-31/tags/{R}", "UntagResource"),
    ("DELETE", "2017-10-31/functions/{f}/concurrency", "DeleteFunctionConcurrency"),
    ("PUT", "2017-10-31/functions/{f}/concurrency", "PutFunctionConcurrency"),
    ("GET", "2018-10-31/layers", "ListLayers"),
    ("GET", "2018-10-31/layers/{L}/versions", "ListLayerVersions"),
    ("POST", "2018-10-31/layers/{L}/versions", "PublishLayerVersion"),
    ("DELETE", "2018-10-31/layers/{L}/versions/{V}", "DeleteLayerVersion"),
    ("GET", "2018-10-31/layers/{L}/versions/{V}", "GetLayerVersion"),
    ("POST", "2018-10-31/layers/{L}/versions/{V}/policy", "AddLayerVersionPermission"),
    ("GET", "2018-10-31/layers/{L}/versions/{V}/policy", "GetLayerVersionPolicy"),
    ("DELETE", "2018-10-31/layers/{L}/versions/{V}/policy/{}", "RemoveLayerVersionPermission"),
    ("DELETE", "2019-09-25/functions/{F}/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("GET", "2019-09-25/functions/{F}/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("PUT", "2019-09-25/functions/{F}/event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("POST", "2019-09-25/functions/{F}/event-invoke-config", "UpdateFunctionEventInvokeConfig"),
    ("GET", "2019-09-25/functions/{f}/event-invoke-config/list", "ListFunctionEventInvokeConfigs"),
    ("GET", "2019-09-30/functions/{f}/concurrency", "GetFunctionConcurrency"),
    ("DELETE", "2019-09-30/functions/{F}/provisioned-concurrency", "DeleteProvisionedConcurrencyConfig"),
    ("GET", "2019-09-30/functions/{F}/provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
    ("PUT", "2019-09-30/functions/{F}/provisioned-concurrency", "PutProvisionedConcurrencyConfig"),
    ("POST", "2020-04-22/code-signing-configs", "CreateCodeSigningConfig"),
    ("GET", "2020-04-22/code-signing-configs", "ListCodeSigningConfigs"),
    ("DELETE", "2020-04-22/code-signing-configs/{C}", "DeleteCodeSigningConfig"),
    ("GET", "2020-04-22/code-signing-configs/{C}", "GetCodeSigningConfig"),
    ("PUT", "2020-04-22/code-signing-configs/{C}", "UpdateCodeSigningConfig"),
    ("GET", "2020-04-22/code-signing-configs/{C}/functions", "ListFunctionsByCodeSigningConfig"),
    ("DELETE", "2020-06-30/functions/{f}/code-signing-config", "DeleteFunctionCodeSigningConfig"),
    ("GET", "2020-06-30/functions/{f}/code-signing-config", "GetFunctionCodeSigningConfig"),
    ("PUT", "2020-06-30/functions/{f}/code-signing-config", "PutFunctionCodeSigningConfig"),
    ("GET", "2021-07-20/functions/{F}/runtime-management-config", "GetRuntimeManagementConfig"),
    ("PUT", "2021-07-20/functions/{F}/runtime-management-config", "PutRuntimeManagementConfig"),
    ("POST", "2021-10-31/functions/{F}/url", "CreateFunctionUrlConfig"),
    ("DELETE", "2021-10-31/functions/{F}/url", "DeleteFunctionUrlConfig"),
    ("GET", "2021-10-31/functions/{F}/url", "GetFunctionUrlConfig"),
    ("PUT", "2021-10-31/functions/{F}/url", "UpdateFunctionUrlConfig"),
    ("GET", "2021-10-31/functions/{f}/urls", "ListFunctionUrlConfigs"),
    ("POST", "2021-11-15/functions/{F}/response-streaming-invocations", "InvokeFunction"),
    ("GET", "2024-08-31/functions/{f}/recursion-config", "GetFunctionRecursionConfig"),
    ("PUT", "2024-08-31/functions/{f}/recursion-config", "PutFunctionRecursionConfig"),
    ("POST", "2025-11-30/capacity-providers", "CreateCapacityProvider"),
    ("GET", "2025-11-30/capacity-providers", "ListCapacityProviders"),
    ("DELETE", "2025-11-30/capacity-providers/{P}", "DeleteCapacityProvider"),
    ("GET", "2025-11-30/capacity-providers/{P}", "GetCapacityProvider"),
    ("PUT", "2025-11-30/capacity-providers/{P}", "UpdateCapacityProvider"),
    ("GET", "2025-11-30/capacity-providers/{P}/function-versions", "ListFunctionVersionsByCapacityProvider"),
    ("GET", "2025-11-30/functions/{F}/function-scaling-config", "GetFunctionScalingConfig"),
    ("PUT", "2025-11-30/functions/{F}/function-scaling-config", "PutFunctionScalingConfig"),
    ("POST", "2025-12-01/durable-execution-callbacks/{}/fail", "SendDurableExecutionCallbackFailure"),
    ("POST", "2025-12-01/durable-execution-callbacks/{}/heartbeat", "SendDurableExecutionCallbackHeartbeat"),
    ("POST", "2025-12-01/durable-execution-callbacks/{}/succeed", "SendDurableExecutionCallbackSuccess"),
    ("DELETE", "2025-12-01/durable-executions/{R}", "DeleteDurableExecution"),
    ("GET", "2025-12-01/durable-executions/{R}", "GetDurableExecution"),
    ("POST", "2025-12-01/durable-executions/{R}/checkpoint", "CheckpointDurableExecution"),
    ("GET", "2025-12-01/durable-executions/{R}/history", "GetDurableExecutionHistory"),
    ("POST", "2025-12-01/durable-executions/{R}/pause", "PauseDurableExecution"),
    ("POST", "2025-12-01/durable-executions/{R}/resume", "ResumeDurableExecution"),
    ("GET", "2025-12-01/durable-executions/{R}/state", "GetDurableExecutionState"),
    ("POST", "2025-12-01/durable-executions/{R}/stop", "StopDurableExecution"),
    ("GET", "2025-12-01/functions/{F}/durable-executions", "ListDurableExecutionsByFunction"),
    ("DELETE", "2026-07-09/resource-policy/{R}", "DeleteResourcePolicy"),
    ("GET", "2026-07-09/resource-policy/{R}", "GetResourcePolicy"),
    ("PUT", "2026-07-09/resource-policy/{R}", "PutResourcePolicy"),
    // Lamina's own: what `Code.Location` points to, for those who sign instead of following the link.
    ("GET", "lamina/packages/{}", "GetFunction"),
];

fn of_lambda(method: &str, segments: &[&str], query: &str) -> Option<Operation> {
    let (captured, action) = LAMBDA
        .iter()
        .chain(OWN)
        .filter(|(of, ..)| *of == method)
        .find_map(|(_, path, action)| Some((captures(path, segments)?, *action)))?;
    let has = |name: &str, value: &str| {
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(given, _)| percent_decode(given) == name).is_some_and(|(_, given)| percent_decode(given) == value)
    };
    // Two operations are told from others by their query.
    let action = match action {
        "GetProvisionedConcurrencyConfig" if has("List", "ALL") => "ListProvisionedConcurrencyConfigs",
        "ListLayers" if has("find", "LayerVersion") => "GetLayerVersion",
        action => action,
    };
    let about = match captured.as_slice() {
        [] if action == "CreateFunction" => About::NewFunction,
        [] if action == "GetLayerVersion" => About::ArnInQuery,
        [("{F}", name), ..] => About::Function((*name).to_owned(), true),
        [("{f}", name), ..] => About::Function((*name).to_owned(), false),
        [("{L}", layer), ("{V}", version), ..] => {
            About::Named(format!("{}:{}", decoded(layer), decoded(version)), LAYER)
        }
        [("{L}", layer), ..] => About::Named(decoded(layer), LAYER),
        [("{C}", config), ..] => About::Named(decoded(config), "code-signing-config:"),
        [("{M}", mapping), ..] => About::Of(format!("event-source-mapping:{}", decoded(mapping))),
        [("{P}", provider), ..] => About::Named(decoded(provider), "capacity-provider:"),
        [("{R}", arn), ..] => About::Arn(decoded(arn)),
        _ => About::Nothing,
    };
    Some(Operation { service: "lambda", action: format!("lambda:{action}"), about })
}

/// What stands in the place of a path's braces; `None` where it is another path.
fn captures<'a>(path: &'static str, segments: &[&'a str]) -> Option<Vec<(&'static str, &'a str)>> {
    let mut parts = path.split('/');
    let mut found = Vec::new();
    for segment in segments {
        match parts.next()? {
            name if name.starts_with('{') => found.push((name, *segment)),
            word if word == *segment => {}
            _ => return None,
        }
    }
    parts.next().is_none().then_some(found)
}

/// What Lamina has beside Lambda's API, as [`LAMBDA`].
const OWN: &[(&str, &str, &str)] = &[
    ("GET", "lamina/async-events", "ListAsyncEvents"),
    ("POST", "lamina/async-events/redrive", "RedriveAsyncEvents"),
    ("DELETE", "lamina/async-events", "PurgeAsyncEvents"),
    ("GET", "lamina/async-events/{}", "GetAsyncEvent"),
    ("POST", "lamina/async-events/{}/redrive", "RedriveAsyncEvents"),
    ("DELETE", "lamina/async-events/{}", "PurgeAsyncEvents"),
];

/// Every Lambda operation of the table, for tests.
#[cfg(test)]
pub(super) fn lambda_table() -> &'static [(&'static str, &'static str, &'static str)] {
    LAMBDA
}
