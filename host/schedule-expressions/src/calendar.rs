//! Which local times a cron expression names, and the first of them from a given one on.
//!
//! Years run from 1970 to 2199, so a search ends after at most 230 × 12 month tables, a few
//! ten-thousandths of a second, also for a date that never comes. Knows no zones: see [`crate::zone`].

use jiff::civil::{Date, DateTime, Time};

pub(crate) const FIRST_YEAR: i16 = 1970;
pub(crate) const LAST_YEAR: i16 = 2199;

/// Small numbers as bits, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Set(u64);

impl Set {
    /// Numbers past 63 are left out; every field but the year stays below.
    pub(crate) fn insert(&mut self, number: u32) {
        self.0 |= 1_u64.checked_shl(number).unwrap_or(0);
    }

    pub(crate) fn contains(self, number: u32) -> bool {
        self.0.checked_shr(number).unwrap_or(0) & 1 == 1
    }

    /// The smallest member that is at least `from`.
    pub(crate) fn from(self, from: u32) -> Option<u32> {
        let rest = self.0 & u64::MAX.checked_shl(from).unwrap_or(0);
        (rest != 0).then(|| rest.trailing_zeros())
    }

    pub(crate) fn len(self) -> u32 {
        self.0.count_ones()
    }

    fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<u32> for Set {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::default();
        numbers.into_iter().for_each(|number| set.insert(number));
        set
    }
}

/// The years 1970 to 2199, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Years([u64; 4]);

impl Years {
    pub(crate) const ALL: Self = Self([u64::MAX; 4]);
    pub(crate) const NONE: Self = Self([0; 4]);

    pub(crate) fn insert(&mut self, year: i16) {
        if let Some((word, bit)) = Self::place(year)
            && let Some(word) = self.0.get_mut(word)
        {
            *word |= bit;
        }
    }

    fn contains(&self, year: i16) -> bool {
        Self::place(year).is_some_and(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }

    fn place(year: i16) -> Option<(usize, u64)> {
        let index = usize::try_from(year.checked_sub(FIRST_YEAR)?).ok()?;
        Some((index / 64, 1 << (index % 64)))
    }
}

/// Which days of a month count. Weekdays are numbered from Sunday, 0, to Saturday, 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Days {
    /// These days of the month.
    OfMonth(Set),
    /// These weekdays.
    OfWeek(Set),
    /// So many days before the last of the month: `L` is 0.
    BeforeLast(u32),
    /// The last Monday to Friday of the month: `LW`.
    LastWorkday,
    /// The Monday to Friday nearest to a day, within its month: `15W`.
    NearestWorkday(u32),
    /// The nth such weekday of the month: `3#2`.
    NthWeekday { weekday: u32, nth: u32 },
    /// The last such weekday of the month: `6L`.
    LastWeekday(u32),
    /// Both must hold.
    OfMonthAndWeek { month: Set, week: Set },
    /// Either may hold: crontab's reading when both fields are restricted.
    OfMonthOrWeek { month: Set, week: Set },
}

impl Days {
    /// The days that count in the month that begins on `first`.
    fn in_month(self, first: Date) -> Set {
        let length = u32::from(first.days_in_month().unsigned_abs());
        let first_weekday = u32::from(first.weekday().to_sunday_zero_offset().unsigned_abs());
        let weekday_of = |day: u32| (first_weekday + day.saturating_sub(1)) % 7;
        let is_workday = |day: u32| (1..=5).contains(&weekday_of(day));
        let whole: Set = (1..=length).collect();
        let on = |week: Set| (1..=length).filter(|day| week.contains(weekday_of(*day))).collect::<Set>();
        let nearest = |day: u32| -> Option<u32> {
            if !(1..=length).contains(&day) {
                return None;
            }
            // A weekend day moves by one, or by two where one would leave the month.
            [Some(day), day.checked_sub(1), Some(day + 1), day.checked_sub(2), Some(day + 2)]
                .into_iter()
                .flatten()
                .find(|near| (1..=length).contains(near) && is_workday(*near))
        };
        match self {
            Self::OfMonth(days) => days.intersection(whole),
            Self::OfWeek(week) => on(week),
            Self::BeforeLast(before) => length.checked_sub(before).filter(|day| *day >= 1).into_iter().collect(),
            Self::LastWorkday => (1..=length).rev().find(|day| is_workday(*day)).into_iter().collect(),
            Self::NearestWorkday(day) => nearest(day).into_iter().collect(),
            Self::NthWeekday { weekday, nth } => {
                let nth = usize::try_from(nth.saturating_sub(1)).unwrap_or(usize::MAX);
                (1..=length).filter(|day| weekday_of(*day) == weekday).nth(nth).into_iter().collect()
            }
            Self::LastWeekday(weekday) => {
                (1..=length).rev().find(|day| weekday_of(*day) == weekday).into_iter().collect()
            }
            Self::OfMonthAndWeek { month, week } => month.intersection(on(week)),
            Self::OfMonthOrWeek { month, week } => month.intersection(whole).union(on(week)),
        }
    }
}

/// The local times of a cron expression: every combination of the members of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calendar {
    pub(crate) seconds: Set,
    pub(crate) minutes: Set,
    pub(crate) hours: Set,
    pub(crate) days: Days,
    pub(crate) months: Set,
    pub(crate) years: Years,
}

impl Calendar {
    /// Whether every hour of the day is named: the expression then means an interval, not a time of day.
    pub(crate) fn is_hourly(&self) -> bool {
        self.hours.len() == 24
    }

    /// The first local time of the calendar at or after `from`, which has no fraction of a second.
    pub(crate) fn first_from(&self, from: DateTime) -> Option<DateTime> {
        let start = i16::max(from.year(), FIRST_YEAR);
        for year in (start..=LAST_YEAR).filter(|year| self.years.contains(*year)) {
            for month in 1..=12_i8 {
                if !self.months.contains(u32::from(month.unsigned_abs())) {
                    continue;
                }
                let first = Date::new(year, month, 1).ok()?;
                if first.last_of_month() < from.date() {
                    continue;
                }
                let days = self.days.in_month(first);
                let mut earliest = if first > from.date() { 1 } else { u32::from(from.day().unsigned_abs()) };
                while let Some(day) = days.from(earliest) {
                    let date = Date::new(year, month, i8::try_from(day).ok()?).ok()?;
                    let time = if date == from.date() {
                        self.time_from(from.time())
                    } else {
                        self.time_from(Time::midnight())
                    };
                    if let Some(time) = time {
                        return Some(date.to_datetime(time));
                    }
                    earliest = day + 1;
                }
            }
        }
        None
    }

    fn time_from(&self, from: Time) -> Option<Time> {
        let part = |part: i8| u32::from(part.unsigned_abs());
        let (hour, minute, second) = (part(from.hour()), part(from.minute()), part(from.second()));
        let in_hour = |minute: u32, second: u32| {
            let same = self
                .minutes
                .contains(minute)
                .then(|| self.seconds.from(second))
                .flatten()
                .map(|second| (minute, second));
            same.or_else(|| Some((self.minutes.from(minute + 1)?, self.seconds.from(0)?)))
        };
        let same = self
            .hours
            .contains(hour)
            .then(|| in_hour(minute, second))
            .flatten()
            .map(|(minute, second)| (hour, minute, second));
        let (hour, minute, second) = same.or_else(|| {
            let hour = self.hours.from(hour + 1)?;
            let (minute, second) = in_hour(0, 0)?;
            Some((hour, minute, second))
        })?;
        let part = |part: u32| i8::try_from(part).ok();
        Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()
    }
}
