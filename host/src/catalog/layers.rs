//! Layer versions, and functions that have them.
//!
//! A function's version names the content of its layers, so that deleting a layer version takes it from nobody who has it.

use super::{Catalog, Error, Result};
use crate::ids::LayerName;
use crate::sandbox::layers::{LayerArchive, LayerSet};
use crate::sandbox::package::UNPACKED_LIMIT_BYTES;
use crate::storage::functions::{AttachedLayer, CodeRecord, ConfigurationRecord};
use crate::storage::layers::{LayerContent, LayerVersionRecord};
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Layers of one function (Lambda quota).
const LAYERS_PER_FUNCTION: usize = 5;

/// Bytes of a layer version's policy (Lambda quota: 20 KB).
const POLICY_LIMIT_BYTES: usize = 20_480;

/// What `PublishLayerVersion` gives, checked by the caller against the API's constraints.
#[derive(Debug, Clone)]
pub struct NewLayerVersion {
    /// The layer.
    pub name: LayerName,
    /// The archive.
    pub archive: Bytes,
    /// At most 256 characters.
    pub description: String,
    /// At most 512 characters.
    pub license_info: Option<String>,
    /// Runtimes it is meant for.
    pub compatible_runtimes: Vec<String>,
    /// Architectures it is meant for.
    pub compatible_architectures: Vec<String>,
}

/// All layer versions.
#[derive(Default)]
pub(super) struct LayerVersions {
    versions: RwLock<BTreeMap<(LayerName, u64), Arc<LayerVersionRecord>>>,
    /// Held while a change is decided, stored and shown.
    changing: Mutex<()>,
}

impl LayerVersions {
    pub(super) fn new(stored: Vec<LayerVersionRecord>) -> Self {
        let versions = stored.into_iter().map(|record| ((record.name.clone(), record.version), Arc::new(record)));
        Self { versions: RwLock::new(versions.collect()), changing: Mutex::default() }
    }

    pub(super) fn all(&self) -> Vec<Arc<LayerVersionRecord>> {
        self.versions.read().values().cloned().collect()
    }

    fn show(&self, record: LayerVersionRecord) -> Arc<LayerVersionRecord> {
        let record = Arc::new(record);
        self.versions.write().insert((record.name.clone(), record.version), Arc::clone(&record));
        record
    }
}

impl Catalog {
    /// Publishes a layer's next version.
    pub async fn publish_layer_version(&self, new: NewLayerVersion) -> Result<Arc<LayerVersionRecord>> {
        let inspected = self.parts.host.inspect_layer(new.archive.clone()).await?;
        let _blobs = self.blobs.read().await;
        let size_bytes = new.archive.len() as u64;
        let content = LayerContent {
            sha256: self.parts.storage.blobs.put(new.archive).await?,
            size_bytes,
            unpacked_bytes: inspected.unpacked_bytes,
            libraries: inspected.libraries,
            extensions: inspected.extensions,
        };
        let mut record = LayerVersionRecord {
            name: new.name,
            version: 0,
            description: new.description,
            license_info: new.license_info,
            compatible_runtimes: new.compatible_runtimes,
            compatible_architectures: new.compatible_architectures,
            content,
            policy: BTreeMap::new(),
            revision_id: Self::new_revision(),
            created_at_ms: self.now_ms(),
        };
        let _changing = self.layers.changing.lock().await;
        record.version = self.parts.storage.layers.publish(record.clone()).await?;
        Ok(self.layers.show(record))
    }

    /// One layer version.
    pub fn layer_version(&self, name: &LayerName, version: u64) -> Result<Arc<LayerVersionRecord>> {
        let found = self.layers.versions.read().get(&(name.clone(), version)).cloned();
        found.ok_or_else(|| Error::NotFound("The resource you requested does not exist.".into()))
    }

    /// A layer's last version, if it has any.
    pub fn last_layer_version(&self, name: &LayerName) -> Option<Arc<LayerVersionRecord>> {
        let versions = self.layers.versions.read();
        versions.range((name.clone(), 0)..=(name.clone(), u64::MAX)).next_back().map(|(_, record)| Arc::clone(record))
    }

    /// All layer versions, by name and number.
    pub fn layer_versions(&self) -> Vec<Arc<LayerVersionRecord>> {
        self.layers.all()
    }

    /// Deletes a layer version, if there is one. Functions that have it keep it.
    pub async fn delete_layer_version(&self, name: &LayerName, version: u64) -> Result<()> {
        let _changing = self.layers.changing.lock().await;
        self.parts.storage.layers.delete(name.clone(), version).await?;
        self.layers.versions.write().remove(&(name.clone(), version));
        Ok(())
    }

    /// Changes a layer version's policy; `edit` gets the statements by their ids and may refuse. `revision_id` is what the
    /// caller knows.
    pub async fn edit_layer_policy<R>(
        &self,
        name: &LayerName,
        version: u64,
        revision_id: Option<&str>,
        edit: impl FnOnce(&mut BTreeMap<String, serde_json::Value>) -> Result<R>,
    ) -> Result<(Arc<LayerVersionRecord>, R)> {
        let _changing = self.layers.changing.lock().await;
        let mut record = LayerVersionRecord::clone(&*self.layer_version(name, version)?);
        if revision_id.is_some_and(|wanted| *wanted != record.revision_id) {
            return Err(Error::RevisionMismatch);
        }
        let answer = edit(&mut record.policy)?;
        let size_bytes: usize = record.policy.values().map(|statement| statement.to_string().len()).sum();
        if size_bytes > POLICY_LIMIT_BYTES {
            return Err(Error::PolicyTooLong { size_bytes, limit_bytes: POLICY_LIMIT_BYTES });
        }
        record.revision_id = Self::new_revision();
        self.parts.storage.layers.replace(record.clone()).await?;
        Ok((self.layers.show(record), answer))
    }

    /// What a function has whose configuration names these layer versions.
    pub fn attach_layers(&self, named: &[(LayerName, u64)]) -> Result<Vec<AttachedLayer>> {
        if named.len() > LAYERS_PER_FUNCTION {
            return Err(Error::Invalid(format!("cannot reference more than {LAYERS_PER_FUNCTION} layers.")));
        }
        let mut attached = Vec::with_capacity(named.len());
        for (index, (name, version)) in named.iter().enumerate() {
            if named.iter().take(index).any(|(other, _)| other == name) {
                return Err(Error::Invalid(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. "
                        .to_owned()
                        + &self.home().layer_arn(name, Some(*version)),
                ));
            }
            let arn = self.home().layer_arn(name, Some(*version));
            let record = self
                .layer_version(name, *version)
                .map_err(|_| Error::Invalid(format!("Layer version {arn} does not exist.")))?;
            attached.push(AttachedLayer { arn, content: record.content.clone() });
        }
        Ok(attached)
    }

    /// The archives of a configuration's layers.
    pub(super) fn layer_set(&self, configuration: &ConfigurationRecord) -> Result<Option<LayerSet>, String> {
        let archives = configuration.layers.iter().map(|layer| {
            let sha256 = layer.content.sha256.clone();
            let path = self.parts.storage.blobs.path(&sha256);
            path.map(|path| LayerArchive { path, sha256 }).ok_or_else(|| format!("{} has no content", layer.arn))
        });
        Ok(LayerSet::new(archives.collect::<Result<_, _>>()?))
    }

    /// Unpacks a configuration's layers, so that the first environment need not. The caller holds `blobs`.
    pub(super) async fn prepare_layers(&self, configuration: &ConfigurationRecord) -> Result<()> {
        if let Some(set) = self.layer_set(configuration).map_err(Error::Invalid)? {
            self.parts.host.prepare_layers(&set).await?;
        }
        Ok(())
    }
}

/// What a configuration's layers add to its guest, by the hashes of those that add anything.
pub(super) fn libraries(configuration: &ConfigurationRecord) -> Vec<&str> {
    let with = configuration.layers.iter().filter(|layer| layer.content.libraries > 0);
    with.map(|layer| layer.content.sha256.as_str()).collect()
}

/// What a configuration's layers add as extensions, by the hashes of those that add any.
pub(super) fn extensions(configuration: &ConfigurationRecord) -> Vec<&str> {
    let with = configuration.layers.iter().filter(|layer| layer.content.extensions > 0);
    with.map(|layer| layer.content.sha256.as_str()).collect()
}

/// A function's code and layers have a limit together.
pub(super) fn check_unpacked(code: &CodeRecord, configuration: &ConfigurationRecord) -> Result<()> {
    if configuration.layers.is_empty() {
        return Ok(());
    }
    let layers = configuration.layers.iter().map(|layer| layer.content.unpacked_bytes);
    let total_bytes = layers.fold(code.unpacked_bytes, u64::saturating_add);
    if total_bytes <= UNPACKED_LIMIT_BYTES {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "Function code combined with layers exceeds the maximum allowed size of {UNPACKED_LIMIT_BYTES} bytes. \
         The actual size is {total_bytes} bytes."
    )))
}
