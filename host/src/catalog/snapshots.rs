//! Images of published versions: which are missing, how far one is, and which are needed.

use super::runtimes::is_interpreted;
use super::{Catalog, LiveVersion};
use crate::ids::{FunctionName, Version};
use crate::sandbox::runtime::snapshot::Progress;
use crate::storage::functions::{ConfigurationRecord, VersionRecord};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Notify;

impl Catalog {
    /// Woken when images of versions may be missing.
    pub fn snapshots(&self) -> Arc<Notify> {
        Arc::clone(&self.snapshots)
    }

    /// Versions whose images are to be made, with the functions they are of.
    pub fn missing_images(&self) -> Vec<(FunctionName, Arc<LiveVersion>)> {
        let mut missing = Vec::new();
        for function in &self.functions {
            let view = function.view();
            let pending =
                view.versions.values().filter(|version| version.snapshot.as_ref().is_some_and(|s| s.is_pending()));
            missing.extend(pending.map(|version| (function.name.clone(), Arc::clone(version))));
        }
        missing
    }

    /// Whether versions with this configuration have images.
    pub fn can_have_images(&self, configuration: &ConfigurationRecord) -> bool {
        is_interpreted(configuration) && self.parts.host.runtimes().makes_images()
    }

    /// How far the image of a version is; `None` where it is to have none.
    pub fn image_progress(&self, record: &VersionRecord) -> Option<Progress> {
        if record.version == Version::Latest {
            return None;
        }
        let view = self.functions.get(&record.function)?.view();
        Some(view.versions.get(&record.version)?.snapshot.as_ref()?.progress())
    }

    /// Removes images that no version goes on from; answers how many files. As long as it is not known what a version needs, nothing
    /// is removed.
    pub async fn collect_images(&self) -> usize {
        let mut kept = HashSet::new();
        for function in &self.functions {
            let view = function.view();
            for snapshot in view.versions.values().filter_map(|version| version.snapshot.as_ref()) {
                match snapshot.key() {
                    Some(key) => drop(kept.insert(key)),
                    None => return 0,
                }
            }
        }
        self.parts.host.remove_images(kept).await
    }
}
