//! Every function of `wasi_snapshot_preview1`, by name and type.

use super::abi::{Errno, Outcome, rights};
use super::files::{self, At};
use super::paths::{self, Opening};
use super::{Preview1, Preview1Access, answer, clocks, listing, metadata, parts, poll};
use crate::sandbox::calls::memory::GuestMemory;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use wasmtime::{Caller, Linker};
use wasmtime_wasi::I32Exit;

const MODULE: &str = "wasi_snapshot_preview1";

/// Bytes of randomness made at once; then others get their turn.
const RANDOM_BYTES_AT_ONCE: u32 = 256 * 1024;

/// The last signal that preview 1 knows.
const LAST_SIGNAL: u32 = 30;

/// Links `wasi_snapshot_preview1`, all of it.
///
/// # Errors
/// The linker already has one of the functions and does not allow shadowing.
pub fn add_to_linker<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    nothing(linker)?;
    clocks_and_randomness(linker)?;
    descriptors(linker)?;
    reading_and_writing(linker)?;
    looking_at_paths(linker)?;
    changing_paths(linker)?;
    ending(linker)?;
    sockets(linker)
}

/// Runs a call that waits for nothing.
fn call<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    body: impl FnOnce(&mut GuestMemory<'_>, &mut Preview1) -> Outcome,
) -> wasmtime::Result<i32> {
    answer(parts(caller).and_then(|(mut memory, guest)| body(&mut memory, guest)))
}

/// Arguments and environment, of which there are none.
fn nothing<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for name in ["args_sizes_get", "environ_sizes_get"] {
        linker.func_wrap(MODULE, name, |mut caller: Caller<'_, T>, count: u32, bytes: u32| {
            call(&mut caller, |memory, _| {
                // Both or none.
                memory.bytes(bytes, 4)?;
                memory.put_u32(count, 0)?;
                Ok(memory.put_u32(bytes, 0)?)
            })
        })?;
    }
    for name in ["args_get", "environ_get"] {
        linker.func_wrap(MODULE, name, |_: Caller<'_, T>, _: u32, _: u32| 0)?;
    }
    Ok(())
}

fn clocks_and_randomness<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "clock_res_get", |mut caller: Caller<'_, T>, clock: u32, out: u32| {
        call(&mut caller, |memory, _| Ok(memory.put_u64(out, clocks::resolution(clock)?)?))
    })?;
    linker.func_wrap(MODULE, "clock_time_get", |mut caller: Caller<'_, T>, clock: u32, _: u64, out: u32| {
        call(&mut caller, |memory, guest| Ok(memory.put_u64(out, clocks::now(clock, &guest.cpu)?)?))
    })?;
    linker.func_wrap_async(MODULE, "random_get", |mut caller: Caller<'_, T>, (buffer, len): (u32, u32)| {
        Box::new(async move { answer(random_get(&mut caller, buffer, len).await) })
    })?;
    linker.func_wrap_async(MODULE, "sched_yield", |_: Caller<'_, T>, (): ()| {
        Box::new(async move {
            tokio::task::yield_now().await;
            0
        })
    })?;
    linker.func_wrap_async(
        MODULE,
        "poll_oneoff",
        |mut caller: Caller<'_, T>, (input, output, count, out): (u32, u32, u32, u32)| {
            Box::new(async move { answer(poll::poll_oneoff(&mut caller, input, output, count, out).await) })
        },
    )?;
    Ok(())
}

async fn random_get<T: Preview1Access>(caller: &mut Caller<'_, T>, mut buffer: u32, mut len: u32) -> Outcome {
    parts(caller)?.0.bytes(buffer, len)?;
    loop {
        let piece = len.min(RANDOM_BYTES_AT_ONCE);
        let (mut memory, _) = parts(caller)?;
        OsRng.try_fill_bytes(memory.bytes_mut(buffer, piece)?).map_err(|_| Errno::IO)?;
        len = len.saturating_sub(piece);
        if len == 0 {
            return Ok(());
        }
        buffer = buffer.saturating_add(piece);
        tokio::task::yield_now().await;
    }
}

fn descriptors<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "fd_advise", |mut caller: Caller<'_, T>, fd: u32, _: u64, _: u64, advice: u32| {
        call(&mut caller, |_, guest| guest.fd_advise(fd, advice))
    })?;
    linker.func_wrap(MODULE, "fd_close", |mut caller: Caller<'_, T>, fd: u32| {
        call(&mut caller, |_, guest| guest.fd_close(fd))
    })?;
    linker.func_wrap(MODULE, "fd_datasync", |mut caller: Caller<'_, T>, fd: u32| {
        call(&mut caller, |_, guest| guest.fd_sync(fd, rights::FD_DATASYNC))
    })?;
    linker.func_wrap(MODULE, "fd_sync", |mut caller: Caller<'_, T>, fd: u32| {
        call(&mut caller, |_, guest| guest.fd_sync(fd, rights::FD_SYNC))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |mut caller: Caller<'_, T>, fd: u32, out: u32| {
        call(&mut caller, |memory, guest| guest.fd_fdstat_get(memory, fd, out))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |mut caller: Caller<'_, T>, fd: u32, flags: u32| {
        call(&mut caller, |_, guest| guest.fd_fdstat_set_flags(fd, flags))
    })?;
    linker.func_wrap(
        MODULE,
        "fd_fdstat_set_rights",
        |mut caller: Caller<'_, T>, fd: u32, base: u64, inheriting: u64| {
            call(&mut caller, |_, guest| guest.fd_fdstat_set_rights(fd, base, inheriting))
        },
    )?;
    linker.func_wrap(MODULE, "fd_filestat_get", |mut caller: Caller<'_, T>, fd: u32, out: u32| {
        call(&mut caller, |memory, guest| guest.fd_filestat_get(memory, fd, out))
    })?;
    linker.func_wrap(
        MODULE,
        "fd_filestat_set_times",
        |mut caller: Caller<'_, T>, fd: u32, accessed: u64, modified: u64, flags: u32| {
            call(&mut caller, |_, guest| guest.fd_filestat_set_times(fd, accessed, modified, flags))
        },
    )?;
    linker.func_wrap(MODULE, "fd_prestat_get", |mut caller: Caller<'_, T>, fd: u32, out: u32| {
        call(&mut caller, |memory, guest| guest.fd_prestat_get(memory, fd, out))
    })?;
    linker.func_wrap(MODULE, "fd_prestat_dir_name", |mut caller: Caller<'_, T>, fd: u32, buffer: u32, len: u32| {
        call(&mut caller, |memory, guest| guest.fd_prestat_dir_name(memory, fd, buffer, len))
    })?;
    linker.func_wrap(MODULE, "fd_renumber", |mut caller: Caller<'_, T>, from: u32, to: u32| {
        call(&mut caller, |_, guest| guest.fd_renumber(from, to))
    })?;
    Ok(())
}

fn reading_and_writing<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "fd_read", |mut caller: Caller<'_, T>, fd: u32, list: u32, count: u32, out: u32| {
        call(&mut caller, |memory, guest| guest.fd_read(memory, fd, At::Position, (list, count), out))
    })?;
    linker.func_wrap(
        MODULE,
        "fd_pread",
        |mut caller: Caller<'_, T>, fd: u32, list: u32, count: u32, offset: u64, out: u32| {
            call(&mut caller, |memory, guest| guest.fd_read(memory, fd, At::Offset(offset), (list, count), out))
        },
    )?;
    linker.func_wrap(MODULE, "fd_seek", |mut caller: Caller<'_, T>, fd: u32, offset: i64, whence: u32, out: u32| {
        call(&mut caller, |memory, guest| guest.fd_seek(memory, fd, offset, whence, out))
    })?;
    linker.func_wrap(MODULE, "fd_tell", |mut caller: Caller<'_, T>, fd: u32, out: u32| {
        call(&mut caller, |memory, guest| guest.fd_tell(memory, fd, out))
    })?;
    linker.func_wrap_async(
        MODULE,
        "fd_write",
        |mut caller: Caller<'_, T>, (fd, list, count, out): (u32, u32, u32, u32)| {
            Box::new(async move { answer(files::fd_write(&mut caller, fd, At::Position, (list, count), out).await) })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_pwrite",
        |mut caller: Caller<'_, T>, (fd, list, count, offset, out): (u32, u32, u32, u64, u32)| {
            Box::new(
                async move { answer(files::fd_write(&mut caller, fd, At::Offset(offset), (list, count), out).await) },
            )
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_readdir",
        |mut caller: Caller<'_, T>, (fd, buffer, len, cookie, out): (u32, u32, u32, u64, u32)| {
            Box::new(async move { answer(listing::fd_readdir(&mut caller, fd, buffer, len, cookie, out).await) })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_allocate",
        |mut caller: Caller<'_, T>, (fd, offset, len): (u32, u64, u64)| {
            Box::new(async move { answer(files::fd_allocate(&mut caller, fd, offset, len).await) })
        },
    )?;
    linker.func_wrap_async(MODULE, "fd_filestat_set_size", |mut caller: Caller<'_, T>, (fd, size): (u32, u64)| {
        Box::new(async move { answer(files::fd_filestat_set_size(&mut caller, fd, size).await) })
    })?;
    Ok(())
}

fn looking_at_paths<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "path_filestat_get",
        |mut caller: Caller<'_, T>, fd: u32, lookup: u32, ptr: u32, len: u32, out: u32| {
            call(&mut caller, |memory, guest| guest.path_filestat_get(memory, fd, lookup, (ptr, len), out))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "path_readlink",
        |mut caller: Caller<'_, T>, fd: u32, ptr: u32, len: u32, buffer: u32, buffer_len: u32, out: u32| {
            call(&mut caller, |memory, guest| guest.path_readlink(memory, fd, (ptr, len), (buffer, buffer_len), out))
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "path_open",
        |mut caller: Caller<'_, T>,
         (fd, lookup, ptr, len, oflags, base, _inheriting, fdflags, out): (
            u32,
            u32,
            u32,
            u32,
            u32,
            u64,
            u64,
            u32,
            u32,
        )| {
            let opening = Opening { lookup, oflags, base, fdflags };
            Box::new(async move { answer(paths::path_open(&mut caller, fd, (ptr, len), opening, out).await) })
        },
    )?;
    Ok(())
}

fn changing_paths<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        MODULE,
        "path_create_directory",
        |mut caller: Caller<'_, T>, (fd, ptr, len): (u32, u32, u32)| {
            Box::new(async move { answer(paths::path_create_directory(&mut caller, fd, (ptr, len)).await) })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "path_remove_directory",
        |mut caller: Caller<'_, T>, (fd, ptr, len): (u32, u32, u32)| {
            Box::new(async move { answer(paths::path_remove_directory(&mut caller, fd, (ptr, len)).await) })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "path_unlink_file",
        |mut caller: Caller<'_, T>, (fd, ptr, len): (u32, u32, u32)| {
            Box::new(async move { answer(paths::path_unlink_file(&mut caller, fd, (ptr, len)).await) })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "path_symlink",
        |mut caller: Caller<'_, T>, (target, target_len, fd, ptr, len): (u32, u32, u32, u32, u32)| {
            Box::new(
                async move { answer(paths::path_symlink(&mut caller, (target, target_len), fd, (ptr, len)).await) },
            )
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "path_link",
        |mut caller: Caller<'_, T>,
         (old, lookup, old_ptr, old_len, new, new_ptr, new_len): (u32, u32, u32, u32, u32, u32, u32)| {
            Box::new(async move {
                let linked =
                    paths::path_link(&mut caller, old, lookup, (old_ptr, old_len), new, (new_ptr, new_len)).await;
                answer(linked)
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "path_rename",
        |mut caller: Caller<'_, T>, (old, old_ptr, old_len, new, new_ptr, new_len): (u32, u32, u32, u32, u32, u32)| {
            Box::new(async move {
                answer(paths::path_rename(&mut caller, old, (old_ptr, old_len), new, (new_ptr, new_len)).await)
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "path_filestat_set_times",
        |mut caller: Caller<'_, T>,
         (fd, lookup, ptr, len, accessed, modified, flags): (u32, u32, u32, u32, u64, u64, u32)| {
            Box::new(async move {
                let times = (accessed, modified);
                let set = metadata::path_filestat_set_times(&mut caller, fd, lookup, (ptr, len), times, flags).await;
                answer(set)
            })
        },
    )?;
    Ok(())
}

fn ending<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "proc_exit", |_: Caller<'_, T>, status: i32| -> wasmtime::Result<()> {
        Err(I32Exit(status).into())
    })?;
    linker.func_wrap(MODULE, "proc_raise", |_: Caller<'_, T>, signal: i32| -> wasmtime::Result<i32> {
        match signal {
            0 => Ok(0),
            // As a shell words the end by a signal.
            signal if u32::try_from(signal).is_ok_and(|signal| signal <= LAST_SIGNAL) => {
                Err(I32Exit(signal.saturating_add(128)).into())
            }
            _ => Ok(i32::from(Errno::INVAL.0)),
        }
    })?;
    Ok(())
}

/// There are no sockets, so that no descriptor is one.
fn sockets<T: Preview1Access>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    fn no_socket<T: Preview1Access>(caller: &mut Caller<'_, T>, fd: u32) -> wasmtime::Result<i32> {
        let open = caller.data_mut().preview1().table.get(fd).map(|_| ());
        answer(open.and(Err(Errno::NOTSOCK.into())))
    }
    linker.func_wrap(MODULE, "sock_accept", |mut caller: Caller<'_, T>, fd: u32, _: u32, _: u32| {
        no_socket(&mut caller, fd)
    })?;
    linker.func_wrap(
        MODULE,
        "sock_recv",
        |mut caller: Caller<'_, T>, fd: u32, _: u32, _: u32, _: u32, _: u32, _: u32| no_socket(&mut caller, fd),
    )?;
    linker.func_wrap(MODULE, "sock_send", |mut caller: Caller<'_, T>, fd: u32, _: u32, _: u32, _: u32, _: u32| {
        no_socket(&mut caller, fd)
    })?;
    linker
        .func_wrap(MODULE, "sock_shutdown", |mut caller: Caller<'_, T>, fd: u32, _: u32| no_socket(&mut caller, fd))?;
    Ok(())
}
