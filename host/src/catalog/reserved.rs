//! Reserved and provisioned concurrency: set, and checked against the host's ceiling.

use super::{Catalog, Error, LiveProvisioned, Result};
use crate::ids::{FunctionName, Qualifier, Version};
use crate::storage::functions::{Change, FunctionRecord, ProvisionedRecord};
use std::sync::Arc;

impl Catalog {
    /// Reserves concurrency for a function; `None` gives the reservation up.
    pub async fn set_reserved_concurrency(&self, name: &FunctionName, reserved: Option<u32>) -> Result<()> {
        let _accounts = self.accounts.lock().await;
        let function = self.function(name)?;
        let others = self.taken_by_others(name);
        self.change(&function, |view| {
            if let Some(reserved) = reserved {
                self.leaves_enough(others, reserved, "ReservedConcurrentExecutions")?;
                if reserved < view.provisioned_total() {
                    return Err(Error::Invalid(
                        "ReservedConcurrentExecutions should not be lower than function's total provisioned concurrency"
                            .into(),
                    ));
                }
            }
            let record = FunctionRecord { reserved_concurrency: reserved, ..view.records.function.clone() };
            Ok((vec![Change::PutFunction(record)], ()))
        })
        .await?;
        self.recount();
        Ok(())
    }

    /// Asks for `requested` initialised environments at a version or alias.
    pub async fn put_provisioned(
        &self,
        name: &FunctionName,
        qualifier: Qualifier,
        requested: u32,
    ) -> Result<Arc<LiveProvisioned>> {
        let _accounts = self.accounts.lock().await;
        let function = self.function(name)?;
        let others = self.taken_by_others(name);
        self.change(&function, |view| {
            let unpublished = || {
                Error::Invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.".into())
            };
            match &qualifier {
                Qualifier::Version(Version::Latest) => return Err(unpublished()),
                Qualifier::Version(version) if !view.records.versions.contains_key(version) => {
                    return Err(self.not_found(name, Some(&qualifier)));
                }
                Qualifier::Version(_) => {}
                Qualifier::Alias(alias) => {
                    let alias = view.records.aliases.get(alias).ok_or_else(|| self.no_alias(name, alias))?;
                    if alias.version == Version::Latest {
                        return Err(unpublished());
                    }
                }
            }
            let before = view.records.provisioned.get(&qualifier).map_or(0, |record| record.requested);
            let total = view.provisioned_total().saturating_sub(before).saturating_add(requested);
            match view.records.function.reserved_concurrency {
                Some(reserved) if total > reserved => {
                    return Err(Error::Invalid(format!(
                        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function ({reserved})"
                    )));
                }
                Some(_) => {}
                None => self.leaves_enough(others, total, "ConcurrentExecutions")?,
            }
            let record = ProvisionedRecord {
                function: name.clone(),
                qualifier: qualifier.clone(),
                requested,
                modified_at_ms: self.now_ms(),
            };
            Ok((vec![Change::PutProvisioned(record)], ()))
        })
        .await?;
        self.recount();
        self.provisioned(name, &qualifier)
    }

    /// Gives provisioned environments up; they end once idle.
    pub async fn delete_provisioned(&self, name: &FunctionName, qualifier: &Qualifier) -> Result<()> {
        let _accounts = self.accounts.lock().await;
        let function = self.function(name)?;
        self.change(&function, |view| {
            // AWS answers the deletion of what is not there as a success.
            let changes = match view.records.provisioned.contains_key(qualifier) {
                true => vec![Change::DeleteProvisioned(name.clone(), qualifier.clone())],
                false => Vec::new(),
            };
            Ok((changes, ()))
        })
        .await?;
        self.recount();
        Ok(())
    }

    /// What is provisioned at a version or alias.
    pub fn provisioned(&self, name: &FunctionName, qualifier: &Qualifier) -> Result<Arc<LiveProvisioned>> {
        let view = self.function(name)?.view();
        view.provisioned.get(qualifier).cloned().ok_or(Error::ProvisionedNotFound)
    }

    fn taken_by_others(&self, name: &FunctionName) -> u64 {
        let others = self.functions.iter().filter(|entry| entry.key() != name);
        others.map(|entry| u64::from(entry.view.load().taken())).sum()
    }

    fn leaves_enough(&self, others: u64, wanted: u32, what: &str) -> Result<()> {
        let minimum = u64::from(self.account.unreserved_minimum());
        let taken = others.saturating_add(wanted.into()).saturating_add(minimum);
        if taken > u64::from(self.account.ceiling()) {
            return Err(Error::Invalid(format!(
                "Specified {what} for function decreases account's UnreservedConcurrentExecution below its minimum value of [{minimum}]."
            )));
        }
        Ok(())
    }
}
