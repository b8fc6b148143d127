//! The calls that change a `/tmp`, each one synchronous step under the account's lock.
//!
//! Paths are resolved by `cap-primitives` (`openat2` with `RESOLVE_BENEATH`, or component by component where the kernel lacks
//! it), so that neither `..`, nor absolute paths, nor symbolic links lead out of the directory. All of this blocks and runs on
//! blocking threads only. Permissions of the preopen are checked before anything else.

use super::Fault;
use super::quota::{Inode, Usage, address};
use cap_fs_ext::OpenOptionsFollowExt as _;
use cap_primitives::fs::{DirOptions, FollowSymlinks, Metadata, MetadataExt as _, OpenOptions};
use rustix::io::{Errno, ReadWriteFlags};
use std::fs::File as StdFile;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, FsPerms, OpenMode};

/// What `open-at` asks for, of either WASI version.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::sandbox::calls) struct OpenRequest {
    pub(in crate::sandbox::calls) create: bool,
    pub(in crate::sandbox::calls) exclusive: bool,
    pub(in crate::sandbox::calls) truncate: bool,
    pub(in crate::sandbox::calls) directory: bool,
    pub(in crate::sandbox::calls) read: bool,
    pub(in crate::sandbox::calls) write: bool,
    /// Any of the flags that ask for synchronised writes.
    pub(in crate::sandbox::calls) sync: bool,
    pub(in crate::sandbox::calls) follow: bool,
}

/// Where a write goes.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox::calls) enum WriteAt {
    Offset(u64),
    End,
}

pub(in crate::sandbox::calls) fn open(
    usage: &mut Usage,
    dir: &Dir,
    path: &str,
    request: OpenRequest,
) -> Result<Descriptor, Fault> {
    let OpenRequest { create, exclusive, truncate, directory, read, write, sync, follow } = request;
    if sync {
        return Err(Errno::NOTSUP.into());
    }
    if directory && (create || exclusive || truncate) {
        return Err(Errno::INVAL.into());
    }
    let writes = create || truncate || write;
    if writes {
        check_writable(dir)?;
    }
    let mut mode = OpenMode::empty();
    mode.set(OpenMode::READ, read || !write);
    mode.set(OpenMode::WRITE, writes);
    let follow = FollowSymlinks::follow(follow);
    let mut options = OpenOptions::new();
    options.read(read || !write).write(writes).truncate(truncate).follow(follow);
    if exclusive {
        options.create_new(create);
    } else {
        options.create(create);
    }

    let before = if create || truncate { existing(dir, path, follow)? } else { None };
    let creates = create && before.is_none();
    if creates {
        usage.check_name()?;
    }
    usage.take_handle()?;
    let opened = cap_primitives::fs::open(&dir.dir, path.as_ref(), &options)
        .and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = opened.inspect_err(|_| usage.not_opened())?;
    if creates {
        usage.add_name();
    } else if let Some(was) = before.filter(|was| truncate && was.is_file) {
        usage.resized(was.ino, was.len, 0);
    }
    let descriptor = if metadata.is_dir() {
        Descriptor::Dir(Dir::new(file, dir.perms, mode, false))
    } else {
        Descriptor::File(File::new(file, dir.perms, mode, false))
    };
    // A layer's inodes are of no concern to the account, and on another file system might be those of its own files.
    let ino = if dir.perms.write_not_permitted() { u64::MAX } else { metadata.ino() };
    usage.opened(shared_file(&descriptor), ino);
    if directory && matches!(descriptor, Descriptor::File(_)) {
        let at = address(shared_file(&descriptor));
        drop(descriptor);
        usage.closed(at);
        return Err(Errno::NOTDIR.into());
    }
    Ok(descriptor)
}

/// Writes some of `bytes`: all of it unless space runs out on the way, or the disk says so. Never none of a non-empty slice.
pub(in crate::sandbox::calls) fn write(
    usage: &mut Usage,
    file: &StdFile,
    at: WriteAt,
    bytes: &[u8],
) -> Result<usize, Fault> {
    if bytes.is_empty() {
        return Ok(0);
    }
    let metadata = file.metadata()?;
    let before = metadata.len();
    let start = match at {
        WriteAt::Offset(offset) => offset,
        WriteAt::End => before,
    };
    let wanted = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let end = start.checked_add(wanted).filter(|end| i64::try_from(*end).is_ok()).ok_or(Errno::FBIG)?;
    let room =
        usage.writable_end(before, end).checked_sub(start).filter(|room| *room > 0).ok_or_else(Fault::no_space)?;
    let fitting = bytes.get(..usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(bytes);
    let written = loop {
        let written = match at {
            WriteAt::Offset(offset) => file.write_at(fitting, offset),
            WriteAt::End => append(file, fitting, before),
        };
        match written {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            other => break other?,
        }
    };
    let after = start.saturating_add(u64::try_from(written).unwrap_or(u64::MAX)).max(before);
    usage.resized(metadata.ino(), before, after);
    Ok(written)
}

/// Writes all of `bytes`, returning how many were, and what stopped it.
pub(super) fn write_all(usage: &mut Usage, file: &StdFile, at: WriteAt, mut bytes: &[u8]) -> (u64, Result<(), Fault>) {
    let mut done: u64 = 0;
    while !bytes.is_empty() {
        let here = match at {
            WriteAt::Offset(offset) => match offset.checked_add(done) {
                Some(offset) => WriteAt::Offset(offset),
                None => return (done, Err(Errno::FBIG.into())),
            },
            WriteAt::End => WriteAt::End,
        };
        match write(usage, file, here, bytes) {
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                done = done.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
            }
            Err(fault) => return (done, Err(fault)),
        }
    }
    (done, Ok(()))
}

fn append(file: &StdFile, bytes: &[u8], end: u64) -> io::Result<usize> {
    match rustix::io::pwritev2(file, &[IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND) {
        // Every other writer waits for the lock: the end stays where it was seen.
        Err(Errno::NOSYS | Errno::NOTSUP) => file.write_at(bytes, end),
        other => Ok(other?),
    }
}

pub(in crate::sandbox::calls) fn set_size(usage: &mut Usage, file: &File, size: u64) -> Result<(), Fault> {
    if file.perms.write_not_permitted() {
        return Err(Errno::PERM.into());
    }
    let metadata = file.file.metadata()?;
    let before = metadata.len();
    if usage.writable_end(before, size) < size {
        return Err(Fault::no_space());
    }
    file.file.set_len(size)?;
    usage.resized(metadata.ino(), before, size);
    Ok(())
}

pub(in crate::sandbox::calls) fn create_directory(usage: &mut Usage, dir: &Dir, path: &str) -> Result<(), Fault> {
    check_writable(dir)?;
    usage.check_name()?;
    cap_primitives::fs::create_dir(&dir.dir, path.as_ref(), &DirOptions::new())?;
    usage.add_name();
    Ok(())
}

pub(in crate::sandbox::calls) fn symlink(usage: &mut Usage, dir: &Dir, target: &str, path: &str) -> Result<(), Fault> {
    check_writable(dir)?;
    usage.check_name()?;
    cap_primitives::fs::symlink(target.as_ref(), &dir.dir, path.as_ref())?;
    usage.add_name();
    Ok(())
}

pub(in crate::sandbox::calls) fn link(
    usage: &mut Usage,
    old: (&Dir, &str),
    follow: bool,
    new: (&Dir, &str),
) -> Result<(), Fault> {
    check_writable_pair(old.0, new.0)?;
    if follow {
        return Err(Errno::INVAL.into());
    }
    usage.check_name()?;
    cap_primitives::fs::hard_link(&old.0.dir, old.1.as_ref(), &new.0.dir, new.1.as_ref())?;
    usage.add_name();
    Ok(())
}

pub(in crate::sandbox::calls) fn unlink(usage: &mut Usage, dir: &Dir, path: &str) -> Result<(), Fault> {
    check_writable(dir)?;
    let was = inode(dir, path, FollowSymlinks::No)?;
    cap_primitives::fs::remove_file(&dir.dir, path.as_ref())?;
    usage.remove_name(was);
    Ok(())
}

pub(in crate::sandbox::calls) fn remove_directory(usage: &mut Usage, dir: &Dir, path: &str) -> Result<(), Fault> {
    check_writable(dir)?;
    let was = inode(dir, path, FollowSymlinks::No)?;
    cap_primitives::fs::remove_dir(&dir.dir, path.as_ref())?;
    usage.remove_name(was);
    Ok(())
}

pub(in crate::sandbox::calls) fn rename(usage: &mut Usage, old: (&Dir, &str), new: (&Dir, &str)) -> Result<(), Fault> {
    check_writable_pair(old.0, new.0)?;
    let moves = inode(old.0, old.1, FollowSymlinks::No)?;
    let replaced = existing(new.0, new.1, FollowSymlinks::No)?;
    cap_primitives::fs::rename(&old.0.dir, old.1.as_ref(), &new.0.dir, new.1.as_ref())?;
    // Two names of one inode both stay.
    if let Some(was) = replaced.filter(|was| was.ino != moves.ino) {
        usage.remove_name(was);
    }
    Ok(())
}

/// An entry of a listing.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: cap_primitives::fs::FileType,
}

/// The entries of a directory, in the order of the disk. Fails with `EILSEQ` when a name is not UTF-8, which no guest can cause.
pub(super) fn list(dir: &Dir) -> Result<Vec<Entry>, Fault> {
    cap_primitives::fs::read_base_dir(&dir.dir)?
        .map(|entry| {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| Errno::ILSEQ)?;
            Ok(Entry { name, kind: entry.file_type()? })
        })
        .collect()
}

/// How many entries a directory has.
pub(super) fn count(dir: &Dir) -> Result<u64, Fault> {
    let mut entries: u64 = 0;
    for entry in cap_primitives::fs::read_base_dir(&dir.dir)? {
        entry?;
        entries = entries.saturating_add(1);
    }
    Ok(entries)
}

pub(in crate::sandbox::calls) fn shared_file(descriptor: &Descriptor) -> &Arc<StdFile> {
    match descriptor {
        Descriptor::File(file) => &file.file,
        Descriptor::Dir(dir) => &dir.dir,
    }
}

fn check_writable(dir: &Dir) -> Result<(), Fault> {
    if dir.perms.write_not_permitted() { Err(Errno::PERM.into()) } else { Ok(()) }
}

fn check_writable_pair(old: &Dir, new: &Dir) -> Result<(), Fault> {
    match (old.perms, new.perms) {
        (FsPerms::ReadWrite, FsPerms::ReadWrite) => Ok(()),
        _ => Err(Errno::PERM.into()),
    }
}

fn existing(dir: &Dir, path: &str, follow: FollowSymlinks) -> Result<Option<Inode>, Fault> {
    match stat(dir, path.as_ref(), follow) {
        Ok(inode) => Ok(Some(inode)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn inode(dir: &Dir, path: &str, follow: FollowSymlinks) -> Result<Inode, Fault> {
    Ok(stat(dir, path.as_ref(), follow)?)
}

fn stat(dir: &Dir, path: &Path, follow: FollowSymlinks) -> io::Result<Inode> {
    let metadata: Metadata = cap_primitives::fs::stat(&dir.dir, path, follow)?;
    Ok(Inode { ino: metadata.ino(), links: metadata.nlink(), len: metadata.len(), is_file: metadata.is_file() })
}
