//! Blobs as files in one directory, for every backend.

use super::blobs::{BlobInfo, Blobs};
use super::{Error, Pending, Result};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Starts the name of a file that is being written.
const UNFINISHED: &str = ".unfinished-";

/// The directory.
pub(super) struct FileBlobs {
    dir: PathBuf,
    /// Keeps a temporary directory until the store is gone.
    _temporary: Option<tempfile::TempDir>,
}

impl FileBlobs {
    /// Opens or creates the store; removes what a crash left half-written.
    pub(super) fn open(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).map_err(|e| failed("create", &dir, &e))?;
        for entry in fs::read_dir(&dir).map_err(|e| failed("read", &dir, &e))? {
            let entry = entry.map_err(|e| failed("read", &dir, &e))?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(entry.path()).map_err(|e| failed("remove", &entry.path(), &e))?;
            }
        }
        if let Some(parent) = dir.parent() {
            sync_dir(parent)?;
        }
        Ok(Self { dir, _temporary: None })
    }

    /// A store that is gone with this value.
    pub(super) fn temporary() -> Result<Self> {
        let temporary = tempfile::tempdir().map_err(|e| failed("create a directory in", &std::env::temp_dir(), &e))?;
        let mut store = Self::open(temporary.path().to_owned())?;
        store._temporary = Some(temporary);
        Ok(store)
    }
}

/// Runs blocking work on files.
fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Pending<'static, T> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| Error::Backend(format!("work on a blob ended early: {e}")))?
    })
}

impl Blobs for FileBlobs {
    fn put(&self, bytes: Bytes) -> Pending<'_, String> {
        let dir = self.dir.clone();
        blocking(move || put(&dir, &bytes))
    }

    fn get(&self, sha256: String) -> Pending<'_, Option<Bytes>> {
        let Some(path) = self.path(&sha256) else { return Box::pin(async { Ok(None) }) };
        blocking(move || {
            let Some(bytes) = read(&path)? else { return Ok(None) };
            if name_of(&bytes) != sha256 {
                return Err(Error::Corrupt(format!("{} is not what was stored", path.display())));
            }
            Ok(Some(bytes.into()))
        })
    }

    fn path(&self, sha256: &str) -> Option<PathBuf> {
        is_name(sha256).then(|| self.dir.join(sha256))
    }

    fn remove(&self, sha256: String) -> Pending<'_, bool> {
        let Some(path) = self.path(&sha256) else { return Box::pin(async { Ok(false) }) };
        blocking(move || match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed("remove", &path, &e)),
        })
    }

    fn list(&self) -> Pending<'_, Vec<BlobInfo>> {
        let dir = self.dir.clone();
        blocking(move || list(&dir))
    }
}

fn put(dir: &Path, bytes: &[u8]) -> Result<String> {
    let name = name_of(bytes);
    let path = dir.join(&name);
    // A damaged file is replaced.
    if read(&path)?.is_some_and(|found| found == bytes) {
        // Whoever put it may not have come this far yet.
        sync_dir(dir)?;
        return Ok(name);
    }
    let mut file =
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(dir).map_err(|e| failed("write in", dir, &e))?;
    file.write_all(bytes).map_err(|e| failed("write", &path, &e))?;
    file.as_file().sync_all().map_err(|e| failed("sync", &path, &e))?;
    file.persist(&path).map_err(|e| failed("rename", &path, &e.error))?;
    sync_dir(dir)?;
    Ok(name)
}

fn list(dir: &Path) -> Result<Vec<BlobInfo>> {
    let mut blobs = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| failed("read", dir, &e))? {
        let entry = entry.map_err(|e| failed("read", dir, &e))?;
        let Ok(sha256) = entry.file_name().into_string() else { continue };
        if !is_name(&sha256) {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) => blobs.push(BlobInfo { sha256, size_bytes: metadata.len() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed("read", &entry.path(), &e)),
        }
    }
    blobs.sort_unstable_by(|a, b| a.sha256.cmp(&b.sha256));
    Ok(blobs)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", path, &e)),
    }
}

fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| failed("sync", dir, &e))
}

fn name_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_name(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    let text = format!("cannot {what} {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Error::Full(text),
        _ => Error::Backend(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[tokio::test]
    async fn half_written_files_are_removed_at_start_and_whole_ones_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileBlobs::open(dir.path().to_owned()).unwrap();
        assert_eq!(store.put(Bytes::from_static(b"abc")).await.unwrap(), ABC);
        fs::write(dir.path().join(format!("{UNFINISHED}x")), b"ab").unwrap();
        let store = FileBlobs::open(dir.path().to_owned()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(store.get(ABC.into()).await.unwrap().unwrap(), "abc");
    }

    #[tokio::test]
    async fn damage_is_noticed_and_a_put_repairs_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileBlobs::open(dir.path().to_owned()).unwrap();
        store.put(Bytes::from_static(b"abc")).await.unwrap();
        fs::write(store.path(ABC).unwrap(), b"abd").unwrap();
        assert!(matches!(store.get(ABC.into()).await, Err(Error::Corrupt(_))));
        store.put(Bytes::from_static(b"abc")).await.unwrap();
        assert_eq!(store.get(ABC.into()).await.unwrap().unwrap(), "abc");
    }

    #[test]
    fn names_lead_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileBlobs::open(dir.path().to_owned()).unwrap();
        for name in ["", "../x", "/etc/passwd", &ABC.to_uppercase(), &ABC[1..]] {
            assert_eq!(store.path(name), None, "{name}");
        }
    }
}
