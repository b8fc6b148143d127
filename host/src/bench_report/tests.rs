use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn machine() -> Machine {
    Machine {
        cpu: "Test CPU @ 2.80GHz".to_owned(),
        cores: 2,
        memory_bytes: 8 * 1024 * 1024 * 1024,
        kernel: "Linux 6.1.0".to_owned(),
        arch: "x86_64".to_owned(),
        lamina: "0.1.0".to_owned(),
    }
}

/// Samples spread like latencies: a skewed body, and a tail of stragglers.
fn series(name: &str, what: &str, count: u64, median_ns: f64, spread: f64, seed: u64) -> Series {
    let mut random = StdRng::seed_from_u64(seed);
    let mut latency = histogram();
    for _ in 0..count {
        let body: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let late = if random.random_bool(0.004) { 1.0 + 30.0 * random.random::<f64>().powi(3) } else { 1.0 };
        latency.record((median_ns * (body * spread).exp() * late) as u64).unwrap();
    }
    Series { name: name.to_owned(), what: what.to_owned(), latency, errors: 0, elapsed: Duration::from_secs(5) }
}

fn report() -> Report {
    Report {
        function: "hello:live".to_owned(),
        started: "2026-01-31T12:34:56Z".parse().unwrap(),
        concurrency: 2,
        machine: machine(),
        series: vec![
            series("cold", "code mapped, environment made, init phase run", 2_000, 410_000.0, 0.22, 1),
            series("warm", "an environment that has served before", 900_000, 8_200.0, 0.12, 2),
            series("fresh", "a new sandbox for each invocation", 120_000, 46_000.0, 0.18, 3),
            series("provisioned", "made ahead, first invocation", 20_000, 9_900.0, 0.2, 4),
        ],
    }
}

#[test]
fn figures_are_those_of_the_samples() {
    let mut latency = histogram();
    for ns in 1..=1_000 {
        latency.record(ns).unwrap();
    }
    let mut report = report();
    report.series = vec![
        Series { name: "warm".into(), what: String::new(), latency, errors: 3, elapsed: Duration::from_secs(2) },
        Series { name: "cold".into(), what: String::new(), latency: histogram(), errors: 1, elapsed: Duration::ZERO },
    ];
    let summaries = report.summaries();
    let warm = &summaries[0];
    assert_eq!((warm.count, warm.errors, warm.throughput_per_second), (1_000, 3, 500.0));
    assert_eq!(
        (warm.min_ns, warm.p50_ns, warm.p90_ns, warm.p99_ns, warm.p999_ns, warm.max_ns),
        (1, 500, 900, 990, 999, 1_000)
    );
    assert_eq!(warm.ratio_to_warm, Some(1.0));
    assert_eq!((summaries[1].count, summaries[1].throughput_per_second, summaries[1].ratio_to_warm), (0, 0.0, None));
}

#[test]
fn the_table_has_a_row_a_series() {
    let report = report();
    let table = report.table();
    assert!(table.starts_with(
        "hello:live · 2 callers · Test CPU @ 2.80GHz, 2 cores, 8.0 GiB, Linux 6.1.0 · 2026-01-31 12:34 UTC\n"
    ));
    for series in &report.series {
        let row = table.lines().find(|l| l.trim_start().starts_with(&series.name)).unwrap();
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
        assert_eq!(cells.len(), 11, "{row}");
        if series.name == BASELINE {
            assert_eq!((cells[1], cells[2], cells[10]), ("900,000", "180,000", "1.00×"));
        }
    }
}

#[test]
fn json_holds_figures_and_histogram() {
    let report = report();
    let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    assert_eq!(json["function"], "hello:live");
    assert_eq!(json["machine"]["cores"], 2);
    let warm = &json["series"][1];
    assert_eq!(warm["count"], 900_000);
    assert_eq!(warm["p50_ns"], report.summaries()[1].p50_ns);
    let counted: u64 = warm["histogram"].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap()).sum();
    assert_eq!(counted, 900_000);
}

/// Every opened element is closed, in order: enough for a browser to take the picture as XML.
fn assert_well_formed(xml: &str) {
    let mut open = Vec::new();
    let mut rest = xml;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_picture_is_well_formed_and_finite() {
    let mut report = report();
    report.function = "<script>alert('&')</script>".to_owned();
    let svg = report.svg();
    assert_well_formed(&svg);
    assert_well_formed(&report.picture(false));
    assert!(!svg.contains("<script") && !svg.contains("NaN") && !svg.contains("inf"));
    for series in &report.series {
        assert!(svg.contains(&format!(">{}</text>", series.name)));
    }
    let page = report.html();
    assert!(!page.contains("<script") && page.contains(&report.picture(false)));
    assert!(!page.contains("href=") && !page.contains("src=") && !page.contains("url("));
}

#[test]
fn few_or_no_samples_are_drawn_too() {
    let mut report = report();
    for counts in [vec![], vec![0], vec![1], vec![0, 1, 3]] {
        report.series = counts.into_iter().map(|count| series("warm", "", count, 5_000.0, 0.0, 1)).collect();
        let svg = report.svg();
        assert_well_formed(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(report.html().contains("</html>") && !report.table().is_empty() && report.json().is_ok());
    }
    report.series = vec![series("huge", "", 1, 1e19, 0.0, 1), series("nil", "", 1, 0.0, 0.0, 1)];
    assert!(!report.svg().contains("NaN"));
}
