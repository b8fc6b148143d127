//! The programs that a comparison needs: `wrk` of Debian, `oha` and `wasmtime` of crates.io, `workerd` of npm.
//!
//! Versions are pinned here and in `benches/workerd/package-lock.json`. What cargo and npm install goes to `<target>/xtask/tools`. A program that
//! is not to be had is left out, and the comparison says so; without `wrk` there is none.

use crate::workspace::{Workspace, which};
use crate::{apt, steps};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of wasmtime compared with: the one that Lamina embeds.
const WASMTIME: &str = "48.0.8";
/// The version of oha.
const OHA: &str = "1.16.0";

/// Where they are.
pub struct Tools {
    /// The load generator at saturation.
    pub wrk: PathBuf,
    /// The load generator at a fixed rate.
    pub oha: Option<PathBuf>,
    /// Runs `wasmtime serve`.
    pub wasmtime: Option<PathBuf>,
    /// Runs `workerd serve`.
    pub workerd: Option<PathBuf>,
}

impl Tools {
    /// Finds or installs them, but for the peers in `without`.
    pub fn set_up(workspace: &Workspace, without: &[super::Peer]) -> Result<Self> {
        if which("taskset").is_none() {
            bail!("taskset is not on PATH: it is in util-linux");
        }
        if which("wrk").is_none() {
            apt::install(workspace, "the load generator", &["wrk"])?;
        }
        let wrk = which("wrk").context("wrk is not on PATH")?;
        let wanted = |peer| !without.contains(&peer);
        let oha = wanted(super::Peer::Oha).then(|| optional(crate_program(workspace, "oha", "oha", OHA))).flatten();
        let wasmtime = wanted(super::Peer::Wasmtime)
            .then(|| optional(crate_program(workspace, "wasmtime-cli", "wasmtime", WASMTIME)))
            .flatten();
        let workerd = wanted(super::Peer::Workerd).then(|| optional(workerd(workspace))).flatten();
        Ok(Self { wrk, oha, wasmtime, workerd })
    }

    /// What each says of its version.
    pub fn versions(&self) -> Vec<(String, String)> {
        let mut versions = vec![("wrk".to_owned(), first_line(&self.wrk, "-v"))];
        for (name, program) in [("oha", &self.oha), ("wasmtime", &self.wasmtime), ("workerd", &self.workerd)] {
            if let Some(program) = program {
                versions.push((name.to_owned(), first_line(program, "--version")));
            }
        }
        versions
    }
}

fn optional(found: Result<PathBuf>) -> Option<PathBuf> {
    match found {
        Ok(program) => Some(program),
        Err(why) => {
            steps::note(&format!("left out: {why:#}"));
            None
        }
    }
}

fn first_line(program: &Path, flag: &str) -> String {
    // wrk prints its version and fails.
    let output = Command::new(program).arg(flag).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = text.lines().next().unwrap_or("unknown");
    line.split(" Copyright").next().unwrap_or(line).trim().to_owned()
}

/// A program of crates.io in one version, from an earlier run or built now.
fn crate_program(workspace: &Workspace, package: &str, program: &str, version: &str) -> Result<PathBuf> {
    let root = workspace.own().join("tools");
    let path = root.join("bin").join(program);
    if path.is_file() && first_line(&path, "--version").split(' ').nth(1) == Some(version) {
        return Ok(path);
    }
    let mut install = workspace.cargo();
    // A directory of its own: these builds share nothing with ours.
    install.env("CARGO_TARGET_DIR", root.join("build")).args(["install", package, "--version", version]);
    install.args(["--locked", "--force", "--root"]).arg(&root);
    steps::quietly(&workspace.own().join("logs"), &format!("cargo install {package} {version}"), &mut install)?;
    Ok(path)
}

/// workerd, as `benches/workerd/package-lock.json` has it. npm's wrapper is passed by: the process started is the server itself.
fn workerd(workspace: &Workspace) -> Result<PathBuf> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => "workerd-linux-64",
        "aarch64" => "workerd-linux-arm64",
        other => bail!("there is no workerd for {other}"),
    };
    let from = workspace.root.join("benches/workerd");
    let to = workspace.own().join("tools/workerd");
    let program = to.join("node_modules/@cloudflare").join(machine).join("bin/workerd");
    let lock = fs::read(from.join("package-lock.json"))?;
    if program.is_file() && fs::read(to.join("package-lock.json")).is_ok_and(|have| have == lock) {
        return Ok(program);
    }
    if which("npm").is_none() {
        apt::install(workspace, "workerd", &["npm"])?;
    }
    fs::create_dir_all(&to)?;
    fs::copy(from.join("package.json"), to.join("package.json"))?;
    let mut install = Command::new(which("npm").context("npm is not on PATH")?);
    fs::write(to.join("package-lock.json"), &lock)?;
    install.current_dir(&to).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let installed = steps::quietly(&workspace.own().join("logs"), "npm ci workerd", &mut install);
    if installed.is_err() || !program.is_file() {
        // Or the next run would take what is there for a whole installation.
        let _ = fs::remove_file(to.join("package-lock.json"));
        installed?;
        bail!("npm left no {}", program.display());
    }
    Ok(program)
}
