//! `CreateEventSourceMapping`.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::settings::Input;
use super::view;
use crate::triggers::queue::{EventSourceMappings, NewMapping};
use http::StatusCode;

pub(super) async fn handle(mappings: &EventSourceMappings, request: &Request) -> Result<Answer, WireError> {
    let mut input = Input::read(request)?;
    let null = |name: &str| {
        WireError::validation(format_args!(
            "Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    };
    let function = input.function()?.ok_or_else(|| null("functionName"))?;
    let event_source_arn = input.event_source_arn.take().ok_or_else(|| null("eventSourceArn"))?;
    let new = NewMapping {
        batch_size: input.batch_size()?,
        batching_window_s: input.batching_window_s()?.unwrap_or_default(),
        enabled: input.enabled.unwrap_or(true),
        filters: input.filters().unwrap_or_default(),
        function_response_types: input.function_response_types()?.unwrap_or_default(),
        maximum_concurrency: input.maximum_concurrency()?.flatten(),
        tags: input.tags.take().unwrap_or_default(),
        echoed: input.echoed(),
        ..NewMapping::new(function, event_source_arn)
    };
    let record = mappings.create(new).await?;
    view::answer(StatusCode::ACCEPTED, mappings.home(), &record)
}
