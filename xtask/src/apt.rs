//! Debian packages: what is missing, installed where we may.

use crate::steps;
use crate::workspace::{Workspace, which};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;

/// Whether packages can be installed here: apt, and root.
pub fn usable() -> bool {
    which("apt-get").is_some() && rustix::process::geteuid().is_root()
}

/// Whether a package is installed.
pub fn installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f=${Status}", package]).stderr(Stdio::null()).output();
    query.is_ok_and(|output| output.stdout.ends_with(b"ok installed"))
}

/// Installs those of `packages` that are missing; `purpose` tells what for.
pub fn install(workspace: &Workspace, purpose: &str, packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if which("apt-get").is_none() {
        bail!(
            "{purpose} needs the Debian packages {list}, and this machine has no apt-get: install their like by hand"
        );
    }
    if !usable() {
        bail!("{purpose} needs root once: apt-get install -y --no-install-recommends {list}");
    }
    update(workspace);
    let mut command = Command::new("apt-get");
    command.args(["install", "-y", "--no-install-recommends"]).args(&missing).env("DEBIAN_FRONTEND", "noninteractive");
    steps::quietly(&workspace.own().join("logs"), &format!("apt-get install {list}"), &mut command)
}

/// Puts one program out of a package at `path` without installing the package, and so without starting its service.
pub fn extract(workspace: &Workspace, package: &str, program: &str, path: &Path) -> Result<()> {
    if which("apt-get").is_none() || which("dpkg-deb").is_none() {
        bail!("{program} is not on PATH, and this machine has no apt-get to fetch Debian's {package} with");
    }
    update(workspace);
    let scratch = workspace.own().join("packages").join(package);
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    std::fs::create_dir_all(&scratch)?;
    let logs = workspace.own().join("logs");
    let mut download = Command::new("apt-get");
    // As root apt would switch to a user of its own, who cannot write here.
    download.args(["-o", "APT::Sandbox::User=root", "download", package]).current_dir(&scratch);
    steps::quietly(&logs, &format!("apt-get download {package}"), &mut download)?;
    let archive = std::fs::read_dir(&scratch)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let Some(archive) = archive else { bail!("apt-get download {package} left no archive") };
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("-x").arg(archive).arg(scratch.join("root"));
    steps::quietly(&logs, &format!("unpack {package}"), &mut unpack)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::copy(scratch.join("root/usr/bin").join(program), path)?;
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// `apt-get update`, once, as root; an old list may still do, so failing is not fatal.
fn update(workspace: &Workspace) {
    static UPDATE: Once = Once::new();
    UPDATE.call_once(|| {
        if !usable() {
            return;
        }
        let logs = workspace.own().join("logs");
        if let Err(error) = steps::quietly(&logs, "apt-get update", Command::new("apt-get").arg("update")) {
            steps::note(&format!("apt-get update failed, going on with the list at hand: {error}"));
        }
    });
}
