//! `UpdateSchedule` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html>): replaces a schedule;
//! what the request leaves out returns to its default.

use super::create_schedule::check_start_date;
use super::schedule_body::ScheduleBody;
use super::{SchedulerApi, fault};
use crate::storage::schedules::{PutMode, PutOutcome};
use crate::triggers::schedule::event::schedule_arn;
use crate::wire::codec::{Answer, Request, json};
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) async fn handle(api: &SchedulerApi, request: &Request, name: String) -> Result<Answer, WireError> {
    let record = super::body::<ScheduleBody>(request)?.into_record(name)?;
    let key = record.key.clone();
    let before = api.scheduler.get(key.clone()).await.map_err(fault::storage)?;
    let before = before.ok_or_else(|| fault::no_schedule(&key.name))?;
    if record.start_at_ms != before.start_at_ms {
        check_start_date(api, record.start_at_ms)?;
    }
    match api.scheduler.put(record, PutMode::Update).await.map_err(fault::put)? {
        PutOutcome::Stored(_) => {
            json(StatusCode::OK, &serde_json::json!({"ScheduleArn": schedule_arn(api.home(), &key)}))
        }
        PutOutcome::Missing | PutOutcome::NoGroup | PutOutcome::Exists => Err(fault::no_schedule(&key.name)),
    }
}
