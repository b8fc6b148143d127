//! Counts a function's records and ships them by HTTP, without touching the function.
//!
//! Each delivery is one `POST` of JSON to `TELEMETRY_URL`: which environment, how many records of each type there were so far, and the records.
//! With the environment's end comes a last one, with the reason. The function's `LAMINA_OUTBOUND_HOSTS` has to allow the host.

use std::collections::BTreeMap;

use lamina::Error;
use lamina::extension::{Environment, Extension, Record, Registration, ShutdownEvent, Subscription};
use serde::Serialize;
use serde_json::value::RawValue;

#[cfg(target_family = "wasm")]
mod post;

/// Where records go.
const URL: &str = "TELEMETRY_URL";

/// Milliseconds that records are gathered for, where it is not 1,000.
const TIMEOUT_MS: &str = "TELEMETRY_TIMEOUT_MS";

struct Shipper {
    url: String,
    environment: Environment,
    invocations: u64,
    counts: BTreeMap<String, u64>,
}

/// What is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shipment<'a> {
    function_name: &'a str,
    function_version: &'a str,
    log_stream: &'a str,
    invocations: u64,
    counts: &'a BTreeMap<String, u64>,
    records: Vec<Shipped<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shutdown_reason: Option<&'static str>,
}

/// A record as the Telemetry API sends it.
#[derive(Serialize)]
struct Shipped<'a> {
    time: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    record: &'a RawValue,
}

impl Extension for Shipper {
    fn init(environment: Environment) -> Result<(Self, Registration), Error> {
        let url = std::env::var(URL).map_err(|_| Error::new("Shipper.NoUrl", format!("{URL} is not set")))?;
        let timeout_ms = std::env::var(TIMEOUT_MS).ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
        let subscription = Subscription::all().buffering(10_000, 262_144, timeout_ms);
        let shipper = Self { url, environment, invocations: 0, counts: BTreeMap::new() };
        Ok((shipper, Registration::events().telemetry(subscription)))
    }

    fn invoke(&mut self, _: lamina::extension::InvokeEvent) -> Result<(), Error> {
        self.invocations = self.invocations.saturating_add(1);
        Ok(())
    }

    fn telemetry(&mut self, records: Vec<Record>) -> Result<(), Error> {
        for record in &records {
            let count = self.counts.entry(record.kind.clone()).or_default();
            *count = count.saturating_add(1);
        }
        let body = self.shipment(&records, None)?;
        send(&self.url, &body)
    }

    fn shutdown(&mut self, event: ShutdownEvent) {
        let sent = self.shipment(&[], Some(event.reason.as_str())).and_then(|body| send(&self.url, &body));
        if let Err(error) = sent {
            log::error!("the last shipment failed: {}", error.message());
        }
    }
}

impl Shipper {
    fn shipment(&self, records: &[Record], shutdown_reason: Option<&'static str>) -> Result<Vec<u8>, Error> {
        let records = records
            .iter()
            .map(|Record { time, kind, record }| Ok(Shipped { time, kind, record: serde_json::from_str(record)? }));
        Ok(serde_json::to_vec(&Shipment {
            function_name: &self.environment.function_name,
            function_version: &self.environment.function_version,
            log_stream: &self.environment.log_stream,
            invocations: self.invocations,
            counts: &self.counts,
            records: records.collect::<Result<_, serde_json::Error>>()?,
            shutdown_reason,
        })?)
    }
}

lamina::extension!(Shipper);

#[cfg(target_family = "wasm")]
fn send(url: &str, body: &[u8]) -> Result<(), Error> {
    post::json(url, body)
}

/// Off wasm, shipments stay here: tests look at them.
#[cfg(not(target_family = "wasm"))]
fn send(_: &str, body: &[u8]) -> Result<(), Error> {
    SENT.with_borrow_mut(|sent| sent.push(body.to_vec()));
    Ok(())
}

#[cfg(not(target_family = "wasm"))]
thread_local! {
    static SENT: std::cell::RefCell<Vec<Vec<u8>>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use lamina::extension::ShutdownReason;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn records_are_counted_and_shipped_as_they_are() {
        let mut shipper = Shipper {
            url: String::new(),
            environment: Environment::test(),
            invocations: 2,
            counts: BTreeMap::from([("function".to_owned(), 1)]),
        };
        let record = |kind: &str, record: &str| Record { time: "t".into(), kind: kind.into(), record: record.into() };
        shipper
            .telemetry(vec![record("platform.start", r#"{"requestId":"r"}"#), record("function", r#""line""#)])
            .unwrap();
        shipper.shutdown(ShutdownEvent { reason: ShutdownReason::Timeout, deadline_ms: 0 });
        let sent: Vec<Value> = SENT.take().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
        assert_eq!(sent[0]["counts"], json!({"function": 2, "platform.start": 1}));
        assert_eq!(
            sent[0]["records"],
            json!([
                {"time": "t", "type": "platform.start", "record": {"requestId": "r"}},
                {"time": "t", "type": "function", "record": "line"},
            ])
        );
        assert_eq!((&sent[1]["shutdownReason"], &sent[1]["invocations"]), (&json!("timeout"), &json!(2)));
    }
}
