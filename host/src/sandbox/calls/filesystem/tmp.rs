//! The directories behind `/tmp`: made at first use, deleted after last use.

use super::quota::{OpenFiles, Usage};
use super::remove::remove_tree;
use super::{Fault, ListingPermit, blocking};
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::process::{Resource, getrlimit};
use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::Mutex as AsyncMutex;
use wasmtime_wasi::filesystem::{Dir, FsPerms, OpenMode, WasiFilesystemCtx};

/// With more directories than this waiting to be deleted, whoever needs a new one deletes one first.
const MAX_WAITING_REMOVALS: usize = 64;

/// The entries of directory listings an environment's guest may hold at once; one listing is allowed whatever its size.
const MAX_LISTED_ENTRIES: u64 = 131_072;

/// With fewer names in all of `/tmp` than this, a listing is taken to have them all; with more, the directory is counted first.
const FEW_NAMES: u64 = 1024;

/// Why the directory for all `/tmp`s cannot be used. The platform's fault; not to be retried before it is repaired.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path} for the /tmp of functions: {source}")]
pub struct TmpRootError {
    path: String,
    source: io::Error,
}

/// The directory in which every environment's `/tmp` is made, and the thread that deletes them.
///
/// One daemon at a time may use a root: opening it deletes whatever is inside.
pub struct TmpRoot {
    shared: Arc<Shared>,
    /// An empty directory that is already deleted.
    placeholder: Dir,
    open_files: Arc<OpenFiles>,
    remover: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    dir: File,
    removals: Mutex<Removals>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Removals {
    waiting: VecDeque<CString>,
    closing: bool,
}

impl TmpRoot {
    /// Opens `path`, making it if need be, and begins to delete what an earlier daemon left there.
    ///
    /// All environments together may hold half as many descriptors as the process may now (`RLIMIT_NOFILE`): raise the limit before.
    ///
    /// # Errors
    /// The directory cannot be made, read or written.
    pub fn open(path: &Path) -> Result<Arc<Self>, TmpRootError> {
        Self::try_open(path).map_err(|source| TmpRootError { path: path.display().to_string(), source })
    }

    fn try_open(path: &Path) -> io::Result<Arc<Self>> {
        std::fs::create_dir_all(path)?;
        let dir = File::open(path)?;
        let waiting = std::fs::read_dir(path)?
            .map(|entry| Ok(CString::new(entry?.file_name().as_bytes())?))
            .collect::<io::Result<VecDeque<_>>>()?;
        if !waiting.is_empty() {
            tracing::info!(count = waiting.len(), "deleting what an earlier run left in /tmp directories");
        }
        let shared = Arc::new(Shared {
            dir,
            removals: Mutex::new(Removals { waiting, closing: false }),
            changed: Condvar::new(),
        });
        let placeholder = shared.make_directory(&random_name()?, true)?;
        let limit =
            getrlimit(Resource::Nofile).current.map_or(usize::MAX, |n| usize::try_from(n / 2).unwrap_or(usize::MAX));
        let remover = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("lamina-tmp".to_owned()).spawn(move || shared.remove_until_closed())?
        };
        Ok(Arc::new(Self {
            shared,
            placeholder: Dir::new(placeholder, FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE, false),
            open_files: Arc::new(OpenFiles::new(limit)),
            remover: Some(remover),
        }))
    }

    /// How many directories wait to be deleted.
    pub fn waiting_removals(&self) -> usize {
        self.shared.removals().waiting.len()
    }

    /// An empty directory that is already deleted, to be looked at only.
    pub(in crate::sandbox::calls) fn empty_dir(&self) -> Dir {
        let mut dir = self.placeholder.clone();
        dir.perms = FsPerms::ReadOnly;
        dir
    }

    /// Counts a descriptor that is of no `/tmp` among those of all guests.
    pub(in crate::sandbox::calls) fn take_descriptor(&self) -> Result<DescriptorPermit, Fault> {
        self.open_files.take()?;
        Ok(DescriptorPermit(Arc::clone(&self.open_files)))
    }

    /// How many files and directories all guests together hold open.
    pub fn open_files(&self) -> usize {
        self.open_files.held()
    }
}

/// Counts as a descriptor until it is dropped.
#[derive(Debug)]
pub(in crate::sandbox::calls) struct DescriptorPermit(Arc<OpenFiles>);

impl Drop for DescriptorPermit {
    fn drop(&mut self) {
        self.0.give_back(1);
    }
}

impl Drop for TmpRoot {
    fn drop(&mut self) {
        self.shared.removals().closing = true;
        self.shared.changed.notify_all();
        if let Some(remover) = self.remover.take()
            && remover.join().is_err()
        {
            tracing::error!("the thread that deletes /tmp directories has panicked");
        }
    }
}

impl Shared {
    fn removals(&self) -> MutexGuard<'_, Removals> {
        self.removals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_directory(&self, name: &CStr, deleted: bool) -> io::Result<File> {
        mkdirat(&self.dir, name, Mode::RWXU)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.dir, name, flags, Mode::empty());
        if deleted || opened.is_err() {
            unlinkat(&self.dir, name, AtFlags::REMOVEDIR)?;
        }
        Ok(opened?.into())
    }

    fn remove_later(&self, name: CString) {
        self.removals().waiting.push_back(name);
        self.changed.notify_one();
    }

    fn remove(&self, name: &CStr) {
        if let Err(error) = remove_tree(self.dir.as_fd(), name) {
            tracing::warn!(?name, %error, "a /tmp directory cannot be deleted; the next start tries again");
        }
    }

    fn remove_until_closed(&self) {
        let mut removals = self.removals();
        loop {
            if let Some(name) = removals.waiting.pop_front() {
                drop(removals);
                self.remove(&name);
                removals = self.removals();
            } else if removals.closing {
                return;
            } else {
                removals = self.changed.wait(removals).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn help_remove(&self) {
        let name = {
            let mut removals = self.removals();
            if removals.waiting.len() <= MAX_WAITING_REMOVALS {
                return;
            }
            removals.waiting.pop_front()
        };
        if let Some(name) = name {
            self.remove(&name);
        }
    }
}

fn random_name() -> io::Result<CString> {
    Ok(CString::new(uuid::Uuid::new_v4().simple().to_string())?)
}

/// One environment's `/tmp`. Owns nothing on disk until the guest uses it; what it then owns is deleted when this is dropped
/// and no call is in flight any more.
pub struct TmpDir {
    root: Arc<TmpRoot>,
    quota_bytes: u64,
    state: Option<Arc<TmpState>>,
    /// By the resource number of the stream that holds it.
    listings: HashMap<u32, ListingPermit>,
    wasi: WasiFilesystemCtx,
}

impl TmpDir {
    /// A `/tmp` for a new environment. Costs no system call.
    pub fn new(root: Arc<TmpRoot>, quota_bytes: u64) -> Self {
        Self { root, quota_bytes, state: None, listings: HashMap::new(), wasi: WasiFilesystemCtx::default() }
    }

    /// Whether the guest has used its `/tmp`, so that there is a directory on disk.
    pub fn is_used(&self) -> bool {
        self.state.is_some()
    }

    /// How many bytes of its quota the guest has used; waits for a change in flight.
    pub async fn used_bytes(&self) -> u64 {
        match &self.state {
            Some(state) => state.usage.lock().await.used_bytes(),
            None => 0,
        }
    }

    pub(super) fn wasi_mut(&mut self) -> &mut WasiFilesystemCtx {
        &mut self.wasi
    }

    pub(in crate::sandbox::calls) fn state(&self) -> Option<&Arc<TmpState>> {
        self.state.as_ref()
    }

    pub(in crate::sandbox::calls) fn root(&self) -> &Arc<TmpRoot> {
        &self.root
    }

    pub(in crate::sandbox::calls) fn quota_bytes(&self) -> u64 {
        self.quota_bytes
    }

    /// Takes `made` for this environment's directory, unless it already has one; returns the one it has.
    pub(in crate::sandbox::calls) fn settle(&mut self, made: Arc<TmpState>) -> Arc<TmpState> {
        Arc::clone(self.state.get_or_insert(made))
    }

    /// The directory to hand to the guest: the real one if there is one already.
    pub(in crate::sandbox::calls) fn preopen(&self) -> Dir {
        match &self.state {
            Some(state) => state.dir(),
            None => self.root.placeholder.clone(),
        }
    }

    /// Whether this is the directory that stands in for one not made yet.
    pub(in crate::sandbox::calls) fn is_placeholder(&self, dir: &Dir) -> bool {
        Arc::ptr_eq(&dir.dir, &self.root.placeholder.dir)
    }

    pub(super) fn hold_listing(&mut self, stream: u32, permit: ListingPermit) {
        self.listings.insert(stream, permit);
    }

    pub(super) fn release_listing(&mut self, stream: u32) {
        self.listings.remove(&stream);
    }
}

/// A `/tmp` that exists on disk.
pub(in crate::sandbox::calls) struct TmpState {
    root: Arc<TmpRoot>,
    name: CString,
    dir: Arc<File>,
    usage: Arc<AsyncMutex<Usage>>,
    listed_entries: AtomicU64,
}

impl TmpState {
    /// Makes the directory.
    pub(in crate::sandbox::calls) async fn make(root: Arc<TmpRoot>, quota_bytes: u64) -> Result<Arc<Self>, Fault> {
        blocking(move || {
            root.shared.help_remove();
            let mut usage = Usage::new(quota_bytes, Arc::clone(&root.open_files));
            usage.take_handle()?;
            let name = random_name()?;
            let dir = root.shared.make_directory(&name, false).inspect_err(|_| usage.not_opened())?;
            let dir = Arc::new(dir);
            usage.opened(&dir, u64::MAX);
            let usage = Arc::new(AsyncMutex::new(usage));
            Ok(Arc::new(Self { root, name, dir, usage, listed_entries: AtomicU64::new(0) }))
        })
        .await
    }

    pub(in crate::sandbox::calls) fn dir(&self) -> Dir {
        let mut dir = self.root.placeholder.clone();
        dir.dir = Arc::clone(&self.dir);
        dir
    }

    /// Runs one change on a blocking thread, alone. Once it has begun it runs to its end, and is counted, even if the caller
    /// goes away.
    pub(in crate::sandbox::calls) async fn change<R: Send + 'static>(
        self: &Arc<Self>,
        body: impl FnOnce(&mut Usage) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        let state = Arc::clone(self);
        let mut usage = Arc::clone(&self.usage).lock_owned().await;
        blocking(move || {
            let result = body(&mut usage);
            drop(usage);
            // Last, so that the directory is not deleted under a change.
            drop(state);
            result
        })
        .await
    }

    /// Runs what is quick and changes no file on this thread, after the change in flight if there is one.
    pub(in crate::sandbox::calls) async fn look<R>(
        &self,
        body: impl FnOnce(&mut Usage) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        body(&mut *self.usage.lock().await)
    }

    /// Notes that a descriptor was dropped. While a change is under way the note is skipped: what is closed is noticed later.
    pub(in crate::sandbox::calls) fn closed(&self, address: usize) {
        if let Ok(mut usage) = self.usage.try_lock() {
            usage.closed(address);
        }
    }

    /// Asks to hold a listing of `dir` in memory.
    pub(super) async fn begin_listing(self: &Arc<Self>, dir: &Dir) -> Result<ListingPermit, Fault> {
        let dir = dir.clone();
        let entries = self
            .change(move |usage| {
                let few = usage.names() < FEW_NAMES && !dir.perms.write_not_permitted();
                if few { Ok(usage.names()) } else { super::ops::count(&dir) }
            })
            .await?;
        let held = self.listed_entries.fetch_add(entries, Ordering::Relaxed);
        let permit = ListingPermit { state: Arc::clone(self), entries };
        if held > 0 && held.saturating_add(entries) > MAX_LISTED_ENTRIES {
            return Err(Fault::TooManyListings);
        }
        Ok(permit)
    }

    pub(super) fn end_listing(&self, entries: u64) {
        self.listed_entries.fetch_sub(entries, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn host_path(&self, root: &Path) -> std::path::PathBuf {
        root.join(std::ffi::OsStr::from_bytes(self.name.as_bytes()))
    }
}

impl Drop for TmpState {
    fn drop(&mut self) {
        self.root.shared.remove_later(std::mem::take(&mut self.name));
    }
}
