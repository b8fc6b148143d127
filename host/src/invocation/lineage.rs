//! Recursive loops: how often a chain of invocations has come through a function
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>).
//!
//! The trace header of an invocation carries the chain's lineage: `Lineage=a87bd80c:1|68fd508a:5`, a hash of each function's ARN and
//! how often it ran. The function gets the header with itself counted; its calls hand it on in `X-Amzn-Trace-Id`, messages in the system
//! attribute `AWSTraceHeader`, and what an asynchronous run leads to (a record for a destination, a dead letter) carries it too. Who cuts the header out of his calls starts a new chain, as on AWS. Bounds: [`LENGTH_LIMIT_BYTES`] of a
//! header are read, [`ENTRIES_LIMIT`] functions are carried; past them the least visited are forgotten.

use crate::ids::FunctionMark;
use std::fmt::Write as _;
use uuid::Uuid;

/// A function runs so often in one chain; the next time it is stopped.
pub const RUNS_LIMIT: u32 = 16;

/// Functions that a lineage carries.
const ENTRIES_LIMIT: usize = 32;

/// A longer header is not looked at.
const LENGTH_LIMIT_BYTES: usize = 2048;

const MEMBER: &str = "Lineage=";

const ROOT: &str = "Root=";

/// How often a chain came through functions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage(Vec<(u32, u32)>);

impl Lineage {
    /// Reads a trace header. What is not understood counts as nothing.
    pub fn of(header: &str) -> Self {
        let mut lineage = Self::default();
        if header.len() > LENGTH_LIMIT_BYTES {
            return lineage;
        }
        if let Some(text) = members(header).find_map(|member| member.strip_prefix(MEMBER)) {
            lineage.read(text);
        }
        lineage
    }

    /// Adds what a header's member says.
    fn read(&mut self, text: &str) {
        for entry in text.split('|') {
            let parsed = entry.split_once(':').and_then(|(mark, runs)| {
                Some((u32::from_str_radix(mark, 16).ok().filter(|_| mark.len() == 8)?, runs.parse::<u32>().ok()?))
            });
            if let Some((mark, runs)) = parsed {
                self.raise(FunctionMark(mark), runs);
            }
        }
    }

    /// How often the chain came through this function.
    pub fn runs(&self, function: FunctionMark) -> u32 {
        self.0.iter().find(|(mark, _)| *mark == function.0).map_or(0, |(_, runs)| *runs)
    }

    /// Counts another run.
    fn count(&mut self, function: FunctionMark) {
        self.raise(function, self.runs(function).saturating_add(1));
    }

    fn raise(&mut self, function: FunctionMark, runs: u32) {
        let full = self.0.len() >= ENTRIES_LIMIT;
        if let Some((_, held)) = self.0.iter_mut().find(|(mark, _)| *mark == function.0) {
            *held = runs.max(*held);
        } else if !full {
            self.0.push((function.0, runs));
        } else if let Some(least) = self.0.iter_mut().min_by_key(|(_, runs)| *runs) {
            *least = (function.0, runs);
        }
    }
}

/// The trace header of a batch: the lineages of all its messages; `None` where there are none.
pub fn merged<'a>(headers: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all = Lineage::default();
    for (mark, runs) in headers.flat_map(|header| Lineage::of(header).0) {
        all.raise(FunctionMark(mark), runs);
    }
    (!all.0.is_empty()).then(|| {
        let mut header = String::new();
        write(&mut header, &all);
        header
    })
}

/// The header that an invocation sets out with: `header`, or a trace that begins here where it names none.
pub fn rooted(header: Option<&str>, now_ms: i64) -> String {
    match header.filter(|header| is_handed_on(header)) {
        Some(header) if members(header).any(|member| member.starts_with(ROOT)) => header.to_owned(),
        Some(header) if !header.is_empty() => format!("{};{header}", new_root(now_ms)),
        _ => new_root(now_ms),
    }
}

/// The header of what follows from a run of a function that set out with `header`.
pub fn after(header: &str, function: FunctionMark) -> String {
    // A header from `rooted` names a trace.
    advance(Some(header), function, || ROOT.to_owned()).0
}

fn is_handed_on(header: &str) -> bool {
    header.len() <= LENGTH_LIMIT_BYTES && header.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// The header that a function's invocation carries, and how often the chain came through it before. `start` names the trace where the
/// chain begins here.
pub(super) fn advance(header: Option<&str>, function: FunctionMark, start: impl FnOnce() -> String) -> (String, u32) {
    // A header with control characters would be refused wherever the function hands it on.
    let header = header.filter(|header| is_handed_on(header)).unwrap_or_default();
    let mut lineage = Lineage::default();
    let mut rest = String::with_capacity(header.len().saturating_add(TYPICAL_BYTES));
    let (mut has_root, mut has_lineage) = (false, false);
    for member in members(header).filter(|member| !member.is_empty()) {
        if let Some(text) = member.strip_prefix(MEMBER) {
            if !std::mem::replace(&mut has_lineage, true) {
                lineage.read(text);
            }
            continue;
        }
        has_root |= member.starts_with(ROOT);
        if !rest.is_empty() {
            rest.push(';');
        }
        rest.push_str(member);
    }
    let before = lineage.runs(function);
    lineage.count(function);
    if !has_root {
        let start = start();
        rest = if rest.is_empty() { start } else { format!("{start};{rest}") };
    }
    write(&mut rest, &lineage);
    (rest, before)
}

/// What a lineage of one function adds to a header.
const TYPICAL_BYTES: usize = 32;

/// A new trace that begins at a time, in milliseconds since the Unix epoch: `Root=1-<seconds in hex>-<96 random bits in hex>`
/// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids>).
pub fn new_root(now_ms: i64) -> String {
    let seconds = u32::try_from(now_ms.div_euclid(1000).max(0)).unwrap_or(u32::MAX);
    let mut root = String::with_capacity(ROOT.len() + 36 + TYPICAL_BYTES);
    root.push_str(ROOT);
    root.push_str("1-");
    push_hex(&mut root, seconds);
    root.push('-');
    let mut buffer = Uuid::encode_buffer();
    root.push_str(Uuid::new_v4().simple().encode_lower(&mut buffer).get(..24).unwrap_or_default());
    root
}

/// Adds a number as eight hexadecimal digits.
fn push_hex(text: &mut String, number: u32) {
    let mut digits = [0; 8];
    for (digit, shift) in digits.iter_mut().zip((0..u32::BITS).step_by(4).rev()) {
        let value = ((number >> shift) & 0xf) as u8;
        *digit = value + if value < 10 { b'0' } else { b'a' - 10 };
    }
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

fn members(header: &str) -> impl Iterator<Item = &str> {
    header.split(';').map(str::trim)
}

/// Adds a lineage to a header.
fn write(header: &mut String, lineage: &Lineage) {
    if !header.is_empty() {
        header.push(';');
    }
    header.push_str(MEMBER);
    for (index, (mark, runs)) in lineage.0.iter().enumerate() {
        if index > 0 {
            header.push('|');
        }
        push_hex(header, *mark);
        // Writing to a String does not fail.
        let _ = write!(header, ":{runs}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F: FunctionMark = FunctionMark(0xa87b_d80c);
    const G: FunctionMark = FunctionMark(0x68fd_508a);

    fn next(header: Option<&str>, function: FunctionMark) -> (String, u32) {
        advance(header, function, || "Root=1-0-0".into())
    }

    #[test]
    fn a_chain_counts_each_function_it_comes_through() {
        let (first, before) = next(None, F);
        assert_eq!((first.as_str(), before), ("Root=1-0-0;Lineage=a87bd80c:1", 0));
        let (second, before) = next(Some(&first), G);
        assert_eq!((second.as_str(), before), ("Root=1-0-0;Lineage=a87bd80c:1|68fd508a:1", 0));
        let (third, before) = next(Some(&second), F);
        assert_eq!((third.as_str(), before), ("Root=1-0-0;Lineage=a87bd80c:2|68fd508a:1", 1));
    }

    #[test]
    fn the_rest_of_a_header_stays() {
        let (header, _) = next(Some("Root=1-a-b;Parent=c;Lineage=68fd508a:5;Sampled=1"), F);
        assert_eq!(header, "Root=1-a-b;Parent=c;Sampled=1;Lineage=68fd508a:5|a87bd80c:1");
        assert_eq!(next(Some("Parent=c"), F).0, "Root=1-0-0;Parent=c;Lineage=a87bd80c:1");
    }

    #[test]
    fn what_follows_from_a_run_carries_it() {
        let start = rooted(Some("Root=1-a-b;Sampled=0;Lineage=68fd508a:5"), 0);
        assert_eq!(after(&start, F), "Root=1-a-b;Sampled=0;Lineage=68fd508a:5|a87bd80c:1");
        for header in [None, Some(""), Some("Root=1-a\n"), Some("Sampled=1")] {
            let start = rooted(header, 1_000);
            assert!(start.starts_with("Root=1-00000001-"), "{header:?}: {start}");
            // As the invocation itself has it.
            assert_eq!(after(&start, F), next(Some(&start), F).0);
        }
        assert!(rooted(Some("Sampled=1"), 0).ends_with(";Sampled=1"));
    }

    #[test]
    fn nonsense_counts_as_nothing() {
        for header in
            ["", ";;;", "Lineage", "Lineage=|:|a:1|zzzzzzzz:1|a87bd80c:-1", "Lineage=a87bd80c", &"x".repeat(4096)]
        {
            assert_eq!(Lineage::of(header), Lineage::default(), "{header}");
        }
        assert_eq!(next(Some("Root=1-a-b\n;Lineage=a87bd80c:3"), F).1, 0);
        assert_eq!(Lineage::of("Lineage=a87bd80c:4294967295").runs(F), u32::MAX);
        assert!(next(Some("Lineage=a87bd80c:4294967295"), F).0.ends_with(":4294967295"));
    }

    #[test]
    fn a_lineage_has_an_end() {
        let mut header = String::new();
        for index in 0..200 {
            header = next(Some(&header), FunctionMark(index)).0;
            header = next(Some(&header), F).0;
        }
        assert!(header.len() < 1024, "{}", header.len());
        assert_eq!(Lineage::of(&header).runs(F), 200);
    }

    #[test]
    fn a_batch_has_the_longest_lineages_of_its_messages() {
        let two = ["Root=1-a-b;Lineage=a87bd80c:2", "Root=1-c-d;Lineage=a87bd80c:7|68fd508a:1"];
        assert_eq!(merged(two.into_iter()).unwrap(), "Lineage=a87bd80c:7|68fd508a:1");
        assert_eq!(merged(["Root=1-a-b", "Root=1-c-d"].into_iter()), None);
        assert_eq!(merged(std::iter::empty()), None);
    }

    #[test]
    fn a_mark_is_of_the_arn() {
        let mark = FunctionMark::of("arn:aws:lambda:us-east-1:000000000000:function:a");
        assert_eq!(mark, FunctionMark::of("arn:aws:lambda:us-east-1:000000000000:function:a"));
        assert_ne!(mark, FunctionMark::of("arn:aws:lambda:us-east-1:000000000000:function:b"));
    }
}
