//! The picture: latency by percentile above, how latencies spread below.

use super::svg::{Anchor, Canvas, Escaped, LogScale, spread};
use super::{Report, Series, units};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 810.0;
const TOP: f64 = 112.0;
const CURVE_HEIGHT: f64 = 330.0;
const ROW_HEIGHT: f64 = 74.0;
/// Between the curve's axis and the first row of the distribution.
const BETWEEN: f64 = 98.0;
/// Bins of the distribution over its whole width.
const BINS: usize = 220;
/// Percentiles marked on a curve, where there are samples for them.
const MARKS: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
/// The furthest nines drawn: 99.9999 %.
const MOST_NINES: f64 = 6.0;

/// How the picture looks; colours by series in order, told apart also by their labels.
const STYLE: &str = "
.bench{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
.bench .page{fill:#fcfcfb}
.bench text,.bench .sub{fill:#57564f;font-size:12.5px;font-weight:400}
.bench .title{fill:#1c1b18;font-size:20px;font-weight:650}
.bench .head{fill:#1c1b18;font-size:14.5px;font-weight:600}
.bench .name{font-weight:600;font-size:13.5px}
.bench .grid{stroke:#e6e5df;stroke-width:1}
.bench .faint{stroke:#f0efea;stroke-width:1}
.bench .axis{stroke:#a9a79d;stroke-width:1}
.bench .curve{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
.bench .leader{stroke-width:1;stroke-dasharray:1.5 3;fill:none}
.bench .mark{stroke-width:2}
.bench .late{stroke-width:1.25;stroke-dasharray:3 2.5}
.bench .rug{stroke-width:1.5;stroke-opacity:.7}
.bench .area{fill-opacity:.22;stroke:none}
.bench circle{stroke:#fcfcfb;stroke-width:1.5}
.bench .s0{stroke:#2468c9}.bench .f0,.bench text.f0{fill:#2468c9}
.bench .s1{stroke:#cf5b1a}.bench .f1,.bench text.f1{fill:#cf5b1a}
.bench .s2{stroke:#12805c}.bench .f2,.bench text.f2{fill:#12805c}
.bench .s3{stroke:#8245c9}.bench .f3,.bench text.f3{fill:#8245c9}
.bench .s4{stroke:#b3316f}.bench .f4,.bench text.f4{fill:#b3316f}
.bench .s5{stroke:#5f6672}.bench .f5,.bench text.f5{fill:#5f6672}
@media (prefers-color-scheme:dark){
.bench .page{fill:#16171a}
.bench text,.bench .sub{fill:#a6a8ad}
.bench .title,.bench .head{fill:#eeeef0}
.bench .grid{stroke:#2c2e33}
.bench .faint{stroke:#222428}
.bench .axis{stroke:#5c5f66}
.bench circle{stroke:#16171a}
.bench .s0{stroke:#6ea8fe}.bench .f0,.bench text.f0{fill:#6ea8fe}
.bench .s1{stroke:#ff9a5c}.bench .f1,.bench text.f1{fill:#ff9a5c}
.bench .s2{stroke:#4cc79a}.bench .f2,.bench text.f2{fill:#4cc79a}
.bench .s3{stroke:#bb94f5}.bench .f3,.bench text.f3{fill:#bb94f5}
.bench .s4{stroke:#f08ab8}.bench .f4,.bench text.f4{fill:#f08ab8}
.bench .s5{stroke:#a3abb8}.bench .f5,.bench text.f5{fill:#a3abb8}
}";

const COLOURS: usize = 6;

/// The colour's number of the series at a position.
pub(super) fn colour(position: usize) -> usize {
    position % COLOURS
}

impl Report {
    /// The picture as an SVG document of its own.
    pub fn svg(&self) -> String {
        self.picture(true)
    }

    /// The picture; within a page that names the function already, without a title.
    pub(super) fn picture(&self, titled: bool) -> String {
        let drawn: Vec<(usize, &Series)> =
            self.series.iter().enumerate().filter(|(_, series)| !series.latency.is_empty()).collect();
        // An untitled picture begins just above its first heading.
        let top = if titled { 0.0 } else { TOP - 52.0 };
        let bottom = TOP + CURVE_HEIGHT + BETWEEN + ROW_HEIGHT * drawn.len().max(1) as f64 + 58.0;
        let height = bottom - top;
        let name = Escaped(&self.function);
        let mut canvas = Canvas::default();
        canvas.raw(format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="bench" viewBox="0 {top} {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"><title>Latency of {name}</title><style>{STYLE}</style><rect class="page" y="{top}" width="{WIDTH}" height="{height}" rx="10"/>"#,
        ));
        if titled {
            canvas.text("title", (28.0, 40.0), Anchor::Start, &self.function);
            canvas.text("sub", (28.0, 62.0), Anchor::Start, &self.headline());
        }
        canvas.heading(
            (28.0, TOP - 14.0),
            "Latency by percentile",
            "share of invocations at least as fast; each step to the right is ten times rarer",
        );
        if drawn.is_empty() {
            canvas.text(
                "sub",
                (LEFT, TOP + 40.0),
                Anchor::Start,
                "No invocation succeeded, so there is nothing to draw.",
            );
        } else {
            curves(&mut canvas, &drawn);
            distribution(&mut canvas, &drawn, TOP + CURVE_HEIGHT + BETWEEN);
        }
        canvas.raw(format_args!("</svg>"));
        canvas.finish()
    }
}

fn extent(series: &[(usize, &Series)]) -> (f64, f64) {
    let low = series.iter().map(|(_, s)| s.latency.min()).min().unwrap_or(1).max(1) as f64;
    let high = series.iter().map(|(_, s)| s.latency.max()).max().unwrap_or(1).max(1) as f64;
    (low, high)
}

fn value_at(series: &Series, quantile: f64) -> f64 {
    series.latency.value_at_quantile(quantile).max(1) as f64
}

/// How many nines the samples of a series carry: 1,000 samples have a 99.9th percentile and no more.
fn nines(series: &Series) -> f64 {
    (series.latency.len().max(1) as f64).log10().min(MOST_NINES)
}

fn curves(canvas: &mut Canvas, drawn: &[(usize, &Series)]) {
    let bottom = TOP + CURVE_HEIGHT;
    let (low, high) = extent(drawn);
    let latency = LogScale::new(low * 0.85, high * 1.15, bottom, TOP);
    for (value, labelled) in latency.ticks() {
        let y = latency.at(value);
        canvas.line(if labelled { "grid" } else { "faint" }, (LEFT, y), (RIGHT, y));
        if labelled {
            canvas.text("sub", (LEFT - 10.0, y + 4.0), Anchor::End, &units::tick(value));
        }
    }
    let most = drawn.iter().map(|(_, s)| nines(s)).fold(1.0, f64::max);
    let x_of = |nines: f64| LEFT + (nines / most).clamp(0.0, 1.0) * (RIGHT - LEFT);
    let halfway = 2_f64.log10();
    let whole = (1..=MOST_NINES as u32).map(f64::from);
    for at in [0.0, halfway].into_iter().chain(whole).filter(|&at| at <= most + 1e-9) {
        let x = x_of(at);
        canvas.line("grid", (x, TOP), (x, bottom));
        let percent = (1.0 - 10_f64.powf(-at)) * 100.0;
        let label = format!("{}%", (percent * 1e6).round() / 1e6);
        canvas.text("sub", (x, bottom + 20.0), Anchor::Middle, &label);
    }
    canvas.line("axis", (LEFT, bottom), (RIGHT, bottom));

    let ends: Vec<(f64, f64)> =
        drawn.iter().map(|(_, s)| (x_of(nines(s)), latency.at(s.latency.max().max(1) as f64))).collect();
    let wanted: Vec<f64> = ends.iter().map(|&(_, y)| y).collect();
    let label_ys = spread(&wanted, 34.0, TOP + 6.0, bottom - 18.0);
    for (((position, series), end), label_y) in drawn.iter().zip(&ends).zip(label_ys) {
        let colour = colour(*position);
        let (points, last) = (240_u32, nines(series));
        let mut curve: Vec<(f64, f64)> = (0..points)
            .map(|i| f64::from(i) / f64::from(points) * last)
            .map(|at| (x_of(at), latency.at(value_at(series, 1.0 - 10_f64.powf(-at)))))
            .collect();
        curve.push(*end);
        canvas.path(&format!("curve s{colour}"), &curve, false);
        canvas.path(
            &format!("leader s{colour}"),
            &[(end.0 + 5.0, end.1), (RIGHT + 8.0, label_y), (RIGHT + 14.0, label_y)],
            false,
        );
        let name = format!("name f{colour}");
        canvas.text(&name, (RIGHT + 20.0, label_y + 1.0), Anchor::Start, &series.name);
        let median = format!("p50 {}", units::duration(value_at(series, 0.5)));
        canvas.text("sub", (RIGHT + 20.0, label_y + 16.0), Anchor::Start, &median);
        for quantile in MARKS {
            let at = -(1.0 - quantile).log10();
            if at <= last + 1e-9 {
                let value = value_at(series, quantile);
                let title = format!("{} {}: {}", series.name, units::percentile(quantile), units::duration(value));
                canvas.dot(&format!("f{colour}"), (x_of(at), latency.at(value)), &title);
            }
        }
    }
}

fn distribution(canvas: &mut Canvas, drawn: &[(usize, &Series)], top: f64) {
    canvas.heading(
        (28.0, top - 34.0),
        "Where invocations fall",
        "each to its own height; solid: median, dashed: p99; ticks: every latency seen, however rare",
    );
    let bottom = top + ROW_HEIGHT * drawn.len() as f64;
    let (low, high) = extent(drawn);
    let scale = LogScale::new(low * 0.85, high * 1.15, LEFT + 56.0, WIDTH - 36.0);
    let (start, end) = (scale.at(scale.value(0.0)), scale.at(scale.value(1.0)));
    for (value, labelled) in scale.ticks() {
        let x = scale.at(value);
        canvas.line(if labelled { "grid" } else { "faint" }, (x, top - 8.0), (x, bottom));
        if labelled {
            canvas.text("sub", (x, bottom + 24.0), Anchor::Middle, &units::tick(value));
        }
    }
    for (row, (position, series)) in drawn.iter().enumerate() {
        let base = top + ROW_HEIGHT * (row as f64 + 1.0);
        let colour = colour(*position);
        let full = ROW_HEIGHT - 20.0;
        let x_of = |bin: usize| scale.at(scale.value((bin as f64 + 0.5) / BINS as f64));
        canvas.line("axis", (start, base), (end, base));
        let bins = bins(series, &scale);
        for (bin, _) in bins.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            canvas.line(&format!("rug s{colour}"), (x_of(bin), base + 2.0), (x_of(bin), base + 6.0));
        }
        let heights = density(bins);
        let seen = |height: &f64| *height > 0.004;
        let (first, last) = (heights.iter().position(seen).unwrap_or(0), heights.iter().rposition(seen).unwrap_or(0));
        let outline: Vec<(f64, f64)> = heights
            .iter()
            .enumerate()
            .filter(|(bin, _)| (first.saturating_sub(1)..=last.saturating_add(1)).contains(bin))
            .map(|(bin, height)| (x_of(bin), base - height * full))
            .collect();
        let (left, right) = (outline.first().map_or(start, |p| p.0), outline.last().map_or(end, |p| p.0));
        let mut area = outline.clone();
        area.extend([(right, base), (left, base)]);
        canvas.path(&format!("area f{colour}"), &area, true);
        canvas.path(&format!("curve s{colour}"), &outline, false);
        canvas.text(&format!("name f{colour}"), (28.0, base - 6.0), Anchor::Start, &series.name);
        for (quantile, class) in [(0.5, "mark"), (0.99, "late")] {
            let x = scale.at(value_at(series, quantile));
            canvas.line(&format!("{class} s{colour}"), (x, base), (x, base - full));
        }
        let late = scale.at(value_at(series, 0.99)).max(right);
        let (x, anchor) = if late + 190.0 < end { (late + 12.0, Anchor::Start) } else { (left - 12.0, Anchor::End) };
        let (median, p99) = (value_at(series, 0.5), value_at(series, 0.99));
        let figures = format!("p50 {}  ·  p99 {}", units::duration(median), units::duration(p99));
        canvas.text("sub", (x, base - 8.0), anchor, &figures);
    }
}

/// Samples by bin of the scale.
fn bins(series: &Series, scale: &LogScale) -> Vec<f64> {
    let origin = scale.at(scale.value(0.0));
    let length = scale.at(scale.value(1.0)) - origin;
    let mut bins = vec![0.0_f64; BINS];
    for value in series.latency.iter_recorded() {
        let part = (scale.at(value.value_iterated_to().max(1) as f64) - origin) / length;
        let bin = ((part * BINS as f64) as usize).min(BINS.saturating_sub(1));
        if let Some(count) = bins.get_mut(bin) {
            *count += value.count_since_last_iteration() as f64;
        }
    }
    bins
}

/// The same smoothed over neighbours, the greatest being 1.
fn density(mut bins: Vec<f64>) -> Vec<f64> {
    for _ in 0..2 {
        let padded: Vec<f64> = std::iter::once(0.0).chain(bins).chain(std::iter::once(0.0)).collect();
        let weighed = |window: &[f64]| window.iter().zip([0.25, 0.5, 0.25]).map(|(count, weight)| count * weight).sum();
        bins = padded.windows(3).map(weighed).collect();
    }
    let greatest = bins.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    bins.iter().map(|count| count / greatest).collect()
}
