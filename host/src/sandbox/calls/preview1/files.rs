//! `fd_*` that read, write and move about in open files.

use super::abi::{Errno, Outcome, fdflags, rights};
use super::table::Kind;
use super::{PIECE_BYTES, Preview1, Preview1Access, parts, tmp_state};
use crate::sandbox::calls::filesystem::ops::{self, WriteAt};
use crate::sandbox::calls::memory::GuestMemory;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use wasmtime::Caller;
use wasmtime_wasi::filesystem::{File, OpenMode};

/// The most buffers of one call, as Linux's `IOV_MAX`.
const MAX_BUFFERS: u32 = 1024;

/// Where a call reads or writes: at the descriptor's own position, or at an offset of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    Position,
    Offset(u64),
}

/// The guest's buffers, pointers and lengths, no more of them than [`PIECE_BYTES`].
fn buffers(memory: &GuestMemory<'_>, ptr: u32, count: u32) -> Outcome<Vec<(u32, u32)>> {
    if count > MAX_BUFFERS {
        return Err(Errno::INVAL.into());
    }
    let list = memory.bytes(ptr, count.saturating_mul(8))?;
    let mut room = PIECE_BYTES;
    let mut buffers = Vec::with_capacity(list.len() / 8);
    for buffer in list.as_chunks::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *buffer;
        let (ptr, len) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        memory.bytes(ptr, len)?;
        if len > 0 && room > 0 {
            buffers.push((ptr, len.min(room)));
            room = room.saturating_sub(len);
        }
    }
    Ok(buffers)
}

impl Preview1 {
    pub(super) fn fd_read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        at: At,
        (list, count): (u32, u32),
        out: u32,
    ) -> Outcome {
        let buffers = buffers(memory, list, count)?;
        memory.bytes(out, 4)?;
        let entry = self.table.get_mut(fd)?;
        let file = match (&mut entry.kind, at) {
            (Kind::Stdin, At::Position) => return Ok(memory.put_u32(out, 0)?),
            (Kind::Stdin, At::Offset(_)) => return Err(Errno::SPIPE.into()),
            (Kind::Output, _) => return Err(Errno::BADF.into()),
            (Kind::Dir(_), _) => return Err(Errno::ISDIR.into()),
            (Kind::File(file), _) if !file.file.open_mode.contains(OpenMode::READ) => return Err(Errno::BADF.into()),
            (Kind::File(file), _) => file,
        };
        let needed = match at {
            At::Position => rights::FD_READ,
            At::Offset(_) => rights::FD_READ | rights::FD_SEEK,
        };
        if entry.base & needed != needed {
            return Err(Errno::NOTCAPABLE.into());
        }
        let start = match at {
            At::Position => file.position,
            At::Offset(offset) => offset,
        };
        // The kernel's offsets are signed.
        i64::try_from(start.saturating_add(u64::from(PIECE_BYTES))).map_err(|_| Errno::INVAL)?;
        let mut read: u64 = 0;
        for (ptr, len) in buffers {
            let buffer = memory.bytes_mut(ptr, len)?;
            let got = match read_at(&file.file, buffer, start.saturating_add(read)) {
                Ok(got) => u64::try_from(got).unwrap_or(u64::MAX),
                // What is read is told; the error comes with the next call.
                Err(_) if read > 0 => break,
                Err(error) => return Err(error.into()),
            };
            read = read.saturating_add(got);
            if got < u64::from(len) {
                break;
            }
        }
        if let At::Position = at {
            file.position = start.saturating_add(read);
        }
        Ok(memory.put_u32(out, u32::try_from(read).unwrap_or(PIECE_BYTES))?)
    }

    pub(super) fn fd_seek(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        offset: i64,
        whence: u32,
        out: u32,
    ) -> Outcome {
        memory.bytes(out, 8)?;
        // Asking where one is needs less of a right.
        let rights = if (whence, offset) == (1, 0) { rights::FD_TELL } else { rights::FD_SEEK };
        let (file, _) = self.table.file(fd, rights)?;
        let from = match whence {
            0 => 0,
            1 => file.position,
            2 => file.file.file.metadata()?.len(),
            _ => return Err(Errno::INVAL.into()),
        };
        let to = from.checked_add_signed(offset).filter(|to| i64::try_from(*to).is_ok()).ok_or(Errno::INVAL)?;
        file.position = to;
        Ok(memory.put_u64(out, to)?)
    }

    pub(super) fn fd_tell(&mut self, memory: &mut GuestMemory<'_>, fd: u32, out: u32) -> Outcome {
        let (file, _) = self.table.file(fd, rights::FD_TELL)?;
        Ok(memory.put_u64(out, file.position)?)
    }

    /// Nothing here outlives the environment, so that there is nothing to wait for.
    pub(super) fn fd_sync(&mut self, fd: u32, right: u64) -> Outcome {
        let entry = self.table.get(fd)?;
        match entry.kind {
            Kind::Stdin | Kind::Output => Err(Errno::INVAL.into()),
            Kind::Dir(_) | Kind::File(_) => entry.require(right),
        }
    }

    /// Advice is checked and not needed.
    pub(super) fn fd_advise(&mut self, fd: u32, advice: u32) -> Outcome {
        self.table.file(fd, rights::FD_ADVISE)?;
        if advice > 5 { Err(Errno::INVAL.into()) } else { Ok(()) }
    }

    pub(super) fn fd_close(&mut self, fd: u32) -> Outcome {
        let entry = self.table.take(fd)?;
        self.drop_entry(entry);
        Ok(())
    }

    pub(super) fn fd_renumber(&mut self, from: u32, to: u32) -> Outcome {
        if let Some(replaced) = self.table.renumber(from, to)? {
            self.drop_entry(replaced);
        }
        Ok(())
    }

    /// A file open for writing, and its flags.
    fn writable(&mut self, fd: u32, rights: u64) -> Outcome<(File, u16)> {
        if let Kind::File(file) = &self.table.get(fd)?.kind
            && !file.file.open_mode.contains(OpenMode::WRITE)
        {
            return Err(Errno::BADF.into());
        }
        let (file, flags) = self.table.file(fd, rights)?;
        Ok((file.file.clone(), flags))
    }
}

/// Reads once, and again where a signal came between.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    loop {
        match file.file.read_at(buffer, offset) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

pub(super) async fn fd_write<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    at: At,
    (list, count): (u32, u32),
    out: u32,
) -> Outcome {
    let (mut memory, guest) = parts(caller)?;
    let buffers = buffers(&memory, list, count)?;
    memory.bytes(out, 4)?;
    let entry = guest.table.get(fd)?;
    match (&entry.kind, at) {
        (Kind::File(_), _) => {}
        (Kind::Output, At::Position) => {
            entry.require(rights::FD_WRITE)?;
            let mut written: u32 = 0;
            for (ptr, len) in buffers {
                guest.output.write(memory.bytes(ptr, len)?);
                written = written.saturating_add(len);
            }
            return Ok(memory.put_u32(out, written)?);
        }
        (Kind::Output, At::Offset(_)) => return Err(Errno::SPIPE.into()),
        (Kind::Stdin, _) => return Err(Errno::BADF.into()),
        (Kind::Dir(_), _) => return Err(Errno::ISDIR.into()),
    }
    let needed = match at {
        At::Position => rights::FD_WRITE,
        At::Offset(_) => rights::FD_WRITE | rights::FD_SEEK,
    };
    let (file, flags) = guest.writable(fd, needed)?;
    let position = guest.table.file(fd, needed)?.0.position;
    let mut bytes = Vec::new();
    for (ptr, len) in buffers {
        bytes.extend_from_slice(memory.bytes(ptr, len)?);
    }
    let to = match at {
        At::Offset(offset) => WriteAt::Offset(offset),
        At::Position if flags & fdflags::APPEND != 0 => WriteAt::End,
        At::Position => WriteAt::Offset(position),
    };
    let state = tmp_state(caller).await?;
    let written = state.change(move |usage| {
        let written = ops::write(usage, &file.file, to, &bytes)?;
        let end = match to {
            WriteAt::Offset(offset) => offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX)),
            WriteAt::End => file.file.metadata()?.len(),
        };
        Ok((written, end))
    });
    let (written, end) = written.await?;
    let (mut memory, guest) = parts(caller)?;
    if let At::Position = at {
        guest.table.file(fd, needed)?.0.position = end;
    }
    Ok(memory.put_u32(out, u32::try_from(written).unwrap_or(PIECE_BYTES))?)
}

pub(super) async fn fd_filestat_set_size<T: Preview1Access>(caller: &mut Caller<'_, T>, fd: u32, size: u64) -> Outcome {
    let (file, _) = caller.data_mut().preview1().writable(fd, rights::FD_FILESTAT_SET_SIZE)?;
    i64::try_from(size).map_err(|_| Errno::FBIG)?;
    let state = tmp_state(caller).await?;
    Ok(state.change(move |usage| ops::set_size(usage, &file, size)).await?)
}

/// Makes a file at least as long as asked: here, as `/tmp` is counted, that is what sets space aside.
pub(super) async fn fd_allocate<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    offset: u64,
    len: u64,
) -> Outcome {
    let (file, _) = caller.data_mut().preview1().writable(fd, rights::FD_ALLOCATE)?;
    if len == 0 {
        return Err(Errno::INVAL.into());
    }
    let end = offset.checked_add(len).filter(|end| i64::try_from(*end).is_ok()).ok_or(Errno::FBIG)?;
    let state = tmp_state(caller).await?;
    let file = Arc::new(file);
    let grown = state.change(
        move |usage| {
            if file.file.metadata()?.len() < end { ops::set_size(usage, &file, end) } else { Ok(()) }
        },
    );
    Ok(grown.await?)
}

/// How many bytes are left to read of what can be read.
pub(super) fn left_to_read(kind: &Kind) -> u64 {
    match kind {
        Kind::File(file) => {
            file.file.file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(file.position))
        }
        Kind::Stdin | Kind::Output | Kind::Dir(_) => 0,
    }
}
