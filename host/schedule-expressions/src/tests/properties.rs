//! Random expressions against a slow reading of the same fields, and random texts.

use jiff::civil::{DateTime, Weekday};
use proptest::prelude::*;

use super::*;

/// A field as generated: its text, and the values it names, worked out apart from the parser.
#[derive(Debug, Clone)]
struct Generated {
    text: String,
    members: Vec<u32>,
}

fn field(min: u32, max: u32, steps: bool) -> impl Strategy<Value = Generated> {
    let item = prop_oneof![
        (min..=max).prop_map(|n| (n.to_string(), vec![n])),
        (min..=max, min..=max).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}"), (a..=b).collect())
        }),
        (min..=max, 1..=max).prop_map(move |(a, step)| {
            if steps {
                let members = (a..=max).filter(|n| (n - a) % step == 0).collect();
                (format!("{a}/{step}"), members)
            } else {
                (a.to_string(), vec![a])
            }
        }),
    ];
    prop_oneof![
        2 => Just(Generated { text: "*".to_owned(), members: (min..=max).collect() }),
        3 => prop::collection::vec(item, 1..4).prop_map(|items: Vec<(String, Vec<u32>)>| Generated {
            text: items.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(","),
            members: items.into_iter().flat_map(|(_, members)| members).collect(),
        }),
    ]
}

#[derive(Debug, Clone)]
enum GeneratedDays {
    OfMonth(Generated),
    OfWeek(Generated),
    Last,
    LastWorkday,
    Nth(u32, u32),
    LastWeekday(u32),
}

impl GeneratedDays {
    fn text(&self) -> (String, String) {
        let any = || "?".to_owned();
        match self {
            Self::OfMonth(field) => (field.text.clone(), any()),
            Self::OfWeek(field) => (any(), field.text.clone()),
            Self::Last => ("L".to_owned(), any()),
            Self::LastWorkday => ("LW".to_owned(), any()),
            Self::Nth(weekday, nth) => (any(), format!("{weekday}#{nth}")),
            Self::LastWeekday(weekday) => (any(), format!("{weekday}L")),
        }
    }

    fn matches(&self, time: DateTime) -> bool {
        let day = u32::from(time.day().unsigned_abs());
        let weekday = u32::from(time.weekday().to_sunday_one_offset().unsigned_abs());
        let last = u32::from(time.days_in_month().unsigned_abs());
        match self {
            Self::OfMonth(field) => field.members.contains(&day),
            Self::OfWeek(field) => field.members.contains(&weekday),
            Self::Last => day == last,
            Self::LastWorkday => match time.weekday() {
                Weekday::Saturday | Weekday::Sunday => false,
                Weekday::Friday => day + 2 >= last,
                _ => day == last,
            },
            Self::Nth(wanted, nth) => weekday == *wanted && (day - 1) / 7 + 1 == *nth,
            Self::LastWeekday(wanted) => weekday == *wanted && day + 7 > last,
        }
    }
}

fn days() -> impl Strategy<Value = GeneratedDays> {
    prop_oneof![
        3 => field(1, 31, true).prop_map(GeneratedDays::OfMonth),
        3 => field(1, 7, false).prop_map(GeneratedDays::OfWeek),
        1 => Just(GeneratedDays::Last),
        1 => Just(GeneratedDays::LastWorkday),
        1 => (1..=7_u32, 1..=5_u32).prop_map(|(weekday, nth)| GeneratedDays::Nth(weekday, nth)),
        1 => (1..=7_u32).prop_map(GeneratedDays::LastWeekday),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn aws_cron_agrees_with_looking_at_every_minute(
        minutes in field(0, 59, true),
        hours in field(0, 23, true),
        days in days(),
        months in field(1, 12, true),
        start in 0..4_000_i64,
        second in 0..86_400_i64,
    ) {
        let (day_of_month, day_of_week) = days.text();
        let source = format!("cron({} {} {day_of_month} {} {day_of_week} *)", minutes.text, hours.text, months.text);
        let Ok(expression) = Expression::parse(&source) else {
            // The generated fields are valid; only their dates may not exist.
            prop_assert!(matches!(days, GeneratedDays::OfMonth(_)), "{}", source);
            return Ok(());
        };
        let after = Timestamp::from_second(1_700_000_000 + start * 86_400 + second).unwrap();
        let end = after + jiff::SignedDuration::from_hours(24 * 60);
        let first_minute = after.as_second().div_euclid(60) + 1;
        let brute = (first_minute..=end.as_second() / 60).map(|minute| Timestamp::from_second(minute * 60).unwrap()).find(|time| {
            let shown = jiff::tz::Offset::UTC.to_datetime(*time);
            let part = |part: i8| u32::from(part.unsigned_abs());
            minutes.members.contains(&part(shown.minute()))
                && hours.members.contains(&part(shown.hour()))
                && months.members.contains(&part(shown.month()))
                && days.matches(shown)
        });
        let found = expression.next_after(after, &TimeZone::UTC, after).filter(|time| *time <= end);
        prop_assert_eq!(found, brute, "{}", source);
    }

    #[test]
    fn firings_move_forward_and_miss_nothing_between(
        minutes in field(0, 59, true),
        hours in field(0, 23, true),
        days in days(),
        zone in prop::sample::select(vec!["America/New_York", "Australia/Lord_Howe", "America/Asuncion", "Africa/Casablanca", "Pacific/Apia"]),
        start in 0..20_000_i64,
        cut in 1..1_000_i64,
    ) {
        let (day_of_month, day_of_week) = days.text();
        let source = format!("cron({} {} {day_of_month} * {day_of_week} *)", minutes.text, hours.text);
        let expression = Expression::parse(&source).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let mut last = Timestamp::from_second(start * 86_400).unwrap();
        for _ in 0..50 {
            let Some(next) = expression.next_after(last, &zone, last) else { break };
            prop_assert!(next > last, "{}", source);
            // Asked from anywhere in between, the answer is the same.
            let between = last.as_second() + (next.as_second() - last.as_second() - 1) * cut / 1_000;
            let between = Timestamp::from_second(between).unwrap();
            prop_assert_eq!(expression.next_after(between, &zone, last), Some(next), "{}", source);
            let shown = zone.to_datetime(next);
            prop_assert!(days.matches(shown) && minutes.members.contains(&u32::from(shown.minute().unsigned_abs())));
            last = next;
        }
    }

    #[test]
    fn plain_cron_agrees_with_aws_cron(minutes in field(0, 59, true), hours in field(0, 23, true), days in field(1, 31, true), months in field(1, 12, true), start in 0..40_000_i64) {
        let plain = Expression::parse(&format!("{} {} {} {} *", minutes.text, hours.text, days.text, months.text));
        let aws = Expression::parse(&format!("cron({} {} {} {} ? *)", minutes.text, hours.text, days.text, months.text));
        prop_assert_eq!(plain.is_ok(), aws.is_ok());
        if let (Ok(plain), Ok(aws)) = (plain, aws) {
            let after = Timestamp::from_second(start * 100_003).unwrap();
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            prop_assert_eq!(plain.next_after(after, &zone, after), aws.next_after(after, &zone, after));
        }
    }

    #[test]
    fn no_text_is_a_trap(text in "\\PC*", cron in "[-0-9*?/,#LWMONSATFRI ]{0,60}", at in "[-0-9T:]{0,22}", second in -377_705_023_201_i64..253_402_207_200) {
        let after = Timestamp::from_second(second).unwrap();
        for source in [text, format!("cron({cron})"), cron, format!("at({at})"), format!("rate({at} days)")] {
            if let Ok(expression) = Expression::parse(&source) {
                let next = expression.next_after(after, &TimeZone::UTC, Timestamp::UNIX_EPOCH);
                prop_assert!(next.is_none_or(|next| next > after));
            }
        }
    }
}
