//! `DeleteScheduleGroup` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteScheduleGroup.html>): the
//! schedules in it go at once too.

use super::constraints::name;
use super::{SchedulerApi, fault};
use crate::storage::schedules::DEFAULT_GROUP;
use crate::wire::codec::{Answer, json};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) async fn handle(api: &SchedulerApi, group: String) -> Result<Answer, WireError> {
    name(&group, "name")?;
    if group == DEFAULT_GROUP {
        return Err(fault::invalid("The default schedule group cannot be deleted."));
    }
    match api.scheduler.delete_group(group.clone()).await.map_err(fault::storage)? {
        true => json(StatusCode::OK, &serde_json::json!({})),
        false => Err(fault::no_group(&group)),
    }
}
