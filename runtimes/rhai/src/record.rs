//! Log records in the two shapes that Lambda's runtimes write.

use crate::host;
use crate::session::{Session, now_ms};
use serde::{Deserialize, Serialize};

/// `LoggingConfig.LogFormat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Format {
    /// Fields with tabs between them.
    #[default]
    Text,
    /// An object a record.
    #[serde(rename = "JSON")]
    Json,
}

/// `LoggingConfig.ApplicationLogLevel`, from the least severe to the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Level {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

/// A record of JSON logs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a, T> {
    timestamp: String,
    level: Level,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

/// Logs what a script printed, at `location` if that is known.
pub(crate) fn message(session: &Session, level: Level, message: &str, location: Option<&str>) {
    match location {
        Some(place) => write(session, level, location, &Message { message }, || format!("{place}\t{message}")),
        None => write(session, level, None, &Message { message }, || message.to_owned()),
    }
}

/// Logs an error's document: `text` is its JSON.
pub(crate) fn error(session: &Session, document: &impl Serialize, text: &str) {
    write(session, Level::Error, None, document, || text.to_owned());
}

/// Text logs have everything; JSON logs begin with the level that the function has set.
fn write(
    session: &Session,
    level: Level,
    location: Option<&str>,
    content: &impl Serialize,
    text: impl FnOnce() -> String,
) {
    let (timestamp, request_id) = (timestamp(now_ms()), session.request_id.borrow());
    let record = match session.format.get() {
        Format::Json if level < session.level.get() => return,
        Format::Json => serde_json::to_vec(&Record { timestamp, level, request_id: &request_id, location, content }),
        Format::Text => {
            let level = format!("{level:?}").to_uppercase();
            Ok(format!("{timestamp}\t{request_id}\t{level}\t{}", text()).into_bytes())
        }
    };
    // Strings cannot fail to be JSON.
    host::log(&record.unwrap_or_default());
}

/// `2026-01-31T23:59:59.123Z` of milliseconds since 1970.
fn timestamp(ms: u64) -> String {
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

/// Year, month and day of days since 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    // Days between the first days of 1970 and of `year`.
    let before = |year: u64| (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    let mut year = 1970 + days / 366;
    while before(year + 1) <= days {
        year += 1;
    }
    let leap = leaps(year) - leaps(year - 1);
    let (mut month, mut day) = (1, days - before(year));
    for length in [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        (month, day) = (month + 1, day - length);
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_dates() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(timestamp(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(timestamp(1_735_689_600_000), "2025-01-01T00:00:00.000Z");
        assert_eq!(timestamp(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }
}
