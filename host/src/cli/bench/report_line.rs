//! The REPORT line in a log tail.

use std::time::Duration;

/// What a REPORT line says of its invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reported {
    /// The invocation.
    pub(super) duration: Duration,
    /// The init phase it waited for, on a cold start.
    pub(super) init: Option<Duration>,
}

/// Reads the last REPORT line of a log.
pub(super) fn read(log: &str) -> Option<Reported> {
    let line = log.lines().rev().find(|line| line.starts_with("REPORT RequestId: "))?;
    let field = |name: &str| {
        let value = line.split('\t').find_map(|field| field.trim().strip_prefix(name))?;
        let ms: f64 = value.trim().strip_suffix("ms")?.trim().parse().ok()?;
        Duration::try_from_secs_f64(ms / 1e3).ok()
    };
    Some(Reported { duration: field("Duration:")?, init: field("Init Duration:") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_counts() {
        let log = "REPORT RequestId: a\tDuration: 9.00 ms\t\nSTART\nREPORT RequestId: b\tDuration: 1.25 ms\t\
                   Billed Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 2 MB\tInit Duration: 0.50 ms\t\n";
        let expected = Reported { duration: Duration::from_micros(1_250), init: Some(Duration::from_micros(500)) };
        assert_eq!(read(log), Some(expected));
        let warm = "REPORT RequestId: b\tDuration: 1.25 ms\tBilled Duration: 2 ms\t\n";
        assert_eq!(read(warm).unwrap().init, None);
        for none in ["", "REPORT RequestId: b", "REPORT RequestId: b\tDuration: x ms\t"] {
            assert_eq!(read(none), None);
        }
    }
}
