//! From a calendar of local times to instants, in the order of real time.
//!
//! A zone is walked stretch by stretch, each with one offset from UTC, so that:
//! - a local time that the zone skips does not fire;
//! - a local time that the zone repeats fires once, at its first occurrence;
//! - except for calendars that name every hour of the day: those mean an interval and follow the
//!   clock through the repeated hour as well, so that "every 30 minutes" leaves no hour out.
//!
//! EventBridge Scheduler documents the first two and says nothing of intervals.
//! Every result is later than `after`, so a chain of calls only moves forward.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::Calendar;

/// More than any zone's clock is ever turned back, and more than two offsets differ.
const SAFE_SPAN: SignedDuration = SignedDuration::from_hours(72);

/// The first instant later than `after` at which the zone's clock shows a time of the calendar.
pub(crate) fn next_after(calendar: &Calendar, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    // The earliest instant not yet ruled out. It only grows, and each turn of the loop passes a transition
    // of the zone or a candidate of the calendar, both bounded by the calendar's last year.
    let mut open = whole_second_after(after)?;
    loop {
        let offset = zone.to_offset(open);
        let end = zone.following(open).next().map(|transition| transition.timestamp());
        let mut lower = offset.to_datetime(open);
        if !calendar.is_hourly()
            && let Some(shown) = shown_before(zone, open)
        {
            lower = lower.max(shown);
        }
        let Some(candidate) = calendar.first_from(lower) else {
            // The clock may yet be turned back onto a time the calendar has.
            match end {
                Some(end) if end.duration_since(open) < SAFE_SPAN => open = end,
                _ => return None,
            }
            continue;
        };
        let instant = offset.to_timestamp(candidate).ok()?;
        match end {
            Some(end) if instant >= end => {
                // Nothing lies between `lower` and the candidate. Where more than a safe span of that was
                // just examined, no later change of offset can lead back before it: go near the candidate.
                open = if end.duration_since(open) < SAFE_SPAN {
                    end
                } else {
                    instant.checked_sub(SAFE_SPAN).map_or(end, |near| near.max(end))
                };
            }
            _ => return Some(instant),
        }
    }
}

fn whole_second_after(after: Timestamp) -> Option<Timestamp> {
    let second = after.as_nanosecond().div_euclid(1_000_000_000).checked_add(1)?;
    Timestamp::from_second(i64::try_from(second).ok()?).ok()
}

/// The local time the clock had reached when it was last turned, at or before `open`.
fn shown_before(zone: &TimeZone, open: Timestamp) -> Option<jiff::civil::DateTime> {
    let nanosecond = SignedDuration::from_nanos(1);
    let turned = zone.preceding(open.checked_add(nanosecond).ok()?).next()?.timestamp();
    let before = zone.to_offset(turned.checked_sub(nanosecond).ok()?);
    Some(before.to_datetime(turned))
}
