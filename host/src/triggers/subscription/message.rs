//! Messages of a subscription filter: `{"awslogs": {"data": …}}`, base64 of gzip of JSON
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html>).
//!
//! A message has events of one stream, in the order in which they came in. It ends at [`MESSAGE_BYTES`] of their text, before it is
//! compressed, or [`MESSAGE_EVENTS`]; one event may be larger. What an invocation would not take is left out and counted.

use super::Outcome;
use crate::invocation::{PAYLOAD_LIMIT_BYTES, lineage};
use crate::telemetry::logs::{FedEvents, LogEvent};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use lamina_log_patterns::Pattern;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Text of the events of one message.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// Events of one message: as many as one call of `PutLogEvents` may have.
const MESSAGE_EVENTS: usize = 10_000;

/// Below it, text that does not repeat itself becomes larger instead of smaller.
const COMPRESSION: Compression = Compression::new(3);

/// What an event adds beside its text.
const EVENT_BYTES: usize = 96;

/// Where the events come from.
pub(super) struct Source {
    pub(super) owner: Arc<str>,
    pub(super) group: Arc<str>,
    pub(super) filter: String,
    /// `None` lets nothing through.
    pub(super) pattern: Option<Arc<Pattern>>,
    /// Whether what the pattern takes out of an event goes with it.
    pub(super) extracts: bool,
}

/// A message to be accepted.
pub(super) struct Made {
    pub(super) payload: Bytes,
    /// The trace header: how often the chains of invocations that wrote the events came through functions.
    pub(super) trace: Option<String>,
}

/// All messages, and what became of how many events once they are accepted.
pub(super) struct Finished {
    pub(super) made: Vec<Made>,
    pub(super) counts: Vec<(Outcome, usize)>,
}

/// Messages in the making.
pub(super) struct Messages {
    source: Source,
    open: HashMap<Arc<str>, Open>,
    made: Vec<Made>,
    counts: Vec<(Outcome, usize)>,
    failed: Option<String>,
}

#[derive(Default)]
struct Open {
    events: Vec<Event>,
    size: usize,
    traces: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: String,
    timestamp: i64,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    extracted_fields: Option<Map<String, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    message_type: &'static str,
    owner: &'a str,
    log_group: &'a str,
    log_stream: &'a str,
    subscription_filters: [&'a str; 1],
    log_events: &'a [Event],
}

impl Messages {
    pub(super) fn of(source: Source) -> Self {
        Self { source, open: HashMap::new(), made: Vec::new(), counts: Vec::new(), failed: None }
    }

    /// Adds what the filter lets through of an entry, unless `refused` has a reason not to; it is asked with the entry's trace header.
    pub(super) fn add(&mut self, entry: &FedEvents, refused: impl FnOnce(Option<&str>) -> Option<Outcome>) {
        let Some(pattern) = self.source.pattern.clone() else { return };
        let mut matching = entry.events.iter().filter(|event| pattern.matches(&event.message)).peekable();
        if matching.peek().is_none() {
            return;
        }
        if let Some(outcome) = refused(entry.trace.as_deref()) {
            let count = matching.count();
            return self.count(outcome, count);
        }
        for event in matching {
            self.add_event(event, entry.trace.as_deref(), &pattern);
        }
    }

    fn add_event(&mut self, event: &LogEvent, trace: Option<&str>, pattern: &Pattern) {
        let size = event.message.len().saturating_add(EVENT_BYTES);
        let open = self.open.entry(Arc::clone(&event.stream)).or_default();
        let is_full = open.events.len() >= MESSAGE_EVENTS || open.size.saturating_add(size) > MESSAGE_BYTES;
        if is_full && !open.events.is_empty() {
            let full = std::mem::take(open);
            self.make(&event.stream, full);
        }
        let extracted = self.source.extracts.then(|| pattern.extract(&event.message)).flatten();
        let open = self.open.entry(Arc::clone(&event.stream)).or_default();
        open.size = open.size.saturating_add(size);
        open.events.push(Event {
            id: event.id.to_raw().to_string(),
            timestamp: event.timestamp_ms,
            message: event.text().into_owned(),
            extracted_fields: extracted
                .map(|fields| fields.into_iter().map(|(name, value)| (name, value.into())).collect()),
        });
        if let Some(trace) = trace.filter(|trace| open.traces.last().is_none_or(|last| last != trace)) {
            open.traces.push(trace.to_owned());
        }
    }

    fn make(&mut self, stream: &str, open: Open) {
        let count = open.events.len();
        match self.payload(stream, &open.events) {
            Ok(payload) if payload.len() > PAYLOAD_LIMIT_BYTES => self.count(Outcome::TooLarge, count),
            Ok(payload) => {
                let trace = lineage::merged(open.traces.iter().map(String::as_str));
                self.made.push(Made { payload, trace });
                self.count(Outcome::Delivered, count);
            }
            Err(error) => self.failed = Some(error.to_string()),
        }
    }

    fn payload(&self, stream: &str, events: &[Event]) -> std::io::Result<Bytes> {
        let data = Data {
            message_type: "DATA_MESSAGE",
            owner: &self.source.owner,
            log_group: &self.source.group,
            log_stream: stream,
            subscription_filters: [&self.source.filter],
            log_events: events,
        };
        let mut encoder = GzEncoder::new(Vec::new(), COMPRESSION);
        serde_json::to_writer(&mut encoder, &data)?;
        let data = STANDARD.encode(encoder.finish()?);
        Ok(format!("{{\"awslogs\":{{\"data\":\"{data}\"}}}}").into())
    }

    fn count(&mut self, outcome: Outcome, count: usize) {
        match self.counts.iter_mut().find(|(of, _)| *of == outcome) {
            Some((_, total)) => *total = total.saturating_add(count),
            None => self.counts.push((outcome, count)),
        }
    }

    /// Ends all messages; an error where one could not be made.
    pub(super) fn finish(mut self) -> Result<Finished, String> {
        for (stream, open) in std::mem::take(&mut self.open) {
            if !open.events.is_empty() {
                self.make(&stream, open);
            }
        }
        match self.failed {
            Some(error) => Err(error),
            None => Ok(Finished { made: self.made, counts: self.counts }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::telemetry::logs::EventId;
    use flate2::read::GzDecoder;
    use std::io::Read;

    fn source(pattern: &str) -> Source {
        Source {
            owner: "123456789012".into(),
            group: "g".into(),
            filter: "f".into(),
            pattern: Some(Arc::new(Pattern::parse(pattern).unwrap())),
            extracts: pattern.starts_with('['),
        }
    }

    fn entry(trace: Option<&str>, events: &[(i64, &str, &str)]) -> FedEvents {
        let event = |&(id, stream, message): &(i64, &str, &str)| LogEvent {
            id: EventId::from_raw(id | 1 << 19),
            stream: stream.into(),
            timestamp_ms: id,
            ingestion_ms: 0,
            message: message.to_owned(),
        };
        FedEvents { ingestion_ms: 0, trace: trace.map(str::to_owned), events: events.iter().map(event).collect() }
    }

    fn decoded(payload: &[u8]) -> Value {
        let outer: Value = serde_json::from_slice(payload).unwrap();
        let data = STANDARD.decode(outer["awslogs"]["data"].as_str().unwrap()).unwrap();
        let mut text = String::new();
        GzDecoder::new(data.as_slice()).read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_message_has_the_matching_events_of_one_stream() {
        let mut messages = Messages::of(source("ERROR"));
        messages.add(&entry(None, &[(1, "a", "ERROR 1"), (2, "b", "ERROR 2"), (3, "a", "fine")]), |_| None);
        messages.add(&entry(None, &[(4, "a", "an ERROR \"\u{1}é\"\n")]), |_| None);
        let finished = messages.finish().unwrap();
        assert_eq!(finished.counts, [(Outcome::Delivered, 3)]);
        let mut data: Vec<Value> = finished.made.iter().map(|made| decoded(&made.payload)).collect();
        data.sort_by_key(|data| data["logStream"].to_string());
        let id = |raw: i64| (raw | 1 << 19).to_string();
        assert_eq!(
            data[0],
            serde_json::json!({
                "messageType": "DATA_MESSAGE",
                "owner": "123456789012",
                "logGroup": "g",
                "logStream": "a",
                "subscriptionFilters": ["f"],
                "logEvents": [
                    { "id": id(1), "timestamp": 1, "message": "ERROR 1" },
                    { "id": id(4), "timestamp": 4, "message": "an ERROR \"\u{1}é\"\n" },
                ],
            })
        );
        assert_eq!((data.len(), &data[1]["logStream"]), (2, &Value::from("b")));
    }

    #[test]
    fn fields_of_a_pattern_go_with_the_event() {
        let mut messages = Messages::of(source("[ip, status=4*]"));
        messages.add(&entry(None, &[(1, "a", "10.0.0.1 404"), (2, "a", "10.0.0.1 200")]), |_| None);
        let made = messages.finish().unwrap().made;
        let events = &decoded(&made[0].payload)["logEvents"];
        assert_eq!(events.as_array().unwrap().len(), 1);
        assert_eq!(events[0]["extractedFields"], serde_json::json!({ "ip": "10.0.0.1", "status": "404" }));
    }

    #[test]
    fn messages_have_an_end() {
        let mut messages = Messages::of(source(""));
        let (half, whole) = ("x".repeat(MESSAGE_BYTES / 2), "y".repeat(MESSAGE_BYTES * 2));
        messages.add(&entry(None, &[(1, "a", &half), (2, "a", &half), (3, "a", &whole), (4, "a", "z")]), |_| None);
        let many: Vec<(i64, &str, &str)> = (10..10 + MESSAGE_EVENTS as i64).map(|id| (id, "a", "m")).collect();
        messages.add(&entry(None, &many), |_| None);
        let made = messages.finish().unwrap().made;
        let counts: Vec<usize> =
            made.iter().map(|made| decoded(&made.payload)["logEvents"].as_array().unwrap().len()).collect();
        assert_eq!(counts, [1, 1, 1, MESSAGE_EVENTS, 1]);
    }

    #[test]
    fn what_no_invocation_takes_is_left_out() {
        let mut noise = 0x9e37_79b9_u32;
        let random: String = (0..8 * 1024 * 1024)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 17;
                noise ^= noise << 5;
                char::from(b' ' + (noise % 90) as u8)
            })
            .collect();
        let mut messages = Messages::of(source(""));
        messages.add(&entry(None, &[(1, "a", &random), (2, "a", "small")]), |_| None);
        let finished = messages.finish().unwrap();
        assert_eq!(finished.counts, [(Outcome::TooLarge, 1), (Outcome::Delivered, 1)]);
    }

    #[test]
    fn chains_go_on_and_what_is_refused_is_counted() {
        let mut messages = Messages::of(source(""));
        messages.add(&entry(Some("Root=1-a-b;Lineage=a87bd80c:2"), &[(1, "a", "m")]), |_| None);
        messages.add(&entry(Some("Root=1-c-d;Lineage=a87bd80c:1|68fd508a:5"), &[(2, "a", "m")]), |_| None);
        messages.add(&entry(Some("Lineage=a87bd80c:16"), &[(3, "a", "m"), (4, "a", "n")]), |trace| {
            assert_eq!(trace, Some("Lineage=a87bd80c:16"));
            Some(Outcome::Recursive)
        });
        let finished = messages.finish().unwrap();
        assert_eq!(finished.counts, [(Outcome::Recursive, 2), (Outcome::Delivered, 2)]);
        assert_eq!(finished.made[0].trace.as_deref(), Some("Lineage=a87bd80c:2|68fd508a:5"));
    }

    #[test]
    fn a_pattern_that_is_not_known_lets_nothing_through() {
        let mut messages = Messages::of(Source { pattern: None, ..source("") });
        messages.add(&entry(None, &[(1, "a", "m")]), |_| None);
        assert!(messages.finish().unwrap().made.is_empty());
    }
}
