//! Records on their way to one extension.
//!
//! Gathered until there are as many, as large or as old as the subscription says
//! (<https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html>). An extension that does not keep up finds twice what one delivery takes;
//! past that, records are dropped, counted, and told of by a `platform.logsDropped`.

use super::wit;
use crate::telemetry::record::{self, RecordSource, TelemetryRecord};
use parking_lot::Mutex;
use prometheus::IntCounter;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bounds of [`wit::Buffering`], least and most.
const ITEMS: (u32, u32) = (1_000, 10_000);
const BYTES: (u32, u32) = (262_144, 1_048_576);
const TIMEOUT_MS: (u32, u32) = (25, 30_000);

/// What an extension gets that does not say.
const DEFAULT: wit::Buffering = wit::Buffering { max_items: ITEMS.1, max_bytes: BYTES.0, timeout_ms: 1_000 };

/// Deliveries that may be waiting.
const DELIVERIES: usize = 2;

/// A subscription within its bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscription {
    types: wit::TelemetryTypes,
    max_items: usize,
    max_bytes: usize,
    timeout: Duration,
}

impl Subscription {
    /// Checks what an extension asks for; says what is wrong with it.
    pub(super) fn checked(wanted: wit::Subscription) -> Result<Self, String> {
        let buffering = wanted.buffering.unwrap_or(DEFAULT);
        let within = |what: &str, value: u32, (least, most): (u32, u32)| match value {
            value if (least..=most).contains(&value) => Ok(value),
            value => Err(format!("{what} must be from {least} to {most}, not {value}")),
        };
        if wanted.types == wit::TelemetryTypes::empty() {
            return Err("a subscription names at least one type of records".into());
        }
        let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        Ok(Self {
            types: wanted.types,
            max_items: size(within("max-items", buffering.max_items, ITEMS)?),
            max_bytes: size(within("max-bytes", buffering.max_bytes, BYTES)?),
            timeout: Duration::from_millis(within("timeout-ms", buffering.timeout_ms, TIMEOUT_MS)?.into()),
        })
    }

    fn wants(&self, source: RecordSource) -> bool {
        self.types.contains(match source {
            RecordSource::Platform => wit::TelemetryTypes::PLATFORM,
            RecordSource::Function => wit::TelemetryTypes::FUNCTION,
            RecordSource::Extension => wit::TelemetryTypes::EXTENSION,
        })
    }

    /// The types as the schema names them.
    pub(super) fn type_names(&self) -> Vec<&'static str> {
        let all = [
            (RecordSource::Platform, "platform"),
            (RecordSource::Function, "function"),
            (RecordSource::Extension, "extension"),
        ];
        all.into_iter().filter(|(source, _)| self.wants(*source)).map(|(_, name)| name).collect()
    }
}

pub(super) struct Buffer {
    subscription: Subscription,
    waiting: Mutex<Waiting>,
    grown: Notify,
    dropped: IntCounter,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<TelemetryRecord>,
    bytes: usize,
    /// When the oldest of them came.
    since: Option<Instant>,
    dropped_records: u64,
    dropped_bytes: u64,
    /// Nobody takes them any more.
    is_closed: bool,
}

impl Buffer {
    pub(super) fn new(subscription: Subscription, dropped: IntCounter) -> Self {
        Self { subscription, waiting: Mutex::default(), grown: Notify::new(), dropped }
    }

    pub(super) fn wants(&self, source: RecordSource) -> bool {
        self.subscription.wants(source)
    }

    /// Takes those that were subscribed to, or counts what it has no room for.
    pub(super) fn push(&self, records: &[TelemetryRecord]) {
        let Subscription { max_items, max_bytes, .. } = self.subscription;
        let (most_items, most_bytes) = (max_items.saturating_mul(DELIVERIES), max_bytes.saturating_mul(DELIVERIES));
        {
            let mut waiting = self.waiting.lock();
            for record in records.iter().filter(|record| self.wants(record.source())) {
                let size = record.size_bytes();
                if waiting.is_closed
                    || waiting.records.len() >= most_items
                    || waiting.bytes.saturating_add(size) > most_bytes
                {
                    waiting.lose(1, size);
                    self.dropped.inc();
                    continue;
                }
                waiting.bytes = waiting.bytes.saturating_add(size);
                waiting.records.push_back(record.clone());
                waiting.since.get_or_insert_with(Instant::now);
            }
        }
        self.grown.notify_one();
    }

    /// Notes that a delivery failed.
    pub(super) fn lost(&self, records: &[TelemetryRecord]) {
        // That some were lost before is told again by the next.
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let bytes = records.iter().map(TelemetryRecord::size_bytes).fold(0, usize::saturating_add);
        self.waiting.lock().lose(count, bytes);
        self.dropped.inc_by(count);
    }

    /// Gives up what waits and all that comes.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_closed = true;
        self.dropped.inc_by(u64::try_from(waiting.records.len()).unwrap_or(u64::MAX));
        waiting.records.clear();
    }

    /// Whether no record waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().records.is_empty()
    }

    /// Whether a delivery is due.
    pub(super) fn is_due(&self) -> bool {
        self.waiting.lock().due(&self.subscription).is_some_and(|at| at <= Instant::now())
    }

    /// Waits until a delivery is due.
    pub(super) async fn due(&self) {
        loop {
            let at = self.waiting.lock().due(&self.subscription);
            match at {
                None => self.grown.notified().await,
                Some(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => return,
                        () = self.grown.notified() => {}
                    }
                }
            }
        }
    }

    /// Takes the oldest records, as many as one delivery takes, and what is to be told of those that were lost.
    pub(super) fn take(&self, now_ms: i64) -> Vec<TelemetryRecord> {
        let mut waiting = self.waiting.lock();
        let (mut taken, mut bytes) = (Vec::new(), 0usize);
        if waiting.dropped_records > 0 {
            let told = record::logs_dropped(
                "The extension did not take its records in time.",
                waiting.dropped_records,
                waiting.dropped_bytes,
            );
            (waiting.dropped_records, waiting.dropped_bytes) = (0, 0);
            taken.push(TelemetryRecord::platform(now_ms, "platform.logsDropped", &told));
        }
        while let Some(next) = waiting.records.front() {
            let size = next.size_bytes();
            let is_full = taken.len() >= self.subscription.max_items
                || (!taken.is_empty() && bytes.saturating_add(size) > self.subscription.max_bytes);
            if is_full {
                break;
            }
            bytes = bytes.saturating_add(size);
            waiting.bytes = waiting.bytes.saturating_sub(size);
            taken.extend(waiting.records.pop_front());
        }
        waiting.since = (!waiting.records.is_empty()).then(Instant::now);
        taken
    }
}

impl Waiting {
    fn lose(&mut self, records: u64, bytes: usize) {
        self.dropped_records = self.dropped_records.saturating_add(records);
        self.dropped_bytes = self.dropped_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// When a delivery is due; `None` where nothing waits.
    fn due(&self, subscription: &Subscription) -> Option<Instant> {
        let since = self.since?;
        let is_full = self.records.len() >= subscription.max_items || self.bytes >= subscription.max_bytes;
        Some(if is_full { since } else { since.checked_add(subscription.timeout).unwrap_or(since) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn buffer(max_items: u32, timeout_ms: u32) -> Buffer {
        let types = wit::TelemetryTypes::PLATFORM | wit::TelemetryTypes::FUNCTION;
        let buffering = Some(wit::Buffering { max_items, max_bytes: 262_144, timeout_ms });
        let subscription = Subscription::checked(wit::Subscription { types, buffering }).unwrap();
        Buffer::new(subscription, IntCounter::new("dropped", "d").unwrap())
    }

    fn line(text: &str) -> TelemetryRecord {
        TelemetryRecord::line(0, RecordSource::Function, text.as_bytes(), false)
    }

    #[test]
    fn subscriptions_keep_to_lambdas_bounds() {
        let checked = |types, max_items, max_bytes, timeout_ms| {
            let buffering = Some(wit::Buffering { max_items, max_bytes, timeout_ms });
            Subscription::checked(wit::Subscription { types, buffering }).map(drop)
        };
        let all = wit::TelemetryTypes::all();
        for (items, bytes, ms) in [(1_000, 262_144, 25), (10_000, 1_048_576, 30_000)] {
            assert_eq!(checked(all, items, bytes, ms), Ok(()));
        }
        for (items, bytes, ms) in [
            (999, 262_144, 25),
            (10_001, 262_144, 25),
            (1_000, 262_143, 25),
            (1_000, 1_048_577, 25),
            (1_000, 262_144, 24),
            (1_000, 262_144, 30_001),
        ] {
            assert!(checked(all, items, bytes, ms).is_err(), "{items} {bytes} {ms}");
        }
        assert!(checked(wit::TelemetryTypes::empty(), 1_000, 262_144, 25).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_is_due_when_it_is_old_or_full() {
        let buffer = buffer(1_000, 500);
        let started = Instant::now();
        buffer.push(&[line("a"), TelemetryRecord::line(0, RecordSource::Extension, b"not asked for", false)]);
        assert!(!buffer.is_due());
        buffer.due().await;
        assert_eq!(started.elapsed().as_millis() / 100, 5);
        assert_eq!(buffer.take(0), [line("a")]);
        buffer.push(&vec![line("b"); 1_000]);
        assert!(buffer.is_due());
        buffer.due().await;
        assert_eq!(started.elapsed().as_millis() / 100, 5);
        assert_eq!(buffer.take(0).len(), 1_000);
        assert!(buffer.take(0).is_empty() && !buffer.is_due());
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_and_told() {
        let buffer = buffer(1_000, 500);
        buffer.push(&vec![line("x"); 2_010]);
        assert_eq!(buffer.dropped.get(), 10);
        let first = buffer.take(7);
        assert_eq!((first.len(), first[0].kind, first[0].time_ms), (1_000, "platform.logsDropped", 7));
        let told: serde_json::Value = serde_json::from_str(&first[0].record).unwrap();
        assert_eq!(told["droppedRecords"], 10);
        // Failed deliveries are lost as well.
        buffer.lost(&first);
        assert_eq!(buffer.dropped.get(), 1_010);
        assert_eq!(buffer.take(8)[0].kind, "platform.logsDropped");
        // Larger than a delivery, one goes alone.
        while !buffer.take(9).is_empty() {}
        buffer.push(&[line(&"y".repeat(300_000)), line("z")]);
        assert_eq!((buffer.take(9).len(), buffer.take(9).len()), (1, 1));
    }
}
