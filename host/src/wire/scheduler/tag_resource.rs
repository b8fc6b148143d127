//! `TagResource` (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_TagResource.html>).

use super::SchedulerApi;
use super::constraints::required;
use super::tags::{self, Tag};
use crate::wire::codec::{Answer, Request, json};
use crate::wire::error::WireError;
use http::StatusCode;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    tags: Option<Vec<Tag>>,
}

pub(super) async fn handle(api: &SchedulerApi, request: &Request, arn: &str) -> Result<Answer, WireError> {
    let body: Body = super::body(request)?;
    let added = tags::read(required(body.tags, "tags")?)?;
    tags::change(api, arn, |tags| tags.extend(added)).await?;
    json(StatusCode::OK, &serde_json::json!({}))
}
