//! A run as tables: for the terminal and, since they are Markdown, for the documents.

use super::contenders::Contender;
use super::{Apart, Round, Row, Run, targets, words};

/// A line about one measurement, while they are made.
pub fn line(contender: &Contender, round: &Round) -> String {
    let failed = round.saturated.status + round.saturated.socket;
    format!(
        "{:40} {:>8}/s  p50 {:>8}  p99 {:>8}  {:>6} µs of CPU each{}",
        contender.label,
        words::count(round.saturated.per_second().round() as u64),
        words::time(round.saturated.p50_us),
        words::time(round.saturated.p99_us),
        words::three_digits(round.cpu_us_per_request),
        if failed > 0 { format!("  {failed} FAILED") } else { String::new() },
    )
}

fn cell(value: Option<f64>, write: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), write)
}

/// Every row: medians over the rounds.
pub fn rows(run: &Run) -> String {
    let floor = run.rows.iter().find(|row| row.id == "hyper").and_then(Row::per_second);
    let mut out = String::from(
        "| | requests/s | ÷ hyper | p50 | p90 | p99 | p99.9 | at half: p50 | p99 | p99.9 | CPU each | RSS |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in &run.rows {
        let time = |figure: fn(&Round) -> Option<f64>| cell(row.median(figure), words::time);
        let ratio = row.per_second().zip(floor).map(|(ours, floor)| ours / floor);
        let cells = [
            row.label.clone(),
            cell(row.per_second(), |rate| words::count(rate.round() as u64)),
            cell(ratio, words::three_digits),
            time(|round| Some(round.saturated.p50_us)),
            time(|round| Some(round.saturated.p90_us)),
            time(|round| Some(round.saturated.p99_us)),
            time(|round| Some(round.saturated.p999_us)),
            time(|round| round.half.as_ref().map(|half| half.p50_us)),
            time(|round| round.half.as_ref().map(|half| half.p99_us)),
            time(|round| round.half.as_ref().map(|half| half.p999_us)),
            time(|round| Some(round.cpu_us_per_request)),
            cell(row.median(|round| Some(round.rss_kb as f64)), words::memory),
        ];
        out += &format!("| {} |\n", cells.join(" | "));
    }
    out
}

/// What was measured apart from the rounds.
pub fn apart(run: &Run) -> String {
    let mut out = String::from("| | measured | p50 | p99 | most | besides |\n|---|--:|--:|--:|--:|---|\n");
    for apart in &run.apart {
        let at = |share| cell(apart.quantile(share), words::time);
        let count = apart.samples_us.len() as u64;
        let cells = [apart.what.clone(), words::count(count), at(0.5), at(0.99), at(1.0), besides(apart)];
        out += &format!("| {} |\n", cells.join(" | "));
    }
    out
}

/// Figures that only one measurement has, in words.
fn besides(apart: &Apart) -> String {
    let figure = |name: &str| apart.figures.get(name).copied();
    let time = |name: &str| cell(figure(name), words::time);
    let count = |name: &str| cell(figure(name), |count| words::count(count.round() as u64));
    match apart.id.as_str() {
        "storm" => format!(
            "alone p99 {}: × {}; the storm took {}",
            time("p99_alone_us"),
            cell(figure("factor"), words::three_digits),
            time("storm_us")
        ),
        "overload" => {
            let statuses = apart.figures.iter().filter_map(|(name, count)| {
                Some(format!("{} × {}", words::count(count.round() as u64), name.strip_prefix("status_")?))
            });
            format!(
                "{}; p50 {}, p99 {}; unread on average {} requests, {} answers; RSS {} before, {} at most; a second after p99 {}, before {}",
                statuses.collect::<Vec<_>>().join(", "),
                time("p50_us"),
                time("p99_us"),
                count("unread_requests"),
                count("unread_answers"),
                cell(figure("rss_before_kb"), words::memory),
                cell(figure("rss_most_kb"), words::memory),
                time("p99_a_second_after_us"),
                time("p99_before_us"),
            )
        }
        _ => String::new(),
    }
}

/// Targets beside what was measured.
pub fn targets(evidence: &targets::Evidence<'_>) -> String {
    let mut out = String::from("| | target | measured | |\n|---|--:|--:|---|\n");
    for verdict in targets::verdicts(evidence) {
        let met = verdict.met.map_or("not measured", |met| if met { "met" } else { "**missed**" });
        out += &format!("| {} | {} | {} | {met} |\n", verdict.what, verdict.target, verdict.measured);
    }
    out
}

/// Where and how, in a sentence.
pub fn circumstances(run: &Run) -> String {
    let settings = &run.settings;
    let versions: Vec<String> = run.versions.values().cloned().collect();
    let loads: Vec<f64> = run.rows.iter().flat_map(|row| &row.rounds).filter_map(|round| round.load_average).collect();
    format!(
        "{}; {}, {} threads, {}{}; servers on core {}, load on core {}, {} connections; medians of {} rounds of {} s\neach; load average {} to {}.\n{}.",
        run.started,
        run.machine["cpu"].as_str().unwrap_or("unknown processor"),
        run.machine["threads"],
        run.machine["kernel"].as_str().unwrap_or("unknown kernel"),
        // Runs that were made before it was written down do not have it.
        run.machine["max_map_count"].as_str().map(|count| format!(", vm.max_map_count {count}")).unwrap_or_default(),
        settings.server_cores,
        settings.client_cores,
        settings.connections,
        settings.rounds,
        settings.duration_s,
        words::three_digits(loads.iter().copied().fold(f64::INFINITY, f64::min)),
        words::three_digits(loads.iter().copied().fold(0.0, f64::max)),
        versions.join(" · "),
    )
}
