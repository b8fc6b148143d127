//! `cargo xtask parity`: the tables of operations in `docs/aws-parity.md`, made from what the black-box tests saw.
//!
//! The tests leave a record behind in the target directory ([`record`]): a run of all of them a new one, a run of some adds to it. Where there
//! is none, all black-box tests are run first. The tables are made by `tests/harness/parity.py`.

use crate::workspace::Workspace;
use crate::{guests, steps, test};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `cargo xtask parity` takes.
#[derive(clap::Args)]
#[group(skip)]
pub struct Options {
    /// Compare the page with the record, and fail where it is stale
    #[arg(long, conflicts_with = "missing")]
    check: bool,
    /// List the documented errors that no test saw
    #[arg(long)]
    missing: bool,
    #[command(flatten)]
    guests: guests::Options,
}

/// Writes the tables, compares them or lists what no test saw.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let python = test::python(workspace)?;
    if record(workspace).is_file() {
        steps::note("from the record of earlier tests; `cargo xtask test` makes it anew");
    } else {
        guests::build(workspace, &options.guests)?;
        test::black_box_alone(workspace)?;
    }
    let argument = match (options.check, options.missing) {
        (true, _) => Some("--check"),
        (_, true) => Some("--missing"),
        _ => None,
    };
    tables(workspace, &python, argument)
}

/// Fails where the tables are not what the tests saw.
pub fn check(workspace: &Workspace, python: &Path) -> Result<()> {
    tables(workspace, python, Some("--check"))
}

/// Where the black-box tests say what each operation answered.
pub fn record(workspace: &Workspace) -> PathBuf {
    workspace.own().join("parity.json")
}

fn tables(workspace: &Workspace, python: &Path, argument: Option<&str>) -> Result<()> {
    let mut command = Command::new(python);
    command
        .current_dir(workspace.root.join("tests"))
        .args(["-m", "harness.parity"])
        .arg(record(workspace))
        .args(argument)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    steps::show("parity", &mut command)
}
