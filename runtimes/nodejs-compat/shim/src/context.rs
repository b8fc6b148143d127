//! What patched QuickJS-NG adds: the value that follows promise reactions, and the seed of `Math.random`. Also rejections without a handler.

use std::cell::RefCell;

use rquickjs::{Ctx, Function, Object, Persistent, Result, Value, prelude::Func, qjs};

unsafe extern "C" {
    fn JS_GetAsyncContext(ctx: *mut qjs::JSContext) -> qjs::JSValue;
    fn JS_SetAsyncContext(ctx: *mut qjs::JSContext, value: qjs::JSValue);
    fn JS_SeedRandom(ctx: *mut qjs::JSContext, seed: u64);
}

thread_local! {
    /// The library's function for `(promise, reason, handled)`.
    static TRACKER: RefCell<Option<Persistent<Function<'static>>>> = const { RefCell::new(None) };
}

fn get_async_context(ctx: Ctx<'_>) -> Value<'_> {
    // SAFETY: the context is live; the answer is an owned reference, which `from_raw` takes over.
    unsafe {
        let value = JS_GetAsyncContext(ctx.as_raw().as_ptr());
        Value::from_raw(ctx.clone(), value)
    }
}

fn set_async_context<'js>(ctx: Ctx<'js>, value: Value<'js>) {
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: the value is live and of this context; the engine takes over the reference that is added for it.
    unsafe { JS_SetAsyncContext(raw, qjs::JS_DupValue(raw, value.as_raw())) }
}

/// Gives `Math.random` a new state from the host's randomness.
pub(crate) fn seed_random(ctx: Ctx<'_>) {
    let mut seed = [0; 8];
    crate::host::random(&mut seed);
    // SAFETY: the context is live.
    unsafe { JS_SeedRandom(ctx.as_raw().as_ptr(), u64::from_le_bytes(seed)) }
}

fn track_rejections<'js>(ctx: Ctx<'js>, function: Function<'js>) {
    TRACKER.set(Some(Persistent::save(&ctx, function)));
}

/// Tells the library of a promise that was rejected without a handler, or got one later.
pub(crate) fn rejection<'js>(ctx: &Ctx<'js>, promise: Value<'js>, reason: Value<'js>, handled: bool) -> Result<()> {
    let Some(tracker) = TRACKER.with_borrow(Clone::clone) else { return Ok(()) };
    tracker.restore(ctx)?.call((promise, reason, handled))
}

/// Adds this module's functions to what the library is given.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    native.set("getAsyncContext", Func::from(get_async_context))?;
    native.set("setAsyncContext", Func::from(set_async_context))?;
    native.set("trackRejections", Func::from(track_rejections))
}
