//! Components in a layer: files `<folder>/*.wasm`, or `<folder>/*.wat` as text. In `lib/` are those that guests are composed with, in
//! `extensions/` the extensions.

use std::io;
use std::path::{Path, PathBuf};

/// Where libraries are.
pub(super) const LIBRARIES: &str = "lib";

/// Where extensions are.
pub(super) const EXTENSIONS: &str = "extensions";

/// Whether a path of a layer is that of such a file in `folder`.
pub(super) fn is_one(folder: &str, path: &str) -> bool {
    let name = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| !name.contains('/') && has_extension(Path::new(name)))
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm" || extension == "wat")
}

/// Those in `folder` of the layer unpacked at `dir`, by name. Links are not followed.
pub(super) fn files(dir: &Path, folder: &str) -> io::Result<Vec<PathBuf>> {
    let folder = dir.join(folder);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) if std::fs::symlink_metadata(&folder)?.is_dir() => entries,
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
