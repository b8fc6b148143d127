//! Load: `wrk` at saturation, `oha` at a fixed rate, and what they print.
//!
//! Both run on the client's cores, which this whole program is confined to. wrk is a closed loop: a connection asks again once it was answered,
//! so its latencies are those of a full server. oha is an open loop: requests are due at fixed times. With [`From::Due`] one that waits for its
//! turn counts from when it was due.

use super::contenders::Ask;
use super::process;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where requests go.
pub struct Aim {
    /// `http://host:port` of what is asked.
    pub origin: String,
    /// What is asked there.
    pub ask: Ask,
}

/// What was seen at saturation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saturated {
    /// Answers.
    pub requests: u64,
    /// How long it took.
    pub duration_us: f64,
    /// Half of the answers took at most this; and so on.
    pub p50_us: f64,
    /// 90 %.
    pub p90_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p999_us: f64,
    /// All of them.
    pub max_us: f64,
    /// Answers with a status of 400 or more.
    pub status: u64,
    /// Connections refused or broken, and time-outs.
    pub socket: u64,
}

impl Saturated {
    /// Answers a second.
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / (self.duration_us / 1e6)
    }
}

/// What was seen at a fixed rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paced {
    /// The rate asked for, a second.
    pub asked_per_second: f64,
    /// The rate that came about.
    pub per_second: f64,
    /// Half of the answers took at most this, from when they were due; and so on.
    pub p50_us: f64,
    /// 90 %.
    pub p90_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p999_us: f64,
    /// Answers by status.
    pub statuses: BTreeMap<String, u64>,
    /// What else came of requests, those under way at the end among them.
    pub errors: BTreeMap<String, u64>,
}

/// `wrk`, ready to run for `seconds`.
pub fn wrk(wrk: &Path, script: &Path, aim: &Aim, connections: u32, threads: usize, seconds: u32) -> Command {
    let mut command = Command::new(wrk);
    command
        .arg("-t")
        .arg(threads.to_string())
        .arg("-c")
        .arg(connections.to_string())
        .arg("-d")
        .arg(format!("{seconds}s"));
    command.arg("-s").arg(script);
    match aim.ask {
        Ask::Get(path) => command.arg(format!("{}{path}", aim.origin)),
        Ask::Invoke(count) => command.arg(&aim.origin).arg("--").arg(count.to_string()),
    };
    command
}

/// What the script makes wrk print.
pub fn parse_wrk(output: &str) -> Result<Saturated> {
    let line = output.lines().rev().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("wrk printed no figures: {output}"))?;
    let seen: Saturated = serde_json::from_str(line).with_context(|| format!("wrk printed {line}"))?;
    if seen.requests == 0 {
        bail!("no request was answered");
    }
    Ok(seen)
}

/// When the time of an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// When the request was due: waiting for a free connection counts.
    Due,
    /// When it was sent: what the server took.
    Sent,
}

/// A fixed rate.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Requests a second, all connections together.
    pub per_second: f64,
    /// Connections.
    pub connections: u32,
    /// For how long.
    pub seconds: u32,
    /// What is measured.
    pub from: From,
}

/// `oha`, ready to run at `rate`. `urls` is a file that it may write.
pub fn oha(oha: &Path, urls: PathBuf, aim: &Aim, rate: Rate) -> Result<Command> {
    let Rate { per_second, connections, seconds, from } = rate;
    let mut command = Command::new(oha);
    command.args(["--no-tui", "--output-format", "json", "--redirect", "0"]);
    if from == From::Due {
        command.arg("--latency-correction");
    }
    command.arg("-z").arg(format!("{seconds}s")).arg("-q").arg(format!("{:.0}", per_second.max(1.0)));
    command.arg("-c").arg(connections.to_string());
    match aim.ask {
        Ask::Get(path) => command.arg(format!("{}{path}", aim.origin)),
        Ask::Invoke(count) => {
            let url = |i: u32| format!("{}/2015-03-31/functions/f{i}/invocations\n", aim.origin);
            std::fs::write(&urls, (1..=count).map(url).collect::<String>())?;
            command.args(["-m", "POST", "-d", "{}", "-T", "application/json", "--urls-from-file"]).arg(urls)
        }
    };
    Ok(command)
}

/// oha's JSON.
pub fn parse_oha(output: &str, asked_per_second: f64) -> Result<Paced> {
    let json: Value = serde_json::from_str(output).context("oha printed no JSON")?;
    let at = |name: &str| {
        let seconds = json["latencyPercentiles"][name].as_f64();
        seconds.map(|s| s * 1e6).with_context(|| format!("oha has no {name}: was no request answered?"))
    };
    let counts = |name: &str| -> BTreeMap<String, u64> {
        let members = json[name].as_object().into_iter().flatten();
        members.filter_map(|(what, count)| Some((what.clone(), count.as_u64()?))).collect()
    };
    Ok(Paced {
        asked_per_second,
        per_second: json["summary"]["requestsPerSec"].as_f64().context("oha has no requestsPerSec")?,
        p50_us: at("p50")?,
        p90_us: at("p90")?,
        p99_us: at("p99")?,
        p999_us: at("p99.9")?,
        statuses: counts("statusCodeDistribution"),
        errors: counts("errorDistribution"),
    })
}

/// Runs wrk.
pub fn saturate(command: &mut Command) -> Result<Saturated> {
    parse_wrk(&process::output(command)?)
}

/// Runs oha.
pub fn pace(command: &mut Command, per_second: f64) -> Result<Paced> {
    parse_oha(&process::output(command)?, per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_is_read_from_its_last_line() {
        let output = "Running 1s test @ http://127.0.0.1:1/\n  1 threads and 4 connections\nRequests/sec: 10.00\n\
            {\"requests\":20,\"duration_us\":2000000,\"p50_us\":1,\"p90_us\":2,\"p99_us\":3.5,\"p999_us\":4,\"max_us\":9,\
            \"status\":1,\"socket\":0}\n";
        let seen = parse_wrk(output).unwrap();
        assert_eq!((seen.per_second(), seen.p99_us, seen.status), (10.0, 3.5, 1));
        assert!(parse_wrk("unable to connect").is_err());
        assert!(parse_wrk(&output.replace(":20,", ":0,")).is_err());
    }

    #[test]
    fn oha_is_read_in_microseconds() {
        let output = r#"{"summary":{"successRate":1.0,"requestsPerSec":99.5},
            "latencyPercentiles":{"p50":0.0001,"p90":0.0002,"p99":0.001,"p99.9":0.01,"p99.99":0.02},
            "statusCodeDistribution":{"200":97,"429":2},"errorDistribution":{"aborted due to deadline":1}}"#;
        let seen = parse_oha(output, 100.0).unwrap();
        assert!((seen.p50_us - 100.0).abs() < 1e-6 && (seen.p999_us - 1e4).abs() < 1e-6);
        assert_eq!((seen.per_second, seen.statuses["429"], seen.errors.len()), (99.5, 2, 1));
        assert!(parse_oha(r#"{"summary":{"requestsPerSec":0.0},"latencyPercentiles":{"p50":null}}"#, 1.0).is_err());
    }
}
