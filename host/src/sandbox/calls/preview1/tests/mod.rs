//! Preview 1 called as a guest calls it.

mod files;
mod hostile;
mod streams;

use super::*;
use crate::sandbox::calls::core_guest::CoreGuest;
use crate::sandbox::calls::filesystem::{TmpRoot, read_only};
use crate::sandbox::calls::output::BoundedOutput;
use std::fs::File;
use std::path::Path;
use tempfile::TempDir;

/// All of preview 1 that wasi-libc may import, with its types.
pub(super) const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("args_get", "ii", "i"),
    ("args_sizes_get", "ii", "i"),
    ("clock_res_get", "ii", "i"),
    ("clock_time_get", "ili", "i"),
    ("environ_get", "ii", "i"),
    ("environ_sizes_get", "ii", "i"),
    ("fd_advise", "illi", "i"),
    ("fd_allocate", "ill", "i"),
    ("fd_close", "i", "i"),
    ("fd_datasync", "i", "i"),
    ("fd_fdstat_get", "ii", "i"),
    ("fd_fdstat_set_flags", "ii", "i"),
    ("fd_fdstat_set_rights", "ill", "i"),
    ("fd_filestat_get", "ii", "i"),
    ("fd_filestat_set_size", "il", "i"),
    ("fd_filestat_set_times", "illi", "i"),
    ("fd_pread", "iiili", "i"),
    ("fd_prestat_dir_name", "iii", "i"),
    ("fd_prestat_get", "ii", "i"),
    ("fd_pwrite", "iiili", "i"),
    ("fd_read", "iiii", "i"),
    ("fd_readdir", "iiili", "i"),
    ("fd_renumber", "ii", "i"),
    ("fd_seek", "ilii", "i"),
    ("fd_sync", "i", "i"),
    ("fd_tell", "ii", "i"),
    ("fd_write", "iiii", "i"),
    ("path_create_directory", "iii", "i"),
    ("path_filestat_get", "iiiii", "i"),
    ("path_filestat_set_times", "iiiilli", "i"),
    ("path_link", "iiiiiii", "i"),
    ("path_open", "iiiiillii", "i"),
    ("path_readlink", "iiiiii", "i"),
    ("path_remove_directory", "iii", "i"),
    ("path_rename", "iiiiii", "i"),
    ("path_symlink", "iiiii", "i"),
    ("path_unlink_file", "iii", "i"),
    ("poll_oneoff", "iiii", "i"),
    ("proc_exit", "i", ""),
    ("proc_raise", "i", "i"),
    ("random_get", "ii", "i"),
    ("sched_yield", "", "i"),
    ("sock_accept", "iii", "i"),
    ("sock_recv", "iiiiii", "i"),
    ("sock_send", "iiiii", "i"),
    ("sock_shutdown", "ii", "i"),
];

const OPT: u32 = 3;
const TASK: u32 = 4;
const TMP: u32 = 5;

const CREATE: u16 = abi::oflags::CREATE;
const READ: u64 = abi::rights::FD_READ;
const WRITE: u64 = abi::rights::FD_WRITE;

/// Error numbers by preview 1's own table.
const BADF: i32 = 8;
const EXIST: i32 = 20;
const FAULT: i32 = 21;
const INVAL: i32 = 28;
const ISDIR: i32 = 31;
const NOENT: i32 = 44;
const NOSPC: i32 = 51;
const NOTDIR: i32 = 54;
const NOTEMPTY: i32 = 55;
const NOTSOCK: i32 = 57;
const NOTSUP: i32 = 58;
const PERM: i32 = 63;
const ROFS: i32 = 69;
const SPIPE: i32 = 70;
const XDEV: i32 = 75;
const NOTCAPABLE: i32 = 76;

/// Where tests put paths, lists of buffers, results and data.
const PATH: u32 = 0;
const PATH_2: u32 = 5000;
const LIST: u32 = 10_000;
const OUT: u32 = 20_000;
const DATA: u32 = 30_000;

struct Data(Preview1);

impl Preview1Access for Data {
    fn preview1(&mut self) -> &mut Preview1 {
        &mut self.0
    }
}

/// A guest with a package, without layers, and where its `/tmp` would be.
struct Guest {
    guest: CoreGuest<Data>,
    package: TempDir,
    tmp: TempDir,
    root: Arc<TmpRoot>,
    output: Arc<BoundedOutput>,
}

impl Guest {
    async fn new() -> Self {
        Self::with_quota(1 << 20).await
    }

    async fn with_quota(quota_bytes: u64) -> Self {
        let (package, tmp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(package.path().join("a.py"), "0123456789").unwrap();
        std::fs::create_dir(package.path().join("sub")).unwrap();
        std::os::unix::fs::symlink("../a.py", package.path().join("sub/link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", package.path().join("absolute")).unwrap();
        std::os::unix::fs::symlink("../../../../etc/passwd", package.path().join("sub/relative")).unwrap();
        let root = TmpRoot::open(tmp.path()).unwrap();
        let output = Arc::new(BoundedOutput::new(1 << 20));
        let mounts = Mounts { task: Some(read_only(File::open(package.path()).unwrap())), ..Mounts::default() };
        let preview1 = Preview1::new(mounts, TmpDir::new(Arc::clone(&root), quota_bytes), output.clone());
        let guest = CoreGuest::new("wasi_snapshot_preview1", FUNCTIONS, Data(preview1), add_to_linker).await;
        Self { guest, package, tmp, root, output }
    }

    /// The error number that a call answers.
    async fn call(&mut self, name: &str, arguments: &[i64]) -> i32 {
        self.guest.call(name, arguments).await.unwrap()
    }

    fn path(&mut self, at: u32, path: &str) -> [i64; 2] {
        self.guest.put(at, path.as_bytes());
        [i64::from(at), path.len() as i64]
    }

    /// Opens, following links.
    async fn open(&mut self, dir: u32, path: &str, oflags: u16, rights: u64, flags: u16) -> Result<u32, i32> {
        let [ptr, len] = self.path(PATH, path);
        let (oflags, rights, flags) = (i64::from(oflags), rights as i64, i64::from(flags));
        let arguments = [i64::from(dir), 1, ptr, len, oflags, rights, 0, flags, i64::from(OUT)];
        match self.call("path_open", &arguments).await {
            0 => Ok(self.guest.get_u32(OUT)),
            errno => Err(errno),
        }
    }

    async fn on_path(&mut self, call: &str, dir: u32, path: &str) -> i32 {
        let [ptr, len] = self.path(PATH, path);
        self.call(call, &[i64::from(dir), ptr, len]).await
    }

    fn list(&mut self, buffers: &[(u32, u32)]) -> [i64; 2] {
        for (n, (ptr, len)) in buffers.iter().enumerate() {
            let at = LIST + 8 * n as u32;
            self.guest.put(at, &ptr.to_le_bytes());
            self.guest.put(at + 4, &len.to_le_bytes());
        }
        [i64::from(LIST), buffers.len() as i64]
    }

    async fn read(&mut self, fd: u32, len: u32) -> Result<Vec<u8>, i32> {
        let [list, count] = self.list(&[(DATA, len)]);
        match self.call("fd_read", &[i64::from(fd), list, count, i64::from(OUT)]).await {
            0 => Ok(self.guest.get(DATA, self.guest.get_u32(OUT) as usize)),
            errno => Err(errno),
        }
    }

    async fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<u32, i32> {
        self.guest.put(DATA, bytes);
        let [list, count] = self.list(&[(DATA, bytes.len() as u32)]);
        match self.call("fd_write", &[i64::from(fd), list, count, i64::from(OUT)]).await {
            0 => Ok(self.guest.get_u32(OUT)),
            errno => Err(errno),
        }
    }

    async fn stat(&mut self, dir: u32, path: &str, follow: bool) -> Result<(u8, u64), i32> {
        let [ptr, len] = self.path(PATH, path);
        let arguments = [i64::from(dir), i64::from(follow), ptr, len, i64::from(OUT)];
        match self.call("path_filestat_get", &arguments).await {
            0 => Ok((self.guest.get(OUT + 16, 1)[0], self.guest.get_u64(OUT + 32))),
            errno => Err(errno),
        }
    }

    /// The names in a directory, read with a buffer of this size.
    async fn names(&mut self, fd: u32, buffer: u32) -> Result<Vec<String>, i32> {
        let (mut names, mut cookie) = (Vec::new(), 0u64);
        loop {
            let arguments = [i64::from(fd), i64::from(DATA), i64::from(buffer), cookie as i64, i64::from(OUT)];
            match self.call("fd_readdir", &arguments).await {
                0 => {}
                errno => return Err(errno),
            }
            let used = self.guest.get_u32(OUT);
            let mut at = 0;
            while at + 24 <= used {
                let name_len = self.guest.get_u32(DATA + at + 16);
                if at + 24 + name_len > used {
                    break;
                }
                cookie = self.guest.get_u64(DATA + at);
                let name = self.guest.get(DATA + at + 24, name_len as usize);
                names.push(String::from_utf8(name).unwrap());
                at += 24 + name_len;
            }
            if used < buffer {
                names.sort();
                return Ok(names);
            }
        }
    }

    fn preview1(&mut self) -> &mut Preview1 {
        self.guest.store.data_mut().preview1()
    }

    /// The directories made for `/tmp`s.
    fn on_disk(&self) -> usize {
        std::fs::read_dir(self.tmp.path()).unwrap().count()
    }

    fn package(&self) -> &Path {
        self.package.path()
    }
}
