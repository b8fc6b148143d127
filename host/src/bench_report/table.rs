//! The table for the terminal.

use super::{Report, units};
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};

impl Report {
    /// A table of all series, with a line above that says what ran where. Colours and bold only where the terminal has them.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
        let head =
            ["start", "count", "per second", "p50", "p90", "p99", "p99.9", "max", "mean", "errors", "p50 ÷ warm"];
        table.set_header(head.map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        for (series, summary) in self.series.iter().zip(self.summaries()) {
            let time = |ns: f64| if summary.count == 0 { "–".to_owned() } else { units::duration(ns) };
            table.add_row([
                Cell::new(&series.name).add_attribute(Attribute::Bold),
                Cell::new(units::count(summary.count)),
                Cell::new(units::rate(summary.throughput_per_second)),
                Cell::new(time(summary.p50_ns as f64)),
                Cell::new(time(summary.p90_ns as f64)),
                Cell::new(time(summary.p99_ns as f64)),
                Cell::new(time(summary.p999_ns as f64)),
                Cell::new(time(summary.max_ns as f64)),
                Cell::new(time(summary.mean_ns)),
                Cell::new(units::count(summary.errors)),
                Cell::new(summary.ratio_to_warm.map_or_else(|| "–".to_owned(), units::ratio)),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!("{} · {}\n{table}", self.function, self.headline())
    }
}
