//! `cargo xtask bench`'s comparison over HTTP: Lamina beside bare hyper, `wasmtime serve` and `workerd`, on one machine and in one run.
//!
//! Rows are data (`contenders.rs`). In each round every row is measured once, in order, so that what disturbs the machine for a while
//! disturbs all of them; a figure is the median of the rounds. A server is started for each measurement, pinned to `--server-cores`; this
//! program and the load generators stay on `--client-cores`. Cold starts (`cold.rs`), a storm of them (`storm.rs`) and overload
//! (`overload.rs`) follow the rounds. Everything started is ended when its value is dropped, on errors and Ctrl-C too (`process.rs`).
//!
//! A [`Run`] has every round's figures and the commands that led to them. `report.rs` makes tables of it, `targets.rs` holds it against
//! targets, `chart.rs` draws it, `publish.rs` puts that into the documents.

mod chart;
mod cold;
mod contenders;
mod load;
mod overload;
mod process;
pub mod publish;
mod report;
mod servers;
mod site;
mod storm;
mod targets;
mod tools;
mod unread;
mod words;

use crate::workspace::Workspace;
use crate::{http, steps, test};
use anyhow::{Context, Result, bail};
use contenders::{Contender, Cores, Family};
use load::{Paced, Saturated};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use servers::{Programs, Running};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// A program that is installed for the comparison and that it can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// `wasmtime serve`
    Wasmtime,
    /// `workerd serve`
    Workerd,
    /// The load generator at a fixed rate
    Oha,
}

/// What the comparison takes.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Cores that servers are confined to, as taskset takes them
    #[arg(long, default_value = "0", value_name = "CORES")]
    server_cores: String,
    /// Cores of the load generators
    #[arg(long, default_value = "1", value_name = "CORES")]
    client_cores: String,
    /// How long each row is measured in a round, at saturation and again at half of it
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    duration_s: u32,
    /// Rounds, each of all rows
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Connections of a load generator
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Deployments that requests are spread over; the first is also what cold starts are measured on
    #[arg(long, value_delimiter = ',', default_value = "1000,10000", value_name = "COUNTS")]
    functions: Vec<u32>,
    /// How many different functions are called at once in the storm
    #[arg(long, default_value_t = 500, value_name = "FUNCTIONS")]
    storm: u32,
    /// How long the daemon is asked for three times what it can do
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    storm_s: u32,
    /// Programs to leave out
    #[arg(long, value_enum, value_delimiter = ',')]
    without: Vec<Peer>,
    /// A daemon built elsewhere; built here, optimised, where not given
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
}

/// All that a comparison found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub started: String,
    /// What it ran on.
    pub machine: Value,
    /// What took part, and in which version.
    pub versions: BTreeMap<String, String>,
    /// What was asked for.
    pub settings: Settings,
    /// In the table's order.
    pub rows: Vec<Row>,
    /// What is measured apart from the rounds.
    pub apart: Vec<Apart>,
    /// What could not be measured, and why.
    pub left_out: Vec<String>,
}

/// The options that figures depend on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// Cores of servers.
    pub server_cores: String,
    /// Cores of load generators.
    pub client_cores: String,
    /// Of a measurement.
    pub duration_s: u32,
    /// Rounds.
    pub rounds: u32,
    /// Connections.
    pub connections: u32,
}

/// A contender's figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// See [`Contender`].
    pub id: String,
    /// See [`Contender`].
    pub label: String,
    /// See [`Contender`].
    pub family: Family,
    /// Cores it had.
    pub cores: String,
    /// A round each.
    pub rounds: Vec<Round>,
}

/// One measurement of a row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    /// At saturation.
    pub saturated: Saturated,
    /// Processor time of the server a request, user and system.
    pub cpu_us_per_request: f64,
    /// Resident memory of the server afterwards.
    pub rss_kb: u64,
    /// At half of that; not where there is no oha.
    pub half: Option<Paced>,
    /// The machine's load average before.
    pub load_average: Option<f64>,
    /// The commands: server, load at saturation, load at half of it.
    pub commands: Vec<String>,
}

/// A measurement apart from the rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Apart {
    /// Its name in targets.
    pub id: String,
    /// What was measured.
    pub what: String,
    /// Every latency, in microseconds, in the order seen.
    pub samples_us: Vec<f64>,
    /// Other figures by name.
    pub figures: BTreeMap<String, f64>,
    /// The machine's load average before.
    pub load_average: Option<f64>,
}

impl Row {
    /// The median over the rounds of a figure.
    pub fn median(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        words::median(&self.rounds.iter().filter_map(figure).collect::<Vec<f64>>())
    }

    /// Requests a second.
    pub fn per_second(&self) -> Option<f64> {
        self.median(|round| Some(round.saturated.per_second()))
    }
}

impl Apart {
    fn new(id: &str, what: impl Into<String>) -> Self {
        let load_average = process::load_average();
        Self { id: id.into(), what: what.into(), samples_us: Vec::new(), figures: BTreeMap::new(), load_average }
    }

    /// The latency that a share of samples is at most, in microseconds.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.samples_us.clone();
        sorted.sort_by(f64::total_cmp);
        words::quantile(&sorted, share)
    }
}

/// The load average above which a machine is not idle enough to measure on.
const BUSY: f64 = 0.5;

/// A comparison under way.
struct Comparison<'a> {
    options: &'a Options,
    programs: Programs,
    /// wrk's script.
    script: PathBuf,
    left_out: Vec<String>,
}

/// Runs it. The samples have been built.
pub fn run(workspace: &Workspace, options: &Options, machine: Value) -> Result<Run> {
    process::watch_signals()?;
    let mut comparison = Comparison::set_up(workspace, options)?;
    let mut versions: BTreeMap<String, String> = comparison.programs.tools.versions().into_iter().collect();
    versions.insert(
        "lamina".to_owned(),
        process::output(std::process::Command::new(&comparison.programs.lamina).arg("--version"))?.trim().to_owned(),
    );
    // From here on this program is a client: it and all it starts, but for servers, keep off the servers' cores.
    process::confine(&options.client_cores)?;
    let started = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
    let rows = comparison.rows()?;
    let apart = comparison.apart(&rows)?;
    Ok(Run {
        started,
        machine,
        versions,
        settings: Settings {
            server_cores: options.server_cores.clone(),
            client_cores: options.client_cores.clone(),
            duration_s: options.duration_s,
            rounds: options.rounds,
            connections: options.connections,
        },
        rows,
        apart,
        left_out: comparison.left_out,
    })
}

/// The tables for the terminal.
pub fn tables(run: &Run) -> String {
    format!("{}\n{}", report::rows(run), report::apart(run))
}

impl<'a> Comparison<'a> {
    fn set_up(workspace: &Workspace, options: &'a Options) -> Result<Self> {
        steps::heading("comparison over HTTP: what it needs");
        let (server, client) = (process::cores(&options.server_cores), process::cores(&options.client_cores));
        if server.is_empty() || client.is_empty() || server.iter().any(|core| client.contains(core)) {
            bail!("servers on {:?} and load on {:?} are not apart", options.server_cores, options.client_cores);
        }
        if let Some(load) = process::load_average().filter(|load| *load > BUSY) {
            steps::note(&format!("the load average is {load}: figures of a busy machine are not worth keeping"));
        }
        let lamina = match &options.daemon {
            Some(daemon) => daemon.canonicalize().with_context(|| format!("no daemon at {}", daemon.display()))?,
            None => test::daemon(workspace, true)?,
        };
        let hyper = servers::build_hyper(workspace)?;
        let tools = tools::Tools::set_up(workspace, &options.without)?;
        let scratch = workspace.own().join("compare");
        fs::create_dir_all(&scratch)?;
        process::raise_file_limit();
        let component = site::component(&lamina, &workspace.guests().join("hello-http.wasm"), &scratch)?;
        let mut left_out = Vec::new();
        if tools.oha.is_none() {
            left_out.push("latency at half of saturation, and overload: there is no oha".to_owned());
        }
        let programs = Programs {
            lamina,
            hyper,
            component,
            workerd_config: workspace.root.join("benches/workerd/config.capnp"),
            tools,
            scratch,
            guests: workspace.guests(),
            sources: workspace.root.join("benches/interpreted"),
        };
        programs.samples()?.remove()?;
        for &count in std::iter::once(&1).chain(&options.functions) {
            programs.functions(count).deploy(&programs.lamina, count)?;
        }
        Ok(Self { options, programs, script: workspace.root.join("benches/load.lua"), left_out })
    }

    /// All rounds of all rows that can be measured here.
    fn rows(&mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for contender in contenders::all(&self.options.functions) {
            match self.cores(&contender) {
                Ok(cores) => {
                    let Contender { id, label, family, .. } = contender.clone();
                    rows.push((contender, Row { id, label, family, cores, rounds: Vec::new() }));
                }
                Err(why) => {
                    steps::note(&format!("{} is left out: {why}", contender.label));
                    self.left_out.push(format!("{}: {why}", contender.label));
                }
            }
        }
        for round in 1..=self.options.rounds {
            steps::heading(&format!("comparison over HTTP: round {round} of {}", self.options.rounds));
            for (contender, row) in &mut rows {
                let measured = self.measure(contender, &row.cores).with_context(|| contender.label.clone())?;
                steps::note(&report::line(contender, &measured));
                row.rounds.push(measured);
            }
        }
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The cores of a contender's server, or why it cannot be measured here.
    fn cores(&self, contender: &Contender) -> std::result::Result<String, String> {
        let there = match contender.peer() {
            Some(Peer::Wasmtime) => self.programs.tools.wasmtime.is_some(),
            Some(Peer::Workerd) => self.programs.tools.workerd.is_some(),
            Some(Peer::Oha) | None => true,
        };
        if !there {
            return Err("its program is left out, or could not be installed".to_owned());
        }
        let given = &self.options.server_cores;
        if contender.cores == Cores::Given {
            return Ok(given.clone());
        }
        let taken: Vec<usize> =
            [given, &self.options.client_cores].iter().flat_map(|list| process::cores(list)).collect();
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let more = (0..all).find(|core| !taken.contains(core));
        more.map(|core| format!("{given},{core}")).ok_or_else(|| "no core is left for it".to_owned())
    }

    /// One measurement of one row.
    fn measure(&self, contender: &Contender, cores: &str) -> Result<Round> {
        process::uninterrupted()?;
        let load_average = process::load_average();
        let running = self.programs.start(contender.server, cores)?;
        let aim = running.aim(contender.ask)?;
        self.warm_up(contender, &running)?;
        let threads = process::cores(&self.options.client_cores).len();
        let wrk = |seconds| {
            load::wrk(&self.programs.tools.wrk, &self.script, &aim, self.options.connections, threads, seconds)
        };
        load::saturate(&mut wrk(self.options.duration_s.div_ceil(5)))?;
        let before = running.process.cpu_time()?;
        let mut command = wrk(self.options.duration_s);
        let saturated = load::saturate(&mut command)?;
        let used = running.process.cpu_time()?.saturating_sub(before);
        let mut commands = vec![
            process::line(&process::pinned(cores, &self.programs.command(contender.server)?)),
            process::line(&command),
        ];
        let rss_kb = running.process.rss_kb()?;
        let mut half = None;
        if let Some(oha) = &self.programs.tools.oha {
            let rate = saturated.per_second() / 2.0;
            let urls = self.programs.scratch.join("urls.txt");
            let load = load::Rate {
                per_second: rate,
                connections: self.options.connections,
                seconds: self.options.duration_s,
                from: load::From::Due,
            };
            let mut command = load::oha(oha, urls, &aim, load)?;
            half = Some(load::pace(&mut command, rate)?);
            commands.push(process::line(&command));
        }
        Ok(Round {
            cpu_us_per_request: used.as_secs_f64() * 1e6 / saturated.requests as f64,
            saturated,
            rss_kb,
            half,
            load_average,
            commands,
        })
    }

    /// The first request of every function, whose answers have to be right; the cost of being first is measured in `cold.rs`.
    /// A function is answered for by 503 until it is compiled, and with it the runtime that it names.
    fn warm_up(&self, contender: &Contender, running: &Running) -> Result<()> {
        match contender.ask {
            contenders::Ask::Get(path) => {
                let url = format!("{}{path}", running.http);
                let mut answer = http::request("GET", &url, &[], "")?;
                let began = Instant::now();
                while answer.status == 503 && began.elapsed() < servers::READY_WITHIN {
                    process::uninterrupted()?;
                    thread::sleep(Duration::from_millis(100));
                    answer = http::request("GET", &url, &[], "")?;
                }
                if answer.status != 200 || !answer.body.contains("Hello, world!") {
                    bail!("answered {} {}", answer.status, answer.body);
                }
            }
            contenders::Ask::Invoke(count) => {
                let mut connection = http::Connection::open(running.api.as_deref().context("no API")?)?;
                for number in 1..=count {
                    process::uninterrupted()?;
                    cold::first(&mut connection, number)?;
                }
            }
        }
        Ok(())
    }

    /// What is measured apart from the rounds.
    fn apart(&mut self, rows: &[Row]) -> Result<Vec<Apart>> {
        let mut all = vec![self.after_deploy()?];
        if let Some(&count) = self.options.functions.first() {
            all.extend(self.after_eviction(count)?);
            all.extend(self.after_start(count)?);
            all.push(self.storm(count)?);
        }
        let saturation = rows.iter().find(|row| row.id == "lamina-event").and_then(Row::per_second);
        all.extend(self.overload(saturation)?);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of rows with these requests a second, a round each.
    pub fn run(rows: &[(&str, &[f64])]) -> Run {
        let round = |rate: &f64| Round {
            saturated: Saturated {
                requests: *rate as u64,
                duration_us: 1e6,
                p50_us: 100.0,
                p90_us: 200.0,
                p99_us: 300.0,
                p999_us: 400.0,
                max_us: 500.0,
                status: 0,
                socket: 0,
            },
            cpu_us_per_request: 20.0,
            rss_kb: 50_000,
            half: None,
            load_average: Some(0.1),
            commands: Vec::new(),
        };
        let row = |(id, rates): &(&str, &[f64])| Row {
            id: (*id).to_owned(),
            label: (*id).to_owned(),
            family: Family::Lamina,
            cores: "0".to_owned(),
            rounds: rates.iter().map(round).collect(),
        };
        Run {
            started: "2026-01-01 00:00 UTC".to_owned(),
            machine: serde_json::json!({ "cpu": "Some CPU", "threads": 2 }),
            versions: BTreeMap::new(),
            settings: Settings {
                server_cores: "0".to_owned(),
                client_cores: "1".to_owned(),
                duration_s: 1,
                rounds: 1,
                connections: 1,
            },
            rows: rows.iter().map(row).collect(),
            apart: Vec::new(),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let run = run(&[("hyper", &[50_000.0])]);
        let text = serde_json::to_string(&run).unwrap();
        let read: Run = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(report::rows(&read).contains("| hyper | 50,000 | 1.00 | 100 µs |"));
    }
}
