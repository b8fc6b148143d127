//! `GetScheduleGroup` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetScheduleGroup.html>).

use super::constraints::name;
use super::{SchedulerApi, describe, fault};
use crate::wire::codec::{Answer, json};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) async fn handle(api: &SchedulerApi, group: String) -> Result<Answer, WireError> {
    name(&group, "name")?;
    match api.scheduler.get_group(group.clone()).await.map_err(fault::storage)? {
        Some(record) => json(StatusCode::OK, &describe::group(api.home(), &record)),
        None => Err(fault::no_group(&group)),
    }
}
