//! When a schedule fires. Pure: the caller passes the time in.
//!
//! All times are milliseconds since the Unix epoch. A firing has the time that its expression names; within a flexible window it is
//! *due* a while later, by an offset that is fixed for the schedule, so that firings keep their order and a restart moves none.

use crate::storage::schedules::{MissedPolicy, ScheduleRecord};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lamina_schedule_expressions::Expression;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Up to how many missed firings of a schedule are counted one by one; past that, "so many at least".
const COUNTED: usize = 1_000;
/// How many times the search for the latest missed firings looks at, at most.
const SEARCHED: usize = 100_000;

/// What is wrong with a schedule. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// The expression does not parse.
    #[error("Invalid Schedule Expression {expression}. {fault}")]
    Expression {
        /// As given.
        expression: String,
        /// A sentence.
        fault: String,
    },
    /// No such time zone.
    #[error("Invalid Schedule Expression Timezone {0}.")]
    Timezone(String),
    /// A one-time schedule names a time that the zone skips.
    #[error(
        "Invalid Schedule Expression {expression}. The local time does not exist in {timezone}: clocks go forward over it."
    )]
    SkippedTime {
        /// As given.
        expression: String,
        /// The zone.
        timezone: String,
    },
    /// The end is not after the start.
    #[error("The StartDate must come before the EndDate.")]
    EndBeforeStart,
    /// A date that no clock shows.
    #[error("The {0} is out of range.")]
    DateOutOfRange(&'static str),
    /// The target is none that Lamina calls.
    #[error(
        "Invalid Target Arn {0}. Lamina's schedules call Lambda functions (arn:aws:lambda:…:function:NAME[:QUALIFIER]) and send to SQS queues (arn:aws:sqs:…:NAME)."
    )]
    Target(String),
    /// A FIFO queue needs a message group.
    #[error("SqsParameters.MessageGroupId is required for the FIFO queue {0}.")]
    NoMessageGroup(String),
    /// The dead-letter queue cannot be one.
    #[error("Invalid DeadLetterConfig Arn {0}. It must name a standard SQS queue.")]
    DeadLetterQueue(String),
}

/// When one schedule fires.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timing {
    expression: Expression,
    zone: TimeZone,
    /// Where rates count from.
    anchor_ms: i64,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
    offset_ms: i64,
}

impl Timing {
    /// Reads a record's expression, zone and dates.
    pub(super) fn of(record: &ScheduleRecord) -> Result<Self, InvalidSchedule> {
        let expression = Expression::parse(&record.expression).map_err(|error| InvalidSchedule::Expression {
            expression: record.expression.clone(),
            fault: error.to_string(),
        })?;
        let zone = TimeZone::get(&record.timezone).map_err(|_| InvalidSchedule::Timezone(record.timezone.clone()))?;
        for (what, date_ms) in [("StartDate", record.start_at_ms), ("EndDate", record.end_at_ms)] {
            if date_ms.is_some_and(|date_ms| Timestamp::from_millisecond(date_ms).is_err()) {
                return Err(InvalidSchedule::DateOutOfRange(what));
            }
        }
        if let (Some(start), Some(end)) = (record.start_at_ms, record.end_at_ms)
            && start >= end
        {
            return Err(InvalidSchedule::EndBeforeStart);
        }
        let timing = Self {
            expression,
            zone,
            anchor_ms: record.start_at_ms.unwrap_or(record.created_at_ms),
            start_ms: record.start_at_ms,
            end_ms: record.end_at_ms,
            offset_ms: offset_ms(record),
        };
        if timing.expression.is_one_time() && timing.named_after(Timestamp::MIN).is_none() {
            return Err(InvalidSchedule::SkippedTime {
                expression: record.expression.clone(),
                timezone: record.timezone.clone(),
            });
        }
        Ok(timing)
    }

    fn named_after(&self, after: Timestamp) -> Option<i64> {
        let anchor = timestamp(self.anchor_ms);
        self.expression.next_after(after, &self.zone, anchor).map(Timestamp::as_millisecond)
    }

    /// The first firing later than `after_ms`, within the start and end dates.
    pub(super) fn next_after(&self, after_ms: i64) -> Option<i64> {
        let after_ms = self.start_ms.map_or(after_ms, |start_ms| after_ms.max(start_ms.saturating_sub(1)));
        self.named_after(timestamp(after_ms)).filter(|at_ms| self.end_ms.is_none_or(|end_ms| *at_ms <= end_ms))
    }

    /// When a firing is due.
    pub(super) fn due_ms(&self, fire_at_ms: i64) -> i64 {
        fire_at_ms.saturating_add(self.offset_ms)
    }
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Where in its flexible window a schedule is due: spread evenly over schedules, the same at every firing.
fn offset_ms(record: &ScheduleRecord) -> i64 {
    let window_ms = u64::from(record.flexible_window_min.unwrap_or_default()).saturating_mul(60_000);
    let digest = Sha256::digest(record.key.to_string().as_bytes());
    let seed = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    seed.checked_rem(window_ms).and_then(|offset_ms| i64::try_from(offset_ms).ok()).unwrap_or_default()
}

/// What to do about a schedule that is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Firings that were missed and are made up for, in order.
    pub(super) made_up: Vec<i64>,
    /// Firings due now, in order.
    pub(super) fire: Vec<i64>,
    /// How many missed firings are left out.
    pub(super) left_out: u64,
    /// What comes after all of them.
    pub(super) next: Option<i64>,
}

/// Plans a schedule whose next firing is `from_ms`. What was due before `missed_before_ms` counts as missed;
/// at most `made_up_max` of those, the latest, are made up for.
pub(super) fn plan(
    timing: &Timing,
    policy: MissedPolicy,
    from_ms: i64,
    now_ms: i64,
    missed_before_ms: i64,
    made_up_max: usize,
) -> Plan {
    let mut plan = Plan { next: Some(from_ms), ..Plan::default() };
    // In times of firings, not of being due.
    let before_ms = missed_before_ms.saturating_sub(timing.offset_ms);
    if from_ms < before_ms {
        let keep = match policy {
            MissedPolicy::Skip => 0,
            MissedPolicy::Once => 1,
            MissedPolicy::All => made_up_max,
        };
        let (made_up, missed) = latest(timing, from_ms, before_ms, keep);
        plan.left_out = u64::try_from(missed.saturating_sub(made_up.len())).unwrap_or(u64::MAX);
        plan.made_up = made_up;
        plan.next = timing.next_after(before_ms.saturating_sub(1));
    }
    while let Some(at_ms) = plan.next.filter(|at_ms| timing.due_ms(*at_ms) <= now_ms) {
        plan.fire.push(at_ms);
        plan.next = timing.next_after(at_ms);
    }
    plan
}

/// The latest `keep` firings from `from_ms` (one itself) to before `before_ms`, in order, and how many there are, counted
/// up to [`COUNTED`].
fn latest(timing: &Timing, from_ms: i64, before_ms: i64, keep: usize) -> (Vec<i64>, usize) {
    let mut kept = VecDeque::new();
    let mut missed = 0usize;
    let mut next = Some(from_ms);
    while let Some(at_ms) = next.filter(|at_ms| *at_ms < before_ms) {
        if missed == COUNTED {
            return (search_back(timing, from_ms, before_ms, keep), missed);
        }
        missed = missed.saturating_add(1);
        push_bounded(&mut kept, at_ms, keep);
        next = timing.next_after(at_ms);
    }
    (kept.into(), missed)
}

/// The latest `keep` firings before `before_ms`, without walking all there are: looks at ever longer spans until one holds enough.
fn search_back(timing: &Timing, from_ms: i64, before_ms: i64, keep: usize) -> Vec<i64> {
    let mut kept = VecDeque::new();
    let mut span_ms = 1_000_i64;
    let mut searched = 0usize;
    while keep > 0 && searched < SEARCHED {
        let start_ms = before_ms.saturating_sub(span_ms).max(from_ms);
        kept.clear();
        let mut next = timing.next_after(start_ms.saturating_sub(1));
        while let Some(at_ms) = next.filter(|at_ms| *at_ms < before_ms && searched < SEARCHED) {
            searched = searched.saturating_add(1);
            push_bounded(&mut kept, at_ms, keep);
            next = timing.next_after(at_ms);
        }
        if kept.len() == keep || start_ms == from_ms {
            break;
        }
        span_ms = span_ms.saturating_mul(2);
    }
    kept.into()
}

fn push_bounded(kept: &mut VecDeque<i64>, at_ms: i64, keep: usize) {
    kept.push_back(at_ms);
    if kept.len() > keep {
        kept.pop_front();
    }
}
