//! A storm of slow starts: many cold functions are called at once while a warm one is probed.
//!
//! The probe asks the warm function at fixed times and counts from when a request was due. The p99 of what was due or under way during
//! the storm is held against the p99 before it, on the same daemon.

use super::{Apart, Comparison, cold, site, words};
use crate::http::Connection;
use crate::steps;
use anyhow::{Context, Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two requests of the probe.
const EVERY: Duration = Duration::from_millis(2);
/// How long the probe goes on around the storm.
const MARGIN: Duration = Duration::from_millis(300);

/// Requests to the warm function, when each was due and how long it took from then, until told to stop.
fn probe(api: &str, stop: &AtomicBool) -> Result<Vec<(Instant, f64)>> {
    let mut connection = Connection::open(api)?;
    cold::first(&mut connection, 1)?;
    let mut seen = Vec::new();
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        due += EVERY;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        cold::first(&mut connection, 1)?;
        seen.push((due, due.elapsed().as_secs_f64() * 1e6));
    }
    Ok(seen)
}

impl Comparison<'_> {
    /// The probe alone, and during the storm.
    pub(super) fn storm(&mut self, count: u32) -> Result<Option<Apart>> {
        steps::heading("storm of slow starts");
        let storm = self.options.storm.min(count.saturating_sub(1));
        if storm < self.options.storm {
            self.left_out.push(format!("the storm had {storm} functions: no more are deployed"));
        }
        let what = format!("a warm function while {} cold ones are called at once", words::count(storm.into()));
        let mut apart = Apart::new("storm", what);
        let daemon = self.daemon(&self.programs.functions(count))?;
        let api = daemon.api.as_deref().context("no API")?;
        let mut waiting = Vec::new();
        for number in 2..=storm + 1 {
            waiting.push((number, Connection::open(api)?));
        }
        let stop = AtomicBool::new(false);
        let (seen, began, ended) = thread::scope(|scope| {
            let probe = scope.spawn(|| probe(api, &stop));
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
            let seen = probe.join().unwrap_or_else(|_| bail!("the probe panicked"))?;
            let (began, ended) = called?;
            anyhow::Ok((seen, began, ended))
        })?;
        let answered = |(due, us): &(Instant, f64)| *due + Duration::from_secs_f64(us / 1e6);
        let (alone, during): (Vec<_>, Vec<_>) =
            seen.into_iter().filter(|(due, _)| *due <= ended).partition(|sample| answered(sample) < began);
        let sorted = |samples: &[(Instant, f64)]| {
            let mut sorted: Vec<f64> = samples.iter().map(|(_, us)| *us).collect();
            sorted.sort_by(f64::total_cmp);
            sorted
        };
        let alone = sorted(&alone);
        apart.samples_us = during.iter().map(|(_, us)| *us).collect();
        let p99 = |sorted: &[f64]| words::quantile(sorted, 0.99).context("the probe saw nothing: is the machine busy?");
        let (quiet, loud) = (p99(&alone)?, p99(&sorted(&during))?);
        apart.figures.insert("p99_alone_us".to_owned(), quiet);
        apart.figures.insert("factor".to_owned(), loud / quiet);
        apart.figures.insert("storm_us".to_owned(), (ended - began).as_secs_f64() * 1e6);
        Ok(Some(apart))
    }
}
