//! Lists in pages: `Marker` and `MaxItems`.

use super::constraints::{invalid, query_number};
use crate::wire::codec::Request;
use crate::wire::error::WireError;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Items of one answer at most, whatever is asked for.
const PAGE_ITEMS: u32 = 50;

/// What a request wants to see. `K` orders the items; the marker holds the last one's.
#[derive(Debug)]
pub(super) struct Page<K> {
    after: Option<K>,
    limit: usize,
}

impl<K: Ord + Serialize + DeserializeOwned> Page<K> {
    /// Reads the query; `most` is the model's bound of `MaxItems`.
    pub(super) fn of(request: &Request, most: u32) -> Result<Self, WireError> {
        let limit = query_number(request.query("MaxItems"), "maxItems", 1, most)?.unwrap_or(PAGE_ITEMS).min(PAGE_ITEMS);
        let after = match request.query("Marker").filter(|marker| !marker.is_empty()) {
            Some(marker) => Some(decode(&marker).ok_or_else(|| invalid("The Marker is not one of this list's."))?),
            None => None,
        };
        Ok(Self { after, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
    }

    /// The page of `items`, which are in the order of their keys, and the marker of the next one.
    pub(super) fn cut<T>(
        &self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> K,
    ) -> Result<(Vec<T>, Option<String>), WireError> {
        let mut left = items.skip_while(|item| self.after.as_ref().is_some_and(|after| key(item) <= *after)).peekable();
        let page: Vec<T> = left.by_ref().take(self.limit).collect();
        let next = match (page.last(), left.peek()) {
            (Some(last), Some(_)) => encode(&key(last)),
            _ => None,
        };
        Ok((page, next))
    }
}

fn encode<K: Serialize>(key: &K) -> Option<String> {
    serde_json::to_vec(key).ok().map(|json| BASE64_URL_SAFE_NO_PAD.encode(json))
}

fn decode<K: DeserializeOwned>(marker: &str) -> Option<K> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(marker).ok()?).ok()
}

/// A list's answer.
pub(super) fn answer(
    member: &str,
    items: Vec<serde_json::Value>,
    next: Option<String>,
) -> Result<crate::wire::codec::Answer, WireError> {
    let mut shape = serde_json::Map::new();
    shape.insert(member.to_owned(), items.into());
    if let Some(next) = next {
        shape.insert("NextMarker".into(), next.into());
    }
    crate::wire::codec::json(http::StatusCode::OK, &shape)
}
