//! The AWS APIs on one port.
//!
//! A request is told apart by its target header or path, read whole within limits, and handed to its service; a file an operation.
//! Only this module knows AWS protocols and error codes.

pub mod access;
pub mod codec;
pub mod error;
pub mod event_source_mappings;
pub mod event_stream;
pub mod lambda;
pub mod logs;
pub mod scheduler;
pub mod server;
pub mod sqs;
mod sts;
