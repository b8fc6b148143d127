//! The numbers and layouts of WASI preview 1
//! (<https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md>), as far as they are used here.

use crate::sandbox::calls::filesystem::Fault;
use crate::sandbox::calls::memory::OutOfBounds;
use rustix::io::Errno as Os;
use std::io;

/// An error number of preview 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(pub(super) u16);

impl Errno {
    pub(super) const ACCES: Self = Self(2);
    pub(super) const BADF: Self = Self(8);
    pub(super) const FAULT: Self = Self(21);
    pub(super) const FBIG: Self = Self(22);
    pub(super) const ILSEQ: Self = Self(25);
    pub(super) const INVAL: Self = Self(28);
    pub(super) const IO: Self = Self(29);
    pub(super) const ISDIR: Self = Self(31);
    pub(super) const MFILE: Self = Self(33);
    pub(super) const NAMETOOLONG: Self = Self(37);
    pub(super) const NOMEM: Self = Self(48);
    pub(super) const NOTCAPABLE: Self = Self(76);
    pub(super) const NOTDIR: Self = Self(54);
    pub(super) const NOTSOCK: Self = Self(57);
    pub(super) const NOTSUP: Self = Self(58);
    pub(super) const PERM: Self = Self(63);
    pub(super) const ROFS: Self = Self(69);
    pub(super) const SPIPE: Self = Self(70);
    pub(super) const XDEV: Self = Self(75);
}

/// Why a call did not succeed.
pub(super) enum Stop {
    /// The guest is told, and goes on.
    Errno(Errno),
    /// The guest ends.
    Trap(wasmtime::Error),
}

/// How a call went.
pub(super) type Outcome<T = ()> = Result<T, Stop>;

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<OutOfBounds> for Stop {
    fn from(_: OutOfBounds) -> Self {
        Self::Errno(Errno::FAULT)
    }
}

impl From<OutOfBounds> for Errno {
    fn from(_: OutOfBounds) -> Self {
        Self::FAULT
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Errno(fault.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Errno(error.into())
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<Fault> for Errno {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Os(error) => error.into(),
            Fault::TooManyOpenFiles => Self::MFILE,
            Fault::TooManyListings => Self::NOMEM,
        }
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        match (error.raw_os_error(), error.kind()) {
            (Some(raw), _) => of_os(Os::from_raw_os_error(raw)),
            (None, io::ErrorKind::NotFound) => Self(44),
            // A path that leads out of its directory.
            (None, io::ErrorKind::PermissionDenied) => Self::PERM,
            (None, io::ErrorKind::AlreadyExists) => Self(20),
            (None, io::ErrorKind::InvalidInput) => Self::INVAL,
            _ => Self::IO,
        }
    }
}

fn of_os(error: Os) -> Errno {
    match error {
        Os::TOOBIG => Errno(1),
        Os::ACCESS => Errno::ACCES,
        Os::AGAIN => Errno(6),
        Os::BADF => Errno::BADF,
        Os::BUSY => Errno(10),
        Os::DQUOT => Errno(19),
        Os::EXIST => Errno(20),
        Os::FBIG => Errno::FBIG,
        Os::ILSEQ => Errno::ILSEQ,
        Os::INTR => Errno(27),
        Os::INVAL => Errno::INVAL,
        Os::ISDIR => Errno::ISDIR,
        Os::LOOP => Errno(32),
        Os::MFILE | Os::NFILE => Errno::MFILE,
        Os::MLINK => Errno(34),
        Os::NAMETOOLONG => Errno::NAMETOOLONG,
        Os::NODEV => Errno(43),
        Os::NOENT => Errno(44),
        Os::NOMEM => Errno::NOMEM,
        Os::NOSPC => Errno(51),
        Os::NOTDIR => Errno::NOTDIR,
        Os::NOTEMPTY => Errno(55),
        Os::NOTSUP => Errno::NOTSUP,
        Os::NXIO => Errno(60),
        Os::OVERFLOW => Errno(61),
        Os::PERM => Errno::PERM,
        Os::PIPE => Errno(64),
        Os::ROFS => Errno::ROFS,
        Os::SPIPE => Errno::SPIPE,
        Os::STALE => Errno(72),
        Os::TXTBSY => Errno(74),
        Os::XDEV => Errno::XDEV,
        _ => Errno::IO,
    }
}

/// What a descriptor may be used for.
pub(super) mod rights {
    pub(in super::super) const FD_DATASYNC: u64 = 1;
    pub(in super::super) const FD_READ: u64 = 1 << 1;
    pub(in super::super) const FD_SEEK: u64 = 1 << 2;
    pub(in super::super) const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    pub(in super::super) const FD_SYNC: u64 = 1 << 4;
    pub(in super::super) const FD_TELL: u64 = 1 << 5;
    pub(in super::super) const FD_WRITE: u64 = 1 << 6;
    pub(in super::super) const FD_ADVISE: u64 = 1 << 7;
    pub(in super::super) const FD_ALLOCATE: u64 = 1 << 8;
    pub(in super::super) const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
    pub(in super::super) const PATH_CREATE_FILE: u64 = 1 << 10;
    pub(in super::super) const PATH_LINK_SOURCE: u64 = 1 << 11;
    pub(in super::super) const PATH_LINK_TARGET: u64 = 1 << 12;
    pub(in super::super) const PATH_OPEN: u64 = 1 << 13;
    pub(in super::super) const FD_READDIR: u64 = 1 << 14;
    pub(in super::super) const PATH_READLINK: u64 = 1 << 15;
    pub(in super::super) const PATH_RENAME_SOURCE: u64 = 1 << 16;
    pub(in super::super) const PATH_RENAME_TARGET: u64 = 1 << 17;
    pub(in super::super) const PATH_FILESTAT_GET: u64 = 1 << 18;
    pub(in super::super) const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    pub(in super::super) const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
    pub(in super::super) const FD_FILESTAT_GET: u64 = 1 << 21;
    pub(in super::super) const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    pub(in super::super) const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    pub(in super::super) const PATH_SYMLINK: u64 = 1 << 24;
    pub(in super::super) const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
    pub(in super::super) const PATH_UNLINK_FILE: u64 = 1 << 26;
    pub(in super::super) const POLL_FD_READWRITE: u64 = 1 << 27;

    /// Of a file; reading and writing as it was opened.
    pub(in super::super) const FILE: u64 = FD_DATASYNC
        | FD_READ
        | FD_SEEK
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_TELL
        | FD_WRITE
        | FD_ADVISE
        | FD_ALLOCATE
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_SIZE
        | FD_FILESTAT_SET_TIMES
        | POLL_FD_READWRITE;

    /// Of a directory.
    pub(in super::super) const DIRECTORY: u64 = FD_DATASYNC
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_ADVISE
        | PATH_CREATE_DIRECTORY
        | PATH_CREATE_FILE
        | PATH_LINK_SOURCE
        | PATH_LINK_TARGET
        | PATH_OPEN
        | FD_READDIR
        | PATH_READLINK
        | PATH_RENAME_SOURCE
        | PATH_RENAME_TARGET
        | PATH_FILESTAT_GET
        | PATH_FILESTAT_SET_SIZE
        | PATH_FILESTAT_SET_TIMES
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_TIMES
        | PATH_SYMLINK
        | PATH_REMOVE_DIRECTORY
        | PATH_UNLINK_FILE
        | POLL_FD_READWRITE;

    /// Any of these says that a file is to be opened for writing: wasi-libc asks for all of them where it wants to write, and for
    /// those that the directory hands down.
    pub(in super::super) const WRITES: u64 = FD_DATASYNC | FD_WRITE | FD_ALLOCATE | FD_FILESTAT_SET_SIZE;
}

pub(super) mod filetype {
    pub(in super::super) const UNKNOWN: u8 = 0;
    pub(in super::super) const BLOCK_DEVICE: u8 = 1;
    pub(in super::super) const CHARACTER_DEVICE: u8 = 2;
    pub(in super::super) const DIRECTORY: u8 = 3;
    pub(in super::super) const REGULAR_FILE: u8 = 4;
    pub(in super::super) const SOCKET_STREAM: u8 = 6;
    pub(in super::super) const SYMBOLIC_LINK: u8 = 7;
}

pub(super) mod fdflags {
    pub(in super::super) const APPEND: u16 = 1;
    /// All there are.
    pub(in super::super) const ALL: u16 = 31;
}

pub(super) mod oflags {
    pub(in super::super) const CREATE: u16 = 1;
    pub(in super::super) const DIRECTORY: u16 = 2;
    pub(in super::super) const EXCLUSIVE: u16 = 4;
    pub(in super::super) const TRUNCATE: u16 = 8;
    /// All there are.
    pub(in super::super) const ALL: u16 = 15;
}

/// `lookupflags`: symbolic links at the end of a path are followed.
pub(super) const SYMLINK_FOLLOW: u32 = 1;

pub(super) mod fstflags {
    pub(in super::super) const ACCESSED: u16 = 1;
    pub(in super::super) const ACCESSED_NOW: u16 = 2;
    pub(in super::super) const MODIFIED: u16 = 4;
    pub(in super::super) const MODIFIED_NOW: u16 = 8;
    /// All there are.
    pub(in super::super) const ALL: u16 = 15;
}

/// `fdstat`.
pub(super) fn fdstat(filetype: u8, flags: u16, base: u64, inheriting: u64) -> [u8; 24] {
    let mut out = Record::<24>::new();
    out.put(0, &[filetype]).put(2, &flags.to_le_bytes());
    out.put(8, &base.to_le_bytes()).put(16, &inheriting.to_le_bytes());
    out.0
}

/// What is told about a file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Filestat {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) filetype: u8,
    pub(super) links: u64,
    pub(super) size: u64,
    pub(super) accessed_ns: u64,
    pub(super) modified_ns: u64,
    pub(super) changed_ns: u64,
}

impl Filestat {
    pub(super) fn encode(&self) -> [u8; 64] {
        let mut out = Record::<64>::new();
        out.put(16, &[self.filetype]);
        for (at, value) in [
            (0, self.device),
            (8, self.inode),
            (24, self.links),
            (32, self.size),
            (40, self.accessed_ns),
            (48, self.modified_ns),
            (56, self.changed_ns),
        ] {
            out.put(at, &value.to_le_bytes());
        }
        out.0
    }
}

/// A `dirent`'s fixed part; the name follows it.
pub(super) fn dirent(next: u64, inode: u64, name_len: u32, filetype: u8) -> [u8; 24] {
    let mut out = Record::<24>::new();
    out.put(0, &next.to_le_bytes()).put(8, &inode.to_le_bytes());
    out.put(16, &name_len.to_le_bytes()).put(20, &[filetype]);
    out.0
}

/// An `event`: its result, and of a descriptor how many bytes there are and whether no more will come.
pub(super) fn event(userdata: [u8; 8], error: Option<Errno>, kind: u8, bytes: u64, hangup: bool) -> [u8; 32] {
    let mut out = Record::<32>::new();
    out.put(0, &userdata).put(8, &error.map_or(0, |errno| errno.0).to_le_bytes()).put(10, &[kind]);
    out.put(16, &bytes.to_le_bytes()).put(24, &u16::from(hangup).to_le_bytes());
    out.0
}

struct Record<const N: usize>([u8; N]);

impl<const N: usize> Record<N> {
    fn new() -> Self {
        Self([0; N])
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        for (to, from) in self.0.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
        self
    }
}
