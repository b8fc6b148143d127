//! `GetQueueAttributes` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, attributes, fault};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let all = input.attribute_names.iter().any(|name| name == "All");
    if let Some(unknown) = input.attribute_names.iter().find(|name| *name != "All" && !attributes::is_known(name)) {
        return Err(fault::unknown_attribute(unknown));
    }
    let record = api.record(&name).await?;
    let mut described = attributes::describe(&api.home, &record);
    if all || input.attribute_names.iter().any(|name| attributes::COUNTS.contains(&name.as_str())) {
        described.extend(attributes::counts(&api.queues.stats(name, api.clock.now_ms()).await??));
    }
    if !all {
        described.retain(|name, _| input.attribute_names.contains(name));
    }
    if described.is_empty() {
        return super::done();
    }
    super::answer(&serde_json::json!({ "Attributes": described }))
}
