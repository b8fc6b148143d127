//! `GetQueueUrl` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, fault, queue_url};
use crate::ids::QueueName;
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    #[serde(rename = "QueueName")]
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = input.queue_name.ok_or_else(|| fault::missing_parameter("QueueName"))?;
    let name = QueueName::new(&name).map_err(|_| fault::no_such_queue())?;
    if input.owner.is_some_and(|owner| *owner != *api.home.account) {
        return Err(fault::no_such_queue());
    }
    api.record(&name).await?;
    super::answer(&serde_json::json!({ "QueueUrl": queue_url::build(&api.home, request, &name) }))
}
