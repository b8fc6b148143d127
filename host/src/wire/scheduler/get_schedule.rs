//! `GetSchedule` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetSchedule.html>).

use super::constraints::name;
use super::{SchedulerApi, describe, fault};
use crate::storage::schedules::{DEFAULT_GROUP, ScheduleKey};
use crate::wire::codec::{Answer, Request, json};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) async fn handle(api: &SchedulerApi, request: &Request, schedule: String) -> Result<Answer, WireError> {
    let key = key(request, schedule)?;
    match api.scheduler.get(key.clone()).await.map_err(fault::storage)? {
        Some(record) => json(StatusCode::OK, &describe::schedule(api.home(), &record)),
        None => Err(fault::no_schedule(&key.name)),
    }
}

/// The schedule that the path names, in the group that the query does.
pub(super) fn key(request: &Request, schedule: String) -> Result<ScheduleKey, WireError> {
    name(&schedule, "name")?;
    let group = request.query("groupName").unwrap_or_else(|| DEFAULT_GROUP.to_owned());
    name(&group, "groupName")?;
    Ok(ScheduleKey { group, name: schedule })
}
