//! The look ahead: packages are read, and guests that are new are recognised, before anything is changed.

use crate::catalog::Catalog;
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
    /// A new one.
    New(Bytes),
}

/// Looks at the packages of all functions, in order.
pub(super) async fn plan(catalog: &Arc<Catalog>, config: &Config) -> Result<Vec<Package>, ConfigError> {
    let mut packages = Vec::with_capacity(config.functions.len());
    let mut problems = Vec::new();
    for (index, function) in config.functions.iter().enumerate() {
        let current = catalog.version(&function.name, None).ok().filter(|live| live.record.version == Version::Latest);
        let known =
            current.map(|live| (live.record.code.package_sha256.clone(), live.record.configuration.handler.clone()));
        let declaration = function.clone();
        let looked = tokio::task::spawn_blocking(move || look(&declaration, known)).await;
        match looked.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(package) => packages.push(package),
            Err(message) => problems.push(config.places.problem(&format!("functions[{index}].package"), message)),
        }
    }
    if problems.is_empty() { Ok(packages) } else { Err(ConfigError { problems }) }
}

/// Reads a package. `known` is what `$LATEST` has: the hash of its package, and the handler that found the guest in it.
fn look(function: &FunctionDeclaration, known: Option<(String, String)>) -> Result<Package, String> {
    let bytes = read(&function.package)?;
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if known.is_some_and(|(package, handler)| package == hash && handler == function.handler) {
        return Ok(Package::Same);
    }
    let guest = package::guest(&bytes, &function.handler).map_err(|error| error.to_string())?;
    let component = component::componentize(guest).map_err(|error| error.to_string())?;
    component::kind(&component).map_err(|error| error.to_string())?;
    Ok(Package::New(bytes))
}

fn read(path: &Path) -> Result<Bytes, String> {
    let fault = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let size_bytes = std::fs::metadata(path).map_err(fault)?.len();
    if size_bytes > PACKAGE_LIMIT_BYTES {
        return Err(format!("{} has {size_bytes} bytes, more than {PACKAGE_LIMIT_BYTES}", path.display()));
    }
    std::fs::read(path).map(Bytes::from).map_err(fault)
}
