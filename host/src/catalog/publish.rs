//! Published versions: immutable snapshots of code and configuration, numbered once and for all.

use super::{Catalog, Error, Precondition, Result, View};
use crate::ids::{FunctionName, Version};
#[cfg(doc)]
use crate::storage::functions::CodeRecord;
use crate::storage::functions::{Change, FunctionRecord, VersionRecord};

impl Catalog {
    /// Publishes `$LATEST`. Where neither code nor configuration changed since the last published version, that one is answered
    /// (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>).
    ///
    /// - `code_sha256`: hex, as [`CodeRecord::sha256`] has it; publishes only this code.
    pub async fn publish_version(
        &self,
        name: &FunctionName,
        description: Option<String>,
        code_sha256: Option<&str>,
        precondition: &Precondition,
    ) -> Result<VersionRecord> {
        let function = self.function(name)?;
        self.change(&function, |view| {
            let latest = self.settled(view, name)?;
            precondition.check(&latest.revision_id)?;
            if code_sha256.is_some_and(|wanted| wanted != latest.code.sha256()) {
                return Err(Error::Invalid(
                    "CodeSHA256 is different from current CodeSHA256 in $LATEST. Please try again with the CodeSHA256 in $LATEST."
                        .into(),
                ));
            }
            Ok(self.publish_changes(view, latest, description))
        })
        .await
    }

    /// The changes that publish `latest`, none where nothing is new, and the version that stands for it.
    pub(super) fn publish_changes(
        &self,
        view: &View,
        latest: &VersionRecord,
        description: Option<String>,
    ) -> (Vec<Change>, VersionRecord) {
        if let Some(last) = view.records.last_published() {
            let mut same = last.configuration.clone();
            same.description.clone_from(&latest.configuration.description);
            if last.code.is_same(&latest.code) && same == latest.configuration {
                return (Vec::new(), last.clone());
            }
        }
        let number = view.records.function.next_version;
        let mut published = self.published(latest.clone(), number);
        if let Some(description) = description {
            published.configuration.description = description;
        }
        let function = FunctionRecord { next_version: number.saturating_add(1), ..view.records.function.clone() };
        (vec![Change::PutFunction(function), Change::PutVersion(published.clone())], published)
    }

    /// `latest` as the version of this number.
    pub(super) fn published(&self, latest: VersionRecord, number: u64) -> VersionRecord {
        VersionRecord {
            version: Version::Number(number),
            revision_id: Self::new_revision(),
            modified_at_ms: self.now_ms(),
            ..latest
        }
    }
}
