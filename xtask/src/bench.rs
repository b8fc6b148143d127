//! `cargo xtask bench`: the criterion benches, then what idling costs and how late schedules are, then Lamina beside others over HTTP
//! ([`crate::compare`]); `--record` keeps the raw results in the repository.
//!
//! A run's directory is `benches/runs/<date>-<machine>`: `criterion.jsonl` (one line a bench: estimates and every sample),
//! a text a program, `http.json` and its chart, `machine.json`. `docs/performance.md` and `README.md` take their figures from there:
//! what is between their markers is written by `--record`, and by `--publish` from a run that was kept before.

use crate::workspace::Workspace;
use crate::{compare, guests, steps};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "lamina-benches";

/// What is measured outside criterion, and as what it is announced.
pub const PROGRAMS: [(&str, &str); 5] = [
    ("percentiles", "warm invocations one by one"),
    ("cores", "warm invocations on one processor and on two"),
    ("idle", "idle environments and functions"),
    ("lateness", "schedules due in the same second"),
    ("runtimes", "functions that a language runtime interprets"),
];

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Lamina beside bare wasmtime and bare SQLite, in process
    Criterion,
    /// Latencies, a second processor, memory while idle, lateness of schedules, interpreted functions
    Programs,
    /// Lamina beside others, over HTTP
    Http,
}

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Keep the raw results in benches/runs/<date>-<machine> and, where HTTP was measured, write the documents' tables from them
    #[arg(long)]
    record: bool,
    /// What to call this machine in the run's name; its processor and number of threads where not given
    #[arg(long, requires = "record")]
    machine: Option<String>,
    /// Parts to run; all where not given
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Measure nothing; write the documents' tables from a run that was kept
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["record", "only", "criterion"])]
    publish: Option<PathBuf>,
    #[command(flatten)]
    compare: compare::Options,
    /// For criterion, such as part of a bench's name; the other parts are then left out
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    criterion: Vec<String>,
}

impl Options {
    fn has(&self, part: Part) -> bool {
        match self.only.as_slice() {
            [] => self.criterion.is_empty() || part == Part::Criterion,
            only => only.contains(&part),
        }
    }
}

/// Runs them.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if let Some(directory) = &options.publish {
        return compare::publish::publish(workspace, directory);
    }
    // Before the comparison keeps to some of its processors.
    let machine = machine(workspace)?;
    guests::build(workspace, &guests::Options::default())?;
    let results = workspace.target.join("criterion");
    if options.has(Part::Criterion) {
        criterion(workspace, options, &results)?;
    }
    let mut printed = Vec::new();
    if options.has(Part::Programs) {
        for (name, heading) in PROGRAMS {
            printed.push((name, program(workspace, name, heading)?));
        }
    }
    let mut compared = None;
    if options.has(Part::Http) {
        let run = compare::run(workspace, &options.compare, machine.clone())?;
        println!("\n{}", compare::tables(&run));
        compared = Some(run);
    }
    if options.record {
        let directory = directory(workspace, options, &machine)?;
        if options.has(Part::Criterion) {
            record_criterion(&directory, &results)?;
        }
        for (name, text) in &printed {
            fs::write(directory.join(format!("{name}.txt")), text)?;
        }
        if let Some(run) = &compared {
            compare::publish::keep(workspace, run, &directory)?;
            compare::publish::publish(workspace, &directory)?;
        }
        steps::note(&format!("kept in {}", directory.display()));
    }
    Ok(())
}

fn criterion(workspace: &Workspace, options: &Options, results: &Path) -> Result<()> {
    if options.record && results.exists() {
        // Results of earlier runs must not pass for this one's.
        fs::remove_dir_all(results).with_context(|| format!("cannot remove {}", results.display()))?;
    }
    let mut bench = workspace.cargo();
    bench.env("LAMINA_GUESTS", workspace.guests()).args(["bench", "-p", PACKAGE]);
    if !options.criterion.is_empty() {
        bench.arg("--").args(&options.criterion);
    }
    steps::show("benches", &mut bench)
}

/// Runs one of the package's programs; answers what it printed.
fn program(workspace: &Workspace, name: &str, heading: &str) -> Result<String> {
    let mut build = workspace.cargo();
    steps::show(name, build.args(["build", "--profile", "bench", "-p", PACKAGE, "--bin", name]))?;
    steps::heading(heading);
    let program = workspace.target.join("release").join(name);
    let output = Command::new(&program)
        .env("LAMINA_GUESTS", workspace.guests())
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let text =
        String::from_utf8(output.stdout).with_context(|| format!("{name} printed something that is not text"))?;
    eprint!("{text}");
    if !output.status.success() {
        bail!("{name}: {}", output.status);
    }
    Ok(text)
}

/// The run's directory, with the machine described in it.
fn directory(workspace: &Workspace, options: &Options, machine: &Value) -> Result<PathBuf> {
    let name = options.machine.clone().unwrap_or_else(|| slug(machine));
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let directory = workspace.root.join("benches/runs").join(format!("{date}-{name}"));
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("machine.json"), format!("{machine:#}\n"))?;
    Ok(directory)
}

fn record_criterion(directory: &Path, results: &Path) -> Result<()> {
    let mut lines = Vec::new();
    collect(results, &mut lines)?;
    if lines.is_empty() {
        bail!("no results in {}", results.display());
    }
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    let text: Vec<String> = lines.iter().map(|(_, line)| line.to_string()).collect();
    fs::write(directory.join("criterion.jsonl"), text.join("\n") + "\n")?;
    Ok(())
}

/// Finds criterion's results: directories named `new` that hold a bench's description beside its figures.
fn collect(directory: &Path, lines: &mut Vec<(String, Value)>) -> Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, lines)?;
        }
        if !path.ends_with("new/benchmark.json") {
            continue;
        }
        let read = |name: &str| -> Result<Value> {
            let file = path.with_file_name(name);
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
        };
        let (bench, estimates, sample) = (read("benchmark.json")?, read("estimates.json")?, read("sample.json")?);
        let id = bench["full_id"].as_str().context("a bench without a name")?.to_owned();
        let line = json!({
            "bench": id, "unit": "ns", "estimates": estimates, "iterations": sample["iters"], "times": sample["times"],
        });
        lines.push((id, line));
    }
    Ok(())
}

/// What the figures depend on.
fn machine(workspace: &Workspace) -> Result<Value> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let said = |program: &str, arguments: &[&str]| -> Option<String> {
        let output = Command::new(program).args(arguments).current_dir(&workspace.root).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    Ok(json!({
        "cpu": model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned()),
        "threads": std::thread::available_parallelism()?.get(),
        "memory": memory.unwrap_or("unknown").trim(),
        "kernel": said("uname", &["-sr"]),
        // As many environments are warm at once as this allows (`docs/operations.md`).
        "max_map_count": fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default().trim(),
        "rustc": said("rustc", &["--version"]),
        "commit": said("git", &["describe", "--always", "--dirty"]),
    }))
}

/// The machine as part of a file's name.
fn slug(machine: &Value) -> String {
    let cpu = machine["cpu"].as_str().unwrap_or("unknown").to_ascii_lowercase();
    let words: Vec<&str> = cpu.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!("{}-{}-threads", words.join("-"), machine["threads"])
}
