//! Configuration of `$LATEST`.

use super::code::check_memory;
use super::{Catalog, Precondition, Result};
use crate::ids::{FunctionName, Version};
use crate::storage::functions::{Change, ConfigurationRecord, VersionRecord};

impl Catalog {
    /// Changes the configuration of `$LATEST`; `edit` gets the current one and may refuse.
    pub async fn update_configuration(
        &self,
        name: &FunctionName,
        precondition: &Precondition,
        edit: impl FnOnce(&mut ConfigurationRecord) -> Result<()>,
    ) -> Result<VersionRecord> {
        let function = self.function(name)?;
        self.change(&function, |view| {
            let latest = view.records.versions.get(&Version::Latest).ok_or_else(|| self.not_found(name, None))?;
            precondition.check(latest)?;
            let mut updated = latest.clone();
            edit(&mut updated.configuration)?;
            check_memory(&updated.code, updated.configuration.memory_size_mb)?;
            updated.revision_id = Self::new_revision();
            updated.modified_at_ms = self.now_ms();
            Ok((vec![Change::PutVersion(updated.clone())], updated))
        })
        .await
    }
}
