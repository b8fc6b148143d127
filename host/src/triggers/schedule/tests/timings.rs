//! When schedules fire and what is planned, without a clock.

use super::super::timing::{Plan, plan};
use super::*;

const MINUTE: i64 = 60_000;

fn ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn firings(record: &ScheduleRecord, after: &str, count: usize) -> Vec<String> {
    let timing = Timing::of(record).unwrap();
    let next = |at_ms: &i64| timing.next_after(*at_ms);
    std::iter::successors(timing.next_after(ms(after)), next)
        .take(count)
        .map(|at_ms| jiff::Timestamp::from_millisecond(at_ms).unwrap().to_string())
        .collect()
}

#[test]
fn local_times_follow_the_zone_through_its_changes() {
    let mut record = record("n", "cron(30 2 * * ? *)");
    record.timezone = "America/New_York".into();
    let spring = ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"];
    assert_eq!(firings(&record, "2026-03-07T00:00:00Z", 2), spring, "the skipped time does not fire");
    record.expression = "cron(30 1 * * ? *)".into();
    let autumn = ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"];
    assert_eq!(firings(&record, "2026-11-01T00:00:00Z", 2), autumn, "the repeated time fires once");
}

#[test]
fn dates_bound_all_firings() {
    let mut record = record("n", "cron(0 * * * ? *)");
    record.start_at_ms = Some(ms("2026-01-01T10:00:00Z"));
    record.end_at_ms = Some(ms("2026-01-01T11:00:00Z"));
    assert_eq!(firings(&record, "2025-01-01T00:00:00Z", 9), ["2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"]);
    record.expression = "rate(7 minutes)".into();
    record.end_at_ms = Some(ms("2026-01-01T10:13:59.999Z"));
    assert_eq!(firings(&record, "2025-01-01T00:00:00Z", 9), ["2026-01-01T10:00:00Z", "2026-01-01T10:07:00Z"]);
}

#[test]
fn schedules_that_make_no_sense_are_refused() {
    let with = |change: &dyn Fn(&mut ScheduleRecord)| {
        let mut record = record("n", "rate(1 hour)");
        change(&mut record);
        Timing::of(&record).unwrap_err().to_string()
    };
    assert!(with(&|r| r.expression = "cron(* * * * * *)".into()).starts_with("Invalid Schedule Expression cron("));
    assert_eq!(with(&|r| r.timezone = "Mars/Olympus".into()), "Invalid Schedule Expression Timezone Mars/Olympus.");
    assert!(with(&|r| (r.start_at_ms, r.end_at_ms) = (Some(5), Some(5))).contains("before the EndDate"));
    assert!(with(&|r| r.end_at_ms = Some(i64::MAX)).contains("EndDate is out of range"));
    let skipped = with(&|r| {
        r.expression = "at(2026-03-08T02:30:00)".into();
        r.timezone = "America/New_York".into();
    });
    assert!(skipped.contains("does not exist in America/New_York"), "{skipped}");
}

#[test]
fn a_flexible_window_moves_a_schedule_by_a_fixed_offset_within_it() {
    let offsets: Vec<_> = (0..50)
        .map(|index| {
            let mut record = record(&format!("n{index}"), "rate(1 hour)");
            record.flexible_window_min = Some(15);
            let timing = Timing::of(&record).unwrap();
            assert_eq!(timing.due_ms(1_000) - 1_000, timing.due_ms(0));
            timing.due_ms(0)
        })
        .collect();
    assert!(offsets.iter().all(|offset| (0..15 * MINUTE).contains(offset)), "{offsets:?}");
    let early = offsets.iter().filter(|offset| **offset < 5 * MINUTE).count();
    assert!((5..30).contains(&early), "spread over the window: {offsets:?}");
}

fn planned(expression: &str, policy: MissedPolicy, from: i64, now: i64, missed_before: i64) -> Plan {
    let timing = Timing::of(&record("n", expression)).unwrap();
    plan(&timing, policy, from, now, missed_before, 100)
}

#[test]
fn what_is_due_fires_and_what_was_missed_follows_the_policy() {
    let every_minute =
        |policy, now, missed_before| planned("rate(1 minute)", policy, MINUTE, now * MINUTE, missed_before * MINUTE);
    let plan = |made_up: &[i64], fire: &[i64], left_out, next: i64| Plan {
        made_up: made_up.iter().map(|at| at * MINUTE).collect(),
        fire: fire.iter().map(|at| at * MINUTE).collect(),
        left_out,
        next: Some(next * MINUTE),
    };
    for policy in [MissedPolicy::Skip, MissedPolicy::Once, MissedPolicy::All] {
        assert_eq!(every_minute(policy, 1, 0), plan(&[], &[1], 0, 2));
        assert_eq!(every_minute(policy, 3, 1), plan(&[], &[1, 2, 3], 0, 4), "late but not missed");
        assert_eq!(every_minute(policy, 0, 0), plan(&[], &[], 0, 1), "not due");
    }
    assert_eq!(every_minute(MissedPolicy::Skip, 5, 5), plan(&[], &[5], 4, 6));
    assert_eq!(every_minute(MissedPolicy::Once, 5, 5), plan(&[4], &[5], 3, 6));
    assert_eq!(every_minute(MissedPolicy::All, 5, 5), plan(&[1, 2, 3, 4], &[5], 0, 6));
    let long = every_minute(MissedPolicy::All, 500, 500);
    assert_eq!((long.made_up.first(), long.made_up.len()), (Some(&(400 * MINUTE)), 100), "the latest hundred");
    assert_eq!((long.left_out, long.next), (399, Some(501 * MINUTE)));
}

#[test]
fn years_of_missed_firings_take_no_time() {
    let ten_years = 10 * 365 * 24 * 60 * MINUTE;
    let plan = planned("* * * * * *", MissedPolicy::All, 0, ten_years, ten_years);
    let expected: Vec<_> = (1..=100).rev().map(|back| ten_years - back * 1_000).collect();
    assert_eq!(plan.made_up, expected);
    assert_eq!((plan.fire, plan.next), (vec![ten_years], Some(ten_years + 1_000)));
    assert_eq!(plan.left_out, 900, "counted to a thousand");
    // A burst of seconds long ago, and nothing since.
    let burst = planned("* * * 1 1 *", MissedPolicy::Once, 0, 200 * 24 * 60 * MINUTE, 200 * 24 * 60 * MINUTE);
    assert_eq!(burst.made_up, [24 * 60 * MINUTE - 1_000]);
}

#[test]
fn a_one_time_schedule_is_over_after_it() {
    let at = 12 * 60 * MINUTE;
    let plan = planned("at(1970-01-01T12:00:00)", MissedPolicy::Once, at, at, 0);
    assert_eq!((plan.fire, plan.next), (vec![at], None));
    let late = planned("at(1970-01-01T12:00:00)", MissedPolicy::Skip, at, at + 1, at + 1);
    assert_eq!((late.fire, late.left_out, late.next), (vec![], 1, None));
}
