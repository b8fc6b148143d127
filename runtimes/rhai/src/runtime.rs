//! The runtime: an engine that is started once, one function in it, and its invocations.

use crate::Frame;
use crate::failure::Failure;
use crate::modules::{Files, Imports, Loaded};
use crate::record::{self, Format, Level};
use crate::session::Session;
use crate::{json, library};
use rhai::{AST, Dynamic, Engine, EvalAltResult, FnAccess, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// How deep calls nest, in the language. The stack in linear memory (`build.rs`) holds as many, each with expressions as deep as may be.
const CALL_LEVELS: usize = 128;
/// How deep expressions nest outside of functions.
const EXPRESSION_DEPTH: usize = 64;
/// And in them.
const FUNCTION_EXPRESSION_DEPTH: usize = 32;

/// Seeds of the hashes that functions are found by. What comes from outside is kept in sorted maps and never hashed.
const HASHING_SEED: [u64; 4] = [0x9e37_79b9, 0x7f4a_7c15, 0xf39c_c060, 0x5ced_c834];

/// The module that the function's file is to [`CALLER`], and the function of it that makes the call.
const MODULE: &str = "function";
const CALLER: &str = "call_handler";

/// Where code is.
#[derive(Debug, Clone)]
pub struct Roots {
    /// The function's package.
    pub task: PathBuf,
    /// The layers.
    pub opt: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { task: PathBuf::from("/var/task"), opt: PathBuf::from("/opt") }
    }
}

/// The runtime of one environment.
pub struct Runtime {
    engine: Engine,
    session: Rc<Session>,
    files: Rc<Files>,
    /// Calls the handler, once there is one.
    caller: Option<AST>,
}

/// The part of what `rt_load` gets that means something here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Load {
    handler: String,
    env: BTreeMap<String, String>,
    #[serde(default)]
    log_format: Format,
    #[serde(default)]
    log_level: Level,
}

/// The part of what `rt_restore` gets that means something here.
#[derive(Deserialize)]
struct Restore {
    env: BTreeMap<String, String>,
}

/// The part of an invocation's context that means something here. Scripts get all of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    request_id: String,
    deadline_ms: u64,
}

/// An error's document with the id of the invocation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    failure: &'a Failure,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
}

impl Runtime {
    /// An engine that knows no function yet.
    pub fn start(roots: Roots) -> Self {
        // An error says that they are set: by this function, which has no others.
        let _ = rhai::config::hashing::set_hashing_seed(Some(HASHING_SEED));
        let Roots { task, opt } = roots;
        let session = Rc::new(Session::default());
        let files = Rc::new(Files::new(vec![task, opt.join("rhai"), opt]));
        let mut engine = Engine::new();
        engine.set_max_call_levels(CALL_LEVELS);
        engine.set_max_expr_depths(EXPRESSION_DEPTH, FUNCTION_EXPRESSION_DEPTH);
        engine.set_module_resolver(Imports(Rc::clone(&files)));
        library::register(&mut engine, &session);
        Self { engine, session, files, caller: None }
    }

    /// Loads the function that `argument` describes; `None` where that is not the contract's.
    pub fn load(&mut self, argument: &[u8]) -> Option<Frame> {
        let Load { handler, env, log_format, log_level } = serde_json::from_slice(argument).ok()?;
        self.session.env.replace(env);
        self.session.format.set(log_format);
        self.session.level.set(log_level);
        let loaded = self.load_handler(&handler);
        Some(match loaded {
            Ok(()) => Frame::done(&[]),
            Err(failure) => self.failed(&failure),
        })
    }

    /// Calls the handler with an event; `None` where there is none or `context` is not the contract's.
    pub fn invoke(&mut self, context: &[u8], event: &[u8]) -> Option<Frame> {
        let Context { request_id, deadline_ms } = serde_json::from_slice(context).ok()?;
        let context = json::read(context).ok()?;
        self.session.request_id.replace(request_id);
        self.session.deadline_ms.set(deadline_ms);
        let answered = self.call_handler(self.caller.as_ref()?, context, event);
        let frame = match answered {
            Ok(response) => Frame::done(&response),
            Err(failure) => self.failed(&failure),
        };
        self.session.request_id.take();
        self.session.deadline_ms.set(0);
        Some(frame)
    }

    /// Takes over the variables of a new environment; `None` where `argument` is not the contract's. There is nothing else to renew:
    /// randomness and time are the host's at each call, and scripts keep no state.
    pub fn restore(&mut self, argument: &[u8]) -> Option<Frame> {
        let Restore { env } = serde_json::from_slice(argument).ok()?;
        self.session.env.borrow_mut().extend(env);
        Some(Frame::done(&[]))
    }

    fn load_handler(&mut self, handler: &str) -> Result<(), Failure> {
        let Some((file, name)) = handler.rsplit_once('.') else {
            return Err(Failure::new(
                "Runtime.MalformedHandlerName",
                format!("Bad handler '{handler}': it is no file.function"),
            ));
        };
        let Some(path) = self.files.find(file) else {
            let message =
                format!("Unable to import module '{file}': there is no {file}.rhai in the package or its layers");
            return Err(Failure::new("Runtime.ImportModuleError", message));
        };
        let Loaded { module, ast } =
            self.files.load(&self.engine, &path).map_err(|error| Failure::of(&error, &path.to_string_lossy()))?;
        let handles = |access, params: usize| access == FnAccess::Public && params == 2;
        if !ast
            .iter_functions()
            .any(|function| function.name == name && handles(function.access, function.params.len()))
        {
            let message =
                format!("{file}.rhai has no function {name} of two parameters (event, context) that is not private");
            return Err(Failure::new("Runtime.HandlerNotFound", message));
        }
        self.engine.register_static_module(MODULE, module);
        // The name is that of a function that was compiled: it is an identifier.
        let caller = format!("fn {CALLER}(event, context) {{ {MODULE}::{name}(event, context) }}");
        let caller =
            self.engine.compile(caller).map_err(|error| Failure::new("Runtime.HandlerNotFound", error.to_string()))?;
        self.caller = Some(caller);
        Ok(())
    }

    fn call_handler(&self, caller: &AST, context: Dynamic, event: &[u8]) -> Result<Vec<u8>, Failure> {
        let event = json::read(event)
            .map_err(|error| Failure::new("Runtime.UnmarshalError", format!("Unable to unmarshal input: {error}")))?;
        let answer = match self.engine.call_fn::<Dynamic>(&mut Scope::new(), caller, CALLER, (event, context)) {
            Ok(answer) => answer,
            Err(error) => match error.unwrap_inner() {
                // `exit(value)` ends a script with a value, wherever it is.
                EvalAltResult::Exit(value, _) => value.clone(),
                _ => return Err(Failure::of(&error, "")),
            },
        };
        json::write(&answer)
            .map_err(|error| Failure::new("Runtime.MarshalError", format!("Unable to marshal response: {error}")))
    }

    /// An error's frame, after it was logged.
    fn failed(&self, failure: &Failure) -> Frame {
        let request_id = self.session.request_id.borrow();
        // Strings cannot fail to be JSON.
        let document = serde_json::to_string(&Document { failure, request_id: &request_id }).unwrap_or_default();
        record::error(&self.session, failure, &document);
        Frame::error(document.as_bytes())
    }
}
