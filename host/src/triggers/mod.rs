//! What turns the outside world into invocations. A trigger makes an [`Invocation`](crate::invocation::Invocation), hands
//! it to an [`Invoke`](crate::invocation::Invoke) and turns the outcome back into what its own side expects.

pub mod asynchronous;
pub mod http;
pub mod queue;
pub mod schedule;
pub mod subscription;
