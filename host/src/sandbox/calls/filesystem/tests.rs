//! Both WASI versions called as a guest's calls arrive, and preview 1 guests end to end.

use super::quota::{BLOCK_BYTES, MAX_OPEN_FILES};
use super::*;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, ErrorCode, HostDescriptor, HostDirectoryEntryStream, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{FsResult, StreamError};

type Fd = Resource<Descriptor>;

const BLOCK: usize = BLOCK_BYTES as usize;

/// The data of a store, and where its `/tmp` would be.
struct Guest {
    table: ResourceTable,
    tmp: TmpDir,
    fd: u32,
}

impl FilesystemAccess for Guest {
    fn files(&mut self) -> FilesystemView<'_> {
        FilesystemView { table: &mut self.table, tmp: &mut self.tmp, opt: None }
    }
}

struct Host {
    dir: TempDir,
    root: Arc<TmpRoot>,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = TmpRoot::open(dir.path()).unwrap();
        Self { dir, root }
    }

    fn guest(&self, quota_blocks: u64) -> Guest {
        let tmp = TmpDir::new(Arc::clone(&self.root), quota_blocks * BLOCK_BYTES);
        let mut guest = Guest { table: ResourceTable::new(), tmp, fd: 0 };
        let preopens = guest.files().get_directories().unwrap();
        assert_eq!(preopens.len(), 1);
        assert_eq!(preopens[0].1, "/tmp");
        guest.fd = preopens[0].0.rep();
        guest
    }

    fn on_disk(&self) -> usize {
        std::fs::read_dir(self.dir.path()).unwrap().count()
    }

    fn wait_until_removed(self) -> TempDir {
        drop(self.root);
        self.dir
    }
}

impl Guest {
    fn tmp_fd(&self) -> Fd {
        Resource::new_own(self.fd)
    }

    async fn open(&mut self, path: &str, open: OpenFlags) -> FsResult<Fd> {
        let fd = self.tmp_fd();
        let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
        self.files().open_at(fd, PathFlags::SYMLINK_FOLLOW, path.to_owned(), open, flags).await
    }

    async fn create(&mut self, path: &str) -> FsResult<Fd> {
        self.open(path, OpenFlags::CREATE).await
    }

    async fn write(&mut self, fd: &Fd, bytes: usize, offset: u64) -> FsResult<u64> {
        self.files().write(Resource::new_own(fd.rep()), vec![b'x'; bytes], offset).await
    }

    async fn read_file(&mut self, path: &str) -> FsResult<Vec<u8>> {
        let dir = self.tmp_fd();
        let none = OpenFlags::empty();
        let fd =
            self.files().open_at(dir, PathFlags::SYMLINK_FOLLOW, path.to_owned(), none, DescriptorFlags::READ).await?;
        let bytes = self.files().read(Resource::new_own(fd.rep()), 1 << 16, 0).await?.0;
        self.close(fd);
        Ok(bytes)
    }

    fn close(&mut self, fd: Fd) {
        HostDescriptor::drop(&mut self.files(), fd).unwrap();
    }

    async fn used_blocks(&self) -> u64 {
        let used = self.tmp.used_bytes().await;
        assert_eq!(used % BLOCK_BYTES, 0);
        used / BLOCK_BYTES
    }

    async fn unlink(&mut self, path: &str) -> FsResult<()> {
        let fd = self.tmp_fd();
        self.files().unlink_file_at(fd, path.to_owned()).await
    }

    async fn mkdir(&mut self, path: &str) -> FsResult<()> {
        let fd = self.tmp_fd();
        self.files().create_directory_at(fd, path.to_owned()).await
    }

    async fn rename(&mut self, from: &str, to: &str) -> FsResult<()> {
        let (a, b) = (self.tmp_fd(), self.tmp_fd());
        self.files().rename_at(a, from.to_owned(), b, to.to_owned()).await
    }

    async fn link(&mut self, from: &str, to: &str) -> FsResult<()> {
        let (a, b) = (self.tmp_fd(), self.tmp_fd());
        self.files().link_at(a, PathFlags::empty(), from.to_owned(), b, to.to_owned()).await
    }

    async fn symlink(&mut self, target: &str, path: &str) -> FsResult<()> {
        let fd = self.tmp_fd();
        self.files().symlink_at(fd, target.to_owned(), path.to_owned()).await
    }

    async fn names(&mut self) -> Vec<String> {
        let fd = self.tmp_fd();
        let stream = self.files().read_directory(fd).await.unwrap();
        let mut names = Vec::new();
        while let Some(entry) = self.files().read_directory_entry(Resource::new_own(stream.rep())).await.unwrap() {
            names.push(entry.name);
        }
        HostDirectoryEntryStream::drop(&mut self.files(), stream).unwrap();
        names.sort();
        names
    }
}

#[track_caller]
fn code<T>(result: FsResult<T>) -> ErrorCode {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(error) => error.downcast().unwrap(),
    }
}

#[tokio::test]
async fn nothing_is_on_disk_until_a_path_is_used() {
    let host = Host::new();
    let mut guest = host.guest(10);
    let fd = guest.tmp_fd();
    assert_eq!(guest.files().get_type(fd).await.unwrap(), DescriptorType::Directory);
    let fd = guest.tmp_fd();
    assert!(guest.files().get_flags(fd).await.unwrap().contains(DescriptorFlags::MUTATE_DIRECTORY));
    assert!(!guest.tmp.is_used());
    assert_eq!(host.on_disk(), 0);

    let fd = guest.tmp_fd();
    guest.files().stat(fd).await.unwrap();
    assert!(guest.tmp.is_used());
    assert_eq!(host.on_disk(), 1);
    // Asked again, the guest gets the same directory.
    let fd = guest.create("a").await.unwrap();
    guest.close(fd);
    guest.fd = guest.files().get_directories().unwrap()[0].0.rep();
    assert_eq!(guest.names().await, ["a"]);
}

#[tokio::test]
async fn an_environment_that_ends_leaves_nothing_and_frees_its_descriptors() {
    let host = Host::new();
    let mut guest = host.guest(10);
    guest.mkdir("d").await.unwrap();
    let _open = guest.create("d/f").await.unwrap();
    assert_eq!(host.root.open_files(), 2);
    drop(guest);
    assert_eq!(host.root.open_files(), 0);
    let dir = host.wait_until_removed();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_killed_daemon_left_goes_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("0123/deep/er")).unwrap();
    std::fs::write(dir.path().join("0123/file"), b"x").unwrap();
    drop(TmpRoot::open(dir.path()).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_root_that_cannot_be_used_says_which() {
    let error = TmpRoot::open(Path::new("/dev/null/tmp")).err().unwrap();
    assert!(error.to_string().contains("/dev/null/tmp"), "{error}");
}

#[tokio::test]
async fn environments_do_not_see_each_other() {
    let host = Host::new();
    let (mut a, mut b) = (host.guest(10), host.guest(10));
    let fd = a.create("secret").await.unwrap();
    a.write(&fd, 10, 0).await.unwrap();
    assert!(b.names().await.is_empty());
    assert_eq!(code(b.read_file("secret").await), ErrorCode::NoEntry);
}

#[tokio::test]
async fn no_path_leads_out() {
    let host = Host::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), b"secret").unwrap();
    let mut other = host.guest(10);
    let fd = other.create("neighbour").await.unwrap();
    other.close(fd);
    let neighbour = other.tmp.state().unwrap().host_path(host.dir.path());
    let neighbour_name = neighbour.file_name().unwrap().to_str().unwrap().to_owned();

    let mut guest = host.guest(100);
    guest.mkdir("d").await.unwrap();
    let fd = guest.create("own").await.unwrap();
    guest.close(fd);
    let outside = outside.path().to_str().unwrap().to_owned();
    let mut out: Vec<String> = vec![
        format!("{outside}/file"),
        "/etc/passwd".to_owned(),
        "../x".to_owned(),
        "d/../../x".to_owned(),
        "..".to_owned(),
        format!("../{neighbour_name}/neighbour"),
        "/proc/self/root/etc/passwd".to_owned(),
    ];
    // Symbolic links that lead out, made where the guest may make them, and directories behind them.
    for (i, target) in ["..", "../..", "d/../.."].into_iter().enumerate() {
        if guest.symlink(target, &format!("up{i}")).await.is_ok() {
            out.push(format!("up{i}/x"));
            out.push(format!("up{i}/{neighbour_name}/neighbour"));
        }
    }
    // An absolute link is refused or leads nowhere.
    if guest.symlink(&outside, "abs").await.is_ok() {
        out.push("abs/file".to_owned());
    }
    for path in &out {
        assert!(guest.read_file(path).await.is_err(), "read {path}");
        assert!(guest.create(path).await.is_err(), "created {path}");
        assert!(guest.mkdir(path).await.is_err(), "made directory {path}");
        assert!(guest.unlink(path).await.is_err(), "deleted {path}");
        assert!(guest.rename(path, "in").await.is_err(), "moved in {path}");
        assert!(guest.rename("own", path).await.is_err(), "moved out to {path}");
        assert!(guest.link(path, "in").await.is_err(), "linked in {path}");
        assert!(guest.link("own", path).await.is_err(), "linked out to {path}");
        assert!(guest.symlink("own", path).await.is_err(), "symlink at {path}");
        let fd = guest.tmp_fd();
        let follow = PathFlags::SYMLINK_FOLLOW;
        assert!(guest.files().stat_at(fd, follow, path.clone()).await.is_err(), "stat {path}");
        let fd = guest.tmp_fd();
        assert!(guest.files().readlink_at(fd, path.clone()).await.is_err(), "readlink {path}");
        let fd = guest.tmp_fd();
        assert!(guest.files().remove_directory_at(fd, path.clone()).await.is_err(), "rmdir {path}");
    }
    assert_eq!(std::fs::read(PathBuf::from(outside).join("file")).unwrap(), b"secret");
    assert!(neighbour.join("neighbour").exists());
    assert!(guest.read_file("own").await.is_ok());
}

#[tokio::test]
async fn a_link_that_was_fine_when_made_does_not_lead_out_after_a_move() {
    let host = Host::new();
    let mut guest = host.guest(10);
    guest.mkdir("a").await.unwrap();
    guest.mkdir("a/b").await.unwrap();
    // From a/b this is /tmp; moved to /tmp it is the directory of all environments.
    guest.symlink("../..", "a/b/up").await.unwrap();
    guest.rename("a/b/up", "up").await.unwrap();
    let fd = guest.tmp_fd();
    let listed = guest
        .files()
        .open_at(fd, PathFlags::SYMLINK_FOLLOW, "up".to_owned(), OpenFlags::DIRECTORY, DescriptorFlags::READ)
        .await;
    assert_eq!(code(listed), ErrorCode::NotPermitted);
}

#[tokio::test]
async fn every_way_to_grow_ends_at_the_quota() {
    let host = Host::new();
    let mut guest = host.guest(4);
    let fd = guest.create("f").await.unwrap();
    // As much as fits is written, then nothing.
    assert_eq!(guest.write(&fd, 5 * BLOCK, 0).await.unwrap(), 4 * BLOCK_BYTES);
    assert_eq!(code(guest.write(&fd, 1, 4 * BLOCK_BYTES).await), ErrorCode::InsufficientSpace);
    assert_eq!(guest.write(&fd, BLOCK, 0).await.unwrap(), BLOCK_BYTES, "overwriting needs no space");
    assert_eq!(code(guest.create("g").await), ErrorCode::InsufficientSpace);
    assert_eq!(code(guest.mkdir("g").await), ErrorCode::InsufficientSpace);
    assert_eq!(code(guest.link("f", "g").await), ErrorCode::InsufficientSpace);
    assert_eq!(code(guest.symlink("f", "g").await), ErrorCode::InsufficientSpace);
    let set_size = |size| (Resource::new_own(fd.rep()), size);
    let (f, size) = set_size(4 * BLOCK_BYTES + 1);
    assert_eq!(code(guest.files().set_size(f, size).await), ErrorCode::InsufficientSpace);
    assert_eq!(guest.names().await, ["f"]);
    assert_eq!(guest.used_blocks().await, 4);

    let (f, size) = set_size(1);
    guest.files().set_size(f, size).await.unwrap();
    assert_eq!(guest.used_blocks().await, 1);
    guest.mkdir("d").await.unwrap();
    guest.symlink("f", "s").await.unwrap();
    guest.link("f", "l").await.unwrap();
    assert_eq!(code(guest.create("g").await), ErrorCode::InsufficientSpace);
    assert_eq!(guest.used_blocks().await, 4);
    assert_eq!(code(guest.write(&fd, 1, u64::MAX).await), ErrorCode::FileTooLarge);
}

#[tokio::test]
async fn holes_count_as_content() {
    let host = Host::new();
    let mut guest = host.guest(4);
    let fd = guest.create("f").await.unwrap();
    assert_eq!(code(guest.write(&fd, 1, 1 << 40).await), ErrorCode::InsufficientSpace);
    assert_eq!(guest.write(&fd, 1, 3 * BLOCK_BYTES).await.unwrap(), 1);
    assert_eq!(guest.used_blocks().await, 4);
}

#[tokio::test]
async fn everything_that_frees_frees() {
    let host = Host::new();
    let mut guest = host.guest(16);
    for name in ["a", "b", "c"] {
        let fd = guest.create(name).await.unwrap();
        guest.write(&fd, 4 * BLOCK, 0).await.unwrap();
        guest.close(fd);
    }
    assert_eq!(guest.used_blocks().await, 12);
    guest.rename("a", "b").await.unwrap();
    assert_eq!(guest.used_blocks().await, 8);
    guest.rename("b", "b").await.unwrap();
    assert_eq!(guest.used_blocks().await, 8);
    let fd = guest.open("c", OpenFlags::TRUNCATE).await.unwrap();
    assert_eq!(guest.used_blocks().await, 5);
    guest.close(fd);
    guest.link("b", "b2").await.unwrap();
    guest.rename("b2", "b").await.unwrap();
    assert_eq!(guest.names().await, ["b", "b2", "c"], "two names of one file both stay");
    assert_eq!(guest.used_blocks().await, 6);
    guest.unlink("b").await.unwrap();
    assert_eq!(guest.used_blocks().await, 5);
    guest.unlink("b2").await.unwrap();
    guest.unlink("c").await.unwrap();
    guest.mkdir("d").await.unwrap();
    guest.mkdir("e").await.unwrap();
    guest.rename("d", "e").await.unwrap();
    assert_eq!(guest.used_blocks().await, 1);
    let fd = guest.tmp_fd();
    guest.files().remove_directory_at(fd, "e".to_owned()).await.unwrap();
    assert_eq!(guest.used_blocks().await, 0);
}

#[tokio::test]
async fn failed_calls_count_nothing() {
    let host = Host::new();
    let mut guest = host.guest(16);
    guest.mkdir("d").await.unwrap();
    assert_eq!(code(guest.mkdir("d").await), ErrorCode::Exist);
    assert_eq!(code(guest.open("d", OpenFlags::CREATE | OpenFlags::EXCLUSIVE).await), ErrorCode::Exist);
    assert_eq!(code(guest.open("missing/x", OpenFlags::CREATE).await), ErrorCode::NoEntry);
    assert_eq!(code(guest.open("missing", OpenFlags::empty()).await), ErrorCode::NoEntry);
    assert_eq!(code(guest.open("d", OpenFlags::CREATE | OpenFlags::DIRECTORY).await), ErrorCode::Invalid);
    assert_eq!(code(guest.link("d", "l").await), ErrorCode::NotPermitted);
    assert_eq!(code(guest.unlink("d").await), ErrorCode::IsDirectory);
    let fd = guest.create("f").await.unwrap();
    guest.close(fd);
    assert_eq!(code(guest.open("f", OpenFlags::DIRECTORY).await), ErrorCode::NotDirectory);
    assert_eq!(guest.used_blocks().await, 2);
    assert_eq!(host.root.open_files(), 1, "only the directory itself");
}

#[tokio::test]
async fn a_deleted_file_counts_while_it_is_open() {
    let host = Host::new();
    let mut guest = host.guest(4);
    let fd = guest.create("f").await.unwrap();
    guest.write(&fd, 4 * BLOCK, 0).await.unwrap();
    let stream = guest.files().append_via_stream(Resource::new_own(fd.rep())).unwrap();
    guest.unlink("f").await.unwrap();
    assert_eq!(code(guest.create("g").await), ErrorCode::InsufficientSpace);
    guest.close(fd);
    assert_eq!(code(guest.create("g").await), ErrorCode::InsufficientSpace, "the stream holds it");
    drop(guest.table.delete(stream).unwrap());
    let fd = guest.create("g").await.unwrap();
    assert_eq!(guest.used_blocks().await, 1);
    guest.close(fd);
}

#[tokio::test]
async fn streams_write_in_order_and_end_at_the_quota() {
    let host = Host::new();
    let mut guest = host.guest(4);
    let fd = guest.create("f").await.unwrap();
    let stream = guest.files().write_via_stream(Resource::new_own(fd.rep()), 0).unwrap();
    let mut stream = guest.table.delete(stream).unwrap();
    stream.blocking_write_and_flush(b"hello ".as_slice().into()).await.unwrap();
    assert!(stream.check_write().unwrap() > 0);
    stream.write(b"wor".as_slice().into()).unwrap();
    stream.ready().await;
    stream.write(b"ld".as_slice().into()).unwrap();
    assert_eq!(stream.check_write().unwrap(), 0, "one write at a time");
    stream.ready().await;
    stream.flush().unwrap();
    assert_eq!(guest.read_file("f").await.unwrap(), b"hello world");

    let append = guest.files().append_via_stream(Resource::new_own(fd.rep())).unwrap();
    let mut append = guest.table.delete(append).unwrap();
    append.blocking_write_and_flush(b"!".as_slice().into()).await.unwrap();
    assert_eq!(guest.read_file("f").await.unwrap(), b"hello world!");
    let failed = append.blocking_write_and_flush(vec![b'x'; 4 * BLOCK].into()).await;
    match failed {
        Err(StreamError::LastOperationFailed(e)) => {
            let e = e.downcast_ref::<io::Error>().expect("recoverable by filesystem-error-code");
            assert_eq!(ErrorCode::from(e), ErrorCode::InsufficientSpace);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(append.check_write(), Err(StreamError::Closed)));
    // What did fit was written, as to a full disk.
    let fd2 = guest.tmp_fd();
    let stat = guest.files().stat_at(fd2, PathFlags::empty(), "f".to_owned()).await.unwrap();
    assert_eq!(stat.size, 4 * BLOCK_BYTES);
    assert_eq!(guest.used_blocks().await, 4);
}

#[tokio::test]
async fn descriptors_run_out_for_the_guest_alone() {
    let host = Host::new();
    let mut guest = host.guest(10_000);
    let fd = guest.create("f").await.unwrap();
    guest.close(fd);
    let mut held = Vec::new();
    loop {
        match guest.open("f", OpenFlags::empty()).await {
            Ok(fd) => held.push(fd),
            Err(error) => {
                assert_eq!(error.downcast().unwrap(), ErrorCode::Quota);
                break;
            }
        }
    }
    assert_eq!(held.len(), MAX_OPEN_FILES - 1, "the directory is one");
    let fd = held.pop().unwrap();
    guest.close(fd);
    let fd = guest.open("f", OpenFlags::empty()).await.unwrap();
    guest.close(fd);
    assert_eq!(code(guest.open("missing", OpenFlags::empty()).await), ErrorCode::NoEntry);
    assert_eq!(host.root.open_files(), MAX_OPEN_FILES - 1);
}

#[tokio::test]
async fn listings_in_memory_are_limited_but_one_is_always_allowed() {
    let host = Host::new();
    let mut guest = host.guest(100_000);
    for i in 0..1100 {
        let fd = guest.create(&format!("f{i}")).await.unwrap();
        guest.close(fd);
    }
    let mut held = Vec::new();
    let failed = loop {
        let fd = guest.tmp_fd();
        match guest.files().read_directory(fd).await {
            Ok(stream) => held.push(stream),
            Err(error) => break error.downcast().unwrap(),
        }
    };
    assert_eq!(failed, ErrorCode::InsufficientMemory);
    assert_eq!(held.len(), 131_072 / 1100);
    for stream in held {
        HostDirectoryEntryStream::drop(&mut guest.files(), stream).unwrap();
    }
    assert_eq!(guest.names().await.len(), 1100);
}

#[tokio::test]
async fn a_call_given_up_is_still_counted() {
    let host = Host::new();
    let mut guest = host.guest(10);
    let fd = guest.tmp_fd();
    guest.files().stat(fd).await.unwrap();
    for i in 0..5 {
        let fd = guest.tmp_fd();
        let mut files = guest.files();
        let mut call = std::pin::pin!(files.create_directory_at(fd, format!("d{i}")));
        // Begun, then dropped.
        let _ = futures_util::poll!(call.as_mut());
    }
    let used = guest.used_blocks().await;
    assert_eq!(used, guest.names().await.len() as u64);
    assert!(used > 0);
}

#[test]
fn an_unused_tmp_is_small() {
    assert!(size_of::<TmpDir>() <= 128, "{}", size_of::<TmpDir>());
}

/// Makes /tmp/f, appends 1 kB to it until that fails, and exits with the errno; then checks that it reads back, and that no path leads out.
const FILLER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "f../x/etc/passwd")
    (func (export "_start") (local $errno i32)
        ;; 3 is the one preopen; there is no 4.
        (if (call $prestat (i32.const 3) (i32.const 64)) (then (unreachable)))
        (if (i32.ne (call $prestat (i32.const 4) (i32.const 64)) (i32.const 8)) (then (unreachable)))
        (if (i32.ne (call $open (i32.const 3) (i32.const 1) (i32.const 17) (i32.const 4) (i32.const 1) (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 8)) (i32.const 63)) (then (unreachable)))
        (if (i32.ne (call $open (i32.const 3) (i32.const 1) (i32.const 21) (i32.const 11) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)) (i32.const 63)) (then (unreachable)))
        (if (call $open (i32.const 3) (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 1) (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 8)) (then (unreachable)))
        (i32.store (i32.const 0) (i32.const 2048))
        (i32.store (i32.const 4) (i32.const 1024))
        (loop $more
            (local.set $errno (call $write (i32.load (i32.const 8)) (i32.const 0) (i32.const 1) (i32.const 12)))
            (br_if $more (i32.eqz (local.get $errno))))
        ;; 51 is ENOSPC; the file has the whole quota.
        (if (i32.ne (local.get $errno) (i32.const 51)) (then (unreachable)))
        (if (call $stat (i32.load (i32.const 8)) (i32.const 128)) (then (unreachable)))
        (if (i64.ne (i64.load (i32.const 160)) (i64.const 65536)) (then (unreachable)))))"#;

#[tokio::test]
async fn a_preview_1_guest_fills_its_tmp_and_finds_no_way_out() {
    let ran = crate::sandbox::calls::testing::run_command(FILLER, bytes::Bytes::new(), 0).await;
    ran.result.unwrap().unwrap();
    assert!(ran.used_tmp);
}

mod version_3 {
    use super::*;
    use wasmtime::component::{Accessor, FutureReader, StreamReader};
    use wasmtime::{Config, Engine, Store};
    use wasmtime_wasi::p3::bindings::filesystem::types::{
        DescriptorFlags, ErrorCode, HostDescriptorWithStore as _, OpenFlags, PathFlags,
    };
    use wasmtime_wasi::p3::filesystem::FilesystemResult;

    type Files = Accessor<Guest, GuestFilesystem>;

    async fn run(quota_blocks: u64, test: impl AsyncFnOnce(&Files, Fd) + Send) -> Host {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        let host = Host::new();
        let mut store = Store::new(&Engine::new(&config).unwrap(), host.guest(quota_blocks));
        let fd = store.data().fd;
        store
            .run_concurrent(async |store| {
                test(&store.with_getter::<GuestFilesystem>(Guest::files), Resource::new_own(fd)).await;
            })
            .await
            .unwrap();
        host
    }

    fn same(fd: &Fd) -> Fd {
        Resource::new_own(fd.rep())
    }

    #[track_caller]
    fn code<T>(result: FilesystemResult<T>) -> ErrorCode {
        match result {
            Ok(_) => panic!("this must fail"),
            Err(error) => error.downcast().unwrap(),
        }
    }

    async fn create(files: &Files, dir: &Fd, path: &str) -> FilesystemResult<Fd> {
        let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let path = path.to_owned();
        GuestFilesystem::open_at(files, same(dir), PathFlags::empty(), path, OpenFlags::CREATE, flags).await
    }

    async fn finished(files: &Files, future: FutureReader<Result<(), ErrorCode>>) -> Result<(), ErrorCode> {
        let (send, receive) = tokio::sync::oneshot::channel();
        files.with(|store| future.pipe(store, Receive(Some(send)))).unwrap();
        receive.await.unwrap()
    }

    struct Receive<T>(Option<tokio::sync::oneshot::Sender<T>>);

    impl<D, T: wasmtime::component::Lift + Send + 'static> wasmtime::component::FutureConsumer<D> for Receive<T> {
        type Item = T;

        fn poll_consume(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            store: wasmtime::StoreContextMut<'_, D>,
            mut source: wasmtime::component::Source<'_, T>,
            _: bool,
        ) -> std::task::Poll<wasmtime::Result<()>> {
            let mut value = None;
            source.read(store, &mut value)?;
            if let (Some(send), Some(value)) = (self.0.take(), value) {
                let _ = send.send(value);
            }
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn streams_are_written_and_end_at_the_quota() {
        run(4, async |files, dir| {
            let fd = create(files, &dir, "f").await.unwrap();
            let write = |bytes: Vec<u8>, append: bool| {
                files
                    .with(|mut store| {
                        let data = StreamReader::new(&mut store, bytes::Bytes::from(bytes))?;
                        if append {
                            GuestFilesystem::append_via_stream(store, same(&fd), data)
                        } else {
                            GuestFilesystem::write_via_stream(store, same(&fd), data, 0)
                        }
                    })
                    .unwrap()
            };
            let done = write(b"hello ".to_vec(), false);
            assert!(finished(files, done).await.is_ok());
            let done = write(b"world".to_vec(), true);
            assert!(finished(files, done).await.is_ok());
            let done = write(vec![0; 100 * BLOCK], true);
            assert!(matches!(finished(files, done).await, Err(ErrorCode::InsufficientSpace)));
            let stat = GuestFilesystem::stat_at(files, same(&dir), PathFlags::empty(), "f".to_owned()).await.unwrap();
            assert_eq!(stat.size, 4 * BLOCK_BYTES);
            let full = GuestFilesystem::create_directory_at(files, same(&dir), "d".to_owned()).await;
            assert!(matches!(code(full), ErrorCode::InsufficientSpace));
            GuestFilesystem::set_size(files, same(&fd), 0).await.unwrap();
            GuestFilesystem::create_directory_at(files, same(&dir), "d".to_owned()).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn calls_at_once_share_one_directory_and_one_account() {
        let host = run(100, async |files, dir| {
            let all = (0..20).map(|i| {
                let dir = same(&dir);
                async move { create(files, &dir, &format!("f{i}")).await.unwrap() }
            });
            futures_util::future::join_all(all).await;
            let state = files.with(|mut store| store.get().tmp.state().cloned()).unwrap();
            let used_bytes = state.change(|usage| Ok(usage.used_bytes())).await.unwrap();
            assert_eq!(used_bytes, 20 * BLOCK_BYTES);
            let escape = GuestFilesystem::stat_at(files, same(&dir), PathFlags::SYMLINK_FOLLOW, "..".to_owned()).await;
            assert!(matches!(code(escape), ErrorCode::NotPermitted));
        })
        .await;
        let dir = host.wait_until_removed();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the directories that lost are gone too");
    }

    #[tokio::test]
    async fn listings_arrive_whole() {
        run(1000, async |files, dir| {
            for i in 0..200 {
                create(files, &dir, &format!("f{i}")).await.unwrap();
            }
            let (stream, done) = files.with(|store| GuestFilesystem::read_directory(store, same(&dir))).unwrap();
            let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
            files.with(|store| stream.pipe(store, Collect(send))).unwrap();
            assert!(finished(files, done).await.is_ok());
            let mut names = Vec::new();
            while let Some(name) = receive.recv().await {
                names.push(name);
            }
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 200);
        })
        .await;
    }

    struct Collect(tokio::sync::mpsc::UnboundedSender<String>);

    impl<D> wasmtime::component::StreamConsumer<D> for Collect {
        type Item = wasmtime_wasi::p3::bindings::filesystem::types::DirectoryEntry;

        fn poll_consume(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            store: wasmtime::StoreContextMut<'_, D>,
            mut source: wasmtime::component::Source<'_, Self::Item>,
            _: bool,
        ) -> std::task::Poll<wasmtime::Result<wasmtime::component::StreamResult>> {
            let mut entries = Vec::with_capacity(7);
            source.read(store, &mut entries)?;
            for entry in entries {
                let _ = self.0.send(entry.name);
            }
            std::task::Poll::Ready(Ok(wasmtime::component::StreamResult::Completed))
        }
    }
}
