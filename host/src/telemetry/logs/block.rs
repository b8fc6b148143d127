//! Events that follow each other in one stream, as the content of one row.
//!
//! A row costs the writer some microseconds, which at tens of thousands of invocations a second is most of what it does; so what
//! functions print is written many events a row. A block's events have consecutive ids within one millisecond, of which the row has the
//! first, so that no other event's id lies between them.
//!
//! An event in a block: its timestamp as the difference to the one before (the first: to the row's), zigzag; the length of its text; its
//! text. Numbers are LEB128.

/// Events of one block.
const MAX_EVENTS: u32 = 256;

/// Bytes from which on a block takes no more events: longer rows are no cheaper to write, and cost who reads a single event.
const FULL_BYTES: usize = 16 * 1024;

/// A block that is being filled.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    count: u32,
    /// The first event's timestamp, which the row has.
    base_ms: i64,
    previous_ms: i64,
    earliest_ms: i64,
    latest_ms: i64,
}

impl Block {
    /// A block of one event.
    pub(super) fn of(timestamp_ms: i64, text: &str) -> Self {
        let mut block = Self {
            bytes: Vec::with_capacity(text.len().saturating_add(8)),
            count: 0,
            base_ms: timestamp_ms,
            previous_ms: timestamp_ms,
            earliest_ms: timestamp_ms,
            latest_ms: timestamp_ms,
        };
        block.push(timestamp_ms, text);
        block
    }

    /// Whether another event may be added.
    pub(super) fn has_room(&self) -> bool {
        self.count < MAX_EVENTS && self.bytes.len() < FULL_BYTES
    }

    /// Adds an event.
    pub(super) fn push(&mut self, timestamp_ms: i64, text: &str) {
        let difference = timestamp_ms.wrapping_sub(self.previous_ms);
        put(&mut self.bytes, ((difference << 1) ^ (difference >> 63)).cast_unsigned());
        put(&mut self.bytes, text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
        self.previous_ms = timestamp_ms;
        self.earliest_ms = self.earliest_ms.min(timestamp_ms);
        self.latest_ms = self.latest_ms.max(timestamp_ms);
        self.count = self.count.saturating_add(1);
    }

    /// How many events there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The first event's timestamp.
    pub(super) fn base_ms(&self) -> i64 {
        self.base_ms
    }

    /// The least and the greatest timestamp.
    pub(super) fn span_ms(&self) -> (i64, i64) {
        (self.earliest_ms, self.latest_ms)
    }

    /// The row's content.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The events of a block, timestamps and texts, in order; `None` where it is damaged.
pub(super) fn events(base_ms: i64, mut bytes: &[u8]) -> Option<Vec<(i64, &str)>> {
    let mut events = Vec::new();
    let mut previous_ms = base_ms;
    while !bytes.is_empty() {
        let zigzag = take(&mut bytes)?;
        let difference = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        let length = usize::try_from(take(&mut bytes)?).ok()?;
        let (text, rest) = bytes.split_at_checked(length)?;
        previous_ms = previous_ms.wrapping_add(difference);
        events.push((previous_ms, std::str::from_utf8(text).ok()?));
        bytes = rest;
    }
    Some(events)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_in_is_read(written in proptest::collection::vec((any::<i64>(), ".{0,200}"), 1..20)) {
            let mut all = written.iter();
            let (first_ms, first) = all.next().unwrap();
            let mut block = Block::of(*first_ms, first);
            all.for_each(|(at_ms, text)| block.push(*at_ms, text));
            let read = events(block.base_ms(), block.bytes()).unwrap();
            let expected: Vec<_> = written.iter().map(|(at_ms, text)| (*at_ms, text.as_str())).collect();
            prop_assert_eq!(read, expected);
            let times = || written.iter().map(|(at_ms, _)| *at_ms);
            prop_assert_eq!(block.span_ms(), (times().min().unwrap(), times().max().unwrap()));
        }

        #[test]
        fn damage_is_no_panic(base_ms: i64, bytes: Vec<u8>) {
            let _ = events(base_ms, &bytes);
        }
    }

    #[test]
    fn a_block_is_full_by_count_or_by_size() {
        let mut block = Block::of(0, "");
        for _ in 1..MAX_EVENTS {
            assert!(block.has_room());
            block.push(0, "");
        }
        assert!(!block.has_room());
        assert!(!Block::of(0, &"x".repeat(FULL_BYTES)).has_room());
    }
}
