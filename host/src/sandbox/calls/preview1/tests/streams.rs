//! Standard streams, clocks, randomness, waiting and ends.

use super::*;
use crate::sandbox::calls::output::Captured;
use std::time::{Duration, Instant};
use wasmtime_wasi::I32Exit;

#[tokio::test]
async fn streams_are_an_empty_stdin_and_the_log() {
    let mut guest = Guest::new().await;
    assert_eq!(guest.read(0, 10).await.unwrap(), b"");
    guest.guest.put(DATA, b"onetwo");
    let [list, count] = guest.list(&[(DATA, 3), (DATA, 0), (DATA + 3, 3)]);
    assert_eq!(guest.call("fd_write", &[1, list, count, i64::from(OUT)]).await, 0);
    assert_eq!(guest.guest.get_u32(OUT), 6);
    assert_eq!(guest.write(2, b"!").await, Ok(1));
    assert_eq!(guest.output.take(), Captured { bytes: b"onetwo!".to_vec(), overflowed: false });
    assert_eq!(guest.write(0, b"x").await, Err(BADF));
    assert_eq!(guest.read(1, 1).await, Err(BADF));
    assert_eq!(guest.call("fd_pwrite", &[1, list, count, 0, i64::from(OUT)]).await, SPIPE);
    assert_eq!(guest.call("fd_pread", &[0, list, count, 0, i64::from(OUT)]).await, SPIPE);
    assert_eq!(guest.read(TMP, 1).await, Err(ISDIR));
    for fd in 0..3 {
        // No terminal, which would be a character device.
        assert_eq!(guest.call("fd_fdstat_get", &[fd, i64::from(OUT)]).await, 0);
        assert_eq!(guest.guest.get(OUT, 1), [0]);
        assert_eq!(guest.call("fd_filestat_get", &[fd, i64::from(OUT)]).await, 0);
        assert_eq!(guest.call("fd_seek", &[fd, 0, 1, i64::from(OUT)]).await, SPIPE);
    }
    for name in ["args_sizes_get", "environ_sizes_get"] {
        guest.guest.put(OUT, &[1; 8]);
        assert_eq!(guest.call(name, &[i64::from(OUT), i64::from(OUT + 4)]).await, 0);
        assert_eq!(guest.guest.get_u64(OUT), 0);
    }
    assert!(!guest.preview1().open_beyond_preopens() && !guest.preview1().uses_tmp());
}

#[tokio::test]
async fn clocks_go_on_over_environments() {
    let mut last = 0;
    for _ in 0..3 {
        let mut guest = Guest::new().await;
        for _ in 0..3 {
            assert_eq!(guest.call("clock_time_get", &[1, 0, i64::from(OUT)]).await, 0);
            let now = guest.guest.get_u64(OUT);
            assert!(now >= last && now > 0);
            last = now;
        }
    }
    let mut guest = Guest::new().await;
    assert_eq!(guest.call("clock_time_get", &[0, 0, i64::from(OUT)]).await, 0);
    assert!(guest.guest.get_u64(OUT) > 1_700_000_000_000_000_000);
    for clock in 0..4 {
        assert_eq!(guest.call("clock_res_get", &[clock, i64::from(OUT)]).await, 0);
        assert_eq!(guest.guest.get_u64(OUT), 1);
        assert_eq!(guest.call("clock_time_get", &[clock, 0, i64::from(OUT)]).await, 0);
    }
    for call in ["clock_res_get", "clock_time_get"] {
        let arguments: &[i64] = if call == "clock_res_get" { &[4, 0] } else { &[4, 0, 0] };
        assert_eq!(guest.call(call, arguments).await, INVAL);
    }
}

#[tokio::test]
async fn randomness_differs_each_time_and_fills_what_was_asked() {
    let mut guest = Guest::new().await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        assert_eq!(guest.call("random_get", &[i64::from(DATA), 32]).await, 0);
        seen.push(guest.guest.get(DATA, 32));
    }
    assert_ne!(seen[0], seen[1]);
    guest.guest.put(DATA, &[0; 32]);
    assert_eq!(guest.call("random_get", &[i64::from(DATA), 0]).await, 0);
    assert_eq!(guest.guest.get(DATA, 32), [0; 32]);
    assert_eq!(guest.call("random_get", &[0, i64::from(crate::sandbox::calls::core_guest::MEMORY_BYTES)]).await, 0);
    assert_eq!(guest.call("sched_yield", &[]).await, 0);
}

impl Guest {
    fn subscribe_clock(&mut self, number: u32, clock: u32, timeout_ns: u64, absolute: bool) {
        let mut bytes = [0; 48];
        bytes[0] = 100 + number as u8;
        bytes[16..20].copy_from_slice(&clock.to_le_bytes());
        bytes[24..32].copy_from_slice(&timeout_ns.to_le_bytes());
        bytes[40] = u8::from(absolute);
        self.guest.put(LIST + 48 * number, &bytes);
    }

    fn subscribe_fd(&mut self, number: u32, kind: u8, fd: u32) {
        let mut bytes = [0; 48];
        (bytes[0], bytes[8]) = (100 + number as u8, kind);
        bytes[16..20].copy_from_slice(&fd.to_le_bytes());
        self.guest.put(LIST + 48 * number, &bytes);
    }

    /// User data, error, kind and bytes of each event.
    async fn poll(&mut self, count: u32) -> Result<Vec<(u8, u8, u8, u64)>, i32> {
        let arguments = [i64::from(LIST), i64::from(DATA), i64::from(count), i64::from(OUT)];
        match self.call("poll_oneoff", &arguments).await {
            0 => {}
            errno => return Err(errno),
        }
        let events = (0..self.guest.get_u32(OUT)).map(|n| {
            let event = self.guest.get(DATA + 32 * n, 32);
            (event[0], event[8], event[10], self.guest.get_u64(DATA + 32 * n + 16))
        });
        Ok(events.collect())
    }
}

#[tokio::test]
async fn clocks_are_waited_for_and_descriptors_are_not() {
    let mut guest = Guest::new().await;
    let began = Instant::now();
    guest.subscribe_clock(0, 1, 30_000_000, false);
    guest.subscribe_clock(1, 0, 3_600_000_000_000, false);
    assert_eq!(guest.poll(2).await.unwrap(), [(100, 0, 0, 0)]);
    assert!(began.elapsed() >= Duration::from_millis(30));
    guest.subscribe_clock(0, 1, monotonic_ns() + 20_000_000, true);
    assert_eq!(guest.poll(1).await.unwrap(), [(100, 0, 0, 0)]);
    guest.subscribe_clock(0, 0, 1_000, true);
    assert_eq!(guest.poll(1).await.unwrap(), [(100, 0, 0, 0)], "a time that has passed");
    guest.subscribe_clock(0, 2, 5, false);
    assert_eq!(guest.poll(1).await.unwrap(), [(100, NOTSUP as u8, 0, 0)]);

    let fd = guest.open(TASK, "a.py", 0, READ, 0).await.unwrap();
    assert_eq!(guest.read(fd, 4).await.unwrap(), b"0123");
    guest.subscribe_clock(0, 1, u64::MAX, false);
    guest.subscribe_fd(1, 1, fd);
    guest.subscribe_fd(2, 2, 1);
    guest.subscribe_fd(3, 1, 0);
    guest.subscribe_fd(4, 1, 99);
    let expected = [(101, 0, 1, 6), (102, 0, 2, 1 << 20), (103, 0, 1, 0), (104, BADF as u8, 1, 0)];
    assert_eq!(guest.poll(5).await.unwrap(), expected);
    guest.subscribe_fd(0, 3, 1);
    assert_eq!(guest.poll(1).await, Err(INVAL));
    assert_eq!(guest.poll(0).await, Err(INVAL));
    assert_eq!(guest.poll(u32::MAX).await, Err(INVAL));
}

#[tokio::test]
async fn a_sleeping_guest_holds_no_thread() {
    // One thread, and still all of them at the same time.
    let began = Instant::now();
    let sleeper = || async {
        let mut guest = Guest::new().await;
        let began = Instant::now();
        guest.subscribe_clock(0, 1, 300_000_000, false);
        guest.poll(1).await.unwrap();
        began.elapsed()
    };
    let slept = futures_util::future::join_all((0..8).map(|_| sleeper())).await;
    assert!(slept.iter().all(|slept| *slept >= Duration::from_millis(300)));
    assert!(began.elapsed() < Duration::from_millis(8 * 300));
}

#[tokio::test]
async fn ends_are_exits_with_their_status() {
    for (call, argument, status) in
        [("proc_exit", 0, 0), ("proc_exit", 7, 7), ("proc_exit", 1000, 1000), ("proc_raise", 6, 134)]
    {
        let mut guest = Guest::new().await;
        let error = guest.guest.call(call, &[argument]).await.unwrap_err();
        assert_eq!(error.downcast_ref::<I32Exit>().map(|exit| exit.0), Some(status), "{call} {argument}");
    }
    let mut guest = Guest::new().await;
    for (signal, expected) in [(0, 0), (31, INVAL), (-1, INVAL)] {
        assert_eq!(guest.call("proc_raise", &[signal]).await, expected);
    }
}

#[tokio::test]
async fn nothing_is_a_socket() {
    let mut guest = Guest::new().await;
    for (fd, expected) in [(1, NOTSOCK), (3, NOTSOCK), (99, BADF)] {
        assert_eq!(guest.call("sock_accept", &[fd, 0, 0]).await, expected);
        assert_eq!(guest.call("sock_recv", &[fd, 0, 0, 0, 0, 0]).await, expected);
        assert_eq!(guest.call("sock_send", &[fd, 0, 0, 0, 0]).await, expected);
        assert_eq!(guest.call("sock_shutdown", &[fd, 0]).await, expected);
    }
}

#[tokio::test]
async fn absent_memory_ends_the_guest() {
    let text = r#"(module (import "wasi_snapshot_preview1" "fd_tell" (func $f (param i32 i32) (result i32)))
        (func (export "run") (result i32) (call $f (i32.const 0) (i32.const 0))))"#;
    let engine = wasmtime::Engine::default();
    let mut linker = wasmtime::Linker::new(&engine);
    add_to_linker(&mut linker).unwrap();
    let guest = Guest::new().await;
    let tmp = TmpDir::new(Arc::clone(&guest.root), 1 << 20);
    let preview1 = Preview1::new(Mounts::default(), tmp, guest.output.clone());
    let mut store = wasmtime::Store::new(&engine, Data(preview1));
    let module = wasmtime::Module::new(&engine, text).unwrap();
    let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    let error = run.call_async(&mut store, ()).await.unwrap_err();
    assert!(error.is::<memory::NoMemory>(), "{error:?}");
}
