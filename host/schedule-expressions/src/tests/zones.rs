//! Clock changes: the spring gap, the autumn overlap, and zones that change at odd times.

use super::*;

fn new_york() -> TimeZone {
    TimeZone::get("America/New_York").unwrap()
}

fn local(source: &str, zone: &TimeZone, after: &str, count: usize) -> Vec<String> {
    firings(source, zone, utc(after), count)
        .into_iter()
        .map(|time| {
            zone.to_offset(time).to_datetime(time).strftime("%m-%dT%H:%M").to_string()
                + &zone.to_offset(time).to_string()
        })
        .collect()
}

#[test]
fn the_bundled_database_knows_zones() {
    jiff::tz::TimeZoneDatabase::bundled().get("America/New_York").unwrap();
}

#[test]
fn a_time_in_the_spring_gap_is_skipped() {
    for source in ["cron(30 2 * * ? *)", "30 2 * * *"] {
        assert_eq!(
            local(source, &new_york(), "2026-03-07T00:00:00Z", 3),
            ["03-07T02:30-05", "03-09T02:30-04", "03-10T02:30-04"],
            "{source}"
        );
    }
}

#[test]
fn a_time_in_the_autumn_overlap_fires_once_and_first() {
    for source in ["cron(30 1 * * ? *)", "30 1 * * *"] {
        assert_eq!(
            local(source, &new_york(), "2026-10-31T00:00:00Z", 3),
            ["10-31T01:30-04", "11-01T01:30-04", "11-02T01:30-05"],
            "{source}"
        );
        // Also when the search begins between the two.
        assert_eq!(local(source, &new_york(), "2026-11-01T06:10:00Z", 1), ["11-02T01:30-05"], "{source}");
    }
    assert_eq!(
        local("cron(0/30 1,2 * * ? *)", &new_york(), "2026-11-01T04:59:59Z", 4),
        ["11-01T01:00-04", "11-01T01:30-04", "11-01T02:00-05", "11-01T02:30-05"]
    );
}

#[test]
fn an_interval_follows_real_time_through_the_overlap() {
    for source in ["cron(0/30 * * * ? *)", "cron(0,30 0-23 ? * * *)", "*/30 * * * *"] {
        assert_eq!(
            local(source, &new_york(), "2026-11-01T04:59:59Z", 6),
            [
                "11-01T01:00-04",
                "11-01T01:30-04",
                "11-01T01:00-05",
                "11-01T01:30-05",
                "11-01T02:00-05",
                "11-01T02:30-05"
            ],
            "{source}"
        );
        assert_eq!(
            local(source, &new_york(), "2026-03-08T06:29:59Z", 3),
            ["03-08T01:30-05", "03-08T03:00-04", "03-08T03:30-04"],
            "{source}"
        );
    }
}

#[test]
fn every_second_leaves_none_out() {
    let zone = new_york();
    let start = utc("2026-11-01T05:59:50Z");
    let found = firings("* * * * * *", &zone, start, 3_620);
    for (index, time) in found.iter().enumerate() {
        assert_eq!(time.as_second(), start.as_second() + 1 + i64::try_from(index).unwrap());
    }
}

#[test]
fn a_time_that_is_always_in_the_gap_never_comes() {
    // New York's clocks go forward at 02:00 on the second Sunday of March, since 2007.
    assert_eq!(local("cron(30 2 ? 3 1#2 *)", &new_york(), "2008-01-01", 1), Vec::<String>::new());
    assert_eq!(local("cron(30 2 ? 3 1#2 *)", &TimeZone::UTC, "2198-01-01", 9).len(), 2);
}

#[test]
fn a_day_the_zone_leaves_out_is_skipped() {
    // Samoa had no 2011-12-30.
    let zone = TimeZone::get("Pacific/Apia").unwrap();
    assert_eq!(
        local("cron(0 12 * * ? *)", &zone, "2011-12-29T00:00:00Z", 3),
        ["12-29T12:00-10", "12-31T12:00+14", "01-01T12:00+14"]
    );
    assert_eq!(local("* * 30 12 *", &zone, "2011-12-01", 1), ["12-30T00:00+14"]);
}

#[test]
fn an_overlap_over_midnight_repeats_the_end_of_the_day_before() {
    // Asunción turned 2024-03-24 00:00 back to the 23rd, 23:00.
    let zone = TimeZone::get("America/Asuncion").unwrap();
    assert_eq!(
        local("cron(30 * 23 3 ? 2024)", &zone, "2024-03-24T01:00:00Z", 5),
        ["03-23T22:30-03", "03-23T23:30-03", "03-23T23:30-04"]
    );
    assert_eq!(local("cron(30 23 23 3 ? 2024)", &zone, "2024-03-24T01:00:00Z", 5), ["03-23T23:30-03"]);
    assert_eq!(local("cron(0 0 24 3 ? 2024)", &zone, "2024-03-24T01:00:00Z", 5), ["03-24T00:00-04"]);
}

#[test]
fn a_half_hour_overlap_works_too() {
    // Lord Howe turned 2026-04-05 02:00 back to 01:30.
    let zone = TimeZone::get("Australia/Lord_Howe").unwrap();
    assert_eq!(
        local("cron(0/15 * 5 4 ? 2026)", &zone, "2026-04-04T14:29:59Z", 5),
        ["04-05T01:30+11", "04-05T01:45+11", "04-05T01:30+10:30", "04-05T01:45+10:30", "04-05T02:00+10:30"]
    );
    assert_eq!(
        local("cron(0/15 1,2 5 4 ? 2026)", &zone, "2026-04-04T14:29:59Z", 3),
        ["04-05T01:30+11", "04-05T01:45+11", "04-05T02:00+10:30"]
    );
}

#[test]
fn a_day_of_rate_is_24_hours_whatever_the_clock_does() {
    let anchor = utc("2026-10-31T16:00:00Z");
    let expression = Expression::parse("rate(1 day)").unwrap();
    let next = expression.next_after(anchor, &new_york(), anchor).unwrap();
    assert_eq!(next, utc("2026-11-01T16:00:00Z"));
}

#[test]
fn the_ends_of_time_are_no_trap() {
    for source in ["* * * * * *", "cron(0 10 * * ? *)", "cron(0 0 29 2 ? *)", "rate(1 day)", "at(9999-12-31T23:59:59)"]
    {
        let expression = Expression::parse(source).unwrap();
        for zone in [TimeZone::UTC, new_york(), TimeZone::get("Pacific/Apia").unwrap()] {
            for time in [Timestamp::MIN, Timestamp::MAX, utc("2199-12-31T23:59:59Z"), Timestamp::UNIX_EPOCH] {
                if let Some(next) = expression.next_after(time, &zone, time) {
                    assert!(next > time, "{source}");
                }
            }
        }
    }
    assert_eq!(firings("* * * * *", &TimeZone::UTC, utc("2199-12-31T23:59:00Z"), 1), []);
}
