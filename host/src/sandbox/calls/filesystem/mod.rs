//! `wasi:filesystem` 0.2 and 0.3: a private, quota-limited `/tmp` for each environment, the layers of its function at `/opt`,
//! read-only and shared, and no other directory.
//!
//! - **Private.** Paths resolve beneath the environment's own directory: `..`, absolute paths, symbolic links and hard links
//!   lead nowhere else.
//! - **Free until used.** An environment owns nothing on disk until its guest uses a path: `get-directories`, which every
//!   guest that prints may call through the preview 1 adapter, hands out a descriptor of an empty directory that has
//!   already been deleted; the first call that needs the disk puts the real one in its place. A call that missed that step
//!   would find an empty directory, never somebody else's.
//! - **Counted.** Bytes and names, see [`quota`]: past the quota `insufficient-space`. Descriptors, for the environment and for
//!   the host: past the limit `quota`. Directory listings are read whole and held in memory, so they are limited too:
//!   `insufficient-memory`.
//! - **Gone afterwards.** The directory is deleted, on a thread of its own, when the environment's [`TmpDir`] and every call
//!   in flight are gone; what a killed daemon left is deleted at the next start ([`TmpRoot::open`]).
//!
//! Disk access happens on blocking threads, one at a time for an environment's changes. `sync` and `sync-data` do nothing:
//! nothing here outlives the environment, and a guest must not be able to stall the disk for everyone.
//! Descriptors carry their preopen's permissions, and every change checks them first: beneath `/opt` each is `not-permitted`.
//! What is open there counts among the environment's descriptors, never as a name or a byte of its `/tmp`.

pub(super) mod ops;
mod p2;
mod p2_stream;
mod p3;
pub(super) mod quota;
mod remove;
#[cfg(test)]
mod tests;
mod tmp;

pub use self::p2::add_to_linker as add_to_linker_p2;
pub use self::p3::add_to_linker as add_to_linker_p3;
pub(super) use self::tmp::{DescriptorPermit, TmpState};
pub use self::tmp::{TmpDir, TmpRoot, TmpRootError};

use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::sync::Arc;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir, FsPerms, OpenMode, WasiFilesystemCtxView};

/// The quota of a `/tmp` unless the function sets another: Lambda's default `EphemeralStorage`
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_EphemeralStorage.html>).
pub const DEFAULT_QUOTA_BYTES: u64 = 512 * 1024 * 1024;

/// Where the guest sees its directory.
const GUEST_PATH: &str = "/tmp";

/// Where the guest sees the layers of its function.
const LAYERS_PATH: &str = "/opt";

/// A directory to be looked at only, with all beneath it.
pub fn read_only(dir: File) -> Dir {
    Dir::new(dir, FsPerms::ReadOnly, OpenMode::READ, false)
}

/// How a host call reaches the file system of its store.
pub trait FilesystemAccess: Send {
    /// This store's file system.
    fn files(&mut self) -> FilesystemView<'_>;
}

/// What a file system call works on, borrowed from the store.
pub struct FilesystemView<'a> {
    /// The store's resources.
    pub table: &'a mut ResourceTable,
    /// The environment's `/tmp`.
    pub tmp: &'a mut TmpDir,
    /// What layers put at `/opt`; read-only.
    pub opt: Option<&'a Dir>,
}

impl FilesystemView<'_> {
    /// wasmtime's own implementation over the same resources, for what changes nothing.
    fn wasi(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: self.tmp.wasi_mut(), table: self.table }
    }

    /// The directories of `get-directories`.
    fn preopens(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let tmp = self.table.push(Descriptor::Dir(self.tmp.preopen()))?;
        let mut preopens = vec![(tmp, GUEST_PATH.to_owned())];
        if let Some(opt) = self.opt {
            preopens.push((self.table.push(Descriptor::Dir(opt.clone()))?, LAYERS_PATH.to_owned()));
        }
        Ok(preopens)
    }

    fn drop_descriptor(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        let descriptor = self.table.delete(descriptor)?;
        let address = quota::address(ops::shared_file(&descriptor));
        drop(descriptor);
        if let Some(state) = self.tmp.state() {
            state.closed(address);
        }
        Ok(())
    }
}

/// Ties [`FilesystemView`] to the generated bindings.
#[derive(Debug)]
pub struct GuestFilesystem;

impl HasData for GuestFilesystem {
    type Data<'a> = FilesystemView<'a>;
}

/// Why a call failed. The fault is the guest's or the disk's; the guest is told which.
#[derive(Debug)]
pub(super) enum Fault {
    Os(io::Error),
    TooManyOpenFiles,
    TooManyListings,
}

impl Fault {
    fn no_space() -> Self {
        Errno::NOSPC.into()
    }

    fn into_io(self) -> io::Error {
        match self {
            Fault::Os(e) => e,
            Fault::TooManyOpenFiles => Errno::MFILE.into(),
            Fault::TooManyListings => Errno::NOMEM.into(),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Os(error)
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Fault::Os(errno.into())
    }
}

/// Runs `body` on a blocking thread, to its end even when the caller goes away.
async fn blocking<R: Send + 'static>(body: impl FnOnce() -> Result<R, Fault> + Send + 'static) -> Result<R, Fault> {
    match tokio::task::spawn_blocking(body).await {
        Ok(result) => result,
        Err(e) => Err(Fault::Os(io::Error::other(e))),
    }
}

/// Holds a share of the entries that an environment's directory listings may keep in memory.
struct ListingPermit {
    state: Arc<tmp::TmpState>,
    entries: u64,
}

impl Drop for ListingPermit {
    fn drop(&mut self) {
        self.state.end_listing(self.entries);
    }
}
