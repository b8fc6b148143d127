//! `ListLogGroups` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListLogGroups.html>).

use super::constraints::{invalid, is_group_name, limit};
use super::{LogsApi, answer, parse};
use crate::telemetry::logs::GroupNames;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const GROUPS_LIMIT: usize = 1_000;
const DEFAULT_LIMIT: usize = 50;
/// Groups looked at before an answer: where a pattern lets few through, a page may be short or empty.
const SCAN_LIMIT: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name_pattern: Option<String>,
    log_group_class: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
    data_sources: Option<Value>,
    field_index_names: Option<Value>,
    log_group_tags: Option<Value>,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    if input.data_sources.is_some() || input.field_index_names.is_some() || input.log_group_tags.is_some() {
        return Err(invalid("dataSources, fieldIndexNames and logGroupTags are not supported by Lamina."));
    }
    let alternatives = input.log_group_name_pattern.as_deref().map(alternatives).transpose()?;
    let limit = limit(input.limit, GROUPS_LIMIT, DEFAULT_LIMIT)?;
    // Of another class there is none.
    let scan = if input.log_group_class.is_some_and(|class| class != "STANDARD") { 0 } else { SCAN_LIMIT };
    let names = GroupNames::Prefix(String::new());
    let found = api.logs.groups(names, input.next_token.as_deref(), scan).await?;
    let (mut groups, mut next) = (Vec::new(), None);
    for (place, group) in found.iter().enumerate() {
        let wanted = alternatives.as_ref().is_none_or(|any| any.iter().any(|part| part.is_in(&group.name)));
        if wanted {
            let arn = api.home.arn("logs", &format!("log-group:{}", group.name));
            groups.push(json!({ "logGroupName": group.name, "logGroupArn": arn, "logGroupClass": "STANDARD" }));
        }
        let last = place.saturating_add(1) == found.len();
        if groups.len() == limit && !last || last && found.len() == SCAN_LIMIT {
            next = Some(group.name.clone());
            break;
        }
    }
    let mut body = Map::new();
    body.insert("logGroups".into(), groups.into());
    if let Some(next) = next {
        body.insert("nextToken".into(), next.into());
    }
    answer(&body)
}

struct Part<'a> {
    text: &'a str,
    at_start: bool,
}

impl Part<'_> {
    fn is_in(&self, name: &str) -> bool {
        if self.at_start { name.starts_with(self.text) } else { name.contains(self.text) }
    }
}

/// Up to five texts of 3 to 24 characters between `|`, each with or without `^`.
fn alternatives(pattern: &str) -> Result<Vec<Part<'_>>, WireError> {
    let parts: Vec<Part<'_>> = pattern
        .split('|')
        .map(|part| match part.strip_prefix('^') {
            Some(text) => Part { text, at_start: true },
            None => Part { text: part, at_start: false },
        })
        .collect();
    let allowed = |part: &Part<'_>| (3..=24).contains(&part.text.len()) && is_group_name(part.text);
    if parts.len() <= 5 && parts.iter().all(allowed) {
        return Ok(parts);
    }
    let shown: String = pattern.chars().take(128).collect();
    Err(invalid(format!(
        "1 validation error detected: Value '{shown}' at 'logGroupNamePattern' failed to satisfy constraint: Member must satisfy regular expression pattern: (\\^?[\\.\\-_\\/#A-Za-z0-9]{{3,24}})(\\|\\^?[\\.\\-_\\/#A-Za-z0-9]{{3,24}}){{0,4}}"
    )))
}
