//! `ListScheduleGroups` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListScheduleGroups.html>).

use super::constraints::name;
use super::page::{self, Page};
use super::{SchedulerApi, describe, fault};
use crate::wire::codec::{Answer, Request, json};
use crate::wire::error::WireError;
use http::StatusCode;
use serde_json::{Map, Value};

pub(super) async fn handle(api: &SchedulerApi, request: &Request) -> Result<Answer, WireError> {
    let page = Page::<1>::of(request)?;
    let prefix = request.query("NamePrefix");
    if let Some(prefix) = &prefix {
        name(prefix, "namePrefix")?;
    }
    let after = page.after.map(|[name]| name);
    // One more than needed says whether there is a further page.
    let limit = page.limit.saturating_add(1);
    let read = api.scheduler.list_groups(prefix.unwrap_or_default(), after, limit).await.map_err(fault::storage)?;
    let more = read.len() == limit;
    let shown = read.get(..page.limit).unwrap_or(&read);
    let groups: Vec<Value> = shown.iter().map(|group| describe::group(api.home(), group)).collect();
    let mut shape = Map::from_iter([("ScheduleGroups".to_owned(), Value::from(groups))]);
    if let Some(last) = shown.last().filter(|_| more) {
        shape.insert("NextToken".into(), page::token(&[&last.name]).into());
    }
    json(StatusCode::OK, &shape)
}
