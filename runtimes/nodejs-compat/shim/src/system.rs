//! Logs, streams and requests of the ABI; clocks, randomness, memory and the job queue.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rquickjs::{Array, Ctx, IntoJs, Object, Result, String as JsString, TypedArray, Value, prelude::Func};

use crate::{bytes, host};

fn log(record: JsString<'_>) -> Result<()> {
    host::log(&bytes::utf8(&record)?);
    Ok(())
}

fn stream_begin(content_type: JsString<'_>) -> Result<i32> {
    Ok(host::stream_begin(&bytes::utf8(&content_type)?))
}

fn stream_write(piece: TypedArray<'_, u8>) -> i32 {
    host::stream_write(bytes::of(&piece))
}

fn http_start(head: JsString<'_>, body: TypedArray<'_, u8>) -> Result<i32> {
    let head = bytes::utf8(&head)?;
    let body = bytes::of(&body);
    let mut frame = Vec::with_capacity(4 + head.len() + body.len());
    frame.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(body);
    Ok(host::http_start(&frame))
}

fn http_wait(handles: Array<'_>, timeout_ms: f64) -> Result<i32> {
    let handles = handles.iter::<u32>().collect::<Result<Vec<_>>>()?;
    let timeout_ms = if timeout_ms.is_finite() { timeout_ms.clamp(-1.0, f64::from(i32::MAX)) as i32 } else { -1 };
    Ok(host::http_wait(&handles, timeout_ms))
}

fn http_head(ctx: Ctx<'_>, handle: i32) -> Result<Value<'_>> {
    match host::http_head(handle) {
        Ok(head) => ctx.json_parse(head),
        Err(number) => number.into_js(&ctx),
    }
}

fn http_body(ctx: Ctx<'_>, handle: i32, limit: usize) -> Result<Value<'_>> {
    match host::http_body(handle, limit) {
        Ok(piece) => Ok(bytes::array(&ctx, piece)?.into_value()),
        Err(number) => number.into_js(&ctx),
    }
}

fn random_fill(into: TypedArray<'_, u8>) -> bool {
    let Some(raw) = into.as_raw() else { return true };
    // SAFETY: the range is the array's own memory, which nothing else uses during the call.
    host::random(unsafe { &mut *raw.as_ptr() })
}

/// Milliseconds since 1970, with fractions.
fn wall_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

thread_local! {
    static BEGIN: Instant = Instant::now();
}

/// Nanoseconds of the monotonic clock. Only differences within one environment mean something.
fn monotonic() -> f64 {
    BEGIN.with(|begin| begin.elapsed().as_nanos() as f64)
}

fn exit(code: u32) {
    host::exit(code)
}

/// Bytes of linear memory, and those in use by the heap.
fn memory(ctx: Ctx<'_>) -> Result<Array<'_>> {
    // SAFETY: the context is live, and `usage` has room for what is asked.
    let usage = unsafe {
        let mut usage = std::mem::zeroed();
        let runtime = rquickjs::qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
        rquickjs::qjs::JS_ComputeMemoryUsage(runtime, &mut usage);
        usage
    };
    let list = Array::new(ctx)?;
    list.set(0, core::arch::wasm32::memory_size(0) as f64 * 65536.0)?;
    list.set(1, usage.malloc_size as f64)?;
    list.set(2, usage.memory_used_size as f64)?;
    Ok(list)
}

/// Runs promise jobs until there are none.
fn run_jobs(ctx: Ctx<'_>) {
    while ctx.execute_pending_job() {}
}

fn collect(ctx: Ctx<'_>) {
    ctx.run_gc();
}

/// Adds this module's functions to what the library is given.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    native.set("log", Func::from(log))?;
    native.set("streamBegin", Func::from(stream_begin))?;
    native.set("streamWrite", Func::from(stream_write))?;
    native.set("httpStart", Func::from(http_start))?;
    native.set("httpWait", Func::from(http_wait))?;
    native.set("httpHead", Func::from(http_head))?;
    native.set("httpBody", Func::from(http_body))?;
    native.set("httpClose", Func::from(host::http_close))?;
    native.set("randomFill", Func::from(random_fill))?;
    native.set("wallClock", Func::from(wall_clock))?;
    native.set("monotonic", Func::from(monotonic))?;
    native.set("exit", Func::from(exit))?;
    native.set("memory", Func::from(memory))?;
    native.set("runJobs", Func::from(run_jobs))?;
    native.set("collect", Func::from(collect))
}
