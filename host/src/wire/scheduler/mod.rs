//! EventBridge Scheduler's REST API over [`Scheduler`]: schedules, their groups and the groups' tags; a file an operation.
//!
//! Shapes, constraints and codes are those of the service model `scheduler/2021-06-30`
//! (<https://docs.aws.amazon.com/scheduler/latest/APIReference/Welcome.html>). Targets are Lambda functions and SQS queues;
//! what another target would need is refused, and so are the parameters of other targets.
//! Beyond AWS: `ScheduleExpression` may be plain cron (`*/5 * * * *`) or a rate in seconds, and `MissedFirings` (`skip`, `once`, `all`;
//! `once` where it is left out) says what becomes of firings missed while the daemon was down.
//! `RoleArn` and `KmsKeyArn` are checked for their form and echoed. `UpdateSchedule` takes a start date long past if it is the one that
//! the schedule has. Members that the model does not have are ignored.
//!
//! Bounds: 256 KiB of input, 100 items a page. A `ClientToken` is remembered in memory, for an hour and among the latest
//! thousands: a create or delete repeated with it is answered as the first was. A restart forgets it.

mod constraints;
mod create_schedule;
mod create_schedule_group;
mod delete_schedule;
mod delete_schedule_group;
mod describe;
mod fault;
mod get_schedule;
mod get_schedule_group;
mod list_schedule_groups;
mod list_schedules;
mod list_tags_for_resource;
mod page;
mod route;
mod schedule_body;
mod tag_resource;
mod tags;
#[cfg(test)]
mod tests;
mod tokens;
mod untag_resource;
mod update_schedule;

use super::codec::{Answer, Request};
use super::error::{Shape, WireError};
use crate::ids::Home;
use crate::triggers::schedule::Scheduler;
use route::Route;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokens::Tokens;

/// How this service writes its errors.
pub const ERROR_SHAPE: Shape = Shape::RestJson;

/// The service and what it remembers between calls.
pub struct SchedulerApi {
    scheduler: Arc<Scheduler>,
    tokens: Tokens,
    /// Held from reading to writing a group's tags.
    tag_changes: tokio::sync::Mutex<()>,
}

impl SchedulerApi {
    /// The service over `scheduler`.
    pub fn new(scheduler: Arc<Scheduler>) -> Self {
        Self { scheduler, tokens: Tokens::default(), tag_changes: tokio::sync::Mutex::default() }
    }

    fn home(&self) -> &Home {
        self.scheduler.home()
    }

    fn now_ms(&self) -> i64 {
        self.scheduler.clock().now_ms()
    }
}

/// Answers a request; `None` where its method and path are none of Scheduler's. Errors are written with [`ERROR_SHAPE`].
pub async fn handle(api: &SchedulerApi, request: &Request) -> Option<Result<Answer, WireError>> {
    let route = Route::of(&request.parts.method, request.parts.uri.path())?;
    Some(answer(api, request, route).await)
}

async fn answer(api: &SchedulerApi, request: &Request, route: Route) -> Result<Answer, WireError> {
    let token = match route.has_token() {
        true => tokens::of(request)?,
        false => None,
    };
    if let Some(token) = &token
        && let Some(answer) = api.tokens.answer(token, request, api.now_ms())?
    {
        return Ok(answer);
    }
    let answer = match route {
        Route::CreateSchedule(name) => create_schedule::handle(api, request, name).await,
        Route::GetSchedule(name) => get_schedule::handle(api, request, name).await,
        Route::UpdateSchedule(name) => update_schedule::handle(api, request, name).await,
        Route::DeleteSchedule(name) => delete_schedule::handle(api, request, name).await,
        Route::ListSchedules => list_schedules::handle(api, request).await,
        Route::CreateScheduleGroup(name) => create_schedule_group::handle(api, request, name).await,
        Route::GetScheduleGroup(name) => get_schedule_group::handle(api, name).await,
        Route::DeleteScheduleGroup(name) => delete_schedule_group::handle(api, name).await,
        Route::ListScheduleGroups => list_schedule_groups::handle(api, request).await,
        Route::ListTagsForResource(arn) => list_tags_for_resource::handle(api, &arn).await,
        Route::TagResource(arn) => tag_resource::handle(api, request, &arn).await,
        Route::UntagResource(arn) => untag_resource::handle(api, request, &arn).await,
    }?;
    if let Some(token) = token {
        api.tokens.remember(token, request, &answer, api.now_ms());
    }
    Ok(answer)
}

/// Parses a body; an empty one counts as `{}`.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, WireError> {
    let body: &[u8] = if request.body.trim_ascii().is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body).map_err(|error| WireError::bad_request("SerializationException", error.to_string()))
}
