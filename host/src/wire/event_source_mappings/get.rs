//! `GetEventSourceMapping`.

use super::super::codec::Answer;
use super::super::error::WireError;
use super::view;
use crate::triggers::queue::{EventSourceMappings, MappingError};
use http::StatusCode;

pub(super) fn handle(mappings: &EventSourceMappings, id: &str) -> Result<Answer, WireError> {
    let record = mappings.get(id).ok_or_else(|| MappingError::NoSuchMapping(id.to_owned()))?;
    view::answer(StatusCode::OK, mappings.home(), &record)
}
