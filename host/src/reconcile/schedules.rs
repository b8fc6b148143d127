//! Schedules: put through the scheduler, which finds their next firing.

use super::Run;
use crate::config::ScheduleDeclaration;
use crate::storage::schedules::{ScheduleKey, ScheduleRecord};
use futures_util::future::BoxFuture;

/// What a run needs of the scheduler. Errors are for the daemon's log.
pub trait SchedulePort: Send + Sync + 'static {
    /// A schedule as it is.
    fn get(&self, key: ScheduleKey) -> BoxFuture<'_, Result<Option<ScheduleRecord>, String>>;

    /// Creates or replaces a schedule, and its group where that does not exist. The scheduler sets revision and next firing, and
    /// keeps the creation time of a schedule that there is.
    fn put(&self, schedule: ScheduleRecord) -> BoxFuture<'_, Result<(), String>>;
}

impl Run<'_> {
    pub(super) async fn schedules(&mut self) {
        let config = self.config;
        for (index, schedule) in config.schedules.iter().enumerate() {
            let shown = format!("schedule {}/{}", schedule.group, schedule.name);
            self.look_for(&schedule.target(), &shown);
            if let Some(queue) = &schedule.dead_letter_queue {
                self.look_for_queue(queue, &shown).await;
            }
            match self.schedule(schedule).await {
                Ok(Some(what)) => self.changed(format!("{shown} {what}")),
                Ok(None) => self.outcome.unchanged = self.outcome.unchanged.saturating_add(1),
                Err(error) => self.failed(&format!("schedules[{index}]"), error),
            }
        }
    }

    async fn schedule(&self, declared: &ScheduleDeclaration) -> Result<Option<&'static str>, String> {
        let mut wanted = declared.record(self.parts.catalog.home(), self.parts.clock.now_ms());
        let current = self.parts.schedules.get(wanted.key.clone()).await?;
        let what = match current {
            None => "was created",
            Some(current) => {
                // What the file has no key for is as the API or the scheduler left it.
                wanted = ScheduleRecord {
                    revision: current.revision,
                    after_completion: current.after_completion,
                    kms_key_arn: current.kms_key_arn.clone(),
                    created_at_ms: current.created_at_ms,
                    modified_at_ms: current.modified_at_ms,
                    next_fire_at_ms: current.next_fire_at_ms,
                    ..wanted
                };
                wanted.target.role_arn.clone_from(&current.target.role_arn);
                wanted.target.echoed.clone_from(&current.target.echoed);
                if wanted == current {
                    return Ok(None);
                }
                wanted.modified_at_ms = self.parts.clock.now_ms();
                "was changed"
            }
        };
        self.parts.schedules.put(wanted).await?;
        Ok(Some(what))
    }
}
