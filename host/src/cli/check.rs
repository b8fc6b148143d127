//! `lamina check`: configurations and guests, without starting anything.

use super::output::{note, size, table};
use super::progress::Spinner;
use super::{Answering, Failure};
use crate::config::{Config, Overrides};
use crate::sandbox::compile::{Compilation, Compiler, Limits, Report, Role};
use crate::sandbox::package;
use crate::storage::functions::{Family, GuestKind};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Arguments of `check`. Guests are turned into components, recognised, checked against what the host offers and compiled,
/// in a process of their own, as at a deployment.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Configurations (.toml) and packages (.wasm, .wat, .zip); config.toml where nothing is named
    files: Vec<PathBuf>,
    /// Compile the packages that a configuration declares too
    #[arg(long)]
    packages: bool,
    /// Names the wasm file in a zip
    #[arg(long, default_value = "bootstrap")]
    handler: String,
    #[command(flatten)]
    output: Answering,
}

/// One thing that was checked.
struct Checked {
    what: String,
    /// What was found, or what is wrong.
    result: Result<String, String>,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let output = self.output.open();
        let default = [PathBuf::from("config.toml")];
        let files = if self.files.is_empty() { default.as_slice() } else { self.files.as_slice() };
        let mut checked = Vec::new();
        for file in files {
            if file.extension().is_some_and(|extension| extension == "toml") {
                self.configuration(file, &mut checked).await;
            } else {
                checked.push(guest(file, &self.handler, file.display().to_string()).await);
            }
        }
        let failed = checked.iter().filter(|one| one.result.is_err()).count();
        let answer: Vec<_> = checked
            .iter()
            .map(|one| match &one.result {
                Ok(found) => json!({ "checked": one.what, "ok": true, "found": found }),
                Err(wrong) => json!({ "checked": one.what, "ok": false, "wrong": wrong.lines().collect::<Vec<_>>() }),
            })
            .collect();
        let sound = checked.iter().filter_map(|one| Some(vec![one.what.clone(), one.result.clone().ok()?]));
        let sound: Vec<_> = sound.collect();
        if output.is_json() || !sound.is_empty() {
            output.show(&answer, || table(&["checked", "found"], sound, ""))?;
        }
        if failed == 0 {
            return Ok(());
        }
        if !output.is_json() {
            checked.iter().filter_map(|one| one.result.as_ref().err()).for_each(|wrong| note(wrong));
        }
        Err(Failure::usage(format!("{failed} of {} checks failed", checked.len())))
    }

    async fn configuration(&self, file: &Path, checked: &mut Vec<Checked>) {
        let what = file.display().to_string();
        let config = match Config::load(Some(file), &Overrides::default()) {
            Ok(config) => config,
            Err(error) => return checked.push(Checked { what, result: Err(error.to_string()) }),
        };
        let count = |number: usize, name: &str| format!("{number} {name}{}", if number == 1 { "" } else { "s" });
        let found = [
            count(config.functions.len(), "function"),
            count(config.routes.len(), "route"),
            count(config.schedules.len(), "schedule"),
            count(config.queues.len(), "queue"),
            count(config.mappings.len(), "mapping"),
        ];
        checked.push(Checked { what, result: Ok(found.join(", ")) });
        if self.packages {
            for (index, function) in config.functions.iter().enumerate() {
                // Images are looked at when they are pulled.
                let Some(package) = &function.package else { continue };
                let what = format!("function {}", function.name);
                let mut one = guest(package, &function.handler, what).await;
                // The place in the file, too: that is where a wrong path is put right.
                one.result = one
                    .result
                    .map_err(|wrong| config.places.problem(&format!("functions[{index}].package"), wrong).to_string());
                checked.push(one);
            }
        }
    }
}

async fn guest(file: &Path, handler: &str, what: String) -> Checked {
    let result = inspect(file, handler).await.map_err(|wrong| format!("{}: {wrong}", file.display()));
    Checked { what, result }
}

async fn inspect(file: &Path, handler: &str) -> Result<String, String> {
    let bytes = super::package::read(file).map_err(|failure| failure.to_string())?;
    let spinner = Spinner::new(format!("compiling {}", file.display()));
    let wasm = package::guest(&bytes, handler).map_err(|error| error.to_string())?;
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let guest = work.path().join("guest.wasm");
    std::fs::write(&guest, &wasm).map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let compilation = Compilation::new(Compiler::Process { program, limits: Limits::default() });
    let (component, native) = (work.path().join("component.wasm"), work.path().join("native.cwasm"));
    let started = Instant::now();
    let report =
        compilation.run(&guest, Role::Function, &[], &component, &native).await.map_err(|error| error.to_string())?;
    drop(spinner);
    let native_bytes = std::fs::metadata(&native).map_or(0, |file| file.len());
    Ok(words(report, bytes.len(), native_bytes, started.elapsed()))
}

fn words(report: Report, package_bytes: usize, native_bytes: u64, took: Duration) -> String {
    let kind = match report.kind {
        GuestKind::Event => "event component",
        GuestKind::HttpP2 => "HTTP component (wasi:http 0.2)",
        GuestKind::HttpP3 => "HTTP component (wasi:http 0.3)",
        GuestKind::Command => "command",
        GuestKind::Extension => "extension",
        GuestKind::Runtime => "source code",
    };
    let family = match report.family {
        Family::Plain | Family::Runtime => "",
        Family::Concurrent => ", concurrent engine",
    };
    format!(
        "{kind}{family}; package {}, native code {}, starts with {} of memory, compiled in {:.2} s",
        size(u64::try_from(package_bytes).unwrap_or(u64::MAX)),
        size(native_bytes),
        size(report.initial_memory_bytes),
        took.as_secs_f64()
    )
}
