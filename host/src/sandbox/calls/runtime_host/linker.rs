//! Every function of the module `lamina`, by name and type.

use super::head::MAX_HEAD_BYTES;
use super::{Refusal, RuntimeHostAccess};
use crate::sandbox::bindings::response_stream::StreamError;
use crate::sandbox::calls::memory::split;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::{Caller, Linker};

const MODULE: &str = "lamina";

/// The longest name of a content type.
const MAX_CONTENT_TYPE_BYTES: u32 = 8 * 1024;

/// As much of a response is copied out of the guest at once.
const PIECE_BYTES: u32 = 64 * 1024;

/// The most handles one call waits for, repeated ones included.
const MAX_HANDLES: u32 = 1024;

/// What a call answers: a result, a refusal, or the guest's end.
type Answer = wasmtime::Result<Result<i32, Refusal>>;

/// Links `lamina`, all of it.
///
/// # Errors
/// The linker already has one of the functions and does not allow shadowing.
pub fn add_to_linker<T: RuntimeHostAccess>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "log", |mut caller: Caller<'_, T>, ptr: u32, len: u32| -> wasmtime::Result<()> {
        let (memory, data) = split(&mut caller)?;
        data.runtime_host().log.record(memory.bytes(ptr, len)?);
        Ok(())
    })?;
    linker.func_wrap(MODULE, "stream_begin", |mut caller: Caller<'_, T>, ptr: u32, len: u32| {
        answer(stream_begin(&mut caller, ptr, len))
    })?;
    linker.func_wrap_async(MODULE, "stream_write", |mut caller: Caller<'_, T>, (ptr, len): (u32, u32)| {
        Box::new(async move { answer(stream_write(&mut caller, ptr, len).await) })
    })?;
    linker.func_wrap(MODULE, "http_start", |mut caller: Caller<'_, T>, ptr: u32, len: u32| {
        answer(http_start(&mut caller, ptr, len))
    })?;
    linker.func_wrap_async(
        MODULE,
        "http_wait",
        |mut caller: Caller<'_, T>, (ptr, count, timeout_ms): (u32, u32, i32)| {
            Box::new(async move { answer(http_wait(&mut caller, ptr, count, timeout_ms).await) })
        },
    )?;
    linker.func_wrap_async(MODULE, "http_head", |mut caller: Caller<'_, T>, (handle, ptr, cap): (u32, u32, u32)| {
        Box::new(async move { answer(http_head(&mut caller, handle, ptr, cap).await) })
    })?;
    linker.func_wrap_async(MODULE, "http_body", |mut caller: Caller<'_, T>, (handle, ptr, cap): (u32, u32, u32)| {
        Box::new(async move { answer(http_body(&mut caller, handle, ptr, cap).await) })
    })?;
    linker.func_wrap(MODULE, "http_close", |mut caller: Caller<'_, T>, handle: u32| {
        caller.data_mut().runtime_host().requests.close(handle);
    })?;
    Ok(())
}

fn answer(answer: Answer) -> wasmtime::Result<i32> {
    Ok(answer?.unwrap_or_else(Refusal::code))
}

fn of_stream(error: &StreamError) -> Refusal {
    match error {
        StreamError::Closed => Refusal::Closed,
        StreamError::Begun | StreamError::InvalidContentType => Refusal::Invalid,
    }
}

fn stream_begin<T: RuntimeHostAccess>(caller: &mut Caller<'_, T>, ptr: u32, len: u32) -> Answer {
    let (memory, data) = split(caller)?;
    let bytes = memory.bytes(ptr, len)?;
    if len > MAX_CONTENT_TYPE_BYTES {
        return Ok(Err(Refusal::Limit));
    }
    let Ok(content_type) = std::str::from_utf8(bytes) else { return Ok(Err(Refusal::Invalid)) };
    let begun = data.runtime_host().stream.begin(content_type.to_owned());
    Ok(begun.map(|()| 0).map_err(|error| of_stream(&error)))
}

async fn stream_write<T: RuntimeHostAccess>(caller: &mut Caller<'_, T>, mut ptr: u32, mut len: u32) -> Answer {
    split(caller)?.0.bytes(ptr, len)?;
    loop {
        let length = len.min(PIECE_BYTES);
        let (memory, data) = split(caller)?;
        let piece = memory.bytes(ptr, length)?.to_vec();
        if let Err(error) = data.runtime_host().stream.write(piece).await? {
            return Ok(Err(of_stream(&error)));
        }
        len = len.saturating_sub(length);
        if len == 0 {
            return Ok(Ok(0));
        }
        ptr = ptr.saturating_add(length);
    }
}

fn http_start<T: RuntimeHostAccess>(caller: &mut Caller<'_, T>, ptr: u32, len: u32) -> Answer {
    let (memory, data) = split(caller)?;
    let frame = memory.bytes(ptr, len)?;
    let Some((head_len, rest)) = frame.split_first_chunk::<4>() else { return Ok(Err(Refusal::Invalid)) };
    let head_len = u32::from_le_bytes(*head_len);
    if head_len > MAX_HEAD_BYTES {
        return Ok(Err(Refusal::Limit));
    }
    let Some((head, body)) = usize::try_from(head_len).ok().and_then(|len| rest.split_at_checked(len)) else {
        return Ok(Err(Refusal::Invalid));
    };
    let requests = data.runtime_host().requests;
    // Before the body is copied.
    if let Err(refusal) = requests.check_room(u64::try_from(body.len()).unwrap_or(u64::MAX)) {
        return Ok(Err(refusal));
    }
    let started = requests.start(head, bytes::Bytes::copy_from_slice(body));
    Ok(started.and_then(|handle| i32::try_from(handle).map_err(|_| Refusal::Limit)))
}

async fn http_wait<T: RuntimeHostAccess>(caller: &mut Caller<'_, T>, ptr: u32, count: u32, timeout_ms: i32) -> Answer {
    if count > MAX_HANDLES {
        return Ok(Err(Refusal::Limit));
    }
    let (memory, _) = split(caller)?;
    let list = memory.bytes(ptr, count.saturating_mul(4))?;
    let handles: Vec<u32> = list.as_chunks::<4>().0.iter().map(|handle| u32::from_le_bytes(*handle)).collect();
    let deadline = match u64::try_from(timeout_ms) {
        Ok(timeout_ms) => Some(Instant::now() + Duration::from_millis(timeout_ms)),
        // Nothing to wait for, for ever.
        Err(_) if handles.is_empty() => return Ok(Err(Refusal::Invalid)),
        Err(_) => None,
    };
    let changed = caller.data_mut().runtime_host().requests.changed();
    loop {
        match caller.data_mut().runtime_host().requests.first_ready(&handles) {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(Some(index)) => return Ok(i32::try_from(index).map_err(|_| Refusal::Limit)),
            Ok(None) => {}
        }
        match deadline {
            None => changed.notified().await,
            Some(deadline) => {
                if tokio::time::timeout_at(deadline, changed.notified()).await.is_err() {
                    return Ok(Err(Refusal::TimedOut));
                }
            }
        }
    }
}

async fn http_head<T: RuntimeHostAccess>(caller: &mut Caller<'_, T>, handle: u32, ptr: u32, cap: u32) -> Answer {
    split(caller)?.0.bytes(ptr, cap)?;
    let requests = caller.data_mut().runtime_host().requests;
    let changed = requests.changed();
    let exchange = match requests.get(handle) {
        Ok(open) => Arc::clone(&open.exchange),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let head = loop {
        match exchange.head() {
            Some(head) => break head,
            // The task is gone without a word, as when the daemon ends.
            None if exchange.has_ended() => return Ok(Err(Refusal::Closed)),
            None => changed.notified().await,
        }
    };
    let (mut memory, data) = split(caller)?;
    let fitting = usize::try_from(cap).ok().and_then(|cap| head.get(..cap)).unwrap_or(&head);
    memory.put(ptr, fitting)?;
    if fitting.len() == head.len()
        && let Ok(open) = data.runtime_host().requests.get(handle)
    {
        open.head_taken = true;
    }
    Ok(i32::try_from(head.len()).map_err(|_| Refusal::Limit))
}

async fn http_body<T: RuntimeHostAccess>(caller: &mut Caller<'_, T>, handle: u32, ptr: u32, cap: u32) -> Answer {
    split(caller)?.0.bytes(ptr, cap)?;
    if cap == 0 {
        // Its answer would be the end's.
        return Ok(Err(Refusal::Invalid));
    }
    let changed = caller.data_mut().runtime_host().requests.changed();
    let most = usize::try_from(cap).unwrap_or(usize::MAX);
    loop {
        let (mut memory, data) = split(caller)?;
        let open = match data.runtime_host().requests.get(handle) {
            Ok(open) => open,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match open.read(most) {
            Some(Ok(piece)) => {
                memory.put(ptr, &piece)?;
                return Ok(i32::try_from(piece.len()).map_err(|_| Refusal::Limit));
            }
            Some(Err(_)) => return Ok(Err(Refusal::Closed)),
            None => changed.notified().await,
        }
    }
}
