//! Components in a layer that guests are composed with: files `lib/*.wasm`, or `lib/*.wat` as text.

use std::io;
use std::path::{Path, PathBuf};

/// Where they are.
const DIRECTORY: &str = "lib";

/// Whether a path of a layer is that of such a file.
pub(super) fn is_one(path: &str) -> bool {
    let name = path.strip_prefix(DIRECTORY).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| !name.contains('/') && has_extension(Path::new(name)))
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm" || extension == "wat")
}

/// Those of the layer unpacked at `dir`, by name. Links are not followed.
pub(super) fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir.join(DIRECTORY)) {
        Ok(entries) if std::fs::symlink_metadata(dir.join(DIRECTORY))?.is_dir() => entries,
        Ok(_) => return Ok(Vec::new()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() && has_extension(&entry.path()) {
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}
