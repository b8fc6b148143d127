//! `SetQueueAttributes` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>).
//! A change holds at once, not after up to 60 seconds.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, attributes, fault, redrive};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    attributes: Option<attributes::Given>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let mut given = input.attributes.ok_or_else(|| fault::missing_parameter("Attributes"))?;
    let _changing = api.changes.lock().await;
    let record = api.record(&name).await?;
    if let Some(fifo) = given.remove("FifoQueue") {
        if !name.is_fifo() {
            return Err(fault::unknown_attribute("FifoQueue"));
        }
        if !attributes::boolean("FifoQueue", &fifo)? {
            let reason = "Modifying queue type is not supported.";
            return Err(fault::invalid_attribute("FifoQueue", Some(reason)));
        }
    }
    let mut wanted = record.attributes.clone();
    attributes::apply(&api.home, &mut wanted, &given)?;
    if let Some(policy) = wanted.redrive.as_ref().filter(|_| given.contains_key("RedrivePolicy")) {
        redrive::check_target(api, &name, policy).await?;
    }
    api.queues.put_attributes(name, wanted, api.clock.now_ms()).await??;
    super::done()
}
