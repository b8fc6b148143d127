//! Compilation in a child process, under limits.
//!
//! Hostile wasm can make a compiler slow or hungry, so that an uploaded guest is turned into a component, recognised,
//! checked against what the host offers and compiled by `lamina compile`, a process of its own with limits on
//! memory and time. Parent and child meet in files and one JSON [`Report`] on the child's stdout.

use super::bindings::{FunctionError, extension};
use super::component;
use super::compose::{self, Library};
use super::engine::{self, Family, MEMORIES_PER_COMPONENT, TABLE_ELEMENTS};
use super::linker;
use crate::storage::functions::GuestKind;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentExtern, ComponentFunc, ComponentItem};

/// Why a guest was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The guest is at fault; do not retry.
    #[error("{0}")]
    Rejected(String),
    /// The guest needs more time or memory to compile than allowed; do not retry.
    #[error("The guest could not be compiled within {memory_mb} MB and {timeout_s} s: {detail}")]
    LimitExceeded {
        /// The memory limit.
        memory_mb: u64,
        /// The time limit.
        timeout_s: u64,
        /// Which one, as far as known.
        detail: String,
    },
    /// The platform's fault; a retry may help.
    #[error("the compiler could not run: {0}")]
    Host(String),
}

/// What wasm is compiled to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A function.
    Function,
    /// An extension of functions.
    Extension,
}

impl Role {
    /// What guests of `kind` are.
    pub fn of(kind: GuestKind) -> Self {
        if kind == GuestKind::Extension { Self::Extension } else { Self::Function }
    }
}

/// What the compiler found out about a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The engine it runs on.
    pub family: Family,
    /// How it is called.
    pub kind: GuestKind,
    /// Linear memory it starts with, all its memories together.
    pub initial_memory_bytes: u64,
}

/// What the compiler process answers instead of a report: whose fault, and why.
#[derive(Debug, Serialize, Deserialize)]
enum Refusal {
    Guest(String),
    Host(String),
}

/// What a compilation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of the compiler process.
    pub memory_mb: u64,
    /// Wall-clock time.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // AWS's clients wait 60 s for an answer; the reason for a refusal has to reach them before.
        Self { memory_mb: 2048, timeout: Duration::from_secs(50) }
    }
}

/// Where compilation happens.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In `<program> compile`, a process of its own.
    Process {
        /// The `lamina` binary.
        program: PathBuf,
        /// What one compilation may take.
        limits: Limits,
    },
    /// In this process, for benches and tests that trust their guests.
    InProcess,
}

/// Runs compilations, as many at once as there are processors.
#[derive(Debug)]
pub struct Compilation {
    compiler: Compiler,
    permits: Semaphore,
}

impl Compilation {
    /// A queue in front of `compiler`.
    pub fn new(compiler: Compiler) -> Self {
        let parallel = std::thread::available_parallelism().map_or(1, usize::from);
        Self { compiler, permits: Semaphore::new(parallel) }
    }

    /// Compiles the wasm in `guest`, composed with the components in `libraries`, writing the component and its native code to
    /// the given files (not yet synced).
    pub async fn run(
        &self,
        guest: &Path,
        role: Role,
        libraries: &[PathBuf],
        component: &Path,
        native: &Path,
    ) -> Result<Report, CompileError> {
        let _permit = self.permits.acquire().await.map_err(|error| CompileError::Host(error.to_string()))?;
        match &self.compiler {
            Compiler::InProcess => {
                let (guest, component, native) = (guest.to_owned(), component.to_owned(), native.to_owned());
                let libraries = libraries.to_owned();
                let compiled =
                    tokio::task::spawn_blocking(move || compile_files(&guest, role, &libraries, &component, &native))
                        .await;
                compiled.map_err(|error| CompileError::Host(error.to_string()))?
            }
            Compiler::Process { program, limits } => {
                in_process(program, *limits, guest, role, libraries, component, native).await
            }
        }
    }
}

async fn in_process(
    program: &Path,
    limits: Limits,
    guest: &Path,
    role: Role,
    libraries: &[PathBuf],
    component: &Path,
    native: &Path,
) -> Result<Report, CompileError> {
    let host = |error: std::io::Error| CompileError::Host(format!("{}: {error}", program.display()));
    let exceeded = |detail: String| CompileError::LimitExceeded {
        memory_mb: limits.memory_mb,
        timeout_s: limits.timeout.as_secs(),
        detail,
    };
    let child = tokio::process::Command::new(program)
        .arg("compile")
        .arg("--guest")
        .arg(guest)
        .arg("--component")
        .arg(component)
        .arg("--native")
        .arg(native)
        .arg("--memory-mb")
        .arg(limits.memory_mb.to_string())
        .arg("--timeout-s")
        .arg(limits.timeout.as_secs().to_string())
        .args((role == Role::Extension).then_some("--extension"))
        .args(libraries.iter().flat_map(|library| [Path::new("--library"), library.as_path()]))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(host)?;
    let output = match tokio::time::timeout(limits.timeout, child.wait_with_output()).await {
        Ok(output) => output.map_err(host)?,
        Err(_) => return Err(exceeded("out of time".into())),
    };
    match serde_json::from_slice::<Result<Report, Refusal>>(&output.stdout) {
        Ok(Ok(report)) if output.status.success() => Ok(report),
        Ok(Err(Refusal::Guest(reason))) => Err(CompileError::Rejected(reason)),
        Ok(Err(Refusal::Host(reason))) => Err(CompileError::Host(reason)),
        _ => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let last: String = stderr.lines().last().unwrap_or_default().chars().take(200).collect();
            Err(exceeded(format!("the compiler ended with {} {last}", output.status).trim_end().to_owned()))
        }
    }
}

/// Puts this process under limits.
pub(super) fn bound_process(limits: Limits) -> rustix::io::Result<()> {
    let bytes = limits.memory_mb.saturating_mul(1 << 20);
    let seconds = limits.timeout.as_secs().saturating_mul(4);
    let bound = |resource, value| setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
    // A lower priority keeps invocations ahead of deployments; where it is not granted, all goes on without.
    let _ = rustix::process::nice(10);
    // Data, not address space: the engine reserves much of that without using it.
    bound(Resource::Data, bytes).and_then(|()| bound(Resource::Cpu, seconds)).and_then(|()| bound(Resource::Core, 0))
}

/// The child's side: limits itself, compiles, and prints its [`Report`]. Answers the process's exit code.
pub fn compiler_process(
    guest: &Path,
    role: Role,
    libraries: &[PathBuf],
    component: &Path,
    native: &Path,
    limits: Limits,
) -> u8 {
    let result = match bound_process(limits) {
        Ok(()) => compile_files(guest, role, libraries, component, native).map_err(|error| match error {
            CompileError::Host(reason) => Refusal::Host(reason),
            other => Refusal::Guest(other.to_string()),
        }),
        Err(error) => Err(Refusal::Host(format!("limits cannot be set: {error}"))),
    };
    let code = u8::from(result.is_err());
    let written = serde_json::to_writer(std::io::stdout().lock(), &result);
    if written.is_err() { 2 } else { code }
}

fn compile_files(
    guest: &Path,
    role: Role,
    libraries: &[PathBuf],
    component: &Path,
    native: &Path,
) -> Result<Report, CompileError> {
    let host = |error: std::io::Error| CompileError::Host(error.to_string());
    let wasm = std::fs::read(guest).map_err(host)?;
    let libraries = libraries.iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Library { name, wasm: std::fs::read(path)? })
    });
    let libraries = libraries.collect::<std::io::Result<_>>().map_err(host)?;
    let (report, made, code) = compile(wasm, role, libraries)?;
    std::fs::write(component, made).map_err(host)?;
    std::fs::write(native, code).map_err(host)?;
    Ok(report)
}

/// Composes and compiles `wasm`: what it is, the component, its native code.
fn compile(wasm: Vec<u8>, role: Role, libraries: Vec<Library>) -> Result<(Report, Vec<u8>, Vec<u8>), CompileError> {
    let rejected = |error: &dyn std::fmt::Display| CompileError::Rejected(error.to_string());
    let made = component::componentize(wasm).map_err(|error| rejected(&error))?;
    let made = compose::compose(made, libraries).map_err(|error| rejected(&error))?;
    let family = component::family(&made).map_err(|error| rejected(&error))?;
    let engine = engine::compiler(family).map_err(|error| CompileError::Host(format!("{error:#}")))?;
    let compiled =
        Component::from_binary(&engine, &made).map_err(|error| match error.downcast_ref::<std::io::Error>() {
            // Memory that the system did not give.
            Some(_) => CompileError::Host(format!("{error:#}")),
            None => CompileError::Rejected(format!("The guest is not valid WebAssembly: {error:#}")),
        })?;
    let linker = linker::build(&engine, family).map_err(|error| CompileError::Host(format!("{error:#}")))?;
    linker
        .instantiate_pre(&compiled)
        .map_err(|error| CompileError::Rejected(format!("The guest needs what Lamina does not offer: {error:#}")))?;
    let kind = match role {
        Role::Function => component::kind(&made).map_err(|error| rejected(&error))?,
        Role::Extension => {
            component::is_extension(&made).map_err(|error| rejected(&error))?;
            check_extension(&engine, &compiled).map_err(CompileError::Rejected)?;
            GuestKind::Extension
        }
    };
    let initial_memory_bytes = check_resources(&compiled)?;
    let code = compiled.serialize().map_err(|error| CompileError::Host(format!("{error:#}")))?;
    Ok((Report { family, kind, initial_memory_bytes }, made, code))
}

/// Checks the types of what an extension exports.
fn check_extension(engine: &Engine, component: &Component) -> Result<(), String> {
    use extension::{Environment, InvokeEvent, Registration, ShutdownEvent, TelemetryRecord};
    type Answer<T> = (Result<T, FunctionError>,);
    let component = component.component_type();
    let types = component.instance_type();
    let instance = component.exports(engine).find_map(|(name, export)| match export.ty {
        ComponentItem::ComponentInstance(instance) if name.starts_with("lamina:function/extension@") => Some(instance),
        _ => None,
    });
    let check = |name: &str, fits: &dyn Fn(&ComponentFunc) -> wasmtime::Result<()>| {
        let export = instance.as_ref().and_then(|instance| instance.get_export(engine, name));
        let Some(ComponentExtern { ty: ComponentItem::ComponentFunc(function), .. }) = export else {
            return Err(format!("The extension does not export {name}."));
        };
        fits(&function).map_err(|error| format!("The extension's {name} is of another type: {error:#}"))
    };
    check("on-init", &|function| function.typecheck::<(Environment,), Answer<Registration>>(&types))?;
    check("on-invoke", &|function| function.typecheck::<(InvokeEvent,), Answer<()>>(&types))?;
    check("on-telemetry", &|function| function.typecheck::<(Vec<TelemetryRecord>,), Answer<()>>(&types))?;
    check("on-shutdown", &|function| function.typecheck::<(ShutdownEvent,), ()>(&types))
}

/// What no slot of the pool could hold is refused here, not at the first invocation.
fn check_resources(component: &Component) -> Result<u64, CompileError> {
    let Some(required) = component.resources_required() else {
        return Err(CompileError::Rejected("The guest imports core modules, which Lamina does not offer.".into()));
    };
    let refuse = |what: &str, has: u64, most: u64| {
        CompileError::Rejected(format!("The guest has {what} {has}, more than the {most} that Lamina allows."))
    };
    if required.num_memories > MEMORIES_PER_COMPONENT {
        return Err(refuse("linear memories:", required.num_memories.into(), MEMORIES_PER_COMPONENT.into()));
    }
    let elements = required.max_initial_table_size.unwrap_or(0);
    if elements > TABLE_ELEMENTS as u64 {
        return Err(refuse("a table with entries:", elements, TABLE_ELEMENTS as u64));
    }
    let pages = required.max_initial_memory_size.unwrap_or(0);
    Ok(pages.saturating_mul(65_536).saturating_mul(u64::from(required.num_memories.max(1))))
}
