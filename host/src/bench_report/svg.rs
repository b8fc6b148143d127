//! Writing SVG: a few shapes, and scales for axes.

use std::fmt::{self, Write};

/// SVG text under construction. Numbers are written with one decimal, text is escaped.
#[derive(Default)]
pub(super) struct Canvas {
    out: String,
}

/// Text that is safe between tags and in attributes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // XML has no way to write these.
                c if c.is_control() && !matches!(c, '\t' | '\n') => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Where a text stands to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    /// Appends markup as it is.
    pub(super) fn raw(&mut self, markup: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(markup);
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.raw(format_args!(r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#));
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = Escaped(text);
        self.raw(format_args!(r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#));
    }

    /// A heading and, behind it, what explains it.
    pub(super) fn heading(&mut self, (x, y): (f64, f64), heading: &str, explanation: &str) {
        let (heading, explanation) = (Escaped(heading), Escaped(explanation));
        self.raw(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}"><tspan class="head">{heading}</tspan><tspan class="sub" dx="12">{explanation}</tspan></text>"#
        ));
    }

    /// A line through points, or the area it encloses where the class fills.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)], closed: bool) {
        let Some(((x, y), rest)) = points.split_first() else { return };
        self.raw(format_args!(r#"<path class="{class}" d="M{x:.1} {y:.1}"#));
        for (x, y) in rest {
            self.raw(format_args!("L{x:.1} {y:.1}"));
        }
        self.raw(format_args!("{}", if closed { r#"Z"/>"# } else { r#""/>"# }));
    }

    /// A dot that tells `title` when pointed at.
    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), title: &str) {
        let title = Escaped(title);
        self.raw(format_args!(
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"><title>{title}</title></circle>"#
        ));
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// A logarithmic scale from values onto a stretch of the picture.
#[derive(Clone, Copy)]
pub(super) struct LogScale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl LogScale {
    /// Maps `low..high` (both above zero) to `from..to`. A stretch without length is widened.
    pub(super) fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = low.max(1e-3);
        let high = high.max(low * 1.25);
        Self { low: low.log10(), high: high.log10(), from, to }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let part = (value.max(1e-3).log10() - self.low) / (self.high - self.low);
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// The value at `part` (0 to 1) of the way.
    pub(super) fn value(&self, part: f64) -> f64 {
        10_f64.powf(self.low + part * (self.high - self.low))
    }

    /// Round values on the scale, and whether each gets a label: powers of ten, with 2 and 5 labelled too on a short scale.
    pub(super) fn ticks(&self) -> Vec<(f64, bool)> {
        let short = self.high - self.low < 2.2;
        let mut ticks = Vec::new();
        for power in (self.low.floor() as i32)..=(self.high.ceil() as i32) {
            for (step, labelled) in [(1.0, true), (2.0, short), (5.0, short)] {
                let value = step * 10_f64.powi(power);
                if (self.low - 1e-9..=self.high + 1e-9).contains(&value.log10()) {
                    ticks.push((value, labelled));
                }
            }
        }
        ticks
    }
}

/// Moves labels apart so that they are at least `gap` from one another within `low..high`, keeping their order and moving
/// as little as can be: labels that collide are placed around the middle of where they wanted to be.
pub(super) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = wanted.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    // Less its rank's share of gaps, a label only has to be no less than the one before: pool those that are.
    let mut pools: Vec<(f64, usize)> = Vec::with_capacity(order.len());
    for (rank, (_, y)) in order.iter().enumerate() {
        let mut pool = (y - rank as f64 * gap, 1);
        while let Some(&(mean, count)) = pools.last() {
            if mean <= pool.0 {
                break;
            }
            pools.pop();
            let all = count + pool.1;
            pool = ((mean * count as f64 + pool.0 * pool.1 as f64) / all as f64, all);
        }
        pools.push(pool);
    }
    let most = high - order.len().saturating_sub(1) as f64 * gap;
    let reduced = pools.iter().flat_map(|&(mean, count)| std::iter::repeat_n(mean, count));
    let mut out = wanted.to_vec();
    for ((rank, (i, _)), y) in order.iter().enumerate().zip(reduced) {
        if let Some(slot) = out.get_mut(*i) {
            *slot = y.min(most).max(low) + rank as f64 * gap;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_maps_its_ends_and_keeps_within() {
        let scale = LogScale::new(1e3, 1e6, 0.0, 300.0);
        assert_eq!((scale.at(1e3), scale.at(1e6)), (0.0, 300.0));
        assert!((scale.at(1e4) - 100.0).abs() < 1e-9);
        assert_eq!((scale.at(0.0), scale.at(f64::MAX)), (0.0, 300.0));
        assert!((scale.value(1.0 / 3.0) - 1e4).abs() < 1e-6);
        let empty = LogScale::new(0.0, 0.0, 0.0, 1.0);
        assert!(empty.at(0.0).is_finite() && empty.at(1.0).is_finite());
    }

    #[test]
    fn labels_keep_apart_and_in_order() {
        let placed = spread(&[50.0, 10.0, 52.0, 98.0, 99.0], 10.0, 0.0, 100.0);
        assert_eq!(placed, [46.0, 10.0, 56.0, 90.0, 100.0]);
        assert!(spread(&[], 10.0, 0.0, 1.0).is_empty());
    }

    #[test]
    fn markup_in_a_name_stays_text() {
        let escaped = Escaped("<b a=\"x\">&'\u{0}").to_string();
        assert_eq!(escaped, "&lt;b a=&quot;x&quot;&gt;&amp;&#39;\u{fffd}");
    }
}
