//! What a firing hands to its target: the schedule's input with its context attributes filled in, or EventBridge Scheduler's
//! default event
//! (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>).
//!
//! The execution id is made from the schedule and the time of the firing: every attempt, and a repeat after a crash, carries the same one,
//! so that a target can tell a repeat from a new firing.

use crate::ids::Home;
use crate::storage::schedules::{ScheduleKey, ScheduleRecord};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// How every context attribute begins.
const OPENING: &str = "<aws.scheduler.";

/// One attempt of a firing, as its target may see it.
pub(super) struct Context<'a> {
    pub(super) home: &'a Home,
    pub(super) record: &'a ScheduleRecord,
    pub(super) fire_at_ms: i64,
    /// From 1.
    pub(super) attempt: u32,
}

impl Context<'_> {
    /// The text that the target gets.
    pub(super) fn payload(&self) -> String {
        match &self.record.target.input {
            Some(input) => fill_in(input, |name| self.attribute(name)),
            None => self.default_event(),
        }
    }

    /// `arn:aws:scheduler:<region>:<account>:schedule/<group>/<name>`.
    pub(super) fn schedule_arn(&self) -> String {
        schedule_arn(self.home, &self.record.key)
    }

    /// The firing's time in whole seconds, as RFC 3339 has it.
    pub(super) fn scheduled_time(&self) -> String {
        let second = Timestamp::from_second(self.fire_at_ms.div_euclid(1_000)).unwrap_or(Timestamp::UNIX_EPOCH);
        second.to_string()
    }

    /// Sixteen hexadecimal digits.
    pub(super) fn execution_id(&self) -> String {
        self.digest().iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
            // A string takes whatever is written to it.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn digest(&self) -> [u8; 32] {
        let identity = format!("{} {} {}", self.record.key, self.record.created_at_ms, self.fire_at_ms);
        Sha256::digest(identity.as_bytes()).into()
    }

    fn attribute(&self, name: &str) -> Option<String> {
        match name {
            "schedule-arn" => Some(self.schedule_arn()),
            "scheduled-time" => Some(self.scheduled_time()),
            "execution-id" => Some(self.execution_id()),
            "attempt-number" => Some(self.attempt.to_string()),
            _ => None,
        }
    }

    /// `detail` is a text that holds an empty object: so it comes from AWS.
    fn default_event(&self) -> String {
        let id = self.digest().first_chunk().map(|bytes| uuid::Builder::from_random_bytes(*bytes).into_uuid());
        json!({
            "version": "0",
            "id": id.unwrap_or_default().to_string(),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": &*self.home.account,
            "time": self.scheduled_time(),
            "region": &*self.home.region,
            "resources": [self.schedule_arn()],
            "detail": "{}",
        })
        .to_string()
    }
}

/// A schedule's ARN.
pub fn schedule_arn(home: &Home, key: &ScheduleKey) -> String {
    home.arn("scheduler", &format!("schedule/{key}"))
}

/// Whether an input is JSON once its context attributes are filled in.
pub fn is_json(input: &str) -> bool {
    let sample = |name: &str| {
        let values = [("schedule-arn", "a"), ("scheduled-time", "t"), ("execution-id", "e"), ("attempt-number", "1")];
        values.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    serde_json::from_str::<serde::de::IgnoredAny>(&fill_in(input, sample)).is_ok()
}

/// Replaces `<aws.scheduler.NAME>` by what `attribute` has for `NAME`; what it does not know stays as written.
fn fill_in(input: &str, attribute: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::with_capacity(input.len());
    let mut rest = input;
    while let Some((before, after)) = rest.split_once(OPENING) {
        text.push_str(before);
        rest = match after.split_once('>').and_then(|(name, after)| Some((attribute(name)?, after))) {
            Some((value, after)) => {
                text.push_str(&value);
                after
            }
            None => {
                text.push_str(OPENING);
                after
            }
        };
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    fn payload(input: Option<&str>, attempt: u32) -> String {
        let mut record = record("n", "rate(1 hour)");
        record.target.input = input.map(str::to_owned);
        Context { home: &Home::default(), record: &record, fire_at_ms: 1_700_000_000_123, attempt }.payload()
    }

    #[test]
    fn context_attributes_are_filled_in() {
        let input = "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> <aws.scheduler.attempt-number>";
        assert_eq!(
            payload(Some(input), 3),
            "arn:aws:scheduler:us-east-1:000000000000:schedule/default/n 2023-11-14T22:13:20Z 3"
        );
        let id = payload(Some("<aws.scheduler.execution-id>"), 1);
        assert_eq!(id.len(), 16);
        assert_eq!(id, payload(Some("<aws.scheduler.execution-id>"), 2), "one id a firing");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["", "{}", "<aws.scheduler.", "<aws.scheduler.nothing>", "<aws.schedul>", "é<", "<aws.scheduler.é"]
        {
            assert_eq!(payload(Some(text), 1), text);
        }
        assert_eq!(payload(Some("<aws.scheduler.<aws.scheduler.attempt-number>>"), 1), "<aws.scheduler.1>");
    }

    #[test]
    fn the_default_event_is_schedulers() {
        let event: serde_json::Value = serde_json::from_str(&payload(None, 1)).unwrap();
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["source"], "aws.scheduler");
        assert_eq!(event["time"], "2023-11-14T22:13:20Z");
        assert_eq!(event["resources"][0], "arn:aws:scheduler:us-east-1:000000000000:schedule/default/n");
        assert_eq!(event["detail"], "{}");
        assert_ne!(event["id"], "00000000-0000-0000-0000-000000000000");
    }

    #[test]
    fn json_is_judged_with_its_attributes_filled_in() {
        assert!(is_json(r#"{"n": <aws.scheduler.attempt-number>, "a": "<aws.scheduler.schedule-arn>"}"#));
        assert!(is_json("1"));
        assert!(!is_json("{not json") && !is_json("") && !is_json("<aws.scheduler.schedule-arn>"));
    }
}
