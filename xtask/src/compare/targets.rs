//! What a run is held against: ratios within one run, so that they mean something on any machine.

use super::{Apart, Row, Run, words};
use std::collections::BTreeMap;

/// All that a run's directory says.
pub struct Evidence<'a> {
    /// The comparison over HTTP.
    pub run: &'a Run,
    /// Medians of the criterion benches by name, in nanoseconds.
    pub criterion_ns: BTreeMap<String, f64>,
    /// What the programs printed, by name.
    pub printed: BTreeMap<String, String>,
}

/// A target and what became of it.
pub struct Verdict {
    /// What is meant.
    pub what: &'static str,
    /// The bound.
    pub target: String,
    /// What was measured.
    pub measured: String,
    /// Whether the bound was kept; nothing where it was not measured.
    pub met: Option<bool>,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Copy)]
enum Unit {
    Times,
    Microseconds,
    Kilobytes,
}

struct Target {
    what: &'static str,
    bound: Bound,
    unit: Unit,
    measure: fn(&Evidence<'_>) -> Option<f64>,
}

use Bound::{AtLeast, AtMost};
use Unit::{Kilobytes, Microseconds, Times};

const TARGETS: [Target; 19] = [
    target("warm event function ÷ bare hyper", AtLeast(0.70), Times, |e| e.ratio("lamina-event", "hyper")),
    target("warm HTTP function ÷ bare hyper", AtLeast(0.45), Times, |e| e.ratio("lamina-http", "hyper")),
    target("warm HTTP function ÷ `wasmtime serve` with reuse", AtLeast(2.0), Times, |e| {
        e.ratio("lamina-http", "wasmtime-reuse")
    }),
    target("fresh HTTP function ÷ `wasmtime serve` fresh", AtLeast(3.0), Times, |e| {
        e.ratio("lamina-http-fresh", "wasmtime-fresh")
    }),
    target("warm event function ÷ workerd", AtLeast(3.0), Times, |e| e.ratio("lamina-event", "workerd")),
    target("warm HTTP function ÷ workerd", AtLeast(3.0), Times, |e| e.ratio("lamina-http", "workerd")),
    target("fresh invocation in process ÷ bare wasmtime instantiate and call", AtMost(1.2), Times, |e| {
        Some(e.criterion_ns.get("fresh_invoke/lamina")? / e.criterion_ns.get("fresh_invoke/floor")?)
    }),
    target("warm invocation in process − bare wasmtime call, p50", AtMost(3.0), Microseconds, |e| {
        Some((e.criterion_ns.get("warm_invoke/lamina")? - e.criterion_ns.get("warm_invoke/floor")?) / 1e3)
    }),
    target("the same, p99", AtMost(10.0), Microseconds, |e| {
        let p99 = |side: &str| printed_figure(e.printed.get("percentiles")?, &format!("{side} p99_ns"));
        Some((p99("lamina")? - p99("floor")?) / 1e3)
    }),
    target("p99 latency at half of saturation, warm event function", AtMost(1_000.0), Microseconds, |e| {
        e.half_p99("lamina-event")
    }),
    target("p99 latency at half of saturation, warm HTTP function", AtMost(1_000.0), Microseconds, |e| {
        e.half_p99("lamina-http")
    }),
    target("throughput with 10,000 functions spread ÷ with one", AtLeast(0.8), Times, |e| {
        e.ratio("lamina-invoke-10000", "lamina-invoke-1")
    }),
    target("two cores ÷ one core", AtLeast(1.8), Times, |e| e.ratio("lamina-event-2", "lamina-event")),
    target("the same in process", AtLeast(1.8), Times, |e| {
        let rate = |processors| printed_figure(e.printed.get("cores")?, &format!("lamina {processors}_per_second"));
        Some(rate("two")? / rate("one")?)
    }),
    target("first response after `lamina serve` with 1,000 functions compiled", AtMost(300e3), Microseconds, |e| {
        e.apart_with("start", "functions", 1_000.0)?.quantile(0.5)
    }),
    target("idle environment of `hello`, RSS", AtMost(40.0), Kilobytes, |e| {
        let idle = e.printed.get("idle")?;
        let from = idle.find("idle environments of hello, initialised")?;
        let line = idle.get(from..)?.lines().find(|line| line.trim_start().starts_with("VmRSS"))?;
        line.trim().trim_end_matches("kB").trim().rsplit(' ').next()?.parse().ok()
    }),
    target("cold start of a compiled function that is not in memory, p50", AtMost(1_000.0), Microseconds, |e| {
        e.apart("cold-evicted")?.quantile(0.5)
    }),
    target("p99 of a warm function in a storm of 500 cold ones ÷ alone", AtMost(3.0), Times, |e| {
        e.apart_with("storm", "functions", 500.0)?.figures.get("factor").copied()
    }),
    target("p99 a second after 60 s of overload ÷ before it", AtMost(2.0), Times, |e| {
        e.apart_with("overload", "seconds", 60.0)?.figures.get("recovery_factor").copied()
    }),
];

const fn target(what: &'static str, bound: Bound, unit: Unit, measure: fn(&Evidence<'_>) -> Option<f64>) -> Target {
    Target { what, bound, unit, measure }
}

impl Evidence<'_> {
    fn row(&self, id: &str) -> Option<&Row> {
        self.run.rows.iter().find(|row| row.id == id)
    }

    fn apart(&self, id: &str) -> Option<&Apart> {
        self.run.apart.iter().find(|apart| apart.id == id)
    }

    /// The same where it was done on as much as the target means: a smaller trial says nothing about it.
    fn apart_with(&self, id: &str, figure: &str, at_least: f64) -> Option<&Apart> {
        self.apart(id).filter(|apart| apart.figures.get(figure).is_some_and(|value| *value >= at_least))
    }

    fn ratio(&self, of: &str, to: &str) -> Option<f64> {
        Some(self.row(of)?.per_second()? / self.row(to)?.per_second()?)
    }

    fn half_p99(&self, id: &str) -> Option<f64> {
        self.row(id)?.median(|round| round.half.as_ref().map(|half| half.p99_us))
    }
}

/// The number behind `name` on a line of its own.
fn printed_figure(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Every target, in order.
pub fn verdicts(evidence: &Evidence<'_>) -> Vec<Verdict> {
    let judge = |target: &Target| {
        let value = (target.measure)(evidence);
        let write = |value: f64| match target.unit {
            Times => words::three_digits(value),
            Microseconds if value < 0.0 => format!("−{}", words::time(-value)),
            Microseconds => words::time(value),
            Kilobytes => format!("{} kB", words::three_digits(value)),
        };
        let (sign, bound) = match target.bound {
            AtLeast(bound) => ("≥", bound),
            AtMost(bound) => ("≤", bound),
        };
        Verdict {
            what: target.what,
            target: format!("{sign} {}", write(bound)),
            measured: value.map_or_else(|| "–".to_owned(), write),
            met: value.map(|value| match target.bound {
                AtLeast(bound) => value >= bound,
                AtMost(bound) => value <= bound,
            }),
        }
    };
    TARGETS.iter().map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    #[test]
    fn a_smaller_trial_says_nothing_about_a_target() {
        let mut run = run(&[]);
        let mut storm = Apart::new("storm", "a storm");
        storm.figures = BTreeMap::from([("functions".to_owned(), 100.0), ("factor".to_owned(), 1.5)]);
        let judged = |run: &Run| {
            let evidence = Evidence { run, criterion_ns: BTreeMap::new(), printed: BTreeMap::new() };
            verdict(&verdicts(&evidence), "in a storm of 500").met
        };
        run.apart.push(storm.clone());
        assert_eq!(judged(&run), None);
        storm.figures.insert("functions".to_owned(), 500.0);
        run.apart = vec![storm];
        assert_eq!(judged(&run), Some(true));
    }

    fn verdict<'a>(all: &'a [Verdict], what: &str) -> &'a Verdict {
        all.iter().find(|verdict| verdict.what.contains(what)).unwrap()
    }

    #[test]
    fn ratios_are_of_medians_in_one_run() {
        let run = run(&[("hyper", &[50_000.0, 60_000.0, 10.0]), ("lamina-event", &[40_000.0, 1.0, 36_000.0])]);
        let printed = BTreeMap::from([
            (
                "idle".to_owned(),
                "10 idle environments of hello, initialised, before\n  VmRSS  31.9 MB  348.0 MB  32.37 kB\n".to_owned(),
            ),
            ("percentiles".to_owned(), "floor p99_ns 2000\nlamina p99_ns 5500\n".to_owned()),
            (
                "cores".to_owned(),
                "floor two_per_second 1\nlamina one_per_second 100\nlamina two_per_second 185\n".to_owned(),
            ),
        ]);
        let criterion_ns =
            BTreeMap::from([("fresh_invoke/lamina".to_owned(), 13e3), ("fresh_invoke/floor".to_owned(), 10e3)]);
        let all = verdicts(&Evidence { run: &run, criterion_ns, printed });
        let event = verdict(&all, "warm event function ÷ bare hyper");
        assert_eq!((event.target.as_str(), event.measured.as_str(), event.met), ("≥ 0.70", "0.72", Some(true)));
        let fresh = verdict(&all, "fresh invocation in process");
        assert_eq!((fresh.measured.as_str(), fresh.met), ("1.30", Some(false)));
        assert_eq!(verdict(&all, "idle environment").measured, "32.4 kB");
        assert_eq!(verdict(&all, "the same, p99").measured, "3.50 µs");
        assert_eq!(verdict(&all, "two cores").met, None);
        assert_eq!(verdict(&all, "the same in process").measured, "1.85");
    }
}
