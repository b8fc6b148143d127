//! The `handle` export of an event component.

use crate::{Context, Error, EventHandler, logging};

/// Generated from the contract.
#[allow(unsafe_code, missing_docs, reason = "generated: component exports take raw pointers")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "event-function",
        pub_export_macro: true,
        export_macro_name: "__export_event_function",
    });
}

pub use bindings::{__export_event_function as export, Context as WitContext, FunctionError, Guest};

/// Runs a handler for one invocation.
pub fn run<Args>(
    handler: &impl EventHandler<Args>,
    event: Vec<u8>,
    context: WitContext,
) -> Result<Vec<u8>, FunctionError> {
    logging::install();
    logging::set_request_id(&context.request_id);
    let answer = handler.call(event, context.into());
    let answer = answer.map_err(|error| {
        super::log_failure("Invoke Error", &error);
        error.into()
    });
    logging::set_request_id("");
    answer
}

impl From<WitContext> for Context {
    fn from(context: WitContext) -> Self {
        Self {
            request_id: context.request_id,
            function_name: context.function_name,
            function_version: context.function_version,
            qualifier: context.qualifier,
            invoked_function_arn: context.invoked_function_arn,
            memory_limit_mb: context.memory_limit_mb,
            deadline_ms: context.deadline_ms,
            log_group: context.log_group,
            log_stream: context.log_stream,
            trace_id: context.trace_id,
            client_context: context.client_context,
        }
    }
}

impl From<Error> for FunctionError {
    fn from(error: Error) -> Self {
        let (error_type, error_message, stack_trace) = error.into_parts();
        Self { error_type, error_message, stack_trace }
    }
}
