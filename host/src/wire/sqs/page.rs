//! Lists of queues, a page at a time. A token is the last name of the page before.

use super::super::error::WireError;
use super::fault;
use crate::ids::QueueName;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Number;

/// Queues a page holds at most, and without `MaxResults`.
const LIMIT: usize = 1000;

/// What a page begins after, and how long it is. Without `MaxResults` a list ends with its first page, as SQS has it.
pub(super) struct Page {
    pub(super) after: Option<String>,
    pub(super) limit: usize,
    gives_token: bool,
}

impl Page {
    pub(super) fn new(token: Option<&str>, max_results: Option<&Number>) -> Result<Self, WireError> {
        let limit = match max_results {
            None => LIMIT,
            Some(number) => number
                .as_u64()
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| (1..=LIMIT).contains(limit))
                .ok_or_else(|| {
                    fault::invalid_value(number, "MaxResults", "Must be between 1 and 1000, if provided.")
                })?,
        };
        let after = token.filter(|token| !token.is_empty()).map(read_token).transpose()?;
        Ok(Self { after, limit, gives_token: max_results.is_some() })
    }

    /// The token after a page that ends with `last` and has `more` behind it.
    pub(super) fn next(&self, last: Option<&QueueName>, more: bool) -> Option<String> {
        last.filter(|_| more && self.gives_token).map(|last| URL_SAFE_NO_PAD.encode(last.as_str()))
    }
}

fn read_token(token: &str) -> Result<String, WireError> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| QueueName::new(name).is_ok())
        .ok_or_else(|| fault::invalid_value(token, "NextToken", "The token is not valid."))
}
