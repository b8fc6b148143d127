//! Tokens of pages: a direction and an event.

use super::invalid;
use crate::telemetry::logs::{EventId, Order};
use crate::wire::error::WireError;

/// The token to go on from `event`.
pub(super) fn write(order: Order, event: EventId) -> String {
    let direction = match order {
        Order::OldestFirst => 'f',
        Order::NewestFirst => 'b',
    };
    format!("{direction}/{}", event.to_raw())
}

/// Reads a token.
pub(super) fn read(token: &str) -> Result<(Order, EventId), WireError> {
    let parsed = token.split_once('/').and_then(|(direction, raw)| {
        let order = match direction {
            "f" => Order::OldestFirst,
            "b" => Order::NewestFirst,
            _ => return None,
        };
        Some((order, EventId::from_raw(raw.parse().ok()?)))
    });
    parsed.ok_or_else(|| invalid("The specified nextToken is invalid."))
}
