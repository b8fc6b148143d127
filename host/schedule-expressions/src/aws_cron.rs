//! AWS's `cron(minutes hours day-of-month month day-of-week year)`.
//!
//! Takes what [the documentation][aws] describes: `, - * /` everywhere but `/` in day-of-week, `? L W` in
//! day-of-month, `? L #` in day-of-week, names in month and day-of-week (any case), Sunday as 1.
//! Beyond it, as Quartz reads them: `L-3`, and weekday ranges over the end of the week (`SAT-MON`).
//! Refused: both day fields set or both `?`; `L`, `W` or `#` in a list; `#` after a name; ranges that run
//! backwards elsewhere; steps of zero or past the field's largest value.
//!
//! [aws]: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based

use crate::ParseError;
use crate::calendar::{Calendar, Days, FIRST_YEAR, LAST_YEAR, Set, Years};

/// What one field may hold.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
    /// The wildcards, as AWS lists them.
    wildcards: &'static str,
    /// Whether a range may run over the end.
    wraps: bool,
}

const MINUTES: Field = Field { name: "minutes field", min: 0, max: 59, names: &[], wildcards: ", - * /", wraps: false };
const HOURS: Field = Field { name: "hours field", min: 0, max: 23, ..MINUTES };
const DAY_OF_MONTH: Field =
    Field { name: "day-of-month field", min: 1, max: 31, wildcards: ", - * ? / L W", ..MINUTES };
const MONTH: Field = Field {
    name: "month field",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    ..MINUTES
};
const DAY_OF_WEEK: Field = Field {
    name: "day-of-week field",
    min: 1,
    max: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    wildcards: ", - * ? L #",
    wraps: true,
};
const YEAR: Field = Field {
    name: "year field",
    min: FIRST_YEAR.unsigned_abs() as u32,
    max: LAST_YEAR.unsigned_abs() as u32,
    ..MINUTES
};

/// Parses what stands between the brackets.
pub(crate) fn parse(inner: &str) -> Result<Calendar, ParseError> {
    let six = || {
        ParseError::new(
            "cron expression",
            "must have six fields: minutes, hours, day-of-month, month, day-of-week and year",
        )
    };
    if inner.trim() != inner {
        return Err(ParseError::new("cron expression", "has white space next to its brackets"));
    }
    let upper = inner.to_ascii_uppercase();
    let mut fields = upper.split_ascii_whitespace();
    let mut field = || fields.next().ok_or_else(six);
    let (minutes, hours, day_of_month) = (field()?, field()?, field()?);
    let (month, day_of_week, year) = (field()?, field()?, field()?);
    if fields.next().is_some() {
        return Err(six());
    }
    let days = days(day_of_month, day_of_week)?;
    let mut years = Years::NONE;
    YEAR.members(year, |year| {
        if let Ok(year) = i16::try_from(year) {
            years.insert(year);
        }
    })?;
    Ok(Calendar {
        seconds: Set::from_iter([0]),
        minutes: MINUTES.set(minutes)?,
        hours: HOURS.set(hours)?,
        days,
        months: MONTH.set(month)?,
        years,
    })
}

fn days(day_of_month: &str, day_of_week: &str) -> Result<Days, ParseError> {
    match (day_of_month, day_of_week) {
        ("?", "?") => Err(ParseError::new(
            DAY_OF_MONTH.name,
            "and the day-of-week field are both `?`; one of them must name days",
        )),
        (_, "?") => days_of_month(day_of_month),
        ("?", _) => days_of_week(day_of_week),
        _ => {
            // A field that is wrong in itself is the better thing to name.
            days_of_month(day_of_month)?;
            days_of_week(day_of_week)?;
            Err(ParseError::new(DAY_OF_MONTH.name, "and the day-of-week field are both set; one of them must be `?`"))
        }
    }
}

fn days_of_month(text: &str) -> Result<Days, ParseError> {
    let field = &DAY_OF_MONTH;
    if text == "L" {
        return Ok(Days::BeforeLast(0));
    }
    if text == "LW" {
        return Ok(Days::LastWorkday);
    }
    if text.contains(',') && text.contains(['L', 'W', '?']) {
        return Err(field.refuses(text, "`L`, `W` and `?` cannot stand in a list"));
    }
    if let Some(before) = text.strip_prefix("L-") {
        return match number(before) {
            Some(before @ 1..=30) => Ok(Days::BeforeLast(before)),
            _ => Err(field.refuses(text, "`L-` takes 1 to 30 days")),
        };
    }
    if let Some(day) = text.strip_suffix('W') {
        return match number(day) {
            Some(day @ 1..=31) => Ok(Days::NearestWorkday(day)),
            _ => Err(field.refuses(text, "`W` follows one day from 1 to 31, or `L`")),
        };
    }
    field.set(text).map(Days::OfMonth)
}

fn days_of_week(text: &str) -> Result<Days, ParseError> {
    let field = &DAY_OF_WEEK;
    if text == "L" {
        return Ok(Days::OfWeek(Set::from_iter([6])));
    }
    if text.contains(',') && text.contains(['L', '#', '?']) {
        return Err(field.refuses(text, "`L`, `#` and `?` cannot stand in a list"));
    }
    if let Some((weekday, nth)) = text.split_once('#') {
        return match (number(weekday), number(nth)) {
            (Some(weekday @ 1..=7), Some(nth @ 1..=5)) => Ok(Days::NthWeekday { weekday: weekday - 1, nth }),
            _ => {
                Err(field
                    .refuses(text, "`#` stands between a weekday from 1 to 7, Sunday being 1, and a week from 1 to 5"))
            }
        };
    }
    if let Some(weekday) = text.strip_suffix('L') {
        return match field.value(weekday) {
            Some(weekday) => Ok(Days::LastWeekday(weekday - 1)),
            None => Err(field.refuses(text, "`L` stands alone or after one weekday")),
        };
    }
    if text.contains('/') {
        return Err(field.refuses(text, "`/` is not allowed here"));
    }
    let mut week = Set::default();
    field.members(text, |weekday| week.insert(weekday - 1))?;
    Ok(Days::OfWeek(week))
}

impl Field {
    fn set(&self, text: &str) -> Result<Set, ParseError> {
        let mut set = Set::default();
        self.members(text, |member| set.insert(member))?;
        Ok(set)
    }

    /// Hands over every value that a list of values, ranges and steps names, each within `min` to `max`.
    fn members(&self, text: &str, mut insert: impl FnMut(u32)) -> Result<(), ParseError> {
        for item in text.split(',') {
            let (base, step) = match item.split_once('/') {
                None => (item, None),
                Some((base, step)) => match number(step) {
                    Some(step) if (1..=self.max).contains(&step) => (base, Some(step)),
                    _ => {
                        let reason = format!("the step after `/` must be from 1 to {}", self.max);
                        return Err(self.refuses(text, reason));
                    }
                },
            };
            let (start, end) = if base == "*" {
                if text.contains(',') && step.is_none() {
                    return Err(self.refuses(text, "`*` cannot stand in a list"));
                }
                (self.min, self.max)
            } else if let Some((start, end)) = base.split_once('-') {
                (self.known(text, start)?, self.known(text, end)?)
            } else {
                let start = self.known(text, base)?;
                (start, if step.is_some() { self.max } else { start })
            };
            let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
            if start <= end {
                (start..=end).step_by(step).for_each(&mut insert);
            } else if self.wraps {
                (start..=self.max).chain(self.min..=end).step_by(step).for_each(&mut insert);
            } else {
                return Err(self.refuses(text, format!("the range `{base}` runs backwards")));
            }
        }
        Ok(())
    }

    fn known(&self, text: &str, value: &str) -> Result<u32, ParseError> {
        self.value(value).ok_or_else(|| {
            let names = match (self.names.first(), self.names.last()) {
                (Some(first), Some(last)) => format!(" or {first} to {last}"),
                _ => String::new(),
            };
            self.refuses(
                text,
                format!(
                    "`{value}` is not from {} to {}{names}, and the wildcards here are {}",
                    self.min, self.max, self.wildcards
                ),
            )
        })
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| *name == text);
        let value = match named {
            Some(index) => self.min.checked_add(u32::try_from(index).ok()?)?,
            None => number(text)?,
        };
        (self.min..=self.max).contains(&value).then_some(value)
    }

    fn refuses(&self, text: &str, reason: impl std::fmt::Display) -> ParseError {
        ParseError::new(self.name, format!("`{text}` is not valid: {reason}"))
    }
}

/// Digits only: no sign, and few enough not to overflow.
fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}
