//! Engine, pools, limits, compiled artifacts, and what guests may call.

pub mod calls;
