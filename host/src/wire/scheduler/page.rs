//! Lists in pages: `NextToken` and `MaxResults`.

use super::constraints::{failed, length, range};
use super::fault;
use crate::wire::codec::Request;
use crate::wire::error::WireError;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Items of one answer at most, and where the request does not say.
const PAGE_ITEMS: u32 = 100;

/// How many items, and after which, by the parts of its key.
pub(super) struct Page<const PARTS: usize> {
    pub(super) after: Option<[String; PARTS]>,
    pub(super) limit: usize,
}

impl<const PARTS: usize> Page<PARTS> {
    pub(super) fn of(request: &Request) -> Result<Self, WireError> {
        let limit = match request.query("MaxResults") {
            None => PAGE_ITEMS,
            Some(text) => {
                let number = text.parse().map_err(|_| failed(&text, "maxResults", "Member must be an integer"))?;
                range(number, "maxResults", 1..=PAGE_ITEMS)?
            }
        };
        let after = match request.query("NextToken") {
            None => None,
            Some(token) => {
                length(&token, "nextToken", 1..=2048)?;
                Some(decode(&token).ok_or_else(|| fault::invalid("Invalid NextToken."))?)
            }
        };
        Ok(Self { after, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
    }
}

/// The token that continues after an item.
pub(super) fn token(key: &[&str]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key.join("/"))
}

fn decode<const PARTS: usize>(token: &str) -> Option<[String; PARTS]> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
    parts.try_into().ok()
}
