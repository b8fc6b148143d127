//! Deployment packages made of what a path names.

use super::Failure;
use crate::sandbox::packing;
use std::path::Path;

/// Bytes of a package at most: Lambda's quota for a direct upload.
const SIZE_LIMIT_BYTES: u64 = 50 << 20;

/// The package at `path`: a file as it is (wasm, wat or zip), a directory as a zip of what is in it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let fault = |error: std::io::Error| Failure::usage(format!("{} cannot be read: {error}", path.display()));
    let metadata = std::fs::metadata(path).map_err(fault)?;
    let package = if metadata.is_dir() {
        packing::zip(path).map_err(|error| Failure::usage(error.to_string()))?
    } else {
        check_size(path, metadata.len())?;
        std::fs::read(path).map_err(fault)?
    };
    check_size(path, u64::try_from(package.len()).unwrap_or(u64::MAX))?;
    Ok(package)
}

fn check_size(path: &Path, size_bytes: u64) -> Result<(), Failure> {
    if size_bytes <= SIZE_LIMIT_BYTES {
        return Ok(());
    }
    let message = format!("{} has {size_bytes} bytes, more than a package's {SIZE_LIMIT_BYTES}", path.display());
    Err(Failure::usage(message).hint("build for release, and strip what the guest does not need"))
}
