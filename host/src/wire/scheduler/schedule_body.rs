//! What `CreateSchedule` and `UpdateSchedule` take, read into a record.

use super::constraints::{failed, is_arn, length, name, one_of, pattern, range, required};
use super::fault;
use crate::storage::schedules::{
    ActionAfterCompletion, DEFAULT_GROUP, MissedPolicy, ScheduleKey, ScheduleRecord, ScheduleState, ScheduleTarget,
};
use crate::triggers::schedule::event;
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The largest `Input` (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html>).
const INPUT_LIMIT_BYTES: usize = 256 * 1024;
/// `RetryPolicy` where it is left out, and the most that it can be.
const RETRY_ATTEMPTS: u32 = 185;
const EVENT_AGE_S: u32 = 86_400;

/// The body of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ScheduleBody {
    action_after_completion: Option<String>,
    description: Option<String>,
    end_date: Option<f64>,
    flexible_time_window: Option<FlexibleTimeWindow>,
    group_name: Option<String>,
    kms_key_arn: Option<String>,
    missed_firings: Option<String>,
    schedule_expression: Option<String>,
    schedule_expression_timezone: Option<String>,
    start_date: Option<f64>,
    state: Option<String>,
    target: Option<Target>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct FlexibleTimeWindow {
    maximum_window_in_minutes: Option<i64>,
    mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Target {
    arn: Option<String>,
    role_arn: Option<String>,
    input: Option<String>,
    retry_policy: Option<RetryPolicy>,
    dead_letter_config: Option<DeadLetterConfig>,
    sqs_parameters: Option<SqsParameters>,
    ecs_parameters: Option<Value>,
    event_bridge_parameters: Option<Value>,
    kinesis_parameters: Option<Value>,
    sage_maker_pipeline_parameters: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RetryPolicy {
    maximum_event_age_in_seconds: Option<i64>,
    maximum_retry_attempts: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DeadLetterConfig {
    arn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SqsParameters {
    message_group_id: Option<String>,
}

impl ScheduleBody {
    /// The record that it describes. Whether it fires when it says is for the scheduler to check.
    pub(super) fn into_record(self, schedule: String) -> Result<ScheduleRecord, WireError> {
        name(&schedule, "name")?;
        let group = self.group_name.unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        name(&group, "groupName")?;
        let expression = required(self.schedule_expression, "scheduleExpression")?;
        length(&expression, "scheduleExpression", 1..=256)?;
        let timezone = self.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned());
        length(&timezone, "scheduleExpressionTimezone", 1..=50)?;
        let description = self.description.unwrap_or_default();
        length(&description, "description", 0..=512)?;
        if let Some(arn) = &self.kms_key_arn {
            kms_key_arn(arn)?;
        }
        let states = [("ENABLED", ScheduleState::Enabled), ("DISABLED", ScheduleState::Disabled)];
        let actions = [("NONE", ActionAfterCompletion::None), ("DELETE", ActionAfterCompletion::Delete)];
        let policies = [("skip", MissedPolicy::Skip), ("once", MissedPolicy::Once), ("all", MissedPolicy::All)];
        Ok(ScheduleRecord {
            key: ScheduleKey { group, name: schedule },
            revision: 0,
            expression,
            timezone,
            start_at_ms: self.start_date.map(|date| epoch_ms(date, "startDate")).transpose()?,
            end_at_ms: self.end_date.map(|date| epoch_ms(date, "endDate")).transpose()?,
            state: one_of(self.state.as_deref().unwrap_or("ENABLED"), "state", &states)?,
            flexible_window_min: required(self.flexible_time_window, "flexibleTimeWindow")?.minutes()?,
            target: required(self.target, "target")?.into_record()?,
            after_completion: one_of(
                self.action_after_completion.as_deref().unwrap_or("NONE"),
                "actionAfterCompletion",
                &actions,
            )?,
            missed: one_of(self.missed_firings.as_deref().unwrap_or("once"), "missedFirings", &policies)?,
            description,
            kms_key_arn: self.kms_key_arn,
            created_at_ms: 0,
            modified_at_ms: 0,
            next_fire_at_ms: None,
        })
    }
}

impl FlexibleTimeWindow {
    fn minutes(self) -> Result<Option<u32>, WireError> {
        let mode = required(self.mode, "flexibleTimeWindow.mode")?;
        let flexible = one_of(&mode, "flexibleTimeWindow.mode", &[("OFF", false), ("FLEXIBLE", true)])?;
        let member = "flexibleTimeWindow.maximumWindowInMinutes";
        let minutes = self.maximum_window_in_minutes.map(|minutes| range(minutes, member, 1..=1_440)).transpose()?;
        match (flexible, minutes) {
            (false, _) => Ok(None),
            (true, Some(minutes)) => Ok(Some(minutes)),
            (true, None) => {
                Err(fault::invalid("MaximumWindowInMinutes must be set when the FlexibleTimeWindow Mode is FLEXIBLE."))
            }
        }
    }
}

impl Target {
    fn into_record(self) -> Result<ScheduleTarget, WireError> {
        let arn = required(self.arn, "target.arn")?;
        length(&arn, "target.arn", 1..=1_600)?;
        let role_arn = required(self.role_arn, "target.roleArn")?;
        length(&role_arn, "target.roleArn", 1..=1_600)?;
        let is_role =
            |text: &str| is_arn(text, "iam", false, |resource| resource.strip_prefix("role/").is_some_and(is_path));
        let role_pattern = r"^arn:aws(-[a-z]+)?:iam::\d{12}:role\/[\w+=,.@\/-]+$";
        pattern(&role_arn, "target.roleArn", role_pattern, is_role)?;
        for (member, given) in [
            ("EcsParameters", &self.ecs_parameters),
            ("EventBridgeParameters", &self.event_bridge_parameters),
            ("KinesisParameters", &self.kinesis_parameters),
            ("SageMakerPipelineParameters", &self.sage_maker_pipeline_parameters),
        ] {
            if given.is_some() {
                return Err(fault::invalid(format!(
                    "{member} is not supported by Lamina: its schedules call Lambda functions and send to SQS queues."
                )));
            }
        }
        let is_function = arn.split(':').nth(2) == Some("lambda");
        if let Some(input) = &self.input {
            input_text(input, is_function)?;
        }
        let retry = self.retry_policy.unwrap_or_default();
        let attempts = retry.maximum_retry_attempts.unwrap_or_else(|| i64::from(RETRY_ATTEMPTS));
        let age_s = retry.maximum_event_age_in_seconds.unwrap_or_else(|| i64::from(EVENT_AGE_S));
        let dead_letter_arn = self.dead_letter_config.and_then(|config| config.arn);
        if let Some(arn) = &dead_letter_arn {
            dead_letter(arn)?;
        }
        let mut echoed = Map::new();
        if let Some(parameters) = self.sqs_parameters {
            if arn.split(':').nth(2) != Some("sqs") {
                return Err(fault::invalid("SqsParameters is only for targets that are SQS queues."));
            }
            let mut shape = Map::new();
            if let Some(group) = parameters.message_group_id {
                length(&group, "target.sqsParameters.messageGroupId", 1..=128)?;
                shape.insert("MessageGroupId".into(), group.into());
            }
            echoed.insert("SqsParameters".into(), shape.into());
        }
        Ok(ScheduleTarget {
            arn,
            role_arn,
            input: self.input,
            maximum_retry_attempts: range(attempts, "target.retryPolicy.maximumRetryAttempts", 0..=RETRY_ATTEMPTS)?,
            maximum_event_age_s: range(age_s, "target.retryPolicy.maximumEventAgeInSeconds", 60..=EVENT_AGE_S)?,
            dead_letter_arn,
            echoed,
        })
    }
}

fn input_text(input: &str, is_function: bool) -> Result<(), WireError> {
    if input.is_empty() {
        let constraint = "Member must have length greater than or equal to 1";
        return Err(failed("", "target.input", constraint));
    }
    if input.len() > INPUT_LIMIT_BYTES {
        return Err(fault::invalid(format!(
            "The target's Input has {} bytes; at most {INPUT_LIMIT_BYTES} are allowed.",
            input.len()
        )));
    }
    if is_function && !event::is_json(input) {
        return Err(fault::invalid("Invalid Target Input: the input of a Lambda function must be well-formed JSON."));
    }
    Ok(())
}

fn dead_letter(arn: &str) -> Result<(), WireError> {
    let member = "target.deadLetterConfig.arn";
    length(arn, member, 1..=1_600)?;
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let is_queue = |text: &str| is_arn(text, "sqs", true, is_name);
    pattern(arn, member, r"^arn:aws(-[a-z]+)?:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+$", is_queue)
}

fn kms_key_arn(arn: &str) -> Result<(), WireError> {
    length(arn, "kmsKeyArn", 1..=2_048)?;
    let word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let is_key = |resource: &str| ["key/", "alias/"].iter().any(|kind| resource.strip_prefix(kind).is_some_and(word));
    let key_pattern = r"^arn:aws(-[a-z]+)?:kms:[a-z0-9\-]+:\d{12}:(key|alias)\/[0-9a-zA-Z-_]*$";
    pattern(arn, "kmsKeyArn", key_pattern, |text| is_arn(text, "kms", true, is_key))
}

fn is_path(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'=' | b',' | b'.' | b'@' | b'/' | b'-'))
}

/// A date in seconds since the epoch, as the protocol has it.
fn epoch_ms(seconds: f64, member: &str) -> Result<i64, WireError> {
    let ms = (seconds * 1_000.0).round();
    // The years 1 to 9999; exact in this type.
    if (-62_135_596_800_000.0..=253_402_300_799_999.0).contains(&ms) {
        #[expect(clippy::cast_possible_truncation, reason = "rounded and in range")]
        return Ok(ms as i64);
    }
    Err(failed(seconds, member, "Member must be a timestamp of the years 1 to 9999"))
}
