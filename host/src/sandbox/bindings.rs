//! The host's side of `guest-sdk/wit`: the contract of event functions.

#[expect(missing_docs, reason = "generated from the WIT, which documents every item")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "lamina:function/event-function",
        exports: { default: async },
        require_store_data_send: true,
    });
}

#[expect(missing_docs, reason = "generated from the WIT, which documents every item")]
mod streaming {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "lamina:function/response-streaming",
        imports: { default: async | trappable },
        require_store_data_send: true,
    });
}

pub use generated::lamina::function::types::{Context, FunctionError};
pub use generated::{EventFunction, EventFunctionIndices};
pub use streaming::lamina::function::response_stream;
