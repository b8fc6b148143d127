//! Schedule expressions: whatever is written, an error or times that only go forward.
#![no_main]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lamina_schedule_expressions::Expression;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(expression) = Expression::parse(text) else { return };
    let start = Timestamp::UNIX_EPOCH;
    for zone in [TimeZone::UTC, TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC)] {
        let mut after = start;
        for _ in 0..4 {
            let Some(next) = expression.next_after(after, &zone, start) else { break };
            assert!(next > after, "{next} does not come after {after}");
            after = next;
        }
    }
});
