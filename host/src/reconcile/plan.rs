//! The look ahead: packages are read, and guests that are new are recognised, before anything is changed.

use super::layers;
use crate::catalog::{self, Catalog};
use crate::config::{Config, ConfigError, FunctionDeclaration};
use crate::ids::Version;
use crate::sandbox::{component, package};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// The largest package: Lambda's quota for an unpacked one.
const PACKAGE_LIMIT_BYTES: u64 = package::UNPACKED_LIMIT_BYTES;

/// What is to become of a function's code.
pub(super) enum Package {
    /// `$LATEST` has this package already.
    Same,
    /// A new one, or an image that is yet to be pulled.
    New(catalog::Package),
}

/// Looks at the packages of all functions, in order.
pub(super) async fn plan(catalog: &Arc<Catalog>, config: &Config) -> Result<Vec<Package>, ConfigError> {
    let mut packages = Vec::with_capacity(config.functions.len());
    let mut problems = Vec::new();
    for (index, function) in config.functions.iter().enumerate() {
        if let Some(image) = &function.image {
            packages.push(image_of(catalog, function, image));
            continue;
        }
        let Some(path) = function.package.clone() else {
            problems.push(config.places.problem(&format!("functions[{index}]"), "needs a package or an image"));
            continue;
        };
        if let Some(runtime) = &function.runtime
            && let Err(error) = catalog.check_runtime(runtime)
        {
            problems.push(config.places.problem(&format!("functions[{index}].runtime"), error.to_string()));
            continue;
        }
        let current = catalog.version(&function.name, None).ok().filter(|live| live.record.version == Version::Latest);
        let known =
            current.map(|live| (live.record.code.package_sha256.clone(), live.record.configuration.handler.clone()));
        let declaration = function.clone();
        let looked = tokio::task::spawn_blocking(move || look(&declaration, &path, known)).await;
        match looked.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(package) => packages.push(package),
            Err(message) => problems.push(config.places.problem(&format!("functions[{index}].package"), message)),
        }
    }
    if problems.is_empty() { Ok(packages) } else { Err(ConfigError { problems }) }
}

/// A tag is looked up when it is declared, not at every start: registries may be away, and what a tag means may change.
fn image_of(catalog: &Catalog, function: &FunctionDeclaration, image: &str) -> Package {
    let current = catalog.version(&function.name, None).ok();
    let has = current.as_ref().and_then(|live| live.record.code.image.as_ref()).is_some_and(|had| had.uri == image);
    if has { Package::Same } else { Package::New(catalog::Package::Image(image.to_owned())) }
}

/// Reads a package. `known` is what `$LATEST` has: the hash of its package, and the handler that found the guest in it.
fn look(function: &FunctionDeclaration, path: &Path, known: Option<(String, String)>) -> Result<Package, String> {
    let bytes = if function.is_interpreted() { layers::read(path)? } else { read(path)? };
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if known.is_some_and(|(package, handler)| package == hash && handler == function.handler) {
        return Ok(Package::Same);
    }
    if function.is_interpreted() {
        return Ok(Package::New(bytes.into()));
    }
    let guest = package::guest(&bytes, &function.handler).map_err(|error| error.to_string())?;
    let component = component::componentize(guest).map_err(|error| error.to_string())?;
    component::kind(&component).map_err(|error| error.to_string())?;
    Ok(Package::New(bytes.into()))
}

fn read(path: &Path) -> Result<Bytes, String> {
    let fault = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let size_bytes = std::fs::metadata(path).map_err(fault)?.len();
    if size_bytes > PACKAGE_LIMIT_BYTES {
        return Err(format!("{} has {size_bytes} bytes, more than {PACKAGE_LIMIT_BYTES}", path.display()));
    }
    std::fs::read(path).map(Bytes::from).map_err(fault)
}
