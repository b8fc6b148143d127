//! What the platform tells about itself: metrics, function logs and its own log.
//!
//! - [`metrics`]: every metric's name, meaning and labels, for `/metrics`.
//! - [`logs`]: what functions print, kept for a while in a database of its own. Not acknowledged data: a crash may lose the
//!   last moments, and a flood loses lines rather than slow an invocation down.
//! - [`capture`]: the bounded buffer one invocation's output goes into.
//! - [`report`]: the lines Lambda itself adds to a function's log.
//! - [`json_log`]: the same lines as JSON records, and which of them are kept.
//! - [`host_log`]: the daemon's own log, to standard error.
//!
//! Everything above uses this module; it uses only [`crate::ids`] and [`crate::clock`].

pub mod capture;
pub mod host_log;
pub mod json_log;
pub mod logs;
pub mod metrics;
pub mod record;
pub mod report;
