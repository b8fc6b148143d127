//! Layers: a changed archive is a new version. Earlier ones stay, for the functions that have them.

use super::Run;
use crate::catalog::NewLayerVersion;
use crate::config::{Config, ConfigError, FunctionDeclaration, LayerDeclaration};
use crate::ids::LayerName;
use crate::sandbox::packing;
use crate::storage::functions::AttachedLayer;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::path::Path;

/// An archive larger than this is not read: what it holds could not be unpacked.
const ARCHIVE_LIMIT_BYTES: u64 = crate::sandbox::package::UNPACKED_LIMIT_BYTES;

/// Reads the archives of all layers, in order.
pub(super) async fn read_all(config: &Config) -> Result<Vec<Bytes>, ConfigError> {
    let (mut archives, mut problems) = (Vec::with_capacity(config.layers.len()), Vec::new());
    for (index, layer) in config.layers.iter().enumerate() {
        let path = layer.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(archive) => archives.push(archive),
            Err(message) => problems.push(config.places.problem(&format!("layers[{index}].path"), message)),
        }
    }
    if problems.is_empty() { Ok(archives) } else { Err(ConfigError { problems }) }
}

/// Reads a zip, or packs a directory.
pub(super) fn read(path: &Path) -> Result<Bytes, String> {
    let fault = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(fault)?;
    if metadata.is_dir() {
        return packing::zip(path).map(Bytes::from).map_err(|error| error.to_string());
    }
    if metadata.len() > ARCHIVE_LIMIT_BYTES {
        return Err(format!("{} has {} bytes, more than {ARCHIVE_LIMIT_BYTES}", path.display(), metadata.len()));
    }
    std::fs::read(path).map(Bytes::from).map_err(fault)
}

impl Run<'_> {
    pub(super) async fn layers(&mut self, archives: Vec<Bytes>) {
        let config = self.config;
        for (index, (declared, archive)) in config.layers.iter().zip(archives).enumerate() {
            match self.layer(declared, archive).await {
                Ok(Some(version)) => self.changed(format!("layer {} has a new version {version}", declared.name)),
                Ok(None) => self.outcome.unchanged = self.outcome.unchanged.saturating_add(1),
                Err(error) => self.failed(&format!("layers[{index}]"), error),
            }
        }
    }

    /// Publishes a layer where its last version is not as declared; answers the new version.
    async fn layer(&self, declared: &LayerDeclaration, archive: Bytes) -> crate::catalog::Result<Option<u64>> {
        let catalog = &self.parts.catalog;
        let sha256: String = Sha256::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(last) = catalog.last_layer_version(&declared.name)
            && last.content.sha256 == sha256
            && last.description == declared.description
            && last.license_info == declared.license_info
            && last.compatible_runtimes == declared.compatible_runtimes
        {
            return Ok(None);
        }
        let new = NewLayerVersion {
            name: declared.name.clone(),
            archive,
            description: declared.description.clone(),
            license_info: declared.license_info.clone(),
            compatible_runtimes: declared.compatible_runtimes.clone(),
            compatible_architectures: Vec::new(),
        };
        catalog.publish_layer_version(new).await.map(|record| Some(record.version))
    }

    /// The layers that a function's declaration names, each by its last version where no other is named; `None` where it names none at
    /// all.
    pub(super) fn attached(
        &self,
        declared: &FunctionDeclaration,
    ) -> crate::catalog::Result<Option<Vec<AttachedLayer>>> {
        let catalog = &self.parts.catalog;
        let Some(layers) = &declared.layers else { return Ok(None) };
        let unknown = |text: &str| crate::catalog::Error::Invalid(format!("Layer version {text} does not exist."));
        let version = |text: &String| -> crate::catalog::Result<(LayerName, u64)> {
            if let Some(named) = catalog.home().layer_version(text) {
                return Ok(named);
            }
            let name = LayerName::new(text).map_err(|_| unknown(text))?;
            let last = catalog.last_layer_version(&name).ok_or_else(|| unknown(text))?;
            Ok((name, last.version))
        };
        let named: Vec<_> = layers.iter().map(version).collect::<Result<_, _>>()?;
        catalog.attach_layers(&named).map(Some)
    }
}
