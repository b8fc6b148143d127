//! A storm of slow starts: many cold functions are called at once while a warm one is asked.
//!
//! Probes ask the warm function at fixed times and count from when a request was due, or from when the probe woke for it: a probe that
//! overslept was kept by the load generator's processor, one that still waited for the answer before by the daemon. The p99 of what was due or
//! under way during the storm is held against the p99 before it, on the same daemon.

use super::{Apart, Comparison, cold, process, site, words};
use crate::http::Connection;
use crate::steps;
use anyhow::{Context, Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Probes, each with a connection of its own.
const PROBES: usize = 4;
/// Between two requests of a probe.
const EVERY: Duration = Duration::from_millis(4);
/// How long the probes go on after the storm.
const MARGIN: Duration = Duration::from_millis(300);

/// Requests to the warm function, from when each is counted and how long it took from then, until told to stop.
fn probe(api: &str, stop: &AtomicBool) -> Result<Vec<(Instant, f64)>> {
    let mut connection = Connection::open(api)?;
    cold::first(&mut connection, 1)?;
    let mut seen = Vec::new();
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        due += EVERY;
        let early = due.saturating_duration_since(Instant::now());
        let from = if early.is_zero() {
            due
        } else {
            thread::sleep(early);
            Instant::now()
        };
        cold::first(&mut connection, 1)?;
        seen.push((from, from.elapsed().as_secs_f64() * 1e6));
    }
    Ok(seen)
}

/// What the probes saw: alone, and during the storm, in microseconds; and how long that was.
struct Seen {
    alone: Vec<f64>,
    during: Vec<f64>,
    storm: Duration,
}

impl Comparison<'_> {
    /// The probes alone and during the storm, on a new daemon in each round.
    pub(super) fn storm(&mut self, count: u32) -> Result<Apart> {
        steps::heading("storm of slow starts");
        let storm = self.options.storm.min(count.saturating_sub(1));
        if storm < self.options.storm {
            self.left_out.push(format!("the storm had {storm} functions: no more are deployed"));
        }
        let what = format!("a warm function while {} cold ones are called at once", words::count(storm.into()));
        let mut apart = Apart::new("storm", what);
        apart.figures.insert("functions".to_owned(), storm.into());
        let (mut alone, mut factors, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.options.rounds {
            let seen = self.one_storm(count, storm)?;
            let p99 = |samples: &[f64]| p99(samples).context("the probes saw nothing");
            let (quiet, loud) = (p99(&seen.alone)?, p99(&seen.during)?);
            alone.push(quiet);
            factors.push(loud / quiet);
            times.push(seen.storm.as_secs_f64() * 1e6);
            apart.samples_us.extend(seen.during);
        }
        for (name, values) in [("p99_alone_us", alone), ("factor", factors), ("storm_us", times)] {
            apart.figures.insert(name.to_owned(), words::median(&values).context("no rounds")?);
        }
        Ok(apart)
    }

    fn one_storm(&self, count: u32, storm: u32) -> Result<Seen> {
        process::uninterrupted()?;
        let daemon = self.daemon(&self.programs.functions(count))?;
        let api = daemon.api.as_deref().context("no API")?;
        let mut waiting = Vec::new();
        for number in 2..=storm + 1 {
            waiting.push((number, Connection::open(api)?));
        }
        let stop = AtomicBool::new(false);
        let (seen, began, ended) = thread::scope(|scope| {
            let probes: Vec<_> = (0..PROBES).map(|_| scope.spawn(|| probe(api, &stop))).collect();
            let called = (|| -> Result<(Instant, Instant)> {
                thread::sleep(Duration::from_secs(self.options.duration_s.into()));
                let began = Instant::now();
                for (number, connection) in &mut waiting {
                    connection.ask("POST", &site::invoke(*number), "{}")?;
                }
                for (number, connection) in &mut waiting {
                    let (status, body) = connection.answer()?;
                    if status != 200 {
                        bail!("f{number} answered {status} {body}");
                    }
                }
                let ended = Instant::now();
                thread::sleep(MARGIN);
                Ok((began, ended))
            })();
            stop.store(true, Ordering::Relaxed);
            let mut seen = Vec::new();
            for probe in probes {
                seen.extend(probe.join().unwrap_or_else(|_| bail!("a probe panicked"))?);
            }
            let (began, ended) = called?;
            anyhow::Ok((seen, began, ended))
        })?;
        let answered = |(due, us): &(Instant, f64)| *due + Duration::from_secs_f64(us / 1e6);
        let (alone, during): (Vec<_>, Vec<_>) =
            seen.into_iter().filter(|(due, _)| *due <= ended).partition(|sample| answered(sample) < began);
        let times = |samples: Vec<(Instant, f64)>| samples.into_iter().map(|(_, us)| us).collect();
        Ok(Seen { alone: times(alone), during: times(during), storm: ended - began })
    }
}

fn p99(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    words::quantile(&sorted, 0.99)
}
