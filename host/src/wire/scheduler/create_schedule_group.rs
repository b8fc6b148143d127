//! `CreateScheduleGroup` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateScheduleGroup.html>).

use super::constraints::name;
use super::tags::{self, Tag};
use super::{SchedulerApi, describe, fault};
use crate::storage::schedules::{PutMode, PutOutcome, ScheduleGroupRecord};
use crate::wire::codec::{Answer, Request, json};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    tags: Option<Vec<Tag>>,
}

pub(super) async fn handle(api: &SchedulerApi, request: &Request, group: String) -> Result<Answer, WireError> {
    name(&group, "name")?;
    let body: Body = super::body(request)?;
    let tags = tags::read(body.tags.unwrap_or_default())?;
    let now_ms = api.now_ms();
    let record = ScheduleGroupRecord { name: group.clone(), tags, created_at_ms: now_ms, modified_at_ms: now_ms };
    match api.scheduler.put_group(record, PutMode::Create).await.map_err(fault::storage)? {
        PutOutcome::Stored(_) => {
            json(StatusCode::OK, &serde_json::json!({"ScheduleGroupArn": describe::group_arn(api.home(), &group)}))
        }
        PutOutcome::Exists | PutOutcome::Missing | PutOutcome::NoGroup => {
            Err(fault::conflict(format!("Schedule group {group} already exists.")))
        }
    }
}
