//! A guest's descriptors.

use super::abi::{Errno, Outcome, filetype, rights};
use super::listing::Listing;
use crate::sandbox::calls::filesystem::DescriptorPermit;
use crate::sandbox::calls::filesystem::quota::{self, MAX_OPEN_FILES};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, FsPerms, OpenMode};

/// The first descriptor that a guest opens; those below are its standard streams and mounts.
pub(super) const FIRST_OPENED: u32 = 7;

/// Where a descriptor comes from. To the guest each mount is a file system of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mount {
    Opt,
    Task,
    Tmp,
    Runtime,
}

impl Mount {
    pub(super) const ALL: [Self; 4] = [Self::Opt, Self::Task, Self::Tmp, Self::Runtime];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Opt => "/opt",
            Self::Task => "/var/task",
            Self::Tmp => "/tmp",
            Self::Runtime => "/var/runtime",
        }
    }

    /// The guest's number for it, as a device.
    pub(super) fn device(self) -> u64 {
        match self {
            Self::Opt => 1,
            Self::Task => 2,
            Self::Tmp => 3,
            Self::Runtime => 4,
        }
    }
}

/// What a descriptor is.
pub(super) enum Kind {
    /// Empty.
    Stdin,
    /// The log.
    Output,
    Dir(OpenDir),
    File(OpenFile),
}

pub(super) struct OpenDir {
    pub(super) dir: Dir,
    pub(super) mount: Mount,
    /// Where it is one of the guest's mounts.
    pub(super) preopen: bool,
    /// What is held while the guest reads it.
    pub(super) listing: Option<Listing>,
    pub(super) _permit: Option<DescriptorPermit>,
}

pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) mount: Mount,
    pub(super) position: u64,
    pub(super) _permit: Option<DescriptorPermit>,
}

/// A descriptor.
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// `fdflags`.
    pub(super) flags: u16,
    pub(super) base: u64,
    pub(super) inheriting: u64,
}

impl Entry {
    fn new(kind: Kind) -> Self {
        let (base, inheriting) = match &kind {
            Kind::Stdin => (rights::FD_READ | rights::FD_FILESTAT_GET | rights::POLL_FD_READWRITE, 0),
            Kind::Output => (rights::FD_WRITE | rights::FD_FILESTAT_GET | rights::POLL_FD_READWRITE, 0),
            // Without the right to write, so that `access` tells the truth; with its companions, which say that a file is to
            // be opened for writing: that is answered as a read-only file system answers.
            Kind::Dir(dir) if dir.dir.perms == FsPerms::ReadOnly => {
                (rights::DIRECTORY, (rights::DIRECTORY | rights::FILE) & !rights::FD_WRITE)
            }
            Kind::Dir(_) => (rights::DIRECTORY, rights::DIRECTORY | rights::FILE),
            Kind::File(file) => {
                let mut base = rights::FILE;
                if !file.file.open_mode.contains(OpenMode::READ) {
                    base &= !rights::FD_READ;
                }
                if !file.file.open_mode.contains(OpenMode::WRITE) {
                    base &= !rights::WRITES | rights::FD_DATASYNC;
                }
                (base, 0)
            }
        };
        Self { kind, flags: 0, base, inheriting }
    }

    pub(super) fn stdin() -> Self {
        Self::new(Kind::Stdin)
    }

    pub(super) fn output() -> Self {
        Self { flags: super::abi::fdflags::APPEND, ..Self::new(Kind::Output) }
    }

    pub(super) fn preopen(dir: Dir, mount: Mount) -> Self {
        Self::new(Kind::Dir(OpenDir { dir, mount, preopen: true, listing: None, _permit: None }))
    }

    /// What a guest has opened beneath `mount`.
    pub(super) fn opened(descriptor: Descriptor, mount: Mount, flags: u16, permit: Option<DescriptorPermit>) -> Self {
        let kind = match descriptor {
            Descriptor::Dir(dir) => Kind::Dir(OpenDir { dir, mount, preopen: false, listing: None, _permit: permit }),
            Descriptor::File(file) => Kind::File(OpenFile { file, mount, position: 0, _permit: permit }),
        };
        Self { flags, ..Self::new(kind) }
    }

    pub(super) fn filetype(&self) -> u8 {
        match &self.kind {
            // No terminal, and nothing else that preview 1 has a name for.
            Kind::Stdin | Kind::Output => filetype::UNKNOWN,
            Kind::Dir(_) => filetype::DIRECTORY,
            Kind::File(_) => filetype::REGULAR_FILE,
        }
    }

    pub(super) fn is_preopen(&self) -> bool {
        matches!(&self.kind, Kind::Dir(OpenDir { preopen: true, .. }))
    }

    /// Fails where the guest has given up any of these rights.
    pub(super) fn require(&self, rights: u64) -> Outcome {
        if self.base & rights == rights { Ok(()) } else { Err(Errno::NOTCAPABLE.into()) }
    }
}

/// All of them, by number.
pub(super) struct Table(Vec<Option<Entry>>);

impl Table {
    pub(super) fn new(first: impl IntoIterator<Item = Entry>) -> Self {
        Self(first.into_iter().map(Some).collect())
    }

    pub(super) fn get(&self, fd: u32) -> Outcome<&Entry> {
        let entry = usize::try_from(fd).ok().and_then(|fd| self.0.get(fd)?.as_ref());
        Ok(entry.ok_or(Errno::BADF)?)
    }

    pub(super) fn get_mut(&mut self, fd: u32) -> Outcome<&mut Entry> {
        let entry = usize::try_from(fd).ok().and_then(|fd| self.0.get_mut(fd)?.as_mut());
        Ok(entry.ok_or(Errno::BADF)?)
    }

    /// A file, with its flags, for use by these rights.
    pub(super) fn file(&mut self, fd: u32, rights: u64) -> Outcome<(&mut OpenFile, u16)> {
        let entry = self.get_mut(fd)?;
        entry.require(rights)?;
        let flags = entry.flags;
        match &mut entry.kind {
            Kind::File(file) => Ok((file, flags)),
            Kind::Dir(_) => Err(Errno::ISDIR.into()),
            Kind::Stdin | Kind::Output => Err(Errno::SPIPE.into()),
        }
    }

    /// A directory, for use by these rights.
    pub(super) fn dir(&mut self, fd: u32, rights: u64) -> Outcome<&mut OpenDir> {
        let entry = self.get_mut(fd)?;
        match entry.kind {
            Kind::Dir(_) => entry.require(rights)?,
            _ => return Err(Errno::NOTDIR.into()),
        }
        match &mut entry.kind {
            Kind::Dir(dir) => Ok(dir),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// Whether there is a number for one more.
    pub(super) fn has_room(&self) -> bool {
        let first = usize::try_from(FIRST_OPENED).unwrap_or(usize::MAX);
        self.0.len() < MAX_OPEN_FILES || self.0.iter().skip(first).any(Option::is_none)
    }

    /// Gives `entry` the lowest number that is free.
    pub(super) fn add(&mut self, entry: Entry) -> Outcome<u32> {
        let first = usize::try_from(FIRST_OPENED).unwrap_or(usize::MAX);
        let free = self.0.iter().enumerate().skip(first).find_map(|(fd, entry)| entry.is_none().then_some(fd));
        let fd = free.unwrap_or(self.0.len());
        if fd >= MAX_OPEN_FILES {
            return Err(Errno::MFILE.into());
        }
        match self.0.get_mut(fd) {
            Some(slot) => *slot = Some(entry),
            None => self.0.push(Some(entry)),
        }
        u32::try_from(fd).map_err(|_| Errno::MFILE.into())
    }

    pub(super) fn take(&mut self, fd: u32) -> Outcome<Entry> {
        let slot = usize::try_from(fd).ok().and_then(|fd| self.0.get_mut(fd));
        Ok(slot.and_then(Option::take).ok_or(Errno::BADF)?)
    }

    /// Moves `from` to the number `to`, answering what had it.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Outcome<Option<Entry>> {
        if self.get(from)?.is_preopen() || self.get(to)?.is_preopen() {
            return Err(Errno::NOTSUP.into());
        }
        if from == to {
            return Ok(None);
        }
        let entry = self.take(from)?;
        Ok(Some(std::mem::replace(self.get_mut(to)?, entry)))
    }

    /// Whether anything is open beside the standard streams and mounts.
    pub(super) fn has_opened(&self) -> bool {
        self.0.iter().enumerate().any(|(fd, entry)| match entry.as_ref().map(|entry| &entry.kind) {
            Some(Kind::File(_)) => true,
            Some(Kind::Dir(dir)) => !dir.preopen,
            Some(Kind::Stdin) => fd != 0,
            Some(Kind::Output) => fd != 1 && fd != 2,
            None => false,
        })
    }

    /// What listings hold, all together.
    pub(super) fn listed_entries(&self) -> usize {
        let held = self.0.iter().flatten().filter_map(|entry| match &entry.kind {
            Kind::Dir(dir) => dir.listing.as_ref().map(Listing::len),
            _ => None,
        });
        held.sum()
    }
}

impl OpenFile {
    /// The address by which `/tmp`'s account knows the file.
    pub(super) fn address(&self) -> usize {
        quota::address(&self.file.file)
    }
}

impl OpenDir {
    /// The address by which `/tmp`'s account knows the directory.
    pub(super) fn address(&self) -> usize {
        quota::address(&self.dir.dir)
    }
}
