//! `at(yyyy-mm-ddThh:mm:ss)`: one local time, once.
//!
//! A time that the zone skips never comes; a time that the zone repeats means its first occurrence.
//! Refused: a date alone, fractions, offsets and zone letters, dates that do not exist.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::ParseError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(DateTime);

impl At {
    /// Parses what stands between the brackets.
    pub(crate) fn parse(inner: &str) -> Result<Self, ParseError> {
        const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";
        let shaped = inner.len() == SHAPE.len()
            && inner.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                _ => byte == *shape,
            });
        if !shaped {
            return Err(ParseError::new("at expression", "must read at(yyyy-mm-ddThh:mm:ss), without an offset"));
        }
        // The parser below would read a leap second as second 59.
        let parsed = (!inner.ends_with(":60")).then(|| inner.parse::<DateTime>().ok());
        match parsed.flatten() {
            Some(time) => Ok(Self(time)),
            None => Err(ParseError::new("at time", format!("`{inner}` is not a date and time that exists"))),
        }
    }

    pub(crate) fn next_after(self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let offset = match zone.to_ambiguous_timestamp(self.0).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        offset.to_timestamp(self.0).ok().filter(|time| *time > after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_local_time_of_the_zone() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let next = |text: &str| At::parse(text).unwrap().next_after(Timestamp::UNIX_EPOCH, &zone);
        let utc = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(next("2026-07-01T12:00:00"), utc("2026-07-01T16:00:00Z"));
        assert_eq!(next("2026-03-08T02:30:00"), None, "skipped by the zone");
        assert_eq!(next("2026-11-01T01:30:00"), utc("2026-11-01T05:30:00Z"), "the first of two");
    }

    #[test]
    fn comes_once() {
        let time = "2026-07-01T12:00:00Z".parse().unwrap();
        let at = At::parse("2026-07-01T12:00:00").unwrap();
        assert_eq!(at.next_after(time, &TimeZone::UTC), None);
    }

    #[test]
    fn refuses_other_shapes() {
        for text in [
            "",
            "2021-12-31",
            "2021-12-31T23:59:59Z",
            "2021-12-31T23:59",
            "2021-12-31 23:59:59",
            "2021-02-30T00:00:00",
            "2021-13-01T00:00:00",
            "2021-12-31T24:00:00",
            "2021-12-31T23:59:60",
            "２021-12-31T23:59",
        ] {
            assert!(At::parse(text).is_err(), "{text}");
        }
    }
}
