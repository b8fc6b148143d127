//! `wasi:cli/environment` 0.2 and 0.3: the variables and arguments of a version, copied when a guest asks for them.
//!
//! Many guests never do, and each environment that serves once would copy them for nothing.

use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::{p2, p3};

/// The variable with the name of the log stream, which each environment has its own of.
pub const LOG_STREAM: &str = "AWS_LAMBDA_LOG_STREAM_NAME";

/// What a guest reads of its environment.
pub struct GuestEnvironment {
    /// Name and value, of all environments of the version.
    pub variables: Arc<[(String, String)]>,
    /// The program's name first, where there are any.
    pub arguments: Arc<[String]>,
    /// The environment's own: [`LOG_STREAM`].
    pub log_stream: Arc<str>,
}

impl GuestEnvironment {
    fn variables(&self) -> Vec<(String, String)> {
        let own = (LOG_STREAM.to_owned(), self.log_stream.as_ref().to_owned());
        self.variables.iter().cloned().chain([own]).collect()
    }
}

/// Links `wasi:cli/environment@0.2`, and nothing else.
///
/// # Errors
/// The linker already has the interface and does not allow shadowing.
pub fn add_to_linker_p2<T: 'static>(
    linker: &mut Linker<T>,
    environment: fn(&mut T) -> &mut GuestEnvironment,
) -> wasmtime::Result<()> {
    p2::bindings::cli::environment::add_to_linker::<T, HasSelf<GuestEnvironment>>(linker, environment)
}

/// Links `wasi:cli/environment@0.3`, and nothing else.
///
/// # Errors
/// The linker already has the interface and does not allow shadowing.
pub fn add_to_linker_p3<T: 'static>(
    linker: &mut Linker<T>,
    environment: fn(&mut T) -> &mut GuestEnvironment,
) -> wasmtime::Result<()> {
    p3::bindings::cli::environment::add_to_linker::<T, HasSelf<GuestEnvironment>>(linker, environment)
}

impl p2::bindings::cli::environment::Host for GuestEnvironment {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.variables())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.arguments.to_vec())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl p3::bindings::cli::environment::Host for GuestEnvironment {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.variables())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.arguments.to_vec())
    }

    fn get_initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}
