//! Where things are: the repository, its target directory, and cargo itself.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository this program was built from.
pub struct Workspace {
    /// Its root.
    pub root: PathBuf,
    /// Cargo's target directory: `CARGO_TARGET_DIR` and cargo's configuration respected.
    pub target: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = match env::var_os("CARGO_MANIFEST_DIR") {
            // The directory cargo ran us for: right even where the binary was built in another clone.
            Some(now) => PathBuf::from(now),
            None => manifest.to_owned(),
        };
        let root = manifest.parent().context("xtask lies in the repository's root")?.to_owned();
        let metadata = metadata(&root.join("Cargo.toml"))?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
        Ok(Self { target: PathBuf::from(target), root })
    }

    /// `cargo`, run in the repository's root.
    pub fn cargo(&self) -> Command {
        self.cargo_in("")
    }

    /// `cargo`, run in a directory of the repository, with builds in the common target directory.
    pub fn cargo_in(&self, directory: &str) -> Command {
        let mut command = Command::new(cargo());
        command.current_dir(self.root.join(directory)).env("CARGO_TARGET_DIR", &self.target);
        // Set by `cargo run` for this program; a build script that watches them would run again for nothing.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_")) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Where guests' wasm is put: `<target>/guests`.
    pub fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// What this program keeps for itself: logs of installs, the Python environment, tools.
    pub fn own(&self) -> PathBuf {
        self.target.join("xtask")
    }
}

/// The cargo that runs us, or the one on `PATH`.
fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// `cargo metadata --no-deps` of one manifest.
pub fn metadata(manifest: &Path) -> Result<serde_json::Value> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo metadata of {}: {}", manifest.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata answered something that is not JSON")
}

/// The path of a program on `PATH`.
pub fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(program)).find(|path| path.is_file())
}
