//! Files and directories.

use super::*;

#[tokio::test]
async fn four_mounts_in_their_order_and_nothing_on_disk_for_looking() {
    let mut guest = Guest::new().await;
    for (fd, path) in [(3, "/opt"), (4, "/var/task"), (5, "/tmp"), (6, "/var/runtime")] {
        assert_eq!(guest.call("fd_prestat_get", &[fd, i64::from(OUT)]).await, 0);
        assert_eq!(guest.guest.get(OUT, 1), [0]);
        let len = guest.guest.get_u32(OUT + 4);
        assert_eq!(guest.call("fd_prestat_dir_name", &[fd, i64::from(DATA), i64::from(len) - 1]).await, 37);
        assert_eq!(guest.call("fd_prestat_dir_name", &[fd, i64::from(DATA), i64::from(len)]).await, 0);
        assert_eq!(guest.guest.get(DATA, len as usize), path.as_bytes());
    }
    for fd in [0, 1, 2, 7, -1] {
        assert_eq!(guest.call("fd_prestat_get", &[fd, i64::from(OUT)]).await, BADF);
    }
    for dir in [OPT, TMP, 6] {
        assert_eq!(guest.names(dir, 4096).await.unwrap(), [".", ".."]);
        assert_eq!(guest.stat(dir, "x", true).await, Err(NOENT));
        assert_eq!(guest.stat(dir, ".", true).await.map(|(kind, _)| kind), Ok(3));
    }
    assert!(!guest.preview1().uses_tmp());
    assert_eq!(guest.on_disk(), 0);
}

#[tokio::test]
async fn the_package_is_read_and_never_written() {
    let mut guest = Guest::new().await;
    let fd = guest.open(TASK, "a.py", 0, READ, 0).await.unwrap();
    assert_eq!(fd, table::FIRST_OPENED);
    assert!(guest.preview1().open_beyond_preopens());
    assert_eq!(guest.read(fd, 4).await.unwrap(), b"0123");
    assert_eq!(guest.read(fd, 100).await.unwrap(), b"456789");
    assert_eq!(guest.read(fd, 100).await.unwrap(), b"");
    let [list, count] = guest.list(&[(DATA, 2), (DATA + 10, 0), (DATA + 2, 3)]);
    let arguments = [i64::from(fd), list, count, 3, i64::from(OUT)];
    assert_eq!(guest.call("fd_pread", &arguments).await, 0);
    assert_eq!((guest.guest.get_u32(OUT), guest.guest.get(DATA, 5)), (5, b"34567".to_vec()));
    for (offset, whence, expected) in
        [(2, 0, Ok(2)), (3, 1, Ok(5)), (-1, 2, Ok(9)), (-1, 0, Err(INVAL)), (0, 3, Err(INVAL))]
    {
        let seeked = guest.call("fd_seek", &[i64::from(fd), offset, whence, i64::from(OUT)]).await;
        let answer = if seeked == 0 { Ok(guest.guest.get_u64(OUT)) } else { Err(seeked) };
        assert_eq!(answer, expected, "{offset} {whence}");
    }
    assert_eq!(guest.call("fd_tell", &[i64::from(fd), i64::from(OUT)]).await, 0);
    assert_eq!(guest.guest.get_u64(OUT), 9);
    assert_eq!(guest.write(fd, b"x").await, Err(BADF));
    assert_eq!(guest.call("fd_filestat_set_size", &[i64::from(fd), 0]).await, BADF);
    assert_eq!(guest.call("fd_filestat_set_times", &[i64::from(fd), 0, 0, 5]).await, ROFS);
    assert_eq!(guest.call("fd_close", &[i64::from(fd)]).await, 0);
    assert_eq!(guest.call("fd_close", &[i64::from(fd)]).await, BADF);
    assert!(!guest.preview1().open_beyond_preopens());

    assert_eq!(guest.open(TASK, "a.py", 0, READ | WRITE, 0).await, Err(ROFS));
    assert_eq!(guest.open(TASK, "a.py", 0, abi::rights::FD_ALLOCATE, 0).await, Err(ROFS));
    assert_eq!(guest.open(TASK, "new", CREATE, WRITE, 0).await, Err(ROFS));
    assert_eq!(guest.open(TASK, "none", 0, WRITE, 0).await, Err(NOENT));
    assert_eq!(guest.open(TASK, "a.py", CREATE | 4, READ, 0).await, Err(EXIST));
    assert_eq!(guest.open(TASK, "a.py", 8, READ, 0).await, Err(ROFS));
    assert_eq!(guest.open(TASK, "a.py", 2, READ, 0).await, Err(NOTDIR));
    assert_eq!(guest.open(TASK, "sub", 0, WRITE, 0).await, Err(ISDIR));
    for call in ["path_create_directory", "path_remove_directory", "path_unlink_file"] {
        assert_eq!(guest.on_path(call, TASK, "a.py").await, ROFS);
    }
    assert_eq!(guest.names(TASK, 4096).await.unwrap(), [".", "..", "a.py", "absolute", "sub"]);
    assert_eq!(std::fs::read(guest.package().join("a.py")).unwrap(), b"0123456789");
    assert!(!guest.preview1().uses_tmp(), "packages need no directory");
    // `access` asks the directory's rights.
    assert_eq!(guest.call("fd_fdstat_get", &[i64::from(TASK), i64::from(OUT)]).await, 0);
    assert_eq!(guest.guest.get_u64(OUT + 16) & (READ | WRITE), READ);
}

#[tokio::test]
async fn no_path_leads_out() {
    let mut guest = Guest::new().await;
    let linked = guest.open(TASK, "sub/link", 0, READ, 0).await.unwrap();
    assert_eq!(guest.read(linked, 10).await.unwrap(), b"0123456789");
    for path in ["/etc/passwd", "../../etc/passwd", "sub/../../x", "absolute", "sub/relative", ".."] {
        for call in 0..2 {
            let answer = match call {
                0 => guest.open(TASK, path, 0, READ, 0).await.map(|_| ()),
                _ => guest.stat(TASK, path, true).await.map(|_| ()),
            };
            assert_eq!(answer, Err(PERM), "{path}");
        }
    }
    for (target, path) in [("/etc", "a"), ("/", "b")] {
        let [target_ptr, target_len] = guest.path(PATH, target);
        let [ptr, len] = guest.path(PATH_2, path);
        assert_eq!(guest.call("path_symlink", &[target_ptr, target_len, i64::from(TMP), ptr, len]).await, PERM);
    }
    let [target_ptr, target_len] = guest.path(PATH, "../..");
    let [ptr, len] = guest.path(PATH_2, "up");
    assert_eq!(guest.call("path_symlink", &[target_ptr, target_len, i64::from(TMP), ptr, len]).await, 0);
    assert_eq!(guest.open(TMP, "up/etc", 0, READ, 0).await, Err(PERM));
    let [path_ptr, path_len] = guest.path(PATH, "up");
    let arguments = [i64::from(TMP), path_ptr, path_len, i64::from(DATA), 3, i64::from(OUT)];
    assert_eq!(guest.call("path_readlink", &arguments).await, 0);
    assert_eq!((guest.guest.get_u32(OUT), guest.guest.get(DATA, 3)), (3, b"../".to_vec()));
    for path in ["", "a\0b"] {
        assert!(guest.open(TMP, path, CREATE, WRITE, 0).await.is_err(), "{path:?}");
    }
    guest.guest.put(PATH, b"\xff");
    assert_eq!(guest.call("path_unlink_file", &[i64::from(TMP), i64::from(PATH), 1]).await, 25);
    assert_eq!(guest.call("path_unlink_file", &[i64::from(TMP), i64::from(PATH), 4096]).await, 37);
}

#[tokio::test]
async fn tmp_is_written_read_listed_and_emptied() {
    let mut guest = Guest::new().await;
    let fd = guest.open(TMP, "f", CREATE | 4, READ | WRITE, 0).await.unwrap();
    assert!(guest.preview1().uses_tmp());
    assert_eq!(guest.open(TMP, "f", CREATE | 4, WRITE, 0).await, Err(EXIST));
    assert_eq!(guest.write(fd, b"hello world").await, Ok(11));
    guest.guest.put(DATA, b"HE");
    let [list, count] = guest.list(&[(DATA, 1), (DATA + 1, 1)]);
    assert_eq!(guest.call("fd_pwrite", &[i64::from(fd), list, count, 0, i64::from(OUT)]).await, 0);
    assert_eq!(guest.call("fd_seek", &[i64::from(fd), 0, 0, i64::from(OUT)]).await, 0);
    assert_eq!(guest.read(fd, 100).await.unwrap(), b"HEllo world");
    // Appending goes to the end wherever the position is.
    assert_eq!(guest.call("fd_seek", &[i64::from(fd), 0, 0, i64::from(OUT)]).await, 0);
    assert_eq!(guest.call("fd_fdstat_set_flags", &[i64::from(fd), 1]).await, 0);
    assert_eq!(guest.write(fd, b"!").await, Ok(1));
    assert_eq!(guest.call("fd_tell", &[i64::from(fd), i64::from(OUT)]).await, 0);
    assert_eq!(guest.guest.get_u64(OUT), 12);
    assert_eq!(guest.call("fd_filestat_set_size", &[i64::from(fd), 2]).await, 0);
    assert_eq!(guest.stat(TMP, "f", true).await, Ok((4, 2)));
    assert_eq!(guest.call("fd_allocate", &[i64::from(fd), 1, 9]).await, 0);
    assert_eq!(guest.call("fd_allocate", &[i64::from(fd), 0, 3]).await, 0);
    assert_eq!(guest.stat(TMP, "f", true).await, Ok((4, 10)));
    assert_eq!(guest.call("fd_filestat_set_times", &[i64::from(fd), 1_000, 2_000_000_000, 5]).await, 0);
    assert_eq!(guest.call("fd_filestat_get", &[i64::from(fd), i64::from(OUT)]).await, 0);
    assert_eq!((guest.guest.get_u64(OUT + 40), guest.guest.get_u64(OUT + 48)), (1_000, 2_000_000_000));
    for call in ["fd_sync", "fd_datasync"] {
        assert_eq!(guest.call(call, &[i64::from(fd)]).await, 0);
    }
    assert_eq!(guest.call("fd_advise", &[i64::from(fd), 0, 0, 5]).await, 0);
    assert_eq!(guest.call("fd_advise", &[i64::from(fd), 0, 0, 6]).await, INVAL);

    assert_eq!(guest.on_path("path_create_directory", TMP, "d").await, 0);
    let [old, old_len] = guest.path(PATH, "f");
    let [new, new_len] = guest.path(PATH_2, "d/g");
    let tmp = i64::from(TMP);
    assert_eq!(guest.call("path_link", &[tmp, 0, old, old_len, tmp, new, new_len]).await, 0);
    let [new, new_len] = guest.path(PATH_2, "d/h");
    assert_eq!(guest.call("path_rename", &[tmp, old, old_len, tmp, new, new_len]).await, 0);
    assert_eq!(guest.call("path_rename", &[i64::from(TASK), old, old_len, tmp, new, new_len]).await, XDEV);
    let [ptr, len] = guest.path(PATH, "d/g");
    assert_eq!(guest.call("path_filestat_set_times", &[tmp, 1, ptr, len, 0, 7, 4]).await, 0);
    assert_eq!(guest.call("path_filestat_set_times", &[tmp, 0, ptr, len, 0, 7, 12]).await, INVAL);
    let d = guest.open(TMP, "d", 2, READ, 0).await.unwrap();
    assert_eq!(guest.names(d, 4096).await.unwrap(), [".", "..", "g", "h"]);
    assert_eq!(guest.names(d, 30).await.unwrap(), [".", "..", "g", "h"]);
    assert_eq!(guest.on_path("path_remove_directory", TMP, "d").await, NOTEMPTY);
    assert_eq!(guest.on_path("path_unlink_file", TMP, "d").await, ISDIR);
    // What is deleted while a listing is read moves nothing in it.
    assert_eq!(guest.call("fd_readdir", &[i64::from(d), i64::from(DATA), 60, 0, i64::from(OUT)]).await, 0);
    for name in ["d/g", "d/h"] {
        assert_eq!(guest.on_path("path_unlink_file", TMP, name).await, 0);
    }
    assert_eq!(guest.call("fd_readdir", &[i64::from(d), i64::from(DATA), 4096, 2, i64::from(OUT)]).await, 0);
    assert_eq!(guest.guest.get_u32(OUT), 50);
    assert_eq!(guest.on_path("path_remove_directory", TMP, "d").await, 0);
    assert_eq!(guest.names(d, 4096).await.unwrap(), [".", ".."]);
    assert_eq!(guest.names(TMP, 4096).await.unwrap(), [".", ".."]);
}

#[tokio::test]
async fn the_quota_holds_and_deleted_files_are_given_back_when_closed() {
    let mut guest = Guest::with_quota(64 << 10).await;
    let fd = guest.open(TMP, "f", CREATE, READ | WRITE, 0).await.unwrap();
    let piece = vec![7; 48 << 10];
    assert_eq!(guest.write(fd, &piece).await, Ok(48 << 10));
    assert_eq!(guest.write(fd, &piece).await, Ok(16 << 10), "as much as fits");
    assert_eq!(guest.write(fd, &piece).await, Err(NOSPC));
    assert_eq!(guest.call("fd_allocate", &[i64::from(fd), 0, 1 << 20]).await, NOSPC);
    assert_eq!(guest.call("fd_filestat_set_size", &[i64::from(fd), 1 << 20]).await, NOSPC);
    assert_eq!(guest.on_path("path_unlink_file", TMP, "f").await, 0);
    assert_eq!(guest.open(TMP, "g", CREATE, WRITE, 0).await, Err(NOSPC));
    assert_eq!(guest.call("fd_close", &[i64::from(fd)]).await, 0);
    let fd = guest.open(TMP, "g", CREATE, WRITE, 0).await.unwrap();
    assert_eq!(guest.write(fd, &piece).await, Ok(48 << 10));
}

#[tokio::test]
async fn descriptors_count_among_the_hosts_and_are_given_back() {
    let mut guest = Guest::new().await;
    let before = guest.root.open_files();
    for fd in table::FIRST_OPENED..20 {
        assert_eq!(guest.open(TASK, "a.py", 0, READ, 0).await, Ok(fd));
    }
    assert_eq!(guest.root.open_files(), before + 13);
    assert_eq!(guest.call("fd_close", &[10]).await, 0);
    assert_eq!(guest.root.open_files(), before + 12);
    assert_eq!(guest.open(TASK, "a.py", 0, READ, 0).await, Ok(10));
    let root = Arc::clone(&guest.root);
    drop(guest);
    assert_eq!(root.open_files(), 0);
}

#[tokio::test]
async fn descriptors_move_and_give_up_rights() {
    let mut guest = Guest::new().await;
    let a = guest.open(TASK, "a.py", 0, READ, 0).await.unwrap();
    let b = guest.open(TASK, "a.py", 0, READ, 0).await.unwrap();
    let (from, to) = (i64::from(a), i64::from(b));
    assert_eq!(guest.read(a, 3).await.unwrap(), b"012");
    assert_eq!(guest.call("fd_renumber", &[from, to]).await, 0);
    assert_eq!(guest.read(a, 3).await, Err(BADF));
    assert_eq!(guest.read(b, 3).await.unwrap(), b"345");
    assert_eq!(guest.call("fd_renumber", &[to, i64::from(TMP)]).await, NOTSUP);
    assert_eq!(guest.call("fd_renumber", &[to, 99]).await, BADF);
    assert_eq!(guest.call("fd_renumber", &[to, to]).await, 0);

    assert_eq!(guest.call("fd_fdstat_set_rights", &[to, abi::rights::FD_SEEK as i64, 0]).await, 0);
    assert_eq!(guest.read(b, 3).await, Err(NOTCAPABLE));
    assert_eq!(guest.call("fd_fdstat_set_rights", &[to, READ as i64, 0]).await, NOTCAPABLE);
    assert_eq!(guest.call("fd_seek", &[to, 0, 0, i64::from(OUT)]).await, 0);
    assert_eq!(guest.call("fd_renumber", &[to, 1]).await, 0);
    assert!(guest.preview1().open_beyond_preopens(), "a file in a stream's place is one");
}
