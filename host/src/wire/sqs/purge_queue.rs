//! `PurgeQueue` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html>).
//! The messages are gone with the answer, not after up to 60 seconds.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, fault};
use serde::Deserialize;

/// How long a queue cannot be purged again.
const INTERVAL_MS: i64 = 60_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    api.record(&name).await?;
    let now_ms = api.clock.now_ms();
    {
        let mut purges = api.purges.lock();
        purges.retain(|_, purged_at_ms| (0..INTERVAL_MS).contains(&now_ms.saturating_sub(*purged_at_ms)));
        if purges.contains_key(&name) {
            return Err(fault::purge_in_progress(name.as_str()));
        }
        purges.insert(name.clone(), now_ms);
    }
    let purged = api.queues.purge(name.clone()).await.map_err(WireError::from).and_then(|purged| Ok(purged?));
    if let Err(error) = purged {
        api.purges.lock().remove(&name);
        return Err(error);
    }
    super::done()
}
