//! Lambda's REST API: functions, versions, aliases, concurrency, and `Invoke`; a file an operation or a resource.
//! Beside it, under `/lamina/`, what AWS has no operation for.
//!
//! Shapes, constraints and statuses are those of the service model `lambda/2015-03-31`
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>). Where Lamina does more than AWS, it does so in AWS's
//! shapes: `AdditionalVersionWeights` takes any number of versions, `RoutingConfig` an optional `Sticky`.
//! What would be a lie is refused: file systems, images, networks. Members without a meaning here are echoed.
//!
//! Assumptions: the request was read whole, up to [`body_limit_bytes`]. The listener may put a [`uuid::Uuid`] into the
//! request's extensions: it becomes the request id, and the listener puts the same one on errors (this module puts it
//! on answers). Changing operations run in tasks of their own, so that a client that leaves does not cut one in half;
//! `Invoke` ends with its client; `InvokeWithResponseStream` does until the response begins.

mod aliases;
mod async_events;
mod code_signing;
mod concurrency;
mod configuration;
mod constraints;
mod create_alias;
mod create_function;
mod delete_function;
mod describe;
mod destinations;
mod error;
mod event_invoke;
mod function_urls;
mod get_account_settings;
mod get_function;
mod invoke;
mod invoke_with_response_stream;
mod layers;
mod list_functions;
mod list_versions;
mod package;
mod page;
mod permissions;
mod provisioned_concurrency;
mod publish_version;
mod recursion;
mod route;
mod routing;
mod runtime_management;
mod tags;
mod target;
#[cfg(test)]
mod tests;
mod unsupported;
mod update_alias;
mod update_function_code;
mod update_function_configuration;

use super::codec::{Answer, Request};
use super::error::WireError;
use crate::catalog::{Catalog, Deployment};
use crate::invocation::Invoke;
use crate::shutdown::{Phase, Shutdown};
use crate::triggers::asynchronous::AsyncInvocations;
use crate::triggers::http::urls::Addresses;
use crate::triggers::queue::EventSourceMappings;
use futures_channel::oneshot;
use http::{HeaderName, HeaderValue};
use route::Route;
use std::sync::Arc;
use uuid::Uuid;

pub use route::body_limit_bytes;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// What the operations work with. Cheap to clone.
#[derive(Clone)]
pub struct LambdaApi {
    /// Functions.
    pub catalog: Arc<Catalog>,
    /// Runs them.
    pub invoke: Arc<dyn Invoke>,
    /// How function URLs are written.
    pub urls: Addresses,
    /// Runs them behind the answer.
    pub asynchronous: Arc<AsyncInvocations>,
    /// Event source mappings, which have tags.
    pub mappings: Arc<EventSourceMappings>,
    /// Where changes run, so that the end of the daemon waits for them.
    pub shutdown: Shutdown,
}

impl LambdaApi {
    /// Sees to it that a deployment comes to its end.
    fn finish(&self, deployment: Deployment) {
        if let Deployment::UnderWay { rest, .. } = deployment {
            self.shutdown.spawn_resumable("deployment", rest);
        }
    }
}

/// The function that a name or ARN in a request means, read as the operations read it.
pub(super) fn function_of(home: &crate::ids::Home, text: &str) -> Result<crate::ids::FunctionRef, WireError> {
    target::parse(home, text)
}

/// The layer version that an ARN in a request means, read as the operations read it.
pub(super) fn layer_version_of(home: &crate::ids::Home, arn: &str) -> Option<(crate::ids::LayerName, u64)> {
    layers::version_arn(home, arn, "arn").ok()
}

/// Whether a method and path lead to an operation that is there.
#[cfg(test)]
pub(super) fn offers(method: &http::Method, path: &str) -> bool {
    Route::of(method, path).is_some_and(|route| !matches!(route, Route::Unsupported(_)))
}

/// Answers a request; `None` where its path is not one of Lambda's functions.
pub async fn handle(api: &LambdaApi, request: &Request) -> Option<Result<Answer, WireError>> {
    let route = Route::of(&request.parts.method, request.parts.uri.path())?;
    let id = request.parts.extensions.get::<Uuid>().copied().unwrap_or_else(Uuid::new_v4);
    let answer =
        if route.changes() { change(api, request, route, id).await } else { route.run(api, request, id).await };
    Some(answer.map(|mut answer| {
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        answer
    }))
}

/// Runs an operation to its end even if the client does not wait for it.
async fn change(api: &LambdaApi, request: &Request, route: Route, id: Uuid) -> Result<Answer, WireError> {
    let (done, answer) = oneshot::channel();
    let api_of_task = api.clone();
    let request = Request { parts: request.parts.clone(), body: request.body.clone() };
    api.shutdown.spawn(Phase::Work, "lambda change", async move {
        // Nobody hears the answer once the client is gone.
        let _ = done.send(route.run(&api_of_task, &request, id).await);
    });
    answer.await.unwrap_or_else(|_| Err(error::unfinished(&api.shutdown)))
}
