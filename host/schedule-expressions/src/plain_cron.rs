//! Plain cron: `minute hour day-of-month month day-of-week`, with seconds in front if there are six fields.
//!
//! The `cron` crate says what a field may hold; what its fields name is then searched like AWS's form, so that
//! both treat clock changes alike. Two readings are crontab's instead of the crate's, because the text looks
//! like a crontab line and would otherwise fire on other days: weekdays are numbered from Sunday, 0 or 7, and
//! when both day fields are restricted a day that matches either of them counts.
//! `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` are the crate's own.
//! Refused: a year field, backwards ranges, steps of zero, `L`, `W` and `#`.

use cron::{Schedule, TimeUnitSpec};

use crate::ParseError;
use crate::calendar::{Calendar, Days, Set, Years};

const FIELDS: [(&str, &str); 6] = [
    ("seconds field", "0 to 59"),
    ("minutes field", "0 to 59"),
    ("hours field", "0 to 23"),
    ("day-of-month field", "1 to 31"),
    ("month field", "1 to 12 or JAN to DEC"),
    ("day-of-week field", "0 to 7 or SUN to SAT"),
];

pub(crate) fn parse(source: &str) -> Result<Calendar, ParseError> {
    if source.starts_with('@') {
        let schedule = source.parse::<Schedule>().map_err(|_| {
            ParseError::new(
                "expression",
                format!("`{source}` is not one of @hourly, @daily, @weekly, @monthly, @yearly"),
            )
        })?;
        return Ok(calendar(&schedule, false));
    }
    let given: Vec<&str> = source.split_ascii_whitespace().collect();
    let given: [&str; 6] = match *given.as_slice() {
        [minute, hour, day, month, weekday] => ["0", minute, hour, day, month, weekday],
        [second, minute, hour, day, month, weekday] => [second, minute, hour, day, month, weekday],
        _ => {
            return Err(ParseError::new(
                "expression",
                "is neither rate(…), at(…) or cron(…) nor plain cron, which has five or six fields",
            ));
        }
    };
    let [second, minute, hour, day, month, weekday] = given;
    let weekdays = from_sunday_as_one(weekday);
    let read = [second, minute, hour, day, month, weekdays.as_str()];
    for (place, ((given, read), (name, range))) in given.iter().zip(read).zip(FIELDS).enumerate() {
        if !is_one_field(place, read) {
            return Err(ParseError::new(
                name,
                format!("`{given}` is not valid: it takes {range}, lists, ranges, `*` and steps"),
            ));
        }
    }
    let schedule = format!("{} *", read.join(" "))
        .parse::<Schedule>()
        .map_err(|_| ParseError::new("expression", "is not valid as plain cron"))?;
    let unrestricted = |field: &str| field.starts_with(['*', '?']);
    Ok(calendar(&schedule, !unrestricted(day) && !unrestricted(weekday)))
}

fn calendar(schedule: &Schedule, either_day: bool) -> Calendar {
    let month = schedule.days_of_month().iter().collect::<Set>();
    let week = schedule.days_of_week().iter().map(|weekday| weekday.saturating_sub(1)).collect::<Set>();
    Calendar {
        seconds: schedule.seconds().iter().collect(),
        minutes: schedule.minutes().iter().collect(),
        hours: schedule.hours().iter().collect(),
        days: if either_day { Days::OfMonthOrWeek { month, week } } else { Days::OfMonthAndWeek { month, week } },
        months: schedule.months().iter().collect(),
        years: Years::ALL,
    }
}

/// Whether the crate takes a text as the field at this place, and as one field only: its parser does not need
/// white space between fields (`**` is two), so the other fields are spelled out and the commas checked first.
fn is_one_field(place: usize, text: &str) -> bool {
    if text.split(',').any(str::is_empty) {
        return false;
    }
    let mut fields = ["*"; 7];
    if let Some(field) = fields.get_mut(place) {
        *field = text;
    }
    fields.join(" ").parse::<Schedule>().is_ok()
}

/// Rewrites crontab's weekday numbers (Sunday 0 or 7) into the crate's (Sunday 1); leaves the rest as it is.
fn from_sunday_as_one(field: &str) -> String {
    let item = |item: &str| -> Option<String> {
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => (base, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
            None => (item, None),
        };
        let weekday = |text: &str| text.parse::<u32>().ok().filter(|weekday| *weekday <= 7);
        let (start, end) = match base.split_once('-') {
            Some((start, end)) => (weekday(start)?, weekday(end)?),
            None => {
                let start = weekday(base)?;
                (start, if step.is_some() { start.max(6) } else { start })
            }
        };
        if start > end {
            return None;
        }
        let days: Vec<String> =
            (start..=end).step_by(step.unwrap_or(1)).map(|weekday| (weekday % 7 + 1).to_string()).collect();
        Some(days.join(","))
    };
    let items: Vec<String> = field
        .split(',')
        .map(|text| {
            item(text).unwrap_or_else(|| {
                // What is left must not be read by the crate's own numbering.
                if text.starts_with(|first: char| first.is_ascii_digit()) {
                    "refused".to_owned()
                } else {
                    text.to_owned()
                }
            })
        })
        .collect();
    items.join(",")
}
