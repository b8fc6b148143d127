//! Compilers for guests.
//!
//! Rust guests: rustup's standard library for the wasm targets where rustup can get it, else Debian's `rustc-web` with
//! the standard library built from source. C guests: Debian's clang and wasi-libc, else (without root) the `ziglang`
//! package, which carries both.

use crate::steps;
use crate::workspace::{Workspace, which};
use crate::{apt, python};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Targets that guests of this repository are built for.
pub const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// Debian's packages for Rust guests.
const DEBIAN_RUST: [&str; 7] =
    ["rustc-web", "cargo-web", "libstd-rust-web-dev", "rust-web-src", "rust-web-llvm", "lld-22", "wasi-libc"];

/// Debian's packages for C guests.
const DEBIAN_C: [&str; 4] = ["clang", "lld", "wasi-libc", "libclang-rt-dev-wasm32"];

/// Where Debian's wasi-libc keeps its libraries.
const WASI_LIBRARIES: &str = "/usr/lib/wasm32-wasi";

/// Whose Rust compiler builds the guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rust {
    /// The toolchain that builds the host, with wasm targets added.
    Rustup,
    /// Debian's packages.
    Debian,
}

impl Rust {
    /// Sets up the one asked for, or the first that can be had, and says which.
    pub fn set_up(workspace: &Workspace, forced: Option<Self>) -> Result<Self> {
        let chosen = match forced {
            Some(Self::Rustup) => Self::rustup(workspace).map(|()| Self::Rustup)?,
            Some(Self::Debian) => Self::debian(workspace).map(|()| Self::Debian)?,
            None => match Self::rustup(workspace) {
                Ok(()) => Self::Rustup,
                Err(why) => {
                    steps::note(&format!(
                        "rustup's wasm targets are not to be had ({why:#}); taking Debian's packages"
                    ));
                    Self::debian(workspace)?;
                    Self::Debian
                }
            },
        };
        steps::note(match chosen {
            Self::Rustup => "guest toolchain: the host's own, with rustup's wasm targets",
            Self::Debian => "guest toolchain: Debian's rustc-web, standard library built from source",
        });
        Ok(chosen)
    }

    fn rustup(workspace: &Workspace) -> Result<()> {
        if TARGETS.iter().all(|target| has_target(target)) {
            return Ok(());
        }
        let rustup = which("rustup").context("rustup is not on PATH")?;
        let mut add = Command::new(rustup);
        add.args(["target", "add"]).args(TARGETS);
        steps::quietly(&workspace.own().join("logs"), "rustup target add", &mut add)
    }

    fn debian(workspace: &Workspace) -> Result<()> {
        apt::install(workspace, "building guests without rustup", &DEBIAN_RUST)
    }

    /// A cargo that builds for `target`; the caller adds the command and the package.
    /// `command` tells whether a program with `_start` is built, rather than a library that is called.
    pub fn cargo(self, workspace: &Workspace, directory: &Path, target: &str, command: bool) -> Cargo {
        let build = workspace.guests().join(match self {
            Self::Rustup => "build",
            Self::Debian => "build-debian",
        });
        let mut cargo = workspace.cargo();
        let mut link: Vec<OsString> = Vec::new();
        if self == Self::Debian {
            let inherited = cargo;
            cargo = Command::new("/usr/bin/cargo");
            for (name, value) in inherited.get_envs() {
                match value {
                    Some(value) => cargo.env(name, value),
                    None => cargo.env_remove(name),
                };
            }
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path = std::iter::once(PathBuf::from("/usr/bin")).chain(std::env::split_paths(&path));
            if let Ok(path) = std::env::join_paths(path) {
                cargo.env("PATH", path);
            }
            let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
            cargo
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env(linker, "wasm-ld-22")
                .env_remove("CARGO")
                .env_remove("RUSTUP_TOOLCHAIN");
            if target == "wasm32-wasip1" {
                cargo.env("RUSTFLAGS", format!("-L native={WASI_LIBRARIES} -C link-self-contained=no"));
                let start = if command { "crt1-command.o" } else { "crt1-reactor.o" };
                link.push(format!("-Clink-arg={WASI_LIBRARIES}/{start}").into());
            }
        }
        cargo.current_dir(directory).env("CARGO_TARGET_DIR", &build);
        let artifacts = build.join(target).join("release");
        let build_std = self == Self::Debian;
        Cargo { command: cargo, target: target.to_owned(), link, build_std, artifacts }
    }
}

/// A cargo set up for a guest toolchain.
pub struct Cargo {
    command: Command,
    target: String,
    link: Vec<OsString>,
    build_std: bool,
    /// Where a release build's wasm files appear.
    pub artifacts: PathBuf,
}

impl Cargo {
    /// The command that builds a package optimised: its library, or its program.
    pub fn build(mut self, package: &str, library: bool) -> Command {
        self.command.args([
            if self.link.is_empty() { "build" } else { "rustc" },
            "--release",
            "--target",
            &self.target,
        ]);
        if self.build_std {
            self.command.args(["-Z", "build-std=std,panic_abort"]);
        }
        self.command.args(["-p", package, if library { "--lib" } else { "--bins" }]);
        if !self.link.is_empty() {
            self.command.arg("--").args(&self.link);
        }
        self.command
    }
}

/// Whether the toolchain that builds the host has a target's standard library.
fn has_target(target: &str) -> bool {
    Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .is_some_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// A C compiler for `wasm32-wasi`, as program and first arguments.
pub fn c_compiler(workspace: &Workspace) -> Result<(PathBuf, Vec<&'static str>)> {
    let found = || DEBIAN_C.iter().all(|package| apt::installed(package)) && which("clang").is_some();
    if !found()
        && apt::usable()
        && let Err(why) = apt::install(workspace, "building C guests", &DEBIAN_C)
    {
        steps::note(&format!("Debian's clang for wasm is not to be had: {why:#}"));
    }
    if found() {
        let clang = which("clang").context("clang is not on PATH")?;
        return Ok((clang, vec!["--target=wasm32-wasi", "-mexec-model=command"]));
    }
    steps::note("C guests: clang and wasi-libc from the ziglang package, since Debian's are not installed");
    let requirements = workspace.root.join("xtask/requirements-zig.txt");
    match python::environment(workspace, "zig", &requirements) {
        Ok(python) => Ok((python, vec!["-m", "ziglang", "cc", "--target=wasm32-wasi"])),
        Err(why) => bail!(
            "no C compiler for guests: either as root `apt-get install {}`, or Python with pip ({why:#})",
            DEBIAN_C.join(" ")
        ),
    }
}
