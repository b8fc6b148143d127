//! Schedules and their groups, as EventBridge Scheduler has them.
//!
//! The scheduler keeps all of them in memory; it reads at start and then writes. Expressions, zones and ARNs are validated
//! by the caller and kept as given. Times are milliseconds since the Unix epoch and come from the caller.

use super::Pending;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The group that always exists.
pub const DEFAULT_GROUP: &str = "default";

/// A schedule's key: names are unique within a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScheduleKey {
    /// The group's name.
    pub group: String,
    /// The schedule's name.
    pub name: String,
}

impl fmt::Display for ScheduleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.name)
    }
}

/// A group of schedules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleGroupRecord {
    /// Its name, the key.
    pub name: String,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at_ms: i64,
    /// When it was last changed.
    pub modified_at_ms: i64,
}

/// Whether a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ScheduleState {
    /// It fires.
    Enabled,
    /// It does not.
    Disabled,
}

/// What becomes of a schedule that will not fire again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ActionAfterCompletion {
    /// It stays.
    None,
    /// It is deleted.
    Delete,
}

/// What happens to firings missed while the daemon was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissedPolicy {
    /// They are left out.
    Skip,
    /// One is made up for them all.
    Once,
    /// Each is made up.
    All,
}

/// What a schedule calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleTarget {
    /// The target's ARN.
    pub arn: String,
    /// The role's ARN as given; not interpreted.
    pub role_arn: String,
    /// The text passed on; `None` is the default event.
    pub input: Option<String>,
    /// How often a failed firing is tried again, 0 to 185.
    pub maximum_retry_attempts: u32,
    /// How long a failed firing is tried again, 60 to 86,400.
    pub maximum_event_age_s: u32,
    /// ARN of the queue that gets firings given up.
    pub dead_letter_arn: Option<String>,
    /// Members for other kinds of targets (`SqsParameters` …), by their AWS names.
    pub echoed: serde_json::Map<String, serde_json::Value>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// Group and name, the key.
    pub key: ScheduleKey,
    /// Set by storage at each put, greater than any given before for any schedule; what a caller puts here is ignored.
    pub revision: u64,
    /// `rate(…)`, `cron(…)`, `at(…)` or plain cron, as given.
    pub expression: String,
    /// IANA name of the zone in which the expression is meant.
    pub timezone: String,
    /// It does not fire before.
    pub start_at_ms: Option<i64>,
    /// It does not fire after.
    pub end_at_ms: Option<i64>,
    /// Whether it fires.
    pub state: ScheduleState,
    /// It fires within so many minutes after its time, 1 to 1,440; `None` is at its time.
    pub flexible_window_min: Option<u32>,
    /// What it calls.
    pub target: ScheduleTarget,
    /// What becomes of it once it will not fire again.
    pub after_completion: ActionAfterCompletion,
    /// What happens to missed firings.
    pub missed: MissedPolicy,
    /// At most 512 characters.
    pub description: String,
    /// ARN of a key as given; not interpreted.
    pub kms_key_arn: Option<String>,
    /// When it was created.
    pub created_at_ms: i64,
    /// When it was last put.
    pub modified_at_ms: i64,
    /// When it fires next; `None` is not again.
    pub next_fire_at_ms: Option<i64>,
}

/// What a put expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// None of that key.
    Create,
    /// One of that key.
    Update,
    /// Either.
    Either,
}

/// How a put ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// Stored; the record's revision (0 for a group).
    Stored(u64),
    /// [`PutMode::Create`] found one; nothing was changed.
    Exists,
    /// [`PutMode::Update`] found none; nothing was changed.
    Missing,
    /// The schedule's group does not exist; nothing was changed.
    NoGroup,
}

/// What comes after a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It fires again then.
    FireAt(i64),
    /// It does not fire again and stays.
    Finished,
    /// It does not fire again and is deleted.
    Delete,
}

/// The step from one firing of a schedule to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The schedule.
    pub key: ScheduleKey,
    /// The record's revision as the caller knows it.
    pub revision: u64,
    /// `next_fire_at_ms` as the caller knows it.
    pub expected_next_fire_at_ms: Option<i64>,
    /// What comes next.
    pub next: Next,
    /// Firings that this step begins and whose end is still to come, by their times. They are recorded as unfinished along
    /// with the step; where the schedule exists but the step is not taken, they are recorded nonetheless.
    pub unfinished: Vec<i64>,
}

/// One firing of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Firing {
    /// The schedule.
    pub key: ScheduleKey,
    /// When it was to fire.
    pub fire_at_ms: i64,
}

/// The tables of schedules and groups.
pub trait Schedules: Send + Sync + 'static {
    /// Creates or replaces a group.
    fn put_group(&self, group: ScheduleGroupRecord, mode: PutMode) -> Pending<'_, PutOutcome>;

    /// One group. [`DEFAULT_GROUP`] exists from the first start, created at 0.
    fn get_group(&self, name: String) -> Pending<'_, Option<ScheduleGroupRecord>>;

    /// Groups whose name starts with `prefix` and is greater than `after`, in order of their names, at most `limit`.
    fn list_groups(&self, prefix: String, after: Option<String>, limit: usize)
    -> Pending<'_, Vec<ScheduleGroupRecord>>;

    /// Deletes a group with its schedules; gives their keys, or `None` if there is no such group.
    /// [`DEFAULT_GROUP`] only loses its schedules; refusing that is the caller's.
    fn delete_group(&self, name: String) -> Pending<'_, Option<Vec<ScheduleKey>>>;

    /// Creates or replaces a schedule.
    fn put(&self, schedule: ScheduleRecord, mode: PutMode) -> Pending<'_, PutOutcome>;

    /// One schedule.
    fn get(&self, key: ScheduleKey) -> Pending<'_, Option<ScheduleRecord>>;

    /// Deletes a schedule; `false` if there is none.
    fn delete(&self, key: ScheduleKey) -> Pending<'_, bool>;

    /// Schedules of `group` (`None`: of all) whose name starts with `prefix` and whose key is greater than `after`,
    /// in order of their keys (group, then name), at most `limit`.
    fn list(
        &self,
        group: Option<String>,
        prefix: String,
        after: Option<ScheduleKey>,
        limit: usize,
    ) -> Pending<'_, Vec<ScheduleRecord>>;

    /// All schedules, in no order.
    fn load(&self) -> Pending<'_, Vec<ScheduleRecord>>;

    /// Takes many steps in one transaction. Each is taken only where the record still has the expected revision and next firing;
    /// the answer says of each whether it was.
    fn advance(&self, steps: Vec<Advance>) -> Pending<'_, Vec<bool>>;

    /// Takes firings off the record of unfinished ones, in one transaction. Those not on it are left alone.
    fn finish(&self, firings: Vec<Firing>) -> Pending<'_, ()>;

    /// All firings recorded as unfinished, in order. A schedule's are forgotten when it is deleted, and kept when it is replaced.
    fn unfinished(&self) -> Pending<'_, Vec<Firing>>;
}
