//! What descriptors and paths are: `fdstat`, `filestat`, `prestat`, and times.

use super::abi::{self, Errno, Filestat, Outcome, SYMLINK_FOLLOW, fdflags, filetype, fstflags, rights};
use super::paths::{self, path};
use super::table::{Kind, Mount};
use super::{Preview1, Preview1Access, parts};
use crate::sandbox::calls::memory::GuestMemory;
use cap_primitives::fs::{FollowSymlinks, Metadata, MetadataExt as _, SystemTimeSpec};
use std::fs::{File, FileTimes};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use wasmtime::Caller;

impl Filestat {
    pub(super) fn of(metadata: &Metadata, mount: Mount) -> Self {
        let filetype = if metadata.is_dir() {
            filetype::DIRECTORY
        } else if metadata.is_file() {
            filetype::REGULAR_FILE
        } else if metadata.is_symlink() {
            filetype::SYMBOLIC_LINK
        } else {
            filetype::UNKNOWN
        };
        Self {
            device: mount.device(),
            inode: metadata.ino(),
            filetype,
            links: metadata.nlink(),
            size: metadata.len(),
            accessed_ns: nanoseconds(metadata.atime(), metadata.atime_nsec()),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Times before 1970 are 1970.
fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(nanoseconds).unwrap_or(0))
}

impl Preview1 {
    pub(super) fn fd_fdstat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, out: u32) -> Outcome {
        let entry = self.table.get(fd)?;
        Ok(memory.put(out, &abi::fdstat(entry.filetype(), entry.flags, entry.base, entry.inheriting))?)
    }

    pub(super) fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Outcome {
        let flags = checked_flags(flags, fdflags::ALL)?;
        let entry = self.table.get_mut(fd)?;
        entry.require(rights::FD_FDSTAT_SET_FLAGS)?;
        entry.flags = flags;
        Ok(())
    }

    /// Gives up rights; none can be got.
    pub(super) fn fd_fdstat_set_rights(&mut self, fd: u32, base: u64, inheriting: u64) -> Outcome {
        let entry = self.table.get_mut(fd)?;
        if base & !entry.base != 0 || inheriting & !entry.inheriting != 0 {
            return Err(Errno::NOTCAPABLE.into());
        }
        (entry.base, entry.inheriting) = (base, inheriting);
        Ok(())
    }

    pub(super) fn fd_filestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, out: u32) -> Outcome {
        let entry = self.table.get(fd)?;
        entry.require(rights::FD_FILESTAT_GET)?;
        let stat = match &entry.kind {
            Kind::Stdin | Kind::Output => Filestat { links: 1, inode: u64::from(fd), ..Filestat::default() },
            Kind::Dir(dir) => Filestat::of(&Metadata::from_file(&dir.dir.dir)?, dir.mount),
            Kind::File(file) => Filestat::of(&Metadata::from_file(&file.file.file)?, file.mount),
        };
        Ok(memory.put(out, &stat.encode())?)
    }

    pub(super) fn fd_filestat_set_times(&mut self, fd: u32, accessed: u64, modified: u64, flags: u32) -> Outcome {
        let (accessed, modified) = times(accessed, modified, flags)?;
        let entry = self.table.get(fd)?;
        entry.require(rights::FD_FILESTAT_SET_TIMES)?;
        let (file, perms): (&Arc<File>, _) = match &entry.kind {
            Kind::Stdin | Kind::Output => return Err(Errno::BADF.into()),
            Kind::Dir(dir) => (&dir.dir.dir, dir.dir.perms),
            Kind::File(file) => (&file.file.file, file.file.perms),
        };
        if perms.write_not_permitted() {
            return Err(Errno::ROFS.into());
        }
        let mut times = FileTimes::new();
        if let Some(accessed) = accessed {
            times = times.set_accessed(accessed);
        }
        if let Some(modified) = modified {
            times = times.set_modified(modified);
        }
        Ok(file.set_times(times)?)
    }

    pub(super) fn fd_prestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, out: u32) -> Outcome {
        let len = u32::try_from(self.preopen_path(fd)?.len()).unwrap_or(u32::MAX);
        memory.put_u32(out, 0)?;
        Ok(memory.put_u32(out.checked_add(4).ok_or(Errno::FAULT)?, len)?)
    }

    pub(super) fn fd_prestat_dir_name(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        buffer: u32,
        len: u32,
    ) -> Outcome {
        let path = self.preopen_path(fd)?;
        if usize::try_from(len).is_ok_and(|len| len < path.len()) {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(memory.put(buffer, path.as_bytes())?)
    }

    fn preopen_path(&self, fd: u32) -> Outcome<&'static str> {
        match &self.table.get(fd)?.kind {
            Kind::Dir(dir) if dir.preopen => Ok(dir.mount.path()),
            _ => Err(Errno::BADF.into()),
        }
    }

    pub(super) fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup: u32,
        (ptr, len): (u32, u32),
        out: u32,
    ) -> Outcome {
        let path = path(memory, ptr, len)?;
        memory.bytes(out, 64)?;
        let dir = self.table.dir(fd, rights::PATH_FILESTAT_GET)?;
        let follow = FollowSymlinks::follow(lookup & SYMLINK_FOLLOW != 0);
        let metadata = cap_primitives::fs::stat(&dir.dir.dir, path.as_ref(), follow)?;
        Ok(memory.put(out, &Filestat::of(&metadata, dir.mount).encode())?)
    }
}

pub(super) async fn path_filestat_set_times<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    lookup: u32,
    (ptr, len): (u32, u32),
    (accessed, modified): (u64, u64),
    flags: u32,
) -> Outcome {
    let (accessed, modified) = times(accessed, modified, flags)?;
    let (memory, _) = parts(caller)?;
    let path = path(&memory, ptr, len)?;
    let dir = paths::writable_dir(caller, fd, rights::PATH_FILESTAT_SET_TIMES).await?;
    let spec = |time: Option<SystemTime>| {
        time.map(|time| SystemTimeSpec::Absolute(cap_primitives::time::SystemTime::from_std(time)))
    };
    let (accessed, modified) = (spec(accessed), spec(modified));
    if lookup & SYMLINK_FOLLOW != 0 {
        Ok(cap_primitives::fs::set_times(&dir.dir, path.as_ref(), accessed, modified)?)
    } else {
        Ok(cap_primitives::fs::set_times_nofollow(&dir.dir, path.as_ref(), accessed, modified)?)
    }
}

/// Which times to set, accessed and modified.
fn times(accessed: u64, modified: u64, flags: u32) -> Outcome<(Option<SystemTime>, Option<SystemTime>)> {
    let flags = checked_flags(flags, fstflags::ALL)?;
    let one = |given: u16, now: u16, ns: u64| match (flags & given != 0, flags & now != 0) {
        (true, true) => Err(Errno::INVAL),
        (true, false) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(ns)).map(Some).ok_or(Errno::INVAL),
        (false, true) => Ok(Some(SystemTime::now())),
        (false, false) => Ok(None),
    };
    Ok((
        one(fstflags::ACCESSED, fstflags::ACCESSED_NOW, accessed)?,
        one(fstflags::MODIFIED, fstflags::MODIFIED_NOW, modified)?,
    ))
}

/// Flags that preview 1 knows.
pub(super) fn checked_flags(flags: u32, all: u16) -> Outcome<u16> {
    let flags = u16::try_from(flags).map_err(|_| Errno::INVAL)?;
    if flags & !all == 0 { Ok(flags) } else { Err(Errno::INVAL.into()) }
}
