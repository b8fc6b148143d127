//! Cold starts: the first request to a function, over a connection that is open already.
//!
//! Cold for three reasons: just deployed; compiled, but neither in memory nor with an environment; the daemon itself just started. That a
//! start was cold is not assumed but read from the daemon's metrics.

use super::site::{self, Site};
use super::{Apart, Comparison, process, servers, words};
use crate::http::{self, Connection};
use crate::steps;
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// Functions deployed to be called for the first time.
const DEPLOYED: u32 = 200;
/// How often the daemon put code out of memory.
const EVICTIONS: &str = "lamina_code_cache_evictions_total";
/// The share of functions that have to have been out of memory for the measurement to mean that.
const ALMOST_ALL: f64 = 0.95;

/// Invokes `f<number>` and answers how long that took.
pub fn first(connection: &mut Connection, number: u32) -> Result<Duration> {
    let answer = connection.send("POST", &site::invoke(number), "{}")?;
    if answer.status != 200 {
        bail!("f{number} answered {} {}", answer.status, answer.body);
    }
    Ok(answer.elapsed)
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl Comparison<'_> {
    /// The first request of functions that were just deployed.
    pub(super) fn after_deploy(&self) -> Result<Apart> {
        steps::heading("cold: after a deployment");
        let mut apart = Apart::new("cold-deploy", "first request after a deployment");
        let site = Site::new(self.programs.scratch.join("cold"));
        site.remove()?;
        site.configure("", "")?;
        let daemon = self.daemon(&site)?;
        let api = daemon.api.as_deref().context("no API")?;
        site::deploy(api, 1, DEPLOYED)?;
        let mut connection = Connection::open(api)?;
        for number in 1..=DEPLOYED {
            apart.samples_us.push(microseconds(first(&mut connection, number)?));
        }
        drop(daemon);
        site.remove()?;
        Ok(apart)
    }

    /// The first request of functions that had to leave memory for others.
    pub(super) fn after_eviction(&mut self, count: u32) -> Result<Option<Apart>> {
        steps::heading("cold: after eviction");
        let mut apart =
            Apart::new("cold-evicted", "first request after eviction: code and environment are gone from memory");
        let site = self.programs.functions(count);
        // As little as may be set, so that every function has to go before it is asked again.
        site.configure("[sandbox]\ncode_cache_mb = 1\nmax_environments = 16\n", "")?;
        let daemon = self.daemon(&site)?;
        let mut connection = Connection::open(daemon.api.as_deref().context("no API")?)?;
        for number in 1..=count {
            process::uninterrupted()?;
            first(&mut connection, number)?;
        }
        let admin = daemon.admin.as_deref().context("no metrics")?;
        let before = metric(admin, EVICTIONS)?;
        for number in 1..=count {
            process::uninterrupted()?;
            apart.samples_us.push(microseconds(first(&mut connection, number)?));
        }
        let evictions = metric(admin, EVICTIONS)? - before;
        drop(daemon);
        site.configure("", "")?;
        // Code that comes puts other code out: where nothing left, nothing came.
        if evictions < f64::from(count) * ALMOST_ALL {
            let why =
                format!("after eviction: only {evictions} of {count} functions had left memory; take more functions");
            steps::note(&why);
            self.left_out.push(why);
            return Ok(None);
        }
        apart.figures.insert("code_evictions".to_owned(), evictions);
        Ok(Some(apart))
    }

    /// From starting the daemon to the first answer, and the first requests of all other functions.
    pub(super) fn after_start(&self, count: u32) -> Result<[Apart; 2]> {
        steps::heading("cold: after a start");
        let functions = words::count(count.into());
        let mut start = Apart::new(
            "start",
            format!("from `exec` of `lamina serve` with {functions} compiled functions to the first answer"),
        );
        start.figures.insert("functions".to_owned(), count.into());
        let mut then = Apart::new("cold-start", "first request of each of the other functions after that");
        let site = self.programs.functions(count);
        for _ in 0..self.options.rounds {
            process::uninterrupted()?;
            let daemon = self.daemon(&site)?;
            start.figures.insert("ready_us".to_owned(), microseconds(daemon.process.started.elapsed()));
            let mut connection = Connection::open(daemon.api.as_deref().context("no API")?)?;
            first(&mut connection, 1)?;
            start.samples_us.push(microseconds(daemon.process.started.elapsed()));
            for number in 2..=count {
                process::uninterrupted()?;
                then.samples_us.push(microseconds(first(&mut connection, number)?));
            }
        }
        Ok([start, then])
    }

    /// A daemon of `site` on the servers' cores.
    pub(super) fn daemon(&self, site: &Site) -> Result<servers::Running> {
        let serve = site.serve(&self.programs.lamina);
        servers::lamina(&mut process::pinned(&self.options.server_cores, &serve))
    }
}

/// A metric without labels.
fn metric(admin: &str, name: &str) -> Result<f64> {
    let text = http::request("GET", &format!("{admin}/metrics"), &[], "")?.body;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).with_context(|| format!("no metric {name}"))
}
