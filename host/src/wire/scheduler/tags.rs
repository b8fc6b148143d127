//! Tags of groups: the only ones that Scheduler has.

use super::constraints::{failed, is_arn, length, name, pattern};
use super::{SchedulerApi, fault};
use crate::storage::schedules::{PutMode, PutOutcome, ScheduleGroupRecord};
use crate::wire::error::WireError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tags of one group at most.
const TAGS: usize = 200;

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// Tags as they are stored.
pub(super) fn read(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, WireError> {
    let mut read = BTreeMap::new();
    for Tag { key, value } in tags {
        length(&key, "tags.member.key", 1..=128)?;
        length(&value, "tags.member.value", 1..=256)?;
        if let Some(_twice) = read.insert(key.clone(), value) {
            return Err(fault::invalid(format!("The tag key {key} is given more than once.")));
        }
    }
    bounded(&read)?;
    Ok(read)
}

fn bounded(tags: &BTreeMap<String, String>) -> Result<(), WireError> {
    match tags.len() {
        0..=TAGS => Ok(()),
        many => Err(failed(many, "tags", format!("Member must have length less than or equal to {TAGS}"))),
    }
}

/// Tags as they are answered.
pub(super) fn written(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

/// The group that an ARN names.
pub(super) async fn group(api: &SchedulerApi, arn: &str) -> Result<ScheduleGroupRecord, WireError> {
    let is_group = |text: &str| {
        is_arn(text, "scheduler", true, |resource| {
            resource.strip_prefix("schedule-group/").is_some_and(|group| name(group, "").is_ok())
        })
    };
    let group_pattern = r"^arn:aws(-[a-z]+)?:scheduler:[a-z0-9\-]+:\d{12}:schedule-group\/[0-9a-zA-Z-_.]+$";
    pattern(arn, "resourceArn", group_pattern, is_group)?;
    let group = arn.rsplit('/').next().unwrap_or_default();
    let found = api.scheduler.get_group(group.to_owned()).await.map_err(fault::storage)?;
    found.ok_or_else(|| fault::no_group(group))
}

/// Changes the tags of the group that an ARN names.
pub(super) async fn change(
    api: &SchedulerApi,
    arn: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<(), WireError> {
    let _alone = api.tag_changes.lock().await;
    let mut record = group(api, arn).await?;
    change(&mut record.tags);
    bounded(&record.tags)?;
    record.modified_at_ms = api.now_ms();
    let name = record.name.clone();
    match api.scheduler.put_group(record, PutMode::Update).await.map_err(fault::storage)? {
        PutOutcome::Stored(_) => Ok(()),
        PutOutcome::Missing | PutOutcome::NoGroup | PutOutcome::Exists => Err(fault::no_group(&name)),
    }
}
