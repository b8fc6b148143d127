//! The `init` export, beside either kind of handler.

use crate::{Error, logging};

/// Generated from the contract. The world adds `init` and nothing else, so it joins any other.
#[allow(unsafe_code, missing_docs, reason = "generated: component exports take raw pointers")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "http-function-init",
        pub_export_macro: true,
        export_macro_name: "__export_init",
        with: { "lamina:function/types@0.1.0": crate::__rt::event::bindings::lamina::function::types },
    });
}

pub use crate::__rt::event::FunctionError;
pub use bindings::{__export_init as export, Guest};

/// Runs the hook as an execution environment starts.
pub fn run<X: Into<Error>>(init: fn() -> Result<(), X>) -> Result<(), FunctionError> {
    logging::install();
    init().map_err(|error| {
        let error = error.into();
        super::log_failure("Init Error", &error);
        error.into()
    })
}
