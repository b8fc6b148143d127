//! The Python environment of the black-box tests: one virtual environment under the target directory,
//! made again when the interpreter or the requirements change.

use crate::workspace::{Workspace, which};
use crate::{apt, steps};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The virtual environment's interpreter, with `requirements` (a file of exact pins and hashes) installed.
pub fn environment(workspace: &Workspace, name: &str, requirements: &Path) -> Result<PathBuf> {
    let directory = workspace.own().join(name);
    let python = directory.join("bin/python");
    let stamp = directory.join("requirements.stamp");
    let base = interpreter(workspace)?;
    let version = Command::new(&base).arg("--version").output().context("cannot run python3")?;
    let wanted = format!(
        "{}{}\n{}",
        String::from_utf8_lossy(&version.stdout),
        workspace.root.display(),
        fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?
    );
    if python.is_file() && fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    let logs = workspace.own().join("logs");
    let mut create = Command::new(&base);
    create.args(["-m", "venv", "--clear"]).arg(&directory);
    steps::quietly(&logs, &format!("python {name}"), &mut create)?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r"])
        .arg(requirements);
    steps::quietly(&logs, &format!("pip install {name}"), &mut install)?;
    fs::write(&stamp, wanted)?;
    Ok(python)
}

/// A `python3` (3.11 or later) that can make virtual environments.
fn interpreter(workspace: &Workspace) -> Result<PathBuf> {
    if which("python3").is_none() {
        apt::install(workspace, "the black-box tests", &["python3", "python3-venv"])?;
    }
    let python = which("python3").context("no python3 on PATH")?;
    let works = |code: &str| {
        Command::new(&python)
            .args(["-c", code])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !works("import sys; sys.exit(sys.version_info < (3, 11))") {
        bail!("the black-box tests need Python 3.11 or later; {} is older", python.display());
    }
    if !works("import venv, ensurepip") {
        apt::install(workspace, "the black-box tests", &["python3-venv"])?;
    }
    Ok(python)
}
