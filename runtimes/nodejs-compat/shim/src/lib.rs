//! The JavaScript runtime `nodejs-compat`: QuickJS-NG behind Lamina's ABI of runtimes (`docs/runtimes.md`).
//!
//! This crate is the part that JavaScript cannot be: the engine, system calls, compression, hashes, module resolution. Everything with
//! Node's or Lambda's semantics is JavaScript in `js/`, bundled into one script that [`engine`] evaluates in `rt_init`, so that the host's
//! snapshot has it ready.

mod abi;
mod bytes;
mod compression;
mod context;
mod digest;
mod engine;
mod exports;
mod files;
mod heap;
mod host;
mod lexer;
mod modules;
mod packages;
mod resolve;
mod system;
mod urls;
