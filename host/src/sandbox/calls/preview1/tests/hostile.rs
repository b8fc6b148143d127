//! Pointers, lengths, numbers and flags that no honest guest gives.

use super::*;
use crate::sandbox::calls::core_guest::MEMORY_BYTES;

/// Just past the end, with what is read or written there.
const END: i64 = MEMORY_BYTES as i64;

#[tokio::test]
async fn pointers_out_of_memory_are_faults() {
    let mut guest = Guest::new().await;
    let fd = i64::from(guest.open(TMP, "f", CREATE, READ | WRITE, 0).await.unwrap());
    let task = i64::from(guest.open(TASK, "a.py", 0, READ, 0).await.unwrap());
    let tmp = i64::from(TMP);
    let [path, len] = guest.path(PATH, "f");
    let before = guest.guest.memory();
    let out = END - 3;
    for (call, arguments) in [
        ("args_sizes_get", &[0, out][..]),
        ("environ_sizes_get", &[out, 0]),
        ("clock_res_get", &[0, END - 7]),
        ("clock_time_get", &[0, 0, END - 7]),
        ("random_get", &[END - 7, 8]),
        ("random_get", &[0, -1]),
        ("fd_fdstat_get", &[fd, END - 23]),
        ("fd_filestat_get", &[fd, END - 63]),
        ("fd_prestat_get", &[3, END - 7]),
        ("fd_prestat_get", &[3, -1]),
        ("fd_prestat_dir_name", &[3, END - 3, 4]),
        ("fd_read", &[task, END - 7, 1, 0]),
        ("fd_read", &[task, -8, 1, 0]),
        ("fd_read", &[task, LIST.into(), 1, out]),
        ("fd_pread", &[task, END, 1, 0, 0]),
        ("fd_write", &[1, END, 1, 0]),
        ("fd_write", &[fd, LIST.into(), 1, out]),
        ("fd_pwrite", &[fd, END, 1, 0, 0]),
        ("fd_readdir", &[tmp, END - 5, 6, 0, 0]),
        ("fd_readdir", &[tmp, 0, 100, 0, out]),
        ("fd_seek", &[fd, 0, 0, END - 7]),
        ("fd_tell", &[fd, END - 7]),
        ("path_create_directory", &[tmp, END - 1, 2]),
        ("path_remove_directory", &[tmp, END, 1]),
        ("path_unlink_file", &[tmp, -1, 1]),
        ("path_filestat_get", &[tmp, 0, path, len, END - 63]),
        ("path_filestat_get", &[tmp, 0, END, len, 0]),
        ("path_filestat_set_times", &[tmp, 0, END, 1, 0, 0, 0]),
        ("path_link", &[tmp, 0, path, len, tmp, END, 1]),
        ("path_link", &[tmp, 0, END, 1, tmp, path, len]),
        ("path_rename", &[tmp, path, len, tmp, END, 1]),
        ("path_rename", &[tmp, END, 1, tmp, path, len]),
        ("path_symlink", &[END, 1, tmp, path, len]),
        ("path_symlink", &[path, len, tmp, END, 1]),
        ("path_open", &[tmp, 0, END, 1, 1, 0, 0, 0, 0]),
        ("path_open", &[tmp, 0, path, len, 1, 0, 0, 0, out]),
        ("path_readlink", &[tmp, END, 1, 0, 10, 0]),
        ("path_readlink", &[tmp, path, len, END - 9, 10, 0]),
        ("path_readlink", &[tmp, path, len, 0, 10, out]),
        ("poll_oneoff", &[END - 47, 0, 1, 0]),
        ("poll_oneoff", &[0, END - 31, 1, 0]),
        ("poll_oneoff", &[0, 0, 1, out]),
    ] {
        assert_eq!(guest.call(call, arguments).await, FAULT, "{call} {arguments:?}");
        assert!(guest.guest.memory() == before, "{call} {arguments:?} wrote");
    }
    assert_eq!(guest.names(TMP, 4096).await.unwrap(), [".", "..", "f"], "nothing was done");
    // A buffer out of memory anywhere in a list: nothing of the list is used.
    for buffers in [&[(DATA, 4), (MEMORY_BYTES - 1, 2)][..], &[(u32::MAX, u32::MAX)], &[(DATA, u32::MAX)]] {
        for (call, fd) in [("fd_read", task), ("fd_write", fd), ("fd_write", 1), ("fd_read", 0)] {
            let [list, count] = guest.list(buffers);
            assert_eq!(guest.call(call, &[fd, list, count, i64::from(OUT)]).await, FAULT, "{call} {buffers:?}");
        }
    }
    assert_eq!(guest.output.take().bytes, b"");
    for count in [1025, -1] {
        assert_eq!(guest.call("fd_read", &[task, LIST.into(), count, OUT.into()]).await, INVAL);
    }
}

#[tokio::test]
async fn numbers_and_flags_that_are_none_are_errors() {
    let mut guest = Guest::new().await;
    let fd = i64::from(guest.open(TMP, "f", CREATE, READ | WRITE, 0).await.unwrap());
    let [path, len] = guest.path(PATH, "f");
    let tmp = i64::from(TMP);
    for (call, arguments, expected) in [
        ("path_open", &[tmp, 0, path, len, 16, 0, 0, 0, 0][..], INVAL),
        ("path_open", &[tmp, 0, path, len, -1, 0, 0, 0, 0], INVAL),
        ("path_open", &[tmp, 0, path, len, 0, 0, 0, 32, 0], INVAL),
        ("path_open", &[fd, 0, path, len, 0, 0, 0, 0, 0], NOTDIR),
        ("path_open", &[-1, 0, path, len, 0, 0, 0, 0, 0], BADF),
        ("fd_fdstat_set_flags", &[fd, 32], INVAL),
        ("fd_fdstat_set_flags", &[fd, 65536], INVAL),
        ("fd_filestat_set_times", &[fd, 0, 0, 3], INVAL),
        ("fd_filestat_set_times", &[fd, 0, 0, 16], INVAL),
        ("fd_filestat_set_size", &[fd, -1], 22),
        ("fd_allocate", &[fd, -1, 1], 22),
        ("fd_allocate", &[fd, i64::MAX, i64::MAX], 22),
        ("fd_allocate", &[fd, 0, 0], INVAL),
        ("fd_seek", &[fd, i64::MIN, 2, OUT.into()], INVAL),
        ("fd_seek", &[fd, i64::MAX, 0, OUT.into()], 0),
        ("fd_seek", &[fd, 1, 1, OUT.into()], INVAL),
        ("fd_readdir", &[fd, 0, 100, 0, OUT.into()], NOTDIR),
        ("fd_readdir", &[tmp, 0, 100, -1, OUT.into()], 0),
        ("path_link", &[tmp, 1, path, len, tmp, path, len], INVAL),
    ] {
        assert_eq!(guest.call(call, arguments).await, expected, "{call} {arguments:?}");
    }
    // At the far end of what a file may be.
    guest.guest.put(DATA, b"x");
    let [list, count] = guest.list(&[(DATA, 1)]);
    assert_eq!(guest.call("fd_write", &[fd, list, count, OUT.into()]).await, 22);
    assert_eq!(guest.call("fd_read", &[fd, list, count, OUT.into()]).await, INVAL);
    assert_eq!(guest.call("fd_pread", &[fd, list, count, -1, OUT.into()]).await, INVAL);
    assert_eq!(guest.call("fd_pwrite", &[fd, list, count, -1, OUT.into()]).await, 22);
}

#[tokio::test]
async fn whatever_a_guest_says_it_is_answered_by_an_error_number() {
    let mut guest = Guest::new().await;
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    const ODD: &[i64] = &[0, 1, 3, 4, 5, 7, 8, 24, -1, END - 1, END, END - 64, i64::MAX, i64::MIN, 1 << 31, 65536];
    for round in 0..20_000 {
        let (name, parameters, _) = FUNCTIONS[next() as usize % FUNCTIONS.len()];
        if matches!(name, "proc_exit" | "proc_raise" | "poll_oneoff") {
            continue;
        }
        if round % 50 == 0 {
            let bytes: Vec<u8> = (0..256).map(|_| (next() % 8) as u8 * 33).collect();
            guest.guest.put((next() % u64::from(MEMORY_BYTES - 256)) as u32, &bytes);
        }
        let arguments: Vec<i64> = parameters.chars().map(|_| ODD[next() as usize % ODD.len()]).collect();
        let answer = guest.call(name, &arguments).await;
        assert!((0..=76).contains(&answer), "{name} {arguments:?}: {answer}");
    }
}
