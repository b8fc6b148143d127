//! Records in the shapes of answers.

use crate::ids::Home;
use crate::storage::schedules::{
    ActionAfterCompletion, MissedPolicy, ScheduleGroupRecord, ScheduleRecord, ScheduleState,
};
use crate::triggers::schedule::event::schedule_arn;
use serde_json::{Map, Number, Value, json};

/// `GetSchedule`'s answer.
pub(super) fn schedule(home: &Home, record: &ScheduleRecord) -> Value {
    let mut shape = summary(home, record);
    let window = match record.flexible_window_min {
        Some(minutes) => json!({"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes}),
        None => json!({"Mode": "OFF"}),
    };
    let action = match record.after_completion {
        ActionAfterCompletion::None => "NONE",
        ActionAfterCompletion::Delete => "DELETE",
    };
    let missed = match record.missed {
        MissedPolicy::Skip => "skip",
        MissedPolicy::Once => "once",
        MissedPolicy::All => "all",
    };
    shape.insert("ActionAfterCompletion".into(), action.into());
    shape.insert("FlexibleTimeWindow".into(), window);
    shape.insert("MissedFirings".into(), missed.into());
    shape.insert("ScheduleExpression".into(), record.expression.clone().into());
    shape.insert("ScheduleExpressionTimezone".into(), record.timezone.clone().into());
    shape.insert("Target".into(), target(record));
    let optional = [
        ("Description", (!record.description.is_empty()).then(|| record.description.clone().into())),
        ("EndDate", record.end_at_ms.map(epoch_seconds)),
        ("KmsKeyArn", record.kms_key_arn.clone().map(Value::from)),
        ("StartDate", record.start_at_ms.map(epoch_seconds)),
    ];
    shape.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    shape.into()
}

/// What `ListSchedules` says of one.
pub(super) fn summary(home: &Home, record: &ScheduleRecord) -> Map<String, Value> {
    let state = match record.state {
        ScheduleState::Enabled => "ENABLED",
        ScheduleState::Disabled => "DISABLED",
    };
    Map::from_iter([
        ("Arn".to_owned(), schedule_arn(home, &record.key).into()),
        ("CreationDate".to_owned(), epoch_seconds(record.created_at_ms)),
        ("GroupName".to_owned(), record.key.group.clone().into()),
        ("LastModificationDate".to_owned(), epoch_seconds(record.modified_at_ms)),
        ("Name".to_owned(), record.key.name.clone().into()),
        ("State".to_owned(), state.into()),
        ("Target".to_owned(), json!({"Arn": record.target.arn})),
    ])
}

fn target(record: &ScheduleRecord) -> Value {
    let target = &record.target;
    let mut shape = target.echoed.clone();
    shape.insert("Arn".into(), target.arn.clone().into());
    shape.insert("RoleArn".into(), target.role_arn.clone().into());
    let retry = json!({
        "MaximumEventAgeInSeconds": target.maximum_event_age_s,
        "MaximumRetryAttempts": target.maximum_retry_attempts,
    });
    shape.insert("RetryPolicy".into(), retry);
    if let Some(input) = &target.input {
        shape.insert("Input".into(), input.clone().into());
    }
    if let Some(arn) = &target.dead_letter_arn {
        shape.insert("DeadLetterConfig".into(), json!({"Arn": arn}));
    }
    shape.into()
}

/// A group, alone and in lists.
pub(super) fn group(home: &Home, group: &ScheduleGroupRecord) -> Value {
    json!({
        "Arn": group_arn(home, &group.name),
        "CreationDate": epoch_seconds(group.created_at_ms),
        "LastModificationDate": epoch_seconds(group.modified_at_ms),
        "Name": group.name,
        "State": "ACTIVE",
    })
}

/// `arn:aws:scheduler:<region>:<account>:schedule-group/<name>`.
pub(super) fn group_arn(home: &Home, name: &str) -> String {
    home.arn("scheduler", &format!("schedule-group/{name}"))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of ten thousand years are exact in this type")]
fn epoch_seconds(ms: i64) -> Value {
    Number::from_f64(ms as f64 / 1_000.0).map_or(Value::Null, Value::Number)
}
