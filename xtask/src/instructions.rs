//! `cargo xtask instructions`: how many instructions an invocation takes, held against a committed budget.
//!
//! Times on a shared machine are noise; instructions are repeatable. `benches/src/bin/instructions.rs` runs under callgrind twice, with N and with
//! 2 N invocations: the difference is N invocations and nothing else. Only the thread that invokes is counted, since the threads behind it
//! work in batches. The budget, `benches/instructions.json`, has numbers for each kind of processor and each [`Profile`]; more than
//! [`TOLERANCE_PERCENT`] above one is an error. `--write` makes what was counted the budget.
//!
//! Every `cargo xtask test` counts as its tests were built, which costs no build of its own and sees a call or an allocation more just as well.
//! `--release` counts what is shipped.

use crate::workspace::{Workspace, which};
use crate::{apt, guests, steps};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What is invoked, and how often in the shorter of two runs.
const PATHS: [(&str, u64); 2] = [("warm", 400), ("fresh", 200)];

/// How far above the budget is still noise: maps are seeded at random, and ticks fall where they may.
const TOLERANCE_PERCENT: f64 = 5.0;

/// What `cargo xtask instructions` takes.
#[derive(clap::Args)]
#[group(skip)]
pub struct Options {
    /// Make what was counted the budget
    #[arg(long)]
    write: bool,
    /// Count an optimised build
    #[arg(long)]
    release: bool,
}

/// How what is counted was built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Profile {
    Debug,
    Release,
}

impl Profile {
    /// Its directory under the target's, and its name in the budget.
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds the guests, counts, and compares or writes.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    guests::build(workspace, &guests::Options::default())?;
    let profile = if options.release { Profile::Release } else { Profile::Debug };
    let Some(counted) = count(workspace, profile)? else { bail!("instructions cannot be counted here") };
    if !options.write {
        return compare(workspace, profile, &counted);
    }
    let mut budget = budget(workspace)?;
    for (path, instructions) in counted {
        budget[std::env::consts::ARCH][profile.name()][path] = instructions.into();
    }
    fs::write(workspace.root.join(BUDGET), format!("{budget:#}\n")).context("cannot write the budget")
}

/// Counts and compares; guests and tests have been built. Where there is no valgrind, nothing is checked, and that is said.
pub fn check(workspace: &Workspace) -> Result<()> {
    match count(workspace, Profile::Debug)? {
        Some(counted) => compare(workspace, Profile::Debug, &counted),
        None => Ok(()),
    }
}

const BUDGET: &str = "benches/instructions.json";

fn budget(workspace: &Workspace) -> Result<Value> {
    let text = fs::read_to_string(workspace.root.join(BUDGET)).with_context(|| format!("cannot read {BUDGET}"))?;
    serde_json::from_str(&text).with_context(|| format!("{BUDGET} is not JSON"))
}

/// Instructions an invocation by path; nothing where they cannot be counted.
fn count(workspace: &Workspace, profile: Profile) -> Result<Option<Vec<(&'static str, u64)>>> {
    if which("valgrind").is_none()
        && let Err(why) = apt::install(workspace, "counting instructions", &["valgrind"])
    {
        steps::note(&format!("instructions are not counted: {why:#}"));
        return Ok(None);
    }
    let mut build = workspace.cargo();
    build.args(["build", "--workspace", "--bin", "instructions"]);
    match profile {
        // As the native tests were built, one of them included, since features are those of all that is built: nothing is compiled twice.
        Profile::Debug => build.args(["--test", "it"]),
        Profile::Release => build.arg("--release"),
    };
    steps::show("instructions", &mut build)?;
    steps::heading("instructions an invocation");
    let program = workspace.target.join(profile.name()).join("instructions");
    let scratch = workspace.own().join("instructions");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    }
    let data = scratch.join("data");
    fs::create_dir_all(&data)?;
    let valgrind = |tool: &[&str], arguments: &[&str]| {
        let mut command = Command::new("valgrind");
        // Code is compiled under it too: valgrind's processor has fewer features than ours.
        command.args(["--quiet", "--error-limit=no"]).args(tool).arg(&program).args(arguments).arg(&data);
        command.env("LAMINA_GUESTS", workspace.guests());
        command
    };
    let logs = workspace.own().join("logs");
    steps::quietly(&logs, "valgrind: prepare", &mut valgrind(&["--tool=none"], &["prepare"]))?;
    let mut counted = Vec::new();
    for (path, shorter) in PATHS {
        let total = |invocations: u64| -> Result<u64> {
            let out = scratch.join(format!("{path}-{invocations}"));
            let file = format!("--callgrind-out-file={}", out.display());
            let tool = ["--tool=callgrind", "--separate-threads=yes", file.as_str()];
            let title = format!("callgrind: {path} × {invocations}");
            steps::quietly(&logs, &title, &mut valgrind(&tool, &[path, &invocations.to_string()]))?;
            main_thread(&out)
        };
        let (fewer, more) = (total(shorter)?, total(2 * shorter)?);
        counted.push((path, more.saturating_sub(fewer) / shorter));
    }
    Ok(Some(counted))
}

/// The total of the first thread: callgrind writes a file a thread, with its number at the end.
fn main_thread(out: &Path) -> Result<u64> {
    let file = format!("{}-01", out.display());
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    totals(&text).with_context(|| format!("{file} has no totals"))
}

fn totals(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))?;
    line.split_whitespace().next()?.parse().ok()
}

fn compare(workspace: &Workspace, profile: Profile, counted: &[(&str, u64)]) -> Result<()> {
    let budget = budget(workspace)?;
    let mut above = Vec::new();
    for (path, instructions) in counted {
        let Some(allowed) = budget[std::env::consts::ARCH][profile.name()][path].as_u64() else {
            steps::note(&format!("{path}: {instructions} instructions, no budget for {}", std::env::consts::ARCH));
            continue;
        };
        let percent = percent_above(*instructions, allowed);
        steps::note(&format!("{path}: {instructions} instructions, {percent:+.1} % against the budget of {allowed}"));
        if percent > TOLERANCE_PERCENT {
            above.push(*path);
        } else if percent < -TOLERANCE_PERCENT {
            steps::note("less than the budget: `cargo xtask instructions --write` keeps it that way");
        }
    }
    if !above.is_empty() {
        bail!("{} takes more instructions than {BUDGET} allows", above.join(" and "));
    }
    Ok(())
}

fn percent_above(instructions: u64, allowed: u64) -> f64 {
    (instructions as f64 / allowed.max(1) as f64 - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_total_is_read() {
        assert_eq!(totals("version: 1\nevents: Ir\nfn=(1)\n1 5\n\ntotals: 123456\n"), Some(123_456));
        assert_eq!(totals("version: 1\n"), None);
    }

    #[test]
    fn the_budget_is_a_bound_above() {
        assert!((percent_above(110, 100) - 10.0).abs() < 1e-9);
        assert!(percent_above(90, 100) < 0.0);
    }
}
