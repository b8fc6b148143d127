//! Overload: the daemon is asked for three times what it can do, and then left alone.
//!
//! What is refused has to be refused with 429 or 503, memory has to stay bounded, and a second after the load a request has to take what
//! it took before.

use super::contenders::{Ask, Server};
use super::unread::Unread;
use super::{Apart, Comparison, load, process, words};
use crate::http::Connection;
use crate::steps;
use anyhow::{Context, Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many times what it can do.
const TIMES: f64 = 3.0;
/// Connections. A request each is at the daemon, and one that waits for all of those waits longer than `concurrency.max_lag_ms`.
const CONNECTIONS: u32 = 8_000;
/// The function asked.
const ASK: Ask = Ask::Get("/event");
/// How long the daemon is looked at before and after.
const LOOK: Duration = Duration::from_secs(1);

/// How often is looked where requests wait. Reading the table of connections takes a load generator's processor some milliseconds.
const UNREAD: Duration = Duration::from_secs(2);

/// What is seen of the daemon from outside during the load.
#[derive(Default)]
struct Watched {
    /// Its resident memory at most, in kB.
    rss_most_kb: u64,
    /// Where requests waited, each [`UNREAD`].
    unread: Vec<Unread>,
}

impl Watched {
    /// Looks until `stop`.
    fn until(stop: &AtomicBool, pid: u32, port: u16) -> Self {
        let mut watched = Self::default();
        let mut looked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            watched.rss_most_kb = watched.rss_most_kb.max(process::rss_kb(pid).unwrap_or(0));
            if looked.elapsed() >= UNREAD {
                watched.unread.extend(Unread::now(port));
                looked = Instant::now();
            }
            thread::sleep(Duration::from_millis(100));
        }
        watched
    }

    /// Connections that `of` counts, on average.
    fn mean(&self, of: fn(&Unread) -> u64) -> f64 {
        self.unread.iter().map(of).sum::<u64>() as f64 / self.unread.len().max(1) as f64
    }
}

/// The p99 of one request after the other, for a while, in microseconds.
fn quiet_p99(connection: &mut Connection) -> Result<f64> {
    let until = Instant::now() + LOOK;
    let mut seen = Vec::new();
    while Instant::now() < until {
        let answer = connection.send("GET", "/event", "")?;
        if answer.status != 200 {
            bail!("answered {} {}", answer.status, answer.body);
        }
        seen.push(answer.elapsed.as_secs_f64() * 1e6);
    }
    seen.sort_by(f64::total_cmp);
    words::quantile(&seen, 0.99).context("no request was answered")
}

impl Comparison<'_> {
    /// Nothing where there is no oha, or what the daemon can do was not measured.
    pub(super) fn overload(&self, saturation: Option<f64>) -> Result<Option<Apart>> {
        let (Some(oha), Some(saturation)) = (&self.programs.tools.oha, saturation) else { return Ok(None) };
        steps::heading("overload");
        let rate = saturation * TIMES;
        let mut apart = Apart::new("overload", format!("{TIMES} × saturation for {} s", self.options.storm_s));
        let daemon = self.programs.start(Server::Lamina, &self.options.server_cores)?;
        let mut connection = Connection::open(&daemon.http)?;
        quiet_p99(&mut connection)?;
        let before = quiet_p99(&mut connection)?;
        let rss_before = daemon.process.rss_kb()?;
        let aim = daemon.aim(ASK)?;
        let urls = self.programs.scratch.join("urls.txt");
        let load = load::Rate {
            per_second: rate,
            connections: CONNECTIONS,
            seconds: self.options.storm_s,
            from: load::From::Sent,
        };
        let mut command = load::oha(oha, urls, &aim, load)?;
        let stop = AtomicBool::new(false);
        let pid = daemon.process.pid();
        let port =
            daemon.http.rsplit(':').next().and_then(|port| port.parse().ok()).context("no port of the daemon")?;
        let (paced, watched) = thread::scope(|scope| {
            let watch = scope.spawn(|| Watched::until(&stop, pid, port));
            let paced = load::pace(&mut command, rate);
            stop.store(true, Ordering::Relaxed);
            (paced, watch.join().unwrap_or_default())
        });
        let paced = paced?;
        let ended = Instant::now();
        thread::sleep((ended + LOOK).saturating_duration_since(Instant::now()));
        let after = quiet_p99(&mut connection)?;
        let figures = &mut apart.figures;
        figures.insert("seconds".to_owned(), self.options.storm_s.into());
        for (status, count) in &paced.statuses {
            figures.insert(format!("status_{status}"), *count as f64);
        }
        figures.insert("errors".to_owned(), paced.errors.values().sum::<u64>() as f64);
        figures.insert("asked_per_second".to_owned(), paced.asked_per_second);
        figures.insert("answered_per_second".to_owned(), paced.per_second);
        figures.insert("p50_us".to_owned(), paced.p50_us);
        figures.insert("p99_us".to_owned(), paced.p99_us);
        figures.insert("rss_before_kb".to_owned(), rss_before as f64);
        figures.insert("rss_most_kb".to_owned(), watched.rss_most_kb as f64);
        figures.insert("unread_requests".to_owned(), watched.mean(|unread| unread.requests));
        figures.insert("unread_answers".to_owned(), watched.mean(|unread| unread.answers));
        figures.insert("p99_before_us".to_owned(), before);
        figures.insert("p99_a_second_after_us".to_owned(), after);
        figures.insert("recovery_factor".to_owned(), after / before);
        Ok(Some(apart))
    }
}
