//! The picture: requests a second as bars, with latencies beside them. It needs nothing from outside and follows the reader's light or
//! dark setting.

use super::contenders::Family;
use super::{Row, Run, words};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 290.0;
const RIGHT: f64 = 660.0;
const TOP: f64 = 96.0;
const ROW: f64 = 30.0;
/// Where the columns of latencies end.
const COLUMNS: [f64; 2] = [838.0, 932.0];

const STYLE: &str = "
.cmp{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
.cmp .page{fill:#fcfcfb}.cmp text{fill:#57564f;font-size:12.5px}
.cmp .title{fill:#1c1b18;font-size:20px;font-weight:650}.cmp .name{fill:#1c1b18;font-size:13px}
.cmp .rate{font-weight:600}.cmp .grid{stroke:#e6e5df}
.cmp .floor{fill:#8b919c}.cmp .lamina{fill:#2468c9}.cmp .peer{fill:#cf5b1a}
@media (prefers-color-scheme:dark){
.cmp .page{fill:#16171a}.cmp text{fill:#a6a8ad}.cmp .title,.cmp .name{fill:#eeeef0}.cmp .grid{stroke:#2c2e33}
.cmp .floor{fill:#7d838d}.cmp .lamina{fill:#6ea8fe}.cmp .peer{fill:#ff9a5c}
}";

/// The document; rows without a measurement are not in it.
pub fn svg(run: &Run) -> String {
    let rows: Vec<(&Row, f64)> = run.rows.iter().filter_map(|row| Some((row, row.per_second()?))).collect();
    let most = rows.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + 64.0;
    let machine = run.machine["cpu"].as_str().unwrap_or("unknown processor");
    let said: Vec<String> = rows
        .iter()
        .map(|(row, rate)| format!("{}: {} a second", row.label, words::count(rate.round() as u64)))
        .collect();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cmp\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"cmp-title cmp-desc\">\n<title id=\"cmp-title\">Hello world over HTTP, requests a second</title>\n\
         <desc id=\"cmp-desc\">{}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"28\" y=\"40\">Hello world over HTTP, requests a second</text>\n\
         <text x=\"28\" y=\"62\">{}</text>\n\
         <text x=\"{}\" y=\"62\" text-anchor=\"end\">at half of that:</text>\n\
         <text x=\"{}\" y=\"82\" text-anchor=\"end\">p50</text><text x=\"{}\" y=\"82\" text-anchor=\"end\">p99</text>\n",
        escaped(&said.join("; ")),
        escaped(&format!("{machine}; servers on core {}; {}", run.settings.server_cores, run.started)),
        COLUMNS[1],
        COLUMNS[0],
        COLUMNS[1],
    );
    let step = step(most);
    let x = |rate: f64| LEFT + (RIGHT - LEFT) * rate / most;
    for tick in (0..).map(|n| f64::from(n) * step).take_while(|tick| *tick <= most) {
        let at = x(tick);
        out += &format!(
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            bottom + 20.0,
            words::count(tick.round() as u64)
        );
    }
    for (position, (row, rate)) in rows.iter().enumerate() {
        let (top, length) = (TOP + ROW * position as f64, x(*rate) - LEFT);
        let (base, class) = (top + 20.0, class(row.family));
        let figure = words::count(rate.round() as u64);
        let name = escaped(&row.label);
        out += &format!(
            "<g><title>{name}: {figure} a second</title>\
             <text class=\"name\" x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" rx=\"2\"/>\
             <text class=\"rate\" x=\"{:.1}\" y=\"{base:.1}\">{figure}</text>",
            LEFT - 12.0,
            top + 5.0,
            ROW - 10.0,
            LEFT + length + 8.0,
        );
        let half = |figure: fn(&super::load::Paced) -> f64| row.median(|round| round.half.as_ref().map(figure));
        for (column, value) in COLUMNS.iter().zip([half(|half| half.p50_us), half(|half| half.p99_us)]) {
            let text = value.map_or_else(|| "–".to_owned(), words::time);
            out += &format!("<text x=\"{column}\" y=\"{base:.1}\" text-anchor=\"end\">{text}</text>");
        }
        out += "</g>\n";
    }
    out += &format!(
        "<text x=\"28\" y=\"{:.1}\">grey: the floor · blue: Lamina · orange: others · medians of {} rounds</text>\n</svg>\n",
        height - 16.0,
        run.settings.rounds
    );
    out
}

fn class(family: Family) -> &'static str {
    match family {
        Family::Floor => "floor",
        Family::Lamina => "lamina",
        Family::Peer => "peer",
    }
}

/// A round step that divides an axis up to `most` into four to ten.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf((most / 4.0).log10().floor());
    [5.0, 2.0, 1.0].iter().map(|factor| factor * power).find(|step| most / step >= 4.0).unwrap_or(power)
}

/// Text that is safe between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    #[test]
    fn every_row_has_a_bar_and_words() {
        let svg = svg(&run(&[("hyper", &[50_000.0]), ("a < b", &[10_000.0])]));
        assert!(svg.contains("a &lt; b: 10,000 a second") && !svg.contains("a < b"));
        // The page and two bars; the longest ends where the axis does.
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(svg.contains(&format!("width=\"{:.1}\"", RIGHT - LEFT)));
        assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("aria-labelledby"));
    }

    #[test]
    fn axes_have_round_steps() {
        assert_eq!((step(52_000.0), step(9_000.0), step(40.0)), (10_000.0, 2_000.0, 10.0));
    }
}
