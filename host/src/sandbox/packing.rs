//! A directory as a zip: of the same files, the same bytes.
//!
//! Files come by name, without times, modes or owners. Symbolic links are left out, since they could lead anywhere. Bounds:
//! [`FILES_LIMIT`] files, and as many bytes as a package may have unpacked.

use super::package::UNPACKED_LIMIT_BYTES;
use std::fmt::Display;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

/// Files of a directory at most.
pub const FILES_LIMIT: usize = 10_000;

/// Why a directory was not packed. Its owner's fault.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file or directory cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// There are no files in it.
    #[error("{} holds no files", .0.display())]
    Empty(PathBuf),
    /// More than [`FILES_LIMIT`].
    #[error("{} holds more than {FILES_LIMIT} files", .0.display())]
    TooMany(PathBuf),
    /// More bytes than may be unpacked.
    #[error("{} holds more than {UNPACKED_LIMIT_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// A zip cannot hold it.
    #[error("{} cannot be packed: {reason}", path.display())]
    Unpackable {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// The files of a directory and of those within, as a zip.
///
/// # Errors
/// What cannot be read or is too much.
pub fn zip(directory: &Path) -> Result<Vec<u8>, PackError> {
    let mut found = Found::default();
    found.collect(directory, directory)?;
    if found.files.is_empty() {
        return Err(PackError::Empty(directory.to_owned()));
    }
    found.files.sort();
    let unpackable =
        |path: &Path, error: &dyn Display| PackError::Unpackable { path: path.to_owned(), reason: error.to_string() };
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for path in found.files {
        let name = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).map_err(|error| unpackable(&path, &error))?;
        let bytes = std::fs::read(&path).map_err(|reason| PackError::Unreadable { path: path.clone(), reason })?;
        zip.write_all(&bytes).map_err(|error| unpackable(&path, &error))?;
    }
    let package = zip.finish().map_err(|error| unpackable(directory, &error))?;
    Ok(package.into_inner())
}

#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    size_bytes: u64,
}

impl Found {
    fn collect(&mut self, root: &Path, directory: &Path) -> Result<(), PackError> {
        let unreadable = |reason| PackError::Unreadable { path: directory.to_owned(), reason };
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                self.collect(root, &entry.path())?;
            } else if kind.is_file() {
                self.size_bytes = self.size_bytes.saturating_add(entry.metadata().map_err(unreadable)?.len());
                self.files.push(entry.path());
            }
            if self.files.len() > FILES_LIMIT {
                return Err(PackError::TooMany(root.to_owned()));
            }
            if self.size_bytes > UNPACKED_LIMIT_BYTES {
                return Err(PackError::TooLarge(root.to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_same_files_are_the_same_zip() {
        let pack = |order: &[&str]| {
            let dir = tempfile::TempDir::new().unwrap();
            std::fs::create_dir(dir.path().join("b")).unwrap();
            for name in order {
                std::fs::write(dir.path().join(name), name).unwrap();
            }
            std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
            zip(dir.path()).unwrap()
        };
        let packed = pack(&["a.txt", "b/c.txt"]);
        assert_eq!(packed, pack(&["b/c.txt", "a.txt"]));
        let mut archive = zip::ZipArchive::new(Cursor::new(packed)).unwrap();
        assert_eq!(archive.file_names().collect::<Vec<_>>(), ["a.txt", "b/c.txt"]);
        let mut text = String::new();
        archive.by_name("b/c.txt").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "b/c.txt");
    }

    #[test]
    fn nothing_is_not_packed() {
        let dir = tempfile::TempDir::new().unwrap();
        assert!(matches!(zip(dir.path()), Err(PackError::Empty(_))));
        assert!(matches!(zip(&dir.path().join("none")), Err(PackError::Unreadable { .. })));
    }
}
