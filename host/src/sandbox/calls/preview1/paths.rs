//! `path_*`: opening files, and what changes names. Paths resolve beneath their descriptor's directory and lead nowhere else.

use super::abi::{Errno, Outcome, SYMLINK_FOLLOW, fdflags, oflags, rights};
use super::metadata::checked_flags;
use super::table::{Entry, Mount};
use super::{Preview1, Preview1Access, parts, tmp_state};
use crate::sandbox::calls::filesystem::ops::{self, OpenRequest};
use crate::sandbox::calls::filesystem::quota::Usage;
use crate::sandbox::calls::filesystem::{DescriptorPermit, Fault};
use crate::sandbox::calls::memory::GuestMemory;
use cap_fs_ext::OpenOptionsFollowExt as _;
use cap_primitives::fs::{FollowSymlinks, OpenOptions};
use rustix::io::Errno as Os;
use std::os::unix::ffi::OsStrExt as _;
use wasmtime::Caller;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, FsPerms, OpenMode};

/// The longest path, as Linux's `PATH_MAX` without its end.
const MAX_PATH_BYTES: u32 = 4095;

/// A path, which has to be UTF-8.
pub(super) fn path(memory: &GuestMemory<'_>, ptr: u32, len: u32) -> Outcome<String> {
    if len > MAX_PATH_BYTES {
        return Err(Errno::NAMETOOLONG.into());
    }
    let bytes = memory.bytes(ptr, len)?;
    if bytes.contains(&0) {
        return Err(Errno::INVAL.into());
    }
    Ok(std::str::from_utf8(bytes).map_err(|_| Errno::ILSEQ)?.to_owned())
}

/// A directory that may be changed; the real one, where it stood for a `/tmp` not made yet.
pub(super) async fn writable_dir<T: Preview1Access>(caller: &mut Caller<'_, T>, fd: u32, rights: u64) -> Outcome<Dir> {
    if caller.data_mut().preview1().table.dir(fd, rights)?.dir.perms.write_not_permitted() {
        return Err(Errno::ROFS.into());
    }
    Ok(settled_dir(caller, fd, rights).await?.0)
}

/// A directory and its mount; the real one, where it stood for a `/tmp` not made yet.
async fn settled_dir<T: Preview1Access>(caller: &mut Caller<'_, T>, fd: u32, rights: u64) -> Outcome<(Dir, Mount)> {
    let guest = caller.data_mut().preview1();
    let dir = guest.table.dir(fd, rights)?;
    if dir.mount != Mount::Tmp || !guest.tmp.is_placeholder(&dir.dir) {
        return Ok((dir.dir.clone(), dir.mount));
    }
    let state = tmp_state(caller).await?;
    let dir = caller.data_mut().preview1().table.dir(fd, rights)?;
    dir.dir = state.dir();
    Ok((dir.dir.clone(), dir.mount))
}

/// Runs one change of names in the directory of `fd`.
async fn change<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    right: u64,
    body: impl FnOnce(&mut Usage, &Dir) -> Result<(), Fault> + Send + 'static,
) -> Outcome {
    let dir = writable_dir(caller, fd, right).await?;
    let state = tmp_state(caller).await?;
    Ok(state.change(move |usage| body(usage, &dir)).await?)
}

/// What `path_open` asks for.
pub(super) struct Opening {
    pub(super) lookup: u32,
    pub(super) oflags: u32,
    pub(super) base: u64,
    pub(super) fdflags: u32,
}

pub(super) async fn path_open<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    (ptr, len): (u32, u32),
    opening: Opening,
    out: u32,
) -> Outcome {
    let oflags = checked_flags(opening.oflags, oflags::ALL)?;
    let flags = checked_flags(opening.fdflags, fdflags::ALL)?;
    let request = OpenRequest {
        create: oflags & oflags::CREATE != 0,
        exclusive: oflags & oflags::EXCLUSIVE != 0,
        truncate: oflags & oflags::TRUNCATE != 0,
        directory: oflags & oflags::DIRECTORY != 0,
        read: opening.base & (rights::FD_READ | rights::FD_READDIR) != 0,
        write: opening.base & rights::WRITES != 0,
        // Nothing here outlives the environment, so that every write is as safe as any.
        sync: false,
        follow: opening.lookup & SYMLINK_FOLLOW != 0,
    };
    let (memory, guest) = parts(caller)?;
    let path = path(&memory, ptr, len)?;
    memory.bytes(out, 4)?;
    if !guest.table.has_room() {
        return Err(Errno::MFILE.into());
    }
    let mut needed = rights::PATH_OPEN;
    if request.create {
        needed |= rights::PATH_CREATE_FILE;
    }
    if request.truncate {
        needed |= rights::PATH_FILESTAT_SET_SIZE;
    }
    let entry = match guest.table.dir(fd, needed)? {
        dir if dir.dir.perms == FsPerms::ReadOnly => {
            let (dir, mount) = (dir.dir.clone(), dir.mount);
            let (descriptor, permit) = guest.open_read_only(&dir, &path, request)?;
            Entry::opened(descriptor, mount, flags, Some(permit))
        }
        _ => {
            let (dir, mount) = settled_dir(caller, fd, needed).await?;
            let state = tmp_state(caller).await?;
            let opened = if request.create || request.truncate {
                state.change(move |usage| ops::open(usage, &dir, &path, request)).await?
            } else {
                state.look(|usage| ops::open(usage, &dir, &path, request)).await?
            };
            Entry::opened(opened, mount, flags, None)
        }
    };
    let (mut memory, guest) = parts(caller)?;
    let fd = guest.table.add(entry)?;
    Ok(memory.put_u32(out, fd)?)
}

impl Preview1 {
    /// Opens what nobody changes; asking to change it is answered as a read-only file system answers.
    fn open_read_only(&self, dir: &Dir, path: &str, request: OpenRequest) -> Outcome<(Descriptor, DescriptorPermit)> {
        let OpenRequest { create, exclusive, truncate, directory, write, follow, .. } = request;
        if directory && (create || exclusive || truncate) {
            return Err(Errno::INVAL.into());
        }
        let follow = FollowSymlinks::follow(follow);
        if create || truncate || write {
            match cap_primitives::fs::stat(&dir.dir, path.as_ref(), follow) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => return Err(Errno::ROFS.into()),
                Err(error) => return Err(error.into()),
                Ok(_) if create && exclusive => return Err(std::io::Error::from(Os::EXIST).into()),
                Ok(found) if found.is_dir() => return Err(Errno::ISDIR.into()),
                Ok(_) if truncate || write => return Err(Errno::ROFS.into()),
                Ok(_) => {}
            }
        }
        let permit = self.tmp.root().take_descriptor()?;
        let mut options = OpenOptions::new();
        options.read(true).follow(follow);
        let file = cap_primitives::fs::open(&dir.dir, path.as_ref(), &options)?;
        let descriptor = if file.metadata()?.is_dir() {
            Descriptor::Dir(Dir::new(file, FsPerms::ReadOnly, OpenMode::READ, false))
        } else if directory {
            return Err(Errno::NOTDIR.into());
        } else {
            Descriptor::File(File::new(file, FsPerms::ReadOnly, OpenMode::READ, false))
        };
        Ok((descriptor, permit))
    }

    pub(super) fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        (ptr, len): (u32, u32),
        (buffer, buffer_len): (u32, u32),
        out: u32,
    ) -> Outcome {
        let path = path(memory, ptr, len)?;
        memory.bytes(buffer, buffer_len)?;
        memory.bytes(out, 4)?;
        let dir = self.table.dir(fd, rights::PATH_READLINK)?;
        let target = cap_primitives::fs::read_link(&dir.dir.dir, path.as_ref())?;
        let target = target.as_os_str().as_bytes();
        let fitting = usize::try_from(buffer_len).ok().and_then(|len| target.get(..len)).unwrap_or(target);
        memory.put(buffer, fitting)?;
        Ok(memory.put_u32(out, u32::try_from(fitting.len()).unwrap_or(buffer_len))?)
    }
}

pub(super) async fn path_create_directory<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    (ptr, len): (u32, u32),
) -> Outcome {
    let path = path(&parts(caller)?.0, ptr, len)?;
    change(caller, fd, rights::PATH_CREATE_DIRECTORY, move |usage, dir| ops::create_directory(usage, dir, &path)).await
}

pub(super) async fn path_remove_directory<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    (ptr, len): (u32, u32),
) -> Outcome {
    let path = path(&parts(caller)?.0, ptr, len)?;
    change(caller, fd, rights::PATH_REMOVE_DIRECTORY, move |usage, dir| ops::remove_directory(usage, dir, &path)).await
}

pub(super) async fn path_unlink_file<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    (ptr, len): (u32, u32),
) -> Outcome {
    let path = path(&parts(caller)?.0, ptr, len)?;
    change(caller, fd, rights::PATH_UNLINK_FILE, move |usage, dir| ops::unlink(usage, dir, &path)).await
}

pub(super) async fn path_symlink<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    (target, target_len): (u32, u32),
    fd: u32,
    (ptr, len): (u32, u32),
) -> Outcome {
    let (memory, _) = parts(caller)?;
    let (target, path) = (path(&memory, target, target_len)?, path(&memory, ptr, len)?);
    change(caller, fd, rights::PATH_SYMLINK, move |usage, dir| ops::symlink(usage, dir, &target, &path)).await
}

/// The two directories of a call that needs both to be of `/tmp`.
async fn pair<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    (old, old_right): (u32, u64),
    (new, new_right): (u32, u64),
) -> Outcome<(Dir, Dir)> {
    let table = &mut caller.data_mut().preview1().table;
    let (from, to) = (table.dir(old, old_right)?.mount, table.dir(new, new_right)?.mount);
    if from != to {
        return Err(Errno::XDEV.into());
    }
    Ok((writable_dir(caller, old, old_right).await?, writable_dir(caller, new, new_right).await?))
}

pub(super) async fn path_link<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    old: u32,
    lookup: u32,
    (old_ptr, old_len): (u32, u32),
    new: u32,
    (new_ptr, new_len): (u32, u32),
) -> Outcome {
    let (memory, _) = parts(caller)?;
    let (from, to) = (path(&memory, old_ptr, old_len)?, path(&memory, new_ptr, new_len)?);
    let follow = lookup & SYMLINK_FOLLOW != 0;
    let (old, new) = pair(caller, (old, rights::PATH_LINK_SOURCE), (new, rights::PATH_LINK_TARGET)).await?;
    let state = tmp_state(caller).await?;
    Ok(state.change(move |usage| ops::link(usage, (&old, &from), follow, (&new, &to))).await?)
}

pub(super) async fn path_rename<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    old: u32,
    (old_ptr, old_len): (u32, u32),
    new: u32,
    (new_ptr, new_len): (u32, u32),
) -> Outcome {
    let (memory, _) = parts(caller)?;
    let (from, to) = (path(&memory, old_ptr, old_len)?, path(&memory, new_ptr, new_len)?);
    let (old, new) = pair(caller, (old, rights::PATH_RENAME_SOURCE), (new, rights::PATH_RENAME_TARGET)).await?;
    let state = tmp_state(caller).await?;
    Ok(state.change(move |usage| ops::rename(usage, (&old, &from), (&new, &to))).await?)
}
