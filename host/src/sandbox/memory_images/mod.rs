//! Memory images: language runtimes start from what their memory once held, instead of making it again.
//!
//! [`template`] takes a snapshotted runtime apart into code and memory; [`file`](mod@file) keeps memories as differences, [`store`] keeps those files and
//! collects them, [`content`] is such a memory when it is open, [`memory`] lets an instance start from it, and
//! [`instance`] makes one. [`working_set`] tells what it will write first.
//! `docs/decisions/0023-snapshot-images.md`.

pub mod content;
pub mod file;
pub mod instance;
pub mod memory;
pub mod store;
pub mod template;
pub mod working_set;
