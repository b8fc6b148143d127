//! `cargo xtask fuzz`: the targets of `fuzz/`, each for a bounded time, from the committed corpus on.
//!
//! Only Lamina's own crates are built with coverage counters (`fuzz/instrument`), so this shares what is compiled with every other build
//! and runs on the stable toolchain. What a target finds on its way is kept under the target directory and taken up by the next run.

use crate::workspace::{Workspace, which};
use crate::{apt, steps};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;

/// What `cargo xtask fuzz` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Targets; all of `fuzz/corpus` where none is named
    targets: Vec<String>,
    /// How long each runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

impl Options {
    /// All targets, each for so long.
    pub fn all(seconds: u32) -> Self {
        Self { targets: Vec::new(), seconds }
    }
}

/// libFuzzer is C++ and is built from source.
pub fn set_up(workspace: &Workspace) -> Result<()> {
    if which("c++").is_some() { Ok(()) } else { apt::install(workspace, "fuzzing", &["g++"]) }
}

/// Runs them; the first finding is an error that names the input.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    set_up(workspace)?;
    let corpora = workspace.root.join("fuzz/corpus");
    let mut targets = options.targets.clone();
    if targets.is_empty() {
        for entry in fs::read_dir(&corpora).with_context(|| format!("cannot read {}", corpora.display()))? {
            targets.push(entry?.file_name().to_string_lossy().into_owned());
        }
        targets.sort();
    }
    let mut build = workspace.cargo();
    build.env("RUSTC_WORKSPACE_WRAPPER", workspace.root.join("fuzz/instrument"));
    // As the native tests are built, one of them included, since features are those of all that is built: nothing is compiled twice. That
    // one has nothing of Lamina in it, which links with libFuzzer only.
    build.args(["build", "--workspace", "--test", "fuzz_targets"]);
    for target in &targets {
        build.args(["--bin", target]);
    }
    steps::show("fuzz targets", &mut build)?;
    for target in &targets {
        let found = workspace.target.join("fuzz").join(target);
        fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
        let mut fuzz = Command::new(workspace.target.join("debug").join(target));
        fuzz.arg(&found)
            .arg(corpora.join(target))
            .arg(format!("-artifact_prefix={}/", workspace.target.join("fuzz").display()))
            .arg(format!("-max_total_time={}", options.seconds))
            .args(["-timeout=20", "-rss_limit_mb=4096", "-verbosity=0"])
            .current_dir(workspace.target.join("fuzz"));
        if let Err(why) = steps::show(&format!("fuzz {target}"), &mut fuzz) {
            bail!("fuzz {target} found an input that fails, named above: {why:#}");
        }
    }
    Ok(())
}
