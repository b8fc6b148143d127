//! `UpdateEventSourceMapping`. What is not given stays; an empty `FilterCriteria` or `ScalingConfig` removes it.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::settings::Input;
use super::view;
use crate::triggers::queue::{EventSourceMappings, MappingChange};
use http::StatusCode;

pub(super) async fn handle(mappings: &EventSourceMappings, request: &Request, id: &str) -> Result<Answer, WireError> {
    let mut input = Input::read(request)?;
    let change = MappingChange {
        function: input.function()?,
        batch_size: input.batch_size()?,
        batching_window_s: input.batching_window_s()?,
        enabled: input.enabled,
        filters: input.filters(),
        function_response_types: input.function_response_types()?,
        maximum_concurrency: input.maximum_concurrency()?,
        tags: None,
        echoed: input.echoed(),
    };
    let record = mappings.update(id, change).await?;
    view::answer(StatusCode::ACCEPTED, mappings.home(), &record)
}
