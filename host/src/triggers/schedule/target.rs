//! What a schedule calls, read from its ARNs.

use super::timing::InvalidSchedule;
use crate::ids::{FunctionRef, QueueName};
use crate::storage::schedules::ScheduleTarget;
use serde_json::Value;

/// What a schedule calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A function.
    Function(FunctionRef),
    /// A queue that gets a message.
    Queue {
        /// The queue.
        name: QueueName,
        /// FIFO queues: the message group.
        group: Option<String>,
    },
}

impl Target {
    pub(super) fn of(target: &ScheduleTarget) -> Result<Self, InvalidSchedule> {
        let invalid = || InvalidSchedule::Target(target.arn.clone());
        match arn_resource(&target.arn) {
            Some(("lambda", _)) => FunctionRef::parse(&target.arn).map(Self::Function).map_err(|_| invalid()),
            Some(("sqs", name)) => {
                let name = QueueName::new(name).map_err(|_| invalid())?;
                let parameters = target.echoed.get("SqsParameters");
                let group = parameters.and_then(|parameters| parameters.get("MessageGroupId")).and_then(Value::as_str);
                if name.is_fifo() && group.is_none() {
                    return Err(InvalidSchedule::NoMessageGroup(target.arn.clone()));
                }
                Ok(Self::Queue { name, group: group.map(str::to_owned) })
            }
            _ => Err(invalid()),
        }
    }
}

/// The queue that gets firings given up.
pub(super) fn dead_letter_queue(target: &ScheduleTarget) -> Result<Option<QueueName>, InvalidSchedule> {
    let Some(arn) = &target.dead_letter_arn else { return Ok(None) };
    match arn_resource(arn) {
        Some(("sqs", name)) => QueueName::new(name).ok().filter(|name| !name.is_fifo()),
        _ => None,
    }
    .map(Some)
    .ok_or_else(|| InvalidSchedule::DeadLetterQueue(arn.clone()))
}

/// Service and resource of `arn:<partition>:<service>:<region>:<account>:<resource>`.
fn arn_resource(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (arn, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (arn == "arn" && is_account).then_some((service, resource))
}
