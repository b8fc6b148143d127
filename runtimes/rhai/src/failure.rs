//! Errors as a function's caller gets them.

use rhai::{Dynamic, EvalAltResult, Position};
use serde::Serialize;

/// What functions without a name are called in a trace.
const CLOSURE: &str = "closure";

/// An error's document, but for the invocation's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) error_message: String,
    pub(crate) error_type: String,
    /// Where it came from, the innermost place first: `function (/var/task/file.rhai:line:column)`.
    pub(crate) stack_trace: Vec<String>,
}

impl Failure {
    /// An error that is not a script's.
    pub(crate) fn new(error_type: &str, error_message: String) -> Self {
        Self { error_message, error_type: error_type.to_owned(), stack_trace: Vec::new() }
    }

    /// An error of a script, `file` being the one it began in; empty for one that is not the function's.
    pub(crate) fn of(error: &EvalAltResult, file: &str) -> Self {
        let mut trace = Vec::new();
        let (mut function, mut file, mut error) = (None, file, error);
        loop {
            let (position, next) = match error {
                EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
                    (*position, Some((Some(name.as_str()), source.as_str(), inner)))
                }
                EvalAltResult::ErrorInModule(name, inner, position) => (*position, Some((None, name.as_str(), inner))),
                _ => (error.position(), None),
            };
            if !file.is_empty() {
                trace.push(place(function, file, position));
            }
            let Some((called, source, inner)) = next else { break };
            (function, file, error) = (called, source, inner);
        }
        trace.reverse();
        let (error_type, error_message) = told(error);
        Self { error_message, error_type, stack_trace: trace }
    }
}

/// Type and message of an error that no other one is around of.
fn told(error: &EvalAltResult) -> (String, String) {
    match error {
        EvalAltResult::ErrorRuntime(thrown, _) => {
            let (error_type, message) = thrown_by_script(thrown);
            (error_type.unwrap_or_else(|| "ErrorRuntime".to_owned()), message)
        }
        EvalAltResult::ErrorParsing(..) => ("Runtime.UserCodeSyntaxError".to_owned(), error.to_string()),
        EvalAltResult::ErrorModuleNotFound(..) => ("Runtime.ImportModuleError".to_owned(), error.to_string()),
        // The language's documentation knows them by the names of the variants.
        _ => (format!("{error:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(), error.to_string()),
    }
}

/// A script names the type with a map of `errorType` and `errorMessage`; any other value is the message.
fn thrown_by_script(thrown: &Dynamic) -> (Option<String>, String) {
    let map = thrown.as_map_ref().ok();
    let text = |name: &str| Some(map.as_ref()?.get(name)?.to_string()).filter(|text| !text.is_empty());
    (text("errorType"), text("errorMessage").unwrap_or_else(|| thrown.to_string()))
}

/// A place in a file, and the function it is in.
fn place(function: Option<&str>, file: &str, position: Position) -> String {
    let place = location(file, position);
    match function {
        Some(name) if name.starts_with("anon$") => format!("{CLOSURE} ({place})"),
        Some(name) => format!("{name} ({place})"),
        None => place,
    }
}

/// `file:line:column`, as far as they are known.
pub(crate) fn location(file: &str, position: Position) -> String {
    match (position.line(), position.position()) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
        (Some(line), None) => format!("{file}:{line}"),
        (None, _) => file.to_owned(),
    }
}
