//! The report for programs.

use super::{Machine, Report, Summary};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    function: &'a str,
    started: jiff::Timestamp,
    concurrency: usize,
    machine: &'a Machine,
    series: Vec<SeriesDocument<'a>>,
}

#[derive(Serialize)]
struct SeriesDocument<'a> {
    name: &'a str,
    what: &'a str,
    elapsed_ns: u64,
    #[serde(flatten)]
    summary: Summary,
    /// Pairs of a latency in nanoseconds and the number of invocations that took it, to three significant digits.
    histogram: Vec<(u64, u64)>,
}

impl Report {
    /// The report as JSON text: the figures of [`Summary`] and each whole histogram.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let series = self.series.iter().zip(self.summaries()).map(|(series, summary)| SeriesDocument {
            name: &series.name,
            what: &series.what,
            elapsed_ns: u64::try_from(series.elapsed.as_nanos()).unwrap_or(u64::MAX),
            summary,
            histogram: series
                .latency
                .iter_recorded()
                .map(|v| (v.value_iterated_to(), v.count_since_last_iteration()))
                .collect(),
        });
        serde_json::to_string(&Document {
            function: &self.function,
            started: self.started,
            concurrency: self.concurrency,
            machine: &self.machine,
            series: series.collect(),
        })
    }
}
