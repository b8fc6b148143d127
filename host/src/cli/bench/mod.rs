//! `lamina bench`: cold, warm, fresh and provisioned starts of a function side by side.
//!
//! Measured over the wire, as a client of the Invoke API sees it, on temporary copies of the function that are deleted
//! afterwards, whatever happens. What each series measures:
//!
//! - `cold`: the first invocation after a change of configuration, which leaves no environment: admission, a new environment, its
//!   init phase, the guest. The change itself is not timed.
//! - `warm`: an environment that has run before.
//! - `fresh`: a new sandbox for every invocation, from the copy-on-write image.
//! - `provisioned`: environments initialised ahead.
//!
//! A sample counts only if the REPORT line in its log tail tells of the start meant: a cold start among the warm ones is left out.
//! `--measure report` takes the daemon's own figures from that line (init and duration, to 10 µs) instead of the
//! round trip.

mod copies;
mod report_line;
mod series;

use super::api::Api;
use super::output::{self, note};
use super::progress::Spinner;
use super::{Failure, Remote, invoke};
use crate::bench_report::{Machine, Report, Series};
use bytes::Bytes;
use copies::Copies;
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// The function
    name: String,
    /// A version or an alias of it
    #[arg(long)]
    qualifier: Option<String>,
    /// The event: JSON, @FILE, or - for standard input
    #[arg(long, default_value = "{}", value_name = "JSON")]
    payload: String,
    /// Callers at a time
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: u32,
    /// Seconds for each kind of start
    #[arg(long, short, default_value_t = 5.0, value_name = "SECONDS", value_parser = seconds)]
    duration: f64,
    /// Which kinds of start, in the order shown
    #[arg(long, value_enum, value_delimiter = ',', default_value = "cold,fresh,warm,provisioned")]
    starts: Vec<Start>,
    /// What is timed
    #[arg(long, value_enum, default_value_t)]
    measure: Measure,
    /// Write a page with table and plot
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the plot
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write figures and histograms as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// A kind of start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Start {
    /// A new environment
    Cold,
    /// A new sandbox for every invocation
    Fresh,
    /// An environment that has run before
    Warm,
    /// An environment initialised ahead
    Provisioned,
}

/// What is timed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    /// The round trip of the Invoke call
    #[default]
    Wire,
    /// What the daemon reports: init and duration
    Report,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be from 0.1 to 3600".to_owned()),
    }
}

impl Start {
    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Fresh => "fresh",
            Self::Warm => "warm",
            Self::Provisioned => "provisioned",
        }
    }

    fn what(self, measure: Measure) -> String {
        let what = match self {
            Self::Cold => "no environment exists: a new one is made and initialised",
            Self::Fresh => "a new sandbox for every invocation",
            Self::Warm => "an environment that has run before",
            Self::Provisioned => "an environment initialised ahead",
        };
        match measure {
            Measure::Wire => format!("{what}; round trip of Invoke"),
            Measure::Report => format!("{what}; init and duration as reported"),
        }
    }
}

/// What all series share.
struct Plan {
    api: Api,
    payload: Bytes,
    concurrency: u32,
    duration: Duration,
    measure: Measure,
}

impl Bench {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, output) = self.remote.open()?;
        let payload = invoke::payload(&self.payload)?;
        let spinner = Spinner::new(format!("copying {}", self.name));
        let mut copies = Copies::of(api.clone(), &self.name, self.qualifier.as_deref()).await?;
        let plan = Plan {
            api,
            payload,
            concurrency: self.concurrency,
            duration: Duration::from_secs_f64(self.duration),
            measure: self.measure,
        };
        let started = Timestamp::now();
        let measured = tokio::select! {
            measured = self.series(&plan, &mut copies, &spinner) => measured,
            _ = tokio::signal::ctrl_c() => Err(Failure::local("interrupted")),
        };
        spinner.say("deleting the copies");
        let left = copies.delete().await;
        drop(spinner);
        if !left.is_empty() {
            note(&format!("left behind, to be deleted by hand: {}", left.join(", ")));
        }
        let series = measured?;
        let function = match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.name),
            None => self.name.clone(),
        };
        let concurrency = usize::try_from(self.concurrency).unwrap_or(usize::MAX);
        let report = Report { function, started, concurrency, machine: Machine::this(), series };
        let json = report.json().map_err(|error| Failure::local(error.to_string()))?;
        for (file, text) in [(&self.html, report.html()), (&self.svg, report.svg()), (&self.json, json.clone())] {
            if let Some(file) = file {
                std::fs::write(file, text)
                    .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", file.display())))?;
                note(&format!("{} is written", file.display()));
            }
        }
        if output.is_json() {
            return output::print(&json);
        }
        output::print(&report.table())?;
        if self.html.is_none() && output::is_watched() {
            note("A page with plots: --html bench.html");
        }
        Ok(())
    }

    async fn series(&self, plan: &Plan, copies: &mut Copies, spinner: &Spinner) -> Result<Vec<Series>, Failure> {
        let mut series = Vec::with_capacity(self.starts.len());
        for start in &self.starts {
            spinner.say(format!("{}: {} callers for {:?}", start.name(), plan.concurrency, plan.duration));
            series.push(series::measure(plan, copies, *start).await?);
        }
        Ok(series)
    }
}
