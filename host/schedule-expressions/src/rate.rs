//! `rate(value unit)`: every so much elapsed time, counted from an anchor.
//!
//! A day is 24 hours whatever the local clock does, as EventBridge Scheduler documents.
//! Units are `minute(s)`, `hour(s)` and `day(s)`; number and unit need not agree (`rate(1 minutes)`),
//! because Scheduler's API lists both forms without a rule, unlike EventBridge rules.
//! `second(s)` is Lamina's own addition.
//! Refused: zero, signs, fractions, padding inside the brackets, and periods past [`MAX_PERIOD_S`].

use jiff::Timestamp;

use crate::ParseError;

/// The longest period: 230 years, the span a cron expression can name.
pub(crate) const MAX_PERIOD_S: u64 = 230 * 366 * 86_400;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    period_s: u64,
    in_seconds: bool,
}

impl Rate {
    /// Parses what stands between the brackets.
    pub(crate) fn parse(inner: &str) -> Result<Self, ParseError> {
        let malformed = || ParseError::new("rate expression", "must read rate(value unit), as in rate(5 minutes)");
        if inner.trim() != inner {
            return Err(malformed());
        }
        let mut parts = inner.split_ascii_whitespace();
        let (Some(value), Some(unit), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseError::new("rate value", format!("`{value}` is not a positive whole number")));
        }
        let unit_s = match unit {
            "second" | "seconds" => 1,
            "minute" | "minutes" => 60,
            "hour" | "hours" => 3_600,
            "day" | "days" => 86_400,
            _ => {
                return Err(ParseError::new(
                    "rate unit",
                    format!("`{unit}` is not one of minute, minutes, hour, hours, day, days, second, seconds"),
                ));
            }
        };
        let period_s = value
            .parse::<u64>()
            .ok()
            .and_then(|value| value.checked_mul(unit_s))
            .filter(|period_s| *period_s <= MAX_PERIOD_S)
            .ok_or_else(|| ParseError::new("rate value", format!("`{value}` is longer than 230 years")))?;
        if period_s == 0 {
            return Err(ParseError::new("rate value", "`0` is not a positive whole number"));
        }
        Ok(Self { period_s, in_seconds: unit_s == 1 })
    }

    /// Whether the unit is one AWS does not have.
    pub(crate) fn is_extension(self) -> bool {
        self.in_seconds
    }

    /// The first of `anchor`, `anchor + period`, … that is later than `after`.
    pub(crate) fn next_after(self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        let (after, anchor) = (after.as_nanosecond(), anchor.as_nanosecond());
        if after < anchor {
            return Timestamp::from_nanosecond(anchor).ok();
        }
        let period = i128::from(self.period_s).checked_mul(NANOS_PER_SECOND)?;
        let elapsed = after.checked_sub(anchor)?;
        let count = elapsed.checked_div(period)?.checked_add(1)?;
        let next = anchor.checked_add(count.checked_mul(period)?)?;
        Timestamp::from_nanosecond(next).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn counts_from_the_anchor_and_includes_it() {
        let rate = Rate::parse("5 minutes").unwrap();
        let anchor = at("2026-01-01T00:00:30Z");
        let before = at("2025-12-31T00:00:00Z");
        assert_eq!(rate.next_after(before, anchor), Some(anchor));
        assert_eq!(rate.next_after(anchor, anchor), Some(at("2026-01-01T00:05:30Z")));
        assert_eq!(rate.next_after(at("2026-01-01T00:05:29.999999999Z"), anchor), Some(at("2026-01-01T00:05:30Z")));
        assert_eq!(rate.next_after(at("2026-01-01T00:05:30Z"), anchor), Some(at("2026-01-01T00:10:30Z")));
    }

    #[test]
    fn takes_every_unit_in_both_numbers() {
        for (text, period_s) in [
            ("1 second", 1),
            ("10 seconds", 10),
            ("1 minute", 60),
            ("1 minutes", 60),
            ("2 minute", 120),
            ("1 hour", 3_600),
            ("12  hours", 43_200),
            ("1 day", 86_400),
            ("7 days", 604_800),
        ] {
            assert_eq!(Rate::parse(text).unwrap().period_s, period_s, "{text}");
        }
    }

    #[test]
    fn refuses_what_scheduler_refuses() {
        for text in [
            "",
            "10",
            "10 years",
            "10 minutess",
            "foo minutes",
            "-10 minutes",
            "+10 minutes",
            "1.5 hours",
            "0 minutes",
            "10 MINUTES",
            " 10 minutes ",
            "10 minutes now",
            "999999999999999999999 days",
            "99999999 days",
        ] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ends_where_time_ends() {
        let rate = Rate::parse("1 day").unwrap();
        assert_eq!(rate.next_after(Timestamp::MAX, Timestamp::MIN), None);
    }
}
