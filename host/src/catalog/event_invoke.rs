//! Configurations of asynchronous invocation: put, changed, deleted.

use super::{Catalog, Error, Result};
use crate::ids::{FunctionName, Qualifier, Version};
use crate::storage::functions::{Change, EventInvokeRecord};

/// What a request sets about a configuration; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventInvokeChange {
    /// 0 to 2.
    pub maximum_retry_attempts: Option<u32>,
    /// 60 to 21,600.
    pub maximum_event_age_s: Option<u32>,
    /// ARN of what gets a record of each success; `Some(None)` takes it away.
    pub on_success: Option<Option<String>>,
    /// ARN of what gets a record of each event given up; `Some(None)` takes it away.
    pub on_failure: Option<Option<String>>,
}

impl Catalog {
    /// Configures asynchronous invocation of `$LATEST` (`None`), a version or an alias. With `replace` what the change does not
    /// name goes back to its default; without, there has to be a configuration, and what is not named stays.
    pub async fn put_event_invoke(
        &self,
        name: &FunctionName,
        qualifier: Option<Qualifier>,
        with: EventInvokeChange,
        replace: bool,
    ) -> Result<EventInvokeRecord> {
        let function = self.function(name)?;
        let qualifier = qualifier.unwrap_or(Qualifier::Version(Version::Latest));
        self.change(&function, |view| {
            let is_there = match &qualifier {
                Qualifier::Version(version) => view.records.versions.contains_key(version),
                Qualifier::Alias(alias) => view.records.aliases.contains_key(alias),
            };
            if !is_there {
                return Err(self.not_found(name, Some(&qualifier)));
            }
            let current = view.records.event_invoke.get(&qualifier);
            if current.is_none() && !replace {
                return Err(self.no_event_invoke(name, &qualifier));
            }
            let current = current.filter(|_| !replace);
            let record = EventInvokeRecord {
                function: name.clone(),
                qualifier: qualifier.clone(),
                maximum_retry_attempts: with
                    .maximum_retry_attempts
                    .or_else(|| current.and_then(|current| current.maximum_retry_attempts)),
                maximum_event_age_s: with
                    .maximum_event_age_s
                    .or_else(|| current.and_then(|current| current.maximum_event_age_s)),
                on_success: with.on_success.unwrap_or_else(|| current.and_then(|current| current.on_success.clone())),
                on_failure: with.on_failure.unwrap_or_else(|| current.and_then(|current| current.on_failure.clone())),
                modified_at_ms: self.now_ms(),
            };
            Ok((vec![Change::PutEventInvoke(record.clone())], record))
        })
        .await
    }

    /// One configuration of asynchronous invocation.
    pub fn event_invoke(&self, name: &FunctionName, qualifier: Option<Qualifier>) -> Result<EventInvokeRecord> {
        let view = self.function(name)?.view();
        let qualifier = qualifier.unwrap_or(Qualifier::Version(Version::Latest));
        let found = view.records.event_invoke.get(&qualifier).cloned();
        found.ok_or_else(|| self.no_event_invoke(name, &qualifier))
    }

    /// Deletes a configuration of asynchronous invocation: defaults hold again.
    pub async fn delete_event_invoke(&self, name: &FunctionName, qualifier: Option<Qualifier>) -> Result<()> {
        let function = self.function(name)?;
        let qualifier = qualifier.unwrap_or(Qualifier::Version(Version::Latest));
        self.change(&function, |view| {
            if !view.records.event_invoke.contains_key(&qualifier) {
                return Err(self.no_event_invoke(name, &qualifier));
            }
            Ok((vec![Change::DeleteEventInvoke(name.clone(), qualifier.clone())], ()))
        })
        .await
    }

    fn no_event_invoke(&self, name: &FunctionName, qualifier: &Qualifier) -> Error {
        Error::EventInvokeNotFound { arn: self.home().function_arn(name, Some(qualifier)) }
    }
}
