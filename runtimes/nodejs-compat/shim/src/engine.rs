//! The engine: QuickJS, the library in it, and calls into the library.

use std::cell::OnceCell;

use rquickjs::{
    CatchResultExt, Context, Ctx, Function, Object, Persistent, Runtime, Value, context::EvalOptions, prelude::Func,
    qjs,
};

use crate::{abi::Frame, context, modules};

/// The library, bundled from `js/` by the build, which says where it put it.
const LIBRARY: &str = include_str!(env!("NODEJS_COMPAT_LIBRARY"));

/// JavaScript's share of the linear memory's stack. The rest of it, and of the host's stack for wasm frames, is left for the native
/// code below the deepest JavaScript frame.
const STACK_BYTES: usize = 1 << 20;

/// How much the heap may grow after a start before the first collection of cycles: enough for a function to load and to serve its
/// first invocations without one, since a collection visits all that was made since the start.
const COLLECTION_HEADROOM: usize = 24 << 20;

unsafe extern "C" {
    /// Keeps all that there is for ever, unwritten: reference counts as well. Of `patches/quickjs.patch`.
    fn JS_FreezeHeap(runtime: *mut qjs::JSRuntime);
}

struct Engine {
    runtime: Runtime,
    context: Context,
    entry: Persistent<Object<'static>>,
}

thread_local! {
    static ENGINE: OnceCell<Engine> = const { OnceCell::new() };
}

/// Makes the engine and evaluates the library.
pub(crate) fn start() -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_gc_threshold(usize::MAX);
    runtime.set_loader(modules::ModuleResolver, modules::ModuleLoader);
    let context = Context::full(&runtime).map_err(|error| error.to_string())?;
    let entry = match context.with(|ctx| evaluate(&ctx).catch(&ctx).map_err(|error| error.to_string())) {
        Ok(entry) => entry,
        Err(message) => {
            // What the library holds of the engine keeps it from being freed in order.
            std::mem::forget((context, runtime));
            return Err(message);
        }
    };
    runtime.set_host_promise_rejection_tracker(Some(Box::new(|ctx, promise, reason, handled| {
        let _ = context::rejection(&ctx, promise, reason, handled);
    })));
    runtime.run_gc();
    context.with(|ctx| {
        // SAFETY: the runtime is this context's, and nothing of it is in use.
        unsafe { JS_FreezeHeap(qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) }
    });
    let used = usize::try_from(runtime.memory_usage().malloc_size).unwrap_or(0);
    runtime.set_gc_threshold(used.saturating_add(COLLECTION_HEADROOM));
    ENGINE.with(|cell| cell.set(Engine { runtime, context, entry }).map_err(|_| "started twice".to_owned()))
}

/// Evaluates the library and hands it the native functions; what it answers are the functions of [`call`].
fn evaluate<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Persistent<Object<'static>>> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some("node:internal/library".to_owned());
    let library: Function<'js> = ctx.eval_with_options(LIBRARY, options)?;
    let native = Object::new(ctx.clone())?;
    crate::exports::install(&native)?;
    native.set("seedRandom", Func::from(context::seed_random))?;
    let entry: Object<'js> = library.call((native,))?;
    while ctx.execute_pending_job() {}
    Ok(Persistent::save(ctx, entry))
}

/// Calls a function of the library with JSON documents. It answers `[tag, body]`; nothing when the library itself failed.
pub(crate) fn call(name: &str, documents: &[&[u8]]) -> Option<Frame> {
    ENGINE.with(|cell| {
        let engine = cell.get()?;
        engine.context.with(|ctx| {
            let answer = invoke(&ctx, engine, name, documents).catch(&ctx);
            match answer {
                Ok(frame) => Some(frame),
                Err(error) => {
                    crate::host::log(format!("the runtime failed: {error}").as_bytes());
                    None
                }
            }
        })
    })
}

fn invoke<'js>(ctx: &Ctx<'js>, engine: &Engine, name: &str, documents: &[&[u8]]) -> rquickjs::Result<Frame> {
    let entry = engine.entry.clone().restore(ctx)?;
    let function: Function<'js> = entry.get(name)?;
    let mut arguments = rquickjs::function::Args::new(ctx.clone(), documents.len());
    for document in documents {
        match ctx.json_parse(*document) {
            Ok(value) => arguments.push_arg(value)?,
            Err(_) => {
                let _ = ctx.catch();
                arguments.push_arg(Value::new_undefined(ctx.clone()))?;
            }
        }
    }
    let answer: Object<'js> = function.call_arg(arguments)?;
    let tag: u8 = answer.get(0u32)?;
    let body: Value<'js> = answer.get(1u32)?;
    let mut frame = vec![tag];
    if let Some(text) = body.as_string() {
        crate::bytes::append_utf8(text, &mut frame)?;
    }
    let _ = &engine.runtime;
    Ok(Frame(frame))
}
