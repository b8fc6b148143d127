//! Schedule expressions: the texts that say when a schedule fires, and the search for the next time.
//!
//! | form | meaning |
//! |---|---|
//! | `rate(5 minutes)` | every so much elapsed time from an anchor, [as EventBridge Scheduler][aws] has it; `second(s)` is added |
//! | `at(2026-07-01T12:00:00)` | once, at that local time |
//! | `cron(0 10 ? * MON-FRI *)` | AWS's six fields: minutes, hours, day-of-month, month, day-of-week, year |
//! | `*/5 * * * *`, `*/10 * * * * *` | plain cron, five fields or six with leading seconds, and `@hourly` and its like |
//!
//! Pure: no clock and no I/O but the zone database of `jiff`; the caller passes the time in.
//! Bounds: a text has at most [`MAX_LENGTH`] bytes; cron years run from 1970 to 2199; every search is bounded
//! and says "never" instead of running on. Resolution is one second.
//! Refused: whatever AWS's documentation does not describe, and cron expressions that name no date at all.
//!
//! [aws]: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]

mod at;
mod aws_cron;
mod calendar;
mod error;
mod plain_cron;
mod rate;
mod zone;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use error::ParseError;

use at::At;
use calendar::Calendar;
use rate::Rate;

/// The longest expression taken, in bytes: the length EventBridge Scheduler allows.
pub const MAX_LENGTH: usize = 256;

/// A checked schedule expression. Shows, serializes and compares as the text it was parsed from.
#[derive(Debug, Clone)]
pub struct Expression {
    source: Box<str>,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Rate(Rate),
    At(At),
    AwsCron(Calendar),
    PlainCron(Calendar),
}

impl Expression {
    /// Parses any of the four forms.
    ///
    /// # Errors
    /// A [`ParseError`] that names the wrong part.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        if source.len() > MAX_LENGTH {
            return Err(ParseError::new("expression", format!("is longer than {MAX_LENGTH} bytes")));
        }
        let form = if let Some(inner) = bracketed(source, "rate(") {
            Form::Rate(Rate::parse(inner)?)
        } else if let Some(inner) = bracketed(source, "at(") {
            Form::At(At::parse(inner)?)
        } else if let Some(inner) = bracketed(source, "cron(") {
            Form::AwsCron(named(aws_cron::parse(inner)?)?)
        } else if source.contains(['(', ')']) || source.trim() != source {
            return Err(ParseError::new(
                "expression",
                "must be rate(…), at(…), cron(…) or plain cron, with nothing around it",
            ));
        } else {
            Form::PlainCron(named(plain_cron::parse(source)?)?)
        };
        Ok(Self { source: source.into(), form })
    }

    /// The first time later than `after`, or `None` when none will ever come.
    ///
    /// `zone` is the zone local times are read in; `rate` does not use it.
    /// `anchor` is where `rate` counts from, the schedule's creation or start date, and is itself the first
    /// firing: pass it as `after` too when that one has been had. The other forms do not use it.
    ///
    /// Local times that the zone skips do not fire, and local times that it repeats fire at the first
    /// occurrence only, except that cron expressions naming every hour fire through the repeated hour too.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone, anchor: Timestamp) -> Option<Timestamp> {
        match &self.form {
            Form::Rate(rate) => rate.next_after(after, anchor),
            Form::At(at) => at.next_after(after, zone),
            Form::AwsCron(calendar) | Form::PlainCron(calendar) => zone::next_after(calendar, after, zone),
        }
    }

    /// Whether this is an `at(…)`, which fires once at most.
    pub fn is_one_time(&self) -> bool {
        matches!(self.form, Form::At(_))
    }

    /// Whether EventBridge Scheduler has this form: not plain cron, and no rate in seconds.
    pub fn is_aws_form(&self) -> bool {
        match self.form {
            Form::Rate(rate) => !rate.is_extension(),
            Form::At(_) | Form::AwsCron(_) => true,
            Form::PlainCron(_) => false,
        }
    }

    /// The text it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

fn bracketed<'a>(source: &'a str, opening: &str) -> Option<&'a str> {
    source.strip_prefix(opening)?.strip_suffix(')')
}

/// Lets a calendar through that names at least one time.
fn named(calendar: Calendar) -> Result<Calendar, ParseError> {
    match calendar.first_from(jiff::civil::date(calendar::FIRST_YEAR, 1, 1).at(0, 0, 0, 0)) {
        Some(_) => Ok(calendar),
        None => Err(ParseError::new(
            "combination of day, month and year fields",
            format!("names no date from {} to {}", calendar::FIRST_YEAR, calendar::LAST_YEAR),
        )),
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl std::hash::Hash for Expression {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl FromStr for Expression {
    type Err = ParseError;

    fn from_str(source: &str) -> Result<Self, ParseError> {
        Self::parse(source)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&source).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
