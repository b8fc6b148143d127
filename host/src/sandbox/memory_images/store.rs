//! The images of this host, by key, and what kept others from being made.
//!
//! A key names everything that an image depends on ([`ImageKey`]), so that an image is never changed: one that is missing is made, one that nothing
//! refers to is deleted. Instances that run keep the pages they have mapped. Where no image can be made the reason is kept in its
//! place, so that nobody tries again after each restart. Files appear by a rename, complete and on the disk.

use super::file::{self, Base, FileError, Image, Limit, Written};
use crate::sandbox::loaded::hex;
use lru::LruCache;
use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Images that are open at once, as many files, where the process may have so many.
const OPEN_LIMIT: u64 = 2048;

/// What images that are open hold in this process's memory, all together.
const OPEN_BYTES_LIMIT: usize = 64 << 20;

/// The part of the descriptors that this process may have which is for images.
const DESCRIPTOR_SHARE: u64 = 8;

const IMAGE_EXTENSION: &str = "image";
const REFUSAL_EXTENSION: &str = "refused";

/// Begins the names of files that are being written.
const UNFINISHED: &str = "new-";

/// Bytes of a reason that are kept.
const REASON_LIMIT_BYTES: usize = 4096;

/// Names an image by all that it depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageKey(Arc<str>);

impl ImageKey {
    /// Of the parts that an image depends on, in a fixed order. Parts do not run into each other.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hex(&hasher.finalize()).into())
    }
}

impl fmt::Display for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What there is for a key.
#[derive(Debug, Clone)]
pub enum Found {
    /// An image.
    Image(Image),
    /// No image can be made.
    Refused(Arc<str>),
    /// Nothing yet.
    Nothing,
}

/// Images that are open.
#[derive(Debug)]
struct Open {
    images: LruCache<ImageKey, Image>,
    held_bytes: usize,
}

impl Open {
    fn put(&mut self, key: ImageKey, image: Image) {
        self.held_bytes = self.held_bytes.saturating_add(image.content.held_bytes());
        if let Some((_, before)) = self.images.push(key, image) {
            self.held_bytes = self.held_bytes.saturating_sub(before.content.held_bytes());
        }
        while self.held_bytes > OPEN_BYTES_LIMIT
            && self.images.len() > 1
            && let Some((_, oldest)) = self.images.pop_lru()
        {
            self.held_bytes = self.held_bytes.saturating_sub(oldest.content.held_bytes());
        }
    }

    fn remove(&mut self, key: &ImageKey) {
        if let Some(image) = self.images.pop(key) {
            self.held_bytes = self.held_bytes.saturating_sub(image.content.held_bytes());
        }
    }
}

/// All images of this host.
#[derive(Debug)]
pub struct ImageStore {
    dir: PathBuf,
    open: Mutex<Open>,
    /// Environments that went on from one.
    restored: AtomicU64,
}

impl ImageStore {
    /// The images in `dir`, which is made if it is not there. What was being written when the daemon last ended is deleted.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                std::fs::remove_file(entry.path())?;
            }
        }
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let limit = usize::try_from((descriptors / DESCRIPTOR_SHARE).min(OPEN_LIMIT)).ok().and_then(NonZeroUsize::new);
        let images = LruCache::new(limit.unwrap_or(NonZeroUsize::MIN));
        Ok(Self { dir, open: Mutex::new(Open { images, held_bytes: 0 }), restored: AtomicU64::new(0) })
    }

    /// Counts an environment that went on from an image.
    pub fn count_restored(&self) {
        self.restored.fetch_add(1, Ordering::Relaxed);
    }

    /// How many environments went on from an image.
    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    fn path(&self, key: &ImageKey, kind: &str) -> PathBuf {
        self.dir.join(format!("{key}.{kind}"))
    }

    /// The image, if it is open already. Touches no disk.
    pub fn get_open(&self, key: &ImageKey) -> Option<Image> {
        self.open.lock().images.get(key).cloned()
    }

    /// What there is for `key`, whose image was made over `base`. Reads the disk where it is not open. An image that is damaged or foreign
    /// is deleted and counts as nothing.
    pub fn get(&self, key: &ImageKey, base: &Base) -> io::Result<Found> {
        if let Some(open) = self.get_open(key) {
            return Ok(Found::Image(open));
        }
        let path = self.path(key, IMAGE_EXTENSION);
        match file::open(&path, Some(base)) {
            Ok(image) => {
                self.open.lock().put(key.clone(), image.clone());
                Ok(Found::Image(image))
            }
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                Ok(self.refusal(key)?.map_or(Found::Nothing, |reason| Found::Refused(reason.into())))
            }
            Err(FileError::Io(error)) => Err(error),
            Err(error) => {
                tracing::warn!(image = %key, %error, "an image cannot be used and is made again");
                std::fs::remove_file(&path)?;
                Ok(Found::Nothing)
            }
        }
    }

    fn refusal(&self, key: &ImageKey) -> io::Result<Option<String>> {
        match std::fs::read(self.path(key, REFUSAL_EXTENSION)) {
            Ok(reason) => Ok(Some(String::from_utf8_lossy(&reason).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps `memory` as the image of `key`, with the monotonic clock that it saw last. Durable when this returns.
    pub fn put(&self, key: &ImageKey, base: &Base, memory: &[u8], monotonic_ns: u64) -> io::Result<Written> {
        let unfinished = self.unfinished(key);
        let written = file::write(&unfinished, memory, monotonic_ns, Some(base), Limit::DIFFERENCE);
        self.place(&unfinished, written, &self.path(key, IMAGE_EXTENSION))
    }

    /// Keeps the reason why `key` has no image. Durable when this returns.
    pub fn refuse(&self, key: &ImageKey, reason: &str) -> io::Result<()> {
        let unfinished = self.unfinished(key);
        let end = reason.floor_char_boundary(REASON_LIMIT_BYTES);
        let written = std::fs::write(&unfinished, reason.get(..end).unwrap_or_default())
            .and_then(|()| File::open(&unfinished)?.sync_all());
        self.place(&unfinished, written, &self.path(key, REFUSAL_EXTENSION))
    }

    fn unfinished(&self, key: &ImageKey) -> PathBuf {
        self.dir.join(format!("{UNFINISHED}{key}-{}", uuid::Uuid::new_v4()))
    }

    /// Gives a written file its name.
    fn place<T>(&self, unfinished: &Path, written: io::Result<T>, path: &Path) -> io::Result<T> {
        let placed = written.and_then(|written| {
            std::fs::rename(unfinished, path)?;
            File::open(&self.dir)?.sync_all()?;
            Ok(written)
        });
        if placed.is_err() {
            // Deleted at the next start, if not now.
            let _ = std::fs::remove_file(unfinished);
        }
        placed
    }

    /// Deletes what belongs to no key of `kept`; answers how many files. One that cannot be deleted is left for the next time.
    pub fn remove_others(&self, kept: &HashSet<ImageKey>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let key = path.file_stem().and_then(|stem| stem.to_str()).map(|stem| ImageKey(stem.into()));
            let Some(key) = key.filter(|key| !key.0.starts_with(UNFINISHED) && !kept.contains(key)) else { continue };
            self.open.lock().remove(&key);
            removed += usize::from(std::fs::remove_file(&path).is_ok());
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::memory_images::content::{Content, Patches, unit_bytes};

    fn base(dir: &Path) -> Base {
        let path = dir.join("base");
        file::write(&path, &vec![1; 4 * unit_bytes()], 0, None, Limit::BASE).unwrap();
        Base::new([3; 32], file::open(&path, None).unwrap())
    }

    fn is_image(found: &Found) -> bool {
        matches!(found, Found::Image(_))
    }

    #[test]
    fn images_live_until_nothing_refers_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let base = base(dir.path());
        let images = dir.path().join("images");
        let store = ImageStore::open(images.clone()).unwrap();
        let keys = ["a", "b", "c"].map(|part| ImageKey::of([part.as_bytes()]));
        assert!(matches!(store.get(&keys[0], &base).unwrap(), Found::Nothing));
        store.put(&keys[0], &base, &vec![2; 4 * unit_bytes()], 1).unwrap();
        store.put(&keys[1], &base, &vec![3; 5 * unit_bytes()], 1).unwrap();
        store.refuse(&keys[2], "a file is open").unwrap();
        for store in [&store, &ImageStore::open(images.clone()).unwrap()] {
            assert!(is_image(&store.get(&keys[0], &base).unwrap()) && is_image(&store.get(&keys[1], &base).unwrap()));
            assert!(
                matches!(store.get(&keys[2], &base).unwrap(), Found::Refused(reason) if &*reason == "a file is open")
            );
        }
        let Found::Image(Image { content, .. }) = store.get(&keys[1], &base).unwrap() else { panic!() };
        assert_eq!(store.remove_others(&HashSet::from([keys[0].clone()])).unwrap(), 2);
        assert!(is_image(&store.get(&keys[0], &base).unwrap()));
        assert!(matches!(store.get(&keys[1], &base).unwrap(), Found::Nothing));
        assert!(matches!(store.get(&keys[2], &base).unwrap(), Found::Nothing));
        let mut byte = [0];
        content.read_at(4 * unit_bytes(), &mut byte).unwrap();
        assert_eq!(byte, [3], "who has it open can still read it");
    }

    #[test]
    fn open_images_hold_no_more_memory_than_they_may() {
        let image = |bytes: usize| {
            let patches = Patches { places: vec![(0, bytes)], bytes: vec![1; bytes] };
            let content = Content::new(0, bytes, Vec::new(), patches, None).unwrap();
            Image { content, monotonic_ns: 0 }
        };
        let mut open = Open { images: LruCache::unbounded(), held_bytes: 0 };
        let keys = ["a", "b", "c"].map(|part| ImageKey::of([part.as_bytes()]));
        for key in &keys {
            open.put(key.clone(), image(OPEN_BYTES_LIMIT / 2 - unit_bytes()));
        }
        assert_eq!(keys.each_ref().map(|key| open.images.contains(key)), [false, true, true]);
        open.put(keys[2].clone(), image(unit_bytes()));
        open.remove(&keys[1]);
        let left: usize = open.images.iter().map(|(_, image)| image.content.held_bytes()).sum();
        assert_eq!((open.images.len(), open.held_bytes), (1, left));
    }

    #[test]
    fn half_written_and_damaged_images_are_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let base = base(dir.path());
        let images = dir.path().join("images");
        let key = ImageKey::of([&b"a"[..]]);
        ImageStore::open(images.clone()).unwrap().put(&key, &base, &vec![2; 4 * unit_bytes()], 1).unwrap();
        std::fs::write(images.join(format!("{UNFINISHED}{key}-x")), "half").unwrap();
        let path = images.join(format!("{key}.{IMAGE_EXTENSION}"));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[unit_bytes() + 1] = 9;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let store = ImageStore::open(images.clone()).unwrap();
        assert!(matches!(store.get(&key, &base).unwrap(), Found::Nothing));
        assert_eq!(std::fs::read_dir(&images).unwrap().count(), 0);
        store.put(&key, &base, &vec![2; 4 * unit_bytes()], 1).unwrap();
        assert!(is_image(&store.get(&key, &base).unwrap()));
    }

    #[test]
    fn keys_tell_parts_apart() {
        let of = |parts: &[&str]| ImageKey::of(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
        assert_eq!(of(&["x", "y"]).to_string().len(), 64);
    }
}
