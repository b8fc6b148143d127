//! What `lamina bench` shows: cold, warm, fresh and provisioned starts of a function side by side.
//!
//! A [`Report`] holds HdrHistograms; it becomes a table for the terminal ([`Report::table`]), JSON for programs
//! ([`Report::json`]), a picture ([`Report::svg`]) or a page ([`Report::html`]). Picture and page need nothing from outside
//! and follow the reader's light or dark setting. Nothing here measures, and nothing here fails: a series without samples
//! is shown as such.

mod html;
mod json;
mod machine;
mod plot;
mod svg;
mod table;
mod units;

pub use machine::Machine;

use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// The name of the series that others are compared with.
pub const BASELINE: &str = "warm";

/// Measurements of one function.
pub struct Report {
    /// What was measured, such as `hello:live`.
    pub function: String,
    /// When it began.
    pub started: Timestamp,
    /// How many callers there were at a time.
    pub concurrency: usize,
    /// What it ran on.
    pub machine: Machine,
    /// In the order shown.
    pub series: Vec<Series>,
}

/// Measurements of one kind of start.
pub struct Series {
    /// Such as `cold` or [`BASELINE`].
    pub name: String,
    /// One line on what is timed.
    pub what: String,
    /// Latency of successful invocations, in nanoseconds.
    pub latency: Histogram<u64>,
    /// Invocations that failed; not in the histogram.
    pub errors: u64,
    /// How long the series took.
    pub elapsed: Duration,
}

/// A histogram for [`Series::latency`]: three significant digits, growing as needed.
#[expect(clippy::expect_used, reason = "only a number of digits above five is refused")]
pub fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits")
}

/// The figures of one series. Latencies are in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Successful invocations.
    pub count: u64,
    /// Failed ones.
    pub errors: u64,
    /// Successful invocations per second.
    pub throughput_per_second: f64,
    /// The fastest.
    pub min_ns: u64,
    /// The mean.
    pub mean_ns: f64,
    /// The standard deviation.
    pub stdev_ns: f64,
    /// Half were at most this.
    pub p50_ns: u64,
    /// Nine of ten were at most this.
    pub p90_ns: u64,
    /// 99 of 100 were at most this.
    pub p99_ns: u64,
    /// 999 of 1,000 were at most this.
    pub p999_ns: u64,
    /// The slowest.
    pub max_ns: u64,
    /// Median over the median of [`BASELINE`], where that was measured.
    pub ratio_to_warm: Option<f64>,
}

impl Series {
    fn summary(&self, baseline: Option<u64>) -> Summary {
        let latency = &self.latency;
        let count = latency.len();
        let seconds = self.elapsed.as_secs_f64();
        let p50_ns = latency.value_at_quantile(0.5);
        Summary {
            count,
            errors: self.errors,
            throughput_per_second: if seconds > 0.0 { count as f64 / seconds } else { 0.0 },
            min_ns: latency.min(),
            mean_ns: latency.mean(),
            stdev_ns: latency.stdev(),
            p50_ns,
            p90_ns: latency.value_at_quantile(0.9),
            p99_ns: latency.value_at_quantile(0.99),
            p999_ns: latency.value_at_quantile(0.999),
            max_ns: latency.max(),
            ratio_to_warm: baseline.filter(|&b| b > 0 && count > 0).map(|b| p50_ns as f64 / b as f64),
        }
    }
}

impl Report {
    /// The figures of each series, in order.
    pub fn summaries(&self) -> Vec<Summary> {
        let warm = self.series.iter().find(|s| s.name == BASELINE && !s.latency.is_empty());
        let baseline = warm.map(|s| s.latency.value_at_quantile(0.5));
        self.series.iter().map(|s| s.summary(baseline)).collect()
    }

    fn headline(&self) -> String {
        let callers = if self.concurrency == 1 { "caller" } else { "callers" };
        let date = self.started.strftime("%Y-%m-%d %H:%M UTC");
        format!("{} {callers} · {} · {date}", self.concurrency, self.machine)
    }
}

#[cfg(test)]
mod tests;
