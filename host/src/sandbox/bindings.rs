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

#[expect(missing_docs, reason = "generated from the WIT, which documents every item")]
mod extending {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "lamina:function/function-extension",
        exports: { default: async },
        with: { "lamina:function/types": super::generated::lamina::function::types },
        require_store_data_send: true,
    });
}

pub use extending::exports::lamina::function::extension;
pub use extending::{FunctionExtension, FunctionExtensionIndices};
pub use generated::lamina::function::types::{Context, FunctionError};
pub use generated::{EventFunction, EventFunctionIndices};
pub use streaming::lamina::function::response_stream;
