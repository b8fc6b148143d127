//! `cargo xtask test`: every check, in the order in which each fails soonest.
//!
//! Formatting and lints, licences, native tests, how many instructions an invocation takes, fuzz targets for a while, then the black-box tests
//! against the daemon just built, whether `docs/aws-parity.md` has what they saw, and, in the full run, whether the language runtimes' sources
//! make what is committed. What is missing is installed first: promtool and
//! docker-registry (unpacked, never started as a service), cargo-nextest, valgrind, npm, the Python environment, guest compilers.

use crate::workspace::{Workspace, which};
use crate::{apt, fuzz, guests, instructions, parity, python, runtimes, steps};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// pytest's exit code for "no test was selected".
const PYTEST_NONE: i32 = 5;

/// Packages with tests of their own outside the root workspace, tested natively.
const NATIVE: [&str; 3] = ["guest-sdk", "functions", "runtimes/rhai"];

/// Crates of language runtimes, which are built by scripts of their own.
const RUNTIMES: [&str; 2] = ["runtimes/nodejs-compat/shim", "runtimes/rhai"];

/// How long each fuzz target runs, in seconds: in the full run, and else.
const FUZZ_S: (u32, u32) = (120, 10);

/// Processes that share the black-box tests, each with a daemon.
const MAX_PROCESSES: usize = 4;

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
#[group(skip)]
pub struct Options {
    /// Run the long forms too: 50 kills, timing comparisons, advisories, language runtimes from source
    #[arg(long)]
    full: bool,
    /// Test an optimised daemon
    #[arg(long)]
    release: bool,
    #[command(flatten)]
    guests: guests::Options,
    /// Run only tests whose name contains this, and no lints
    filter: Option<String>,
}

/// Runs it all.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    // The whole workspace is built below, and with it what fuzzing needs.
    fuzz::set_up(workspace)?;
    let nextest = nextest(workspace)?;
    let python = python(workspace)?;
    let promtool = tool(workspace, "prometheus", "promtool")?;
    let registry = tool(workspace, "docker-registry", "docker-registry")?;
    if options.filter.is_none() {
        lints(workspace)?;
        let mut ruff = Command::new(&python);
        ruff.current_dir(&workspace.root).args(["-m", "ruff", "check", "--quiet", "--no-cache", "tests", "runtimes"]);
        steps::show("lints", &mut ruff)?;
        deny(workspace, options.full)?;
    }
    guests::build(workspace, &options.guests)?;
    native(workspace, options, nextest)?;
    if options.filter.is_none() {
        instructions::check(workspace)?;
        fuzz::run(workspace, &fuzz::Options::all(if options.full { FUZZ_S.0 } else { FUZZ_S.1 }))?;
    }
    let daemon = daemon(workspace, options.release)?;
    black_box(workspace, options, &Programs { python: python.clone(), promtool, registry, daemon })?;
    if options.filter.is_none() {
        parity::check(workspace, &python)?;
    }
    if options.full && options.filter.is_none() {
        runtimes::check(workspace)?;
    }
    Ok(())
}

/// All black-box tests and nothing else, for their record of what operations answered. Guests have been built.
pub fn black_box_alone(workspace: &Workspace) -> Result<()> {
    let options = Options { full: false, release: false, guests: guests::Options::default(), filter: None };
    let python = python(workspace)?;
    let promtool = tool(workspace, "prometheus", "promtool")?;
    let registry = tool(workspace, "docker-registry", "docker-registry")?;
    let daemon = daemon(workspace, options.release)?;
    black_box(workspace, &options, &Programs { python, promtool, registry, daemon })
}

/// The interpreter of the black-box tests, with what they need installed.
pub fn python(workspace: &Workspace) -> Result<PathBuf> {
    python::environment(workspace, "venv", &workspace.root.join("tests/requirements.txt"))
}

struct Programs {
    python: PathBuf,
    promtool: PathBuf,
    registry: PathBuf,
    daemon: PathBuf,
}

/// The workspaces' directories: the root, and those of `outside` that exist.
fn with_root<'a>(workspace: &Workspace, outside: &[&'a str]) -> Vec<&'a str> {
    let there = |directory: &&str| workspace.root.join(directory).join("Cargo.toml").is_file();
    std::iter::once("").chain(outside.iter().copied()).filter(there).collect()
}

/// All workspaces, those built for wasm only among them.
fn everywhere(workspace: &Workspace) -> Vec<&'static str> {
    with_root(workspace, &["guest-sdk", "functions", "tests/guests"])
}

fn lints(workspace: &Workspace) -> Result<()> {
    for directory in everywhere(workspace).into_iter().chain(RUNTIMES) {
        steps::show("format", workspace.cargo_in(directory).args(["fmt", "--all", "--check"]))?;
    }
    for directory in with_root(workspace, &NATIVE) {
        let mut clippy = workspace.cargo_in(directory);
        steps::show("lints", clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Licences, sources and duplicates where cargo-deny is at hand; advisories in the full run, whose database it downloads.
fn deny(workspace: &Workspace, full: bool) -> Result<()> {
    if which("cargo-deny").is_none() {
        if !full {
            steps::note("cargo-deny is not installed: licences are checked in the full run");
            return Ok(());
        }
        let mut install = workspace.cargo();
        install.args(["install", "cargo-deny", "--locked"]);
        steps::quietly(&workspace.own().join("logs"), "cargo install cargo-deny", &mut install)?;
    }
    let check = |directory: &str, what: &[&str]| {
        let mut deny = workspace.cargo();
        let manifest = workspace.root.join(directory).join("Cargo.toml");
        deny.args(["deny", "--config", "deny.toml", "--manifest-path"]).arg(manifest).arg("check").args(what);
        deny
    };
    for directory in everywhere(workspace) {
        steps::show("licences", &mut check(directory, &["licenses", "bans", "sources"]))?;
    }
    if full && steps::show("advisories", &mut check("", &["advisories"])).is_err() {
        let known = Command::new("sh")
            .args(["-c", "ls -d \"${CARGO_HOME:-$HOME/.cargo}\"/advisory-dbs/*/"])
            .output()
            .is_ok_and(|output| output.status.success());
        if known {
            bail!("advisories: see above");
        }
        steps::note("advisories were not checked: their database cannot be downloaded here");
    }
    Ok(())
}

/// Whether nextest is there, after trying to install it.
fn nextest(workspace: &Workspace) -> Result<bool> {
    if which("cargo-nextest").is_some() {
        return Ok(true);
    }
    let mut install = workspace.cargo();
    install.args(["install", "cargo-nextest", "--locked"]);
    let installed = steps::quietly(&workspace.own().join("logs"), "cargo install cargo-nextest", &mut install);
    if let Err(why) = &installed {
        steps::note(&format!("cargo-nextest is not to be had, taking cargo test: {why:#}"));
    }
    Ok(installed.is_ok())
}

fn native(workspace: &Workspace, options: &Options, nextest: bool) -> Result<()> {
    for directory in with_root(workspace, &NATIVE) {
        let mut command = workspace.cargo_in(directory);
        if nextest {
            command.args(["nextest", "run", "--workspace", "--no-tests", "pass"]);
            command.arg("--config-file").arg(workspace.root.join(".config/nextest.toml"));
            if options.full {
                command.args(["--run-ignored", "all"]);
            }
        } else {
            command.args(["test", "--workspace"]);
        }
        command.args(&options.filter);
        if options.full && !nextest {
            command.args(["--", "--include-ignored"]);
        }
        steps::show("native tests", &mut command)?;
        // nextest runs no documentation's examples; `functions` has none: its packages are cdylibs.
        if nextest && options.filter.is_none() && directory != "functions" {
            steps::show("examples", workspace.cargo_in(directory).args(["test", "--workspace", "--doc"]))?;
        }
    }
    Ok(())
}

/// Builds the daemon that the black-box tests run.
pub fn daemon(workspace: &Workspace, release: bool) -> Result<PathBuf> {
    let mut build = workspace.cargo();
    if release {
        build.args(["build", "-p", "lamina", "--bin", "lamina", "--release"]);
    } else {
        // As the native tests were built, one of them included, since features are those of all that is built: nothing is compiled twice.
        build.args(["build", "--workspace", "--bin", "lamina", "--test", "it"]);
    }
    steps::show("daemon", &mut build)?;
    Ok(workspace.target.join(if release { "release" } else { "debug" }).join("lamina"))
}

/// A program from `PATH`, or unpacked from the Debian package that has it.
fn tool(workspace: &Workspace, package: &str, program: &str) -> Result<PathBuf> {
    if let Some(found) = which(program) {
        return Ok(found);
    }
    let own = workspace.own().join("tools").join(program);
    if !own.is_file() {
        apt::extract(workspace, package, program, &own)?;
    }
    Ok(own)
}

fn black_box(workspace: &Workspace, options: &Options, programs: &Programs) -> Result<()> {
    // Functions get packages of npm's.
    if which("npm").is_none() {
        apt::install(workspace, "the black-box tests", &["nodejs", "npm"])?;
    }
    let record = parity::record(workspace);
    if options.filter.is_none() && record.exists() {
        // What an earlier run saw may hold no longer.
        fs::remove_file(&record).with_context(|| format!("cannot remove {}", record.display()))?;
    }
    let mut pytest = Command::new(&programs.python);
    pytest
        .current_dir(&workspace.root)
        .args(["-m", "pytest", "tests", "-c", "tests/pytest.ini", "-o"])
        .arg(format!("cache_dir={}", workspace.own().join("pytest-cache").display()))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LAMINA_BIN", &programs.daemon)
        .env("LAMINA_GUESTS", workspace.guests())
        .env("LAMINA_PARITY", &record)
        .env("LAMINA_PROMTOOL", &programs.promtool)
        .env("LAMINA_REGISTRY", &programs.registry);
    if options.full {
        // What it compares by time would be disturbed by other tests.
        pytest.arg("--full");
    } else {
        // A file's tests stay in one process. Tests mostly wait, so as many run as there are cores, within reason.
        let processes = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, MAX_PROCESSES);
        pytest.args(["--numprocesses", &processes.to_string(), "--dist", "loadfile"]);
    }
    if let Some(filter) = &options.filter {
        pytest.args(["-k", filter]);
    }
    let (status, _) = steps::status("black-box tests", &mut pytest)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(PYTEST_NONE) if options.filter.is_some() => Ok(()),
        _ => bail!("black-box tests: {status}"),
    }
}
