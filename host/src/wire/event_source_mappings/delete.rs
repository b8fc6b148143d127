//! `DeleteEventSourceMapping`.

use super::super::codec::Answer;
use super::super::error::WireError;
use super::view;
use crate::triggers::queue::EventSourceMappings;
use http::StatusCode;

pub(super) async fn handle(mappings: &EventSourceMappings, id: &str) -> Result<Answer, WireError> {
    let record = mappings.delete(id).await?;
    view::answer(StatusCode::ACCEPTED, mappings.home(), &record)
}
