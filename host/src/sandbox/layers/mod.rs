//! What functions see at `/opt`: layers, unpacked on disk.
//!
//! A layer is unpacked once by the hash of its archive, into a directory that nothing writes to again; several layers of a function are
//! one more directory, made of hard links, later layers over earlier ones. A directory is made beside its place, synced and
//! renamed: it is there whole or not at all, and is made again from the archives where it is missing.
//! Guests get it as a read-only preopen, so all environments share it.
//!
//! Assumptions: one daemon at a time uses a directory; blobs of layers in use are kept by the caller.

mod archive;
mod component_files;
mod merge;

pub use archive::{Inspected, LayerError, inspect};

use super::calls::filesystem::read_only;
use super::loaded::hex;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use wasmtime_wasi::filesystem::Dir;

/// Starts the name of a directory that is being made or removed.
const UNFINISHED: &str = ".unfinished-";

/// The layers of a function, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSet {
    layers: Arc<[LayerArchive]>,
    key: Arc<str>,
}

/// A layer's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerArchive {
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Its file.
    pub path: PathBuf,
}

impl LayerSet {
    /// `None` where there are no layers.
    pub fn new(layers: Vec<LayerArchive>) -> Option<Self> {
        let key = match layers.as_slice() {
            [] => return None,
            [one] => one.sha256.clone(),
            several => {
                let names: Vec<&str> = several.iter().map(|layer| layer.sha256.as_str()).collect();
                hex(&Sha256::digest(names.join("\n")))
            }
        };
        Some(Self { layers: layers.into(), key: key.into() })
    }

    /// The directories it needs, for [`LayerDirs::remove_others`].
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|layer| layer.sha256.as_str()).chain([&*self.key])
    }
}

/// Why layers are not there.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// What was stored is not what may be unpacked.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The platform's fault; a retry may help.
    #[error("a layer could not be unpacked: {0}")]
    Io(#[from] io::Error),
}

/// All unpacked layers of this host.
pub(super) struct LayerDirs {
    dir: PathBuf,
    /// The same, as guests' descriptors are made.
    root: Dir,
    /// What environments hold open.
    open: Mutex<HashMap<Arc<str>, Weak<File>>>,
    /// Held while directories are made or removed.
    changing: Mutex<()>,
}

impl LayerDirs {
    /// Opens or creates `dir`; removes what a crash left half-made.
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        let root = read_only(File::open(&dir)?);
        Ok(Self { dir, root, open: Mutex::default(), changing: Mutex::default() })
    }

    /// The directory that shows `set`, made where it is missing.
    pub(super) async fn get(self: &Arc<Self>, set: &LayerSet) -> Result<Dir, UnpackError> {
        if let Some(held) = self.held(&set.key) {
            return Ok(held);
        }
        let (dirs, set) = (Arc::clone(self), set.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let path = dirs.dir.join(&*set.key);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => dirs.make(&set)?,
                Err(error) => return Err(error.into()),
            };
            let opened = read_only(file);
            let mut open = dirs.open.lock();
            open.retain(|_, held| held.strong_count() > 0);
            open.insert(Arc::clone(&set.key), Arc::downgrade(&opened.dir));
            Ok(opened)
        });
        opened.await.map_err(io::Error::other)?
    }

    /// The components of `set` that guests are composed with, made there where it is missing, later layers first.
    pub(super) async fn libraries(self: &Arc<Self>, set: &LayerSet) -> Result<Vec<PathBuf>, UnpackError> {
        self.components(set, component_files::LIBRARIES).await
    }

    /// The extensions in `set`, which is unpacked where it is not.
    pub(super) async fn extensions(self: &Arc<Self>, set: &LayerSet) -> Result<Vec<PathBuf>, UnpackError> {
        self.components(set, component_files::EXTENSIONS).await
    }

    async fn components(self: &Arc<Self>, set: &LayerSet, folder: &'static str) -> Result<Vec<PathBuf>, UnpackError> {
        let held = self.get(set).await?;
        let (dirs, set) = (Arc::clone(self), set.clone());
        let found = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            let mut names = HashSet::new();
            for layer in set.layers.iter().rev() {
                for path in component_files::files(&dirs.dir.join(&layer.sha256), folder)? {
                    // Of two files of one name, guests see the later layer's.
                    if names.insert(path.file_name().map(ToOwned::to_owned)) {
                        found.push(path);
                    }
                }
            }
            drop(held);
            Ok(found)
        });
        found.await.map_err(io::Error::other)?
    }

    fn held(&self, key: &str) -> Option<Dir> {
        let dir = self.open.lock().get(key)?.upgrade()?;
        let mut held = self.root.clone();
        held.dir = dir;
        Some(held)
    }

    fn make(&self, set: &LayerSet) -> Result<File, UnpackError> {
        let _changing = self.changing.lock();
        for layer in set.layers.iter() {
            let path = self.dir.join(&layer.sha256);
            if !path.exists() {
                let bytes = std::fs::read(&layer.path)?;
                if hex(&Sha256::digest(&bytes)) != layer.sha256 {
                    return Err(io::Error::other(format!("{} is not what was stored", layer.path.display())).into());
                }
                self.place(&layer.sha256, |dir| archive::unpack(&bytes, dir))?;
            }
        }
        let path = self.dir.join(&*set.key);
        if set.layers.len() > 1 && !path.exists() {
            self.place(&set.key, |dir| {
                set.layers.iter().try_for_each(|layer| merge::over(&self.dir.join(&layer.sha256), dir))?;
                Ok(())
            })?;
        }
        Ok(File::open(path)?)
    }

    /// Fills a new directory and gives it its name once all of it is on disk.
    fn place(&self, name: &str, fill: impl FnOnce(&Path) -> Result<(), UnpackError>) -> Result<(), UnpackError> {
        let made = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.dir)?;
        fill(made.path())?;
        // One call for what may be thousands of files.
        rustix::fs::syncfs(File::open(made.path())?).map_err(io::Error::from)?;
        std::fs::rename(made.keep(), self.dir.join(name))?;
        File::open(&self.dir)?.sync_all()?;
        Ok(())
    }

    /// Deletes directories that are not in `kept` and that no environment uses; answers how many.
    pub(super) async fn remove_others(self: &Arc<Self>, kept: HashSet<String>) -> usize {
        let dirs = Arc::clone(self);
        let removed = tokio::task::spawn_blocking(move || dirs.remove(&kept)).await;
        removed.map_err(io::Error::other).and_then(|removed| removed).unwrap_or_else(|error| {
            tracing::warn!(%error, "layers that no function has could not be removed");
            0
        })
    }

    fn remove(&self, kept: &HashSet<String>) -> io::Result<usize> {
        let _changing = self.changing.lock();
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if kept.contains(&name) || self.held(&name).is_some() {
                continue;
            }
            let gone = self.dir.join(format!("{UNFINISHED}{name}"));
            if !name.starts_with(UNFINISHED) {
                std::fs::rename(entry.path(), &gone)?;
            }
            std::fs::remove_dir_all(if name.starts_with(UNFINISHED) { entry.path() } else { gone })?;
            removed += 1;
        }
        Ok(removed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::archive::tests::zip_of;
    use super::*;

    fn layer(dir: &Path, entries: &[(&str, &[u8])]) -> LayerArchive {
        let bytes = zip_of(entries);
        let sha256 = hex(&Sha256::digest(&bytes));
        let path = dir.join(&sha256);
        std::fs::write(&path, bytes).unwrap();
        LayerArchive { sha256, path }
    }

    #[tokio::test]
    async fn later_layers_lie_over_earlier_ones_and_what_nobody_has_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = dir.path();
        let low = layer(blobs, &[("a/one", b"1"), ("a/two", b"1"), ("c/d", b"1"), ("e", b"1")]);
        let high = layer(blobs, &[("a/two", b"2"), ("c", b"2"), ("e/f", b"2")]);
        let root = blobs.join("layers");
        let dirs = Arc::new(LayerDirs::open(root.clone()).unwrap());
        let set = LayerSet::new(vec![low.clone(), high.clone()]).unwrap();
        let held = dirs.get(&set).await.unwrap();
        let read = |path: &str| std::fs::read_to_string(root.join(&*set.key).join(path)).unwrap();
        assert_eq!(
            (read("a/one"), read("a/two"), read("c"), read("e/f")),
            ("1".into(), "2".into(), "2".into(), "2".into())
        );
        let reversed = LayerSet::new(vec![high, low]).unwrap();
        drop(dirs.get(&reversed).await.unwrap());
        assert_eq!(std::fs::read_to_string(root.join(&*reversed.key).join("c/d")).unwrap(), "1");
        // The one in use stays.
        assert_eq!(dirs.remove_others(HashSet::new()).await, 3);
        assert_eq!(read("a/one"), "1");
        drop(held);
        assert_eq!(dirs.remove_others(HashSet::new()).await, 1);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
        // Made again from the archives.
        drop(dirs.get(&set).await.unwrap());
        assert_eq!(read("a/two"), "2");
        assert_eq!(dirs.remove_others(set.directories().map(str::to_owned).collect()).await, 0);
    }

    #[test]
    fn what_a_crash_left_half_made_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(format!("{UNFINISHED}x/y"))).unwrap();
        LayerDirs::open(dir.path().to_owned()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
