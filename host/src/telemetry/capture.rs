//! The buffer that one invocation's standard output and error go into.
//!
//! Bounded by [`Limits`]: a line longer than the line limit is cut into several, and past the total everything is counted
//! and thrown away, which one notice at the end tells. An empty capture owns no memory. A line ends at `\n`, `\r\n` or with
//! the invocation; nothing is checked for UTF-8 here, that is left to who writes the lines out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What Lambda answers of a log under `LogType=Tail`.
pub const TAIL_BYTES: usize = 4 * 1024;

/// A line of a function's output, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedLine {
    /// When its last part arrived, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Without its line ending.
    pub text: Bytes,
}

/// Bounds of one invocation's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longer lines are cut (CloudWatch Logs: 256 kB an event).
    pub max_line_bytes: usize,
    /// What one invocation may log in all.
    pub max_invocation_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_line_bytes: 256 * 1024, max_invocation_bytes: 1024 * 1024 }
    }
}

/// Collects one invocation's output.
#[derive(Debug)]
pub struct LogCapture {
    limits: Limits,
    text: Vec<u8>,
    /// End of each finished line in `text`, and its time.
    ends: Vec<(usize, i64)>,
    /// Allocated at the first byte past the total limit: the tail is of what was printed, not of what was kept.
    overflow: Option<Box<Overflow>>,
}

#[derive(Debug, Default)]
struct Overflow {
    dropped_bytes: u64,
    timestamp_ms: i64,
    last: Vec<u8>,
}

impl LogCapture {
    /// An empty capture.
    pub fn new(limits: Limits) -> Self {
        Self { limits, text: Vec::new(), ends: Vec::new(), overflow: None }
    }

    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.ends.is_empty() && self.overflow.is_none()
    }

    /// Takes what the guest printed, at a time in milliseconds since the Unix epoch. Never fails and never blocks.
    pub fn push(&mut self, bytes: &[u8], now_ms: i64) {
        let room = self.limits.max_invocation_bytes.saturating_sub(self.text.len());
        let (kept, dropped) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        let mut rest = kept;
        while !rest.is_empty() {
            let line_room = self.limits.max_line_bytes.max(1).saturating_sub(self.open_line_len());
            let end = rest.iter().take(line_room).position(|&b| b == b'\n');
            let (part, ends_line) = match end {
                Some(newline) => (newline.saturating_add(1), true),
                // A line may fill the limit and its ending still come.
                None if rest.len() > line_room => {
                    (line_room.saturating_add(usize::from(rest.get(line_room) == Some(&b'\n'))), true)
                }
                None => (rest.len(), false),
            };
            let (part, after) = rest.split_at_checked(part).unwrap_or((rest, &[]));
            self.text.extend_from_slice(part);
            if ends_line {
                self.ends.push((self.text.len(), now_ms));
            }
            rest = after;
        }
        if !dropped.is_empty() {
            self.drop_bytes(dropped, now_ms);
        }
    }

    /// Takes a record that a guest logged as one: an entry of its own with the line breaks in it, cut where it is longer than a line may be.
    pub fn push_record(&mut self, bytes: &[u8], now_ms: i64) {
        if self.open_line_len() > 0 {
            self.ends.push((self.text.len(), now_ms));
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        // An empty record takes a byte too: a flood of them is bounded.
        let room = self.limits.max_invocation_bytes.saturating_sub(self.text.len()).saturating_sub(1);
        let (kept, dropped) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        if room > 0 {
            for part in kept.chunks(self.limits.max_line_bytes.max(1)) {
                self.text.extend_from_slice(part);
                self.ends.push((self.text.len(), now_ms));
            }
            match self.ends.last_mut().filter(|_| !kept.is_empty()) {
                Some((end, _)) => {
                    self.text.push(b'\n');
                    *end = self.text.len();
                }
                None => {
                    self.text.push(b'\n');
                    self.ends.push((self.text.len(), now_ms));
                }
            }
        }
        if !dropped.is_empty() || room == 0 {
            self.drop_bytes(dropped, now_ms);
        }
    }

    fn drop_bytes(&mut self, dropped: &[u8], now_ms: i64) {
        let overflow = self.overflow.get_or_insert_default();
        overflow.dropped_bytes = overflow.dropped_bytes.saturating_add(dropped.len() as u64);
        overflow.timestamp_ms = now_ms;
        keep_last(&mut overflow.last, dropped);
    }

    fn open_line_len(&self) -> usize {
        self.text.len().saturating_sub(self.ends.last().map_or(0, |&(end, _)| end))
    }

    /// The last 4 kB of what was printed.
    pub fn tail(&self) -> Vec<u8> {
        let mut tail = last(&self.text, TAIL_BYTES).to_vec();
        if let Some(overflow) = &self.overflow {
            keep_last(&mut tail, &overflow.last);
        }
        tail
    }

    /// The lines so far, an unfinished last one included, and leaves an empty capture. Lines share one allocation.
    pub fn take_lines(&mut self, now_ms: i64) -> Vec<CapturedLine> {
        if self.open_line_len() > 0 {
            self.ends.push((self.text.len(), now_ms));
        }
        let text = Bytes::from(std::mem::take(&mut self.text));
        let ends = std::mem::take(&mut self.ends);
        let mut lines = Vec::with_capacity(ends.len().saturating_add(usize::from(self.overflow.is_some())));
        let mut start = 0;
        for (end, timestamp_ms) in ends {
            let line = text.get(start..end).unwrap_or_default();
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            lines.push(CapturedLine { timestamp_ms, text: text.slice_ref(line) });
            start = end;
        }
        if let Some(overflow) = self.overflow.take() {
            let notice = format!(
                "[lamina] log cut: {} more bytes were printed than the {} one invocation may log",
                overflow.dropped_bytes, self.limits.max_invocation_bytes
            );
            lines.push(CapturedLine { timestamp_ms: overflow.timestamp_ms, text: notice.into() });
        }
        lines
    }
}

fn last(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(bytes.len().saturating_sub(count)..).unwrap_or_default()
}

/// Appends and keeps the last [`TAIL_BYTES`].
fn keep_last(tail: &mut Vec<u8>, more: &[u8]) {
    let more = last(more, TAIL_BYTES);
    let keep = TAIL_BYTES.saturating_sub(more.len());
    tail.drain(..tail.len().saturating_sub(keep));
    tail.extend_from_slice(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[CapturedLine]) -> Vec<&str> {
        lines.iter().map(|l| std::str::from_utf8(&l.text).unwrap()).collect()
    }

    fn capture(max_line_bytes: usize, max_invocation_bytes: usize) -> LogCapture {
        LogCapture::new(Limits { max_line_bytes, max_invocation_bytes })
    }

    #[test]
    fn lines_end_where_they_end_however_they_arrive() {
        let mut log = capture(100, 1_000);
        for (now_ms, part) in ["o", "ne\ntwo\r", "\n\nfo", "ur"].into_iter().enumerate() {
            log.push(part.as_bytes(), now_ms as i64);
        }
        let lines = log.take_lines(9);
        assert_eq!(texts(&lines), ["one", "two", "", "four"]);
        assert_eq!(lines.iter().map(|l| l.timestamp_ms).collect::<Vec<_>>(), [1, 2, 2, 9]);
        assert!(log.is_empty() && log.take_lines(10).is_empty());
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut log = capture(4, 1_000);
        log.push(b"abcdefghij\nabcd\nefgh", 0);
        log.push(b"\nx\n", 0);
        assert_eq!(texts(&log.take_lines(0)), ["abcd", "efgh", "ij", "abcd", "efgh", "x"]);
    }

    #[test]
    fn a_flood_is_counted_and_its_tail_kept() {
        let mut log = capture(100, 10);
        log.push(b"0123456\n89", 1);
        assert_eq!(log.tail(), b"0123456\n89");
        for i in 0..10_000 {
            log.push(format!("line {i}\n").as_bytes(), 2);
        }
        assert!(log.tail().len() == TAIL_BYTES && log.tail().ends_with(b"line 9998\nline 9999\n"));
        let lines = log.take_lines(3);
        assert_eq!(texts(&lines)[..2], ["0123456", "89"]);
        assert_eq!(lines.len(), 3);
        assert!(texts(&lines)[2].contains(" 98890 more bytes"), "{:?}", texts(&lines));
        assert!(log.is_empty());
    }

    #[test]
    fn the_tail_spans_kept_and_dropped() {
        let mut log = capture(10_000, 5_000);
        log.push(&[b'a'; 5_000], 0);
        log.push(&[b'b'; 96], 0);
        let tail = log.tail();
        assert_eq!((tail.len(), tail.iter().filter(|&&b| b == b'b').count()), (TAIL_BYTES, 96));
    }

    #[test]
    fn an_empty_capture_owns_nothing() {
        let log = capture(1, 1);
        assert!(log.is_empty());
        assert_eq!((log.text.capacity(), log.ends.capacity()), (0, 0));
        assert!(size_of::<LogCapture>() <= 96);
    }

    #[test]
    fn a_record_is_one_entry_with_its_line_breaks() {
        let mut log = capture(10, 40);
        log.push(b"open", 1);
        log.push_record(b"a\nb\n", 2);
        log.push_record(b"", 3);
        log.push(b"line\n", 4);
        log.push_record(b"0123456789ab", 5);
        assert_eq!(texts(&log.take_lines(9)), ["open", "a\nb", "", "line", "0123456789", "ab"]);
        for _ in 0..100 {
            log.push_record(b"", 6);
        }
        log.push_record(b"more", 7);
        let lines = log.take_lines(9);
        assert_eq!(lines.len(), 40);
        assert!(texts(&lines)[39].contains(" 4 more bytes"), "{:?}", texts(&lines));
    }

    #[test]
    fn a_flood_of_empty_lines_is_bounded_too() {
        let mut log = capture(100, 1_000);
        log.push(&[b'\n'; 5_000], 0);
        assert_eq!(log.take_lines(0).len(), 1_001);
    }
}
