//! `CreateLogGroup` (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>).

use super::constraints::{check_group_name, check_tags, invalid};
use super::{LogsApi, done, parse, required};
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    kms_key_id: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    log_group_class: Option<String>,
    #[serde(default)]
    deletion_protection_enabled: bool,
}

pub(super) async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = parse(request)?;
    let name = required("logGroupName", input.log_group_name)?;
    check_group_name("logGroupName", &name)?;
    if input.kms_key_id.is_some() || input.deletion_protection_enabled {
        return Err(invalid("kmsKeyId and deletionProtectionEnabled are not supported by Lamina."));
    }
    if input.log_group_class.is_some_and(|class| class != "STANDARD") {
        return Err(invalid("Only the log group class STANDARD is supported by Lamina."));
    }
    let tags = input.tags.unwrap_or_default();
    check_tags(&tags)?;
    api.logs.create_group(name, tags).await?;
    Ok(done())
}
