//! `DeleteSchedule` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteSchedule.html>).

use super::{SchedulerApi, fault, get_schedule};
use crate::wire::codec::{Answer, Request, json};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) async fn handle(api: &SchedulerApi, request: &Request, schedule: String) -> Result<Answer, WireError> {
    let key = get_schedule::key(request, schedule)?;
    match api.scheduler.delete(key.clone()).await.map_err(fault::storage)? {
        true => json(StatusCode::OK, &serde_json::json!({})),
        false => Err(fault::no_schedule(&key.name)),
    }
}
