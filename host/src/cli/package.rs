//! Deployment packages made of what a path names.

use super::Failure;
use std::io::{Cursor, Write as _};
use std::path::Path;

/// Files of a directory at most.
const FILES_LIMIT: usize = 10_000;
/// Bytes of a package at most: Lambda's quota for a direct upload.
const SIZE_LIMIT_BYTES: u64 = 50 << 20;

/// The package at `path`: a file as it is (wasm, wat or zip), a directory as a zip of what is in it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let fault = |error: std::io::Error| Failure::usage(format!("{} cannot be read: {error}", path.display()));
    let metadata = std::fs::metadata(path).map_err(fault)?;
    let package = if metadata.is_dir() {
        zip(path)?
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

fn zip(directory: &Path) -> Result<Vec<u8>, Failure> {
    let mut files = Vec::new();
    collect(directory, &mut files)?;
    if files.is_empty() {
        return Err(Failure::usage(format!("{} holds no files", directory.display())));
    }
    files.sort();
    let fault = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::usage(format!("{} cannot be packed: {error}", path.display()))
    };
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for path in files {
        let name = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
        // Without times, the same files are the same package.
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).map_err(|error| fault(&path, &error))?;
        let bytes = std::fs::read(&path).map_err(|error| fault(&path, &error))?;
        zip.write_all(&bytes).map_err(|error| fault(&path, &error))?;
    }
    let package = zip.finish().map_err(|error| fault(directory, &error))?;
    Ok(package.into_inner())
}

fn collect(directory: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<(), Failure> {
    let fault = |error: std::io::Error| Failure::usage(format!("{} cannot be read: {error}", directory.display()));
    for entry in std::fs::read_dir(directory).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let kind = entry.file_type().map_err(fault)?;
        // Links could lead anywhere.
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
        if files.len() > FILES_LIMIT {
            return Err(Failure::usage(format!("{} holds more than {FILES_LIMIT} files", directory.display())));
        }
    }
    Ok(())
}
