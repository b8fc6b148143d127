//! Checks orders from a queue and reports the messages that failed, so only those are delivered again.

use lamina::{
    Error,
    events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent},
};
use serde::Deserialize;

/// Most of one item that an order can hold.
const QUANTITY_MAX: u32 = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    sku: String,
    quantity: u32,
    price_cents: u64,
}

#[lamina::handler]
fn handle(batch: SqsEvent) -> Result<SqsBatchResponse, Error> {
    let mut response = SqsBatchResponse::default();
    let size = batch.records.len();
    for message in batch.records {
        let message_id = message.message_id.unwrap_or_default();
        let span = tracing::info_span!("message", id = message_id);
        let _entered = span.enter();
        match accept(message.body.as_deref().unwrap_or_default()) {
            Ok((order_id, total_cents)) => tracing::info!(order_id, total_cents, "accepted"),
            Err(reason) => {
                tracing::warn!(reason, "rejected");
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message_id.clone();
                response.batch_item_failures.push(failure);
            }
        }
    }
    tracing::info!(size, failed = response.batch_item_failures.len(), "batch done");
    Ok(response)
}

/// The order's id and total, or why it is none.
fn accept(body: &str) -> Result<(String, u64), String> {
    let order: Order = serde_json::from_str(body).map_err(|error| error.to_string())?;
    if order.order_id.is_empty() {
        return Err("the order has no id".to_owned());
    }
    if order.lines.is_empty() {
        return Err("the order is empty".to_owned());
    }
    let mut total_cents: u64 = 0;
    for line in &order.lines {
        if !(1..=QUANTITY_MAX).contains(&line.quantity) {
            return Err(format!("{} of {}: not from 1 to {QUANTITY_MAX}", line.quantity, line.sku));
        }
        total_cents = line
            .price_cents
            .checked_mul(line.quantity.into())
            .and_then(|cents| total_cents.checked_add(cents))
            .ok_or("the total is out of range")?;
    }
    Ok((order.order_id, total_cents))
}

#[cfg(test)]
mod tests {
    use lamina::testing;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_failed_messages_are_reported() {
        let event: Value = serde_json::from_str(include_str!("../event.json")).unwrap();
        assert_eq!(
            testing::invoke(handle, event).unwrap(),
            json!({"batchItemFailures": [{"itemIdentifier": "m-2"}, {"itemIdentifier": "m-3"}]})
        );
    }

    #[test]
    fn orders_are_checked() {
        let order = |quantity: u32, price: u64| {
            json!({"orderId": "o", "lines": [{"sku": "s", "quantity": quantity, "priceCents": price}]}).to_string()
        };
        assert_eq!(accept(&order(2, 150)), Ok(("o".to_owned(), 300)));
        assert!(accept(&order(0, 1)).is_err());
        assert!(accept(&order(1_001, 1)).is_err());
        assert!(accept(&order(1_000, u64::MAX)).is_err());
        assert!(accept(r#"{"orderId": "o", "lines": []}"#).is_err());
        assert!(accept("").is_err());
    }
}
