//! `ListSchedules` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListSchedules.html>).

use super::constraints::{name, one_of};
use super::page::{self, Page};
use super::{SchedulerApi, describe, fault};
use crate::storage::schedules::{ScheduleKey, ScheduleState};
use crate::wire::codec::{Answer, Request, json};
use crate::wire::error::WireError;
use http::StatusCode;
use serde_json::{Map, Value};

/// Schedules looked at in one read.
const READ: usize = 500;
/// Reads for one page: where `State` leaves most out, a page may hold fewer than asked for.
const READS: usize = 10;

pub(super) async fn handle(api: &SchedulerApi, request: &Request) -> Result<Answer, WireError> {
    let page = Page::<2>::of(request)?;
    let group = request.query("ScheduleGroup");
    let prefix = request.query("NamePrefix");
    for (text, member) in [(&group, "groupName"), (&prefix, "namePrefix")] {
        if let Some(text) = text {
            name(text, member)?;
        }
    }
    let states = [("ENABLED", ScheduleState::Enabled), ("DISABLED", ScheduleState::Disabled)];
    let state = request.query("State").map(|state| one_of(&state, "state", &states)).transpose()?;
    if let Some(group) = &group
        && api.scheduler.get_group(group.clone()).await.map_err(fault::storage)?.is_none()
    {
        return Err(fault::no_group(group));
    }
    let prefix = prefix.unwrap_or_default();
    let mut after = page.after.map(|[group, name]| ScheduleKey { group, name });
    let mut schedules: Vec<Value> = Vec::new();
    let mut more = true;
    let mut reads = 0usize;
    while more && schedules.len() < page.limit && reads < READS {
        // Without a state to look for, one more than needed says whether there is a further page.
        let size = if state.is_some() { READ } else { page.limit.saturating_add(1) };
        let read = api.scheduler.list(group.clone(), prefix.clone(), after.clone(), size).await;
        let read = read.map_err(fault::storage)?;
        more = read.len() == size;
        for record in read {
            if schedules.len() == page.limit {
                more = true;
                break;
            }
            if state.is_none_or(|state| state == record.state) {
                schedules.push(describe::summary(api.home(), &record).into());
            }
            after = Some(record.key);
        }
        reads = reads.saturating_add(1);
    }
    let mut shape = Map::from_iter([("Schedules".to_owned(), Value::from(schedules))]);
    if let Some(last) = after.filter(|_| more) {
        shape.insert("NextToken".into(), page::token(&[&last.group, &last.name]).into());
    }
    json(StatusCode::OK, &shape)
}
