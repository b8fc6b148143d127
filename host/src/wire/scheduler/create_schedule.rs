//! `CreateSchedule` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>).

use super::schedule_body::ScheduleBody;
use super::{SchedulerApi, fault};
use crate::storage::schedules::{PutMode, PutOutcome};
use crate::triggers::schedule::event::schedule_arn;
use crate::wire::codec::{Answer, Request, json};
use crate::wire::error::WireError;
use http::StatusCode;

/// How far back a start date may lie.
const START_DATE_AGE_MS: i64 = 5 * 60 * 1_000;

pub(super) async fn handle(api: &SchedulerApi, request: &Request, name: String) -> Result<Answer, WireError> {
    let record = super::body::<ScheduleBody>(request)?.into_record(name)?;
    check_start_date(api, record.start_at_ms)?;
    let key = record.key.clone();
    match api.scheduler.put(record, PutMode::Create).await.map_err(fault::put)? {
        PutOutcome::Stored(_) => {
            json(StatusCode::OK, &serde_json::json!({"ScheduleArn": schedule_arn(api.home(), &key)}))
        }
        PutOutcome::NoGroup => Err(fault::no_group(&key.group)),
        PutOutcome::Exists | PutOutcome::Missing => {
            Err(fault::conflict(format!("Schedule {} already exists.", key.name)))
        }
    }
}

/// Refuses a start date that is long past.
pub(super) fn check_start_date(api: &SchedulerApi, start_at_ms: Option<i64>) -> Result<(), WireError> {
    let earliest_ms = api.now_ms().saturating_sub(START_DATE_AGE_MS);
    if start_at_ms.is_some_and(|start_at_ms| start_at_ms < earliest_ms) {
        return Err(fault::invalid("The StartDate you specify cannot be earlier than 5 minutes ago."));
    }
    Ok(())
}
