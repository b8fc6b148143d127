//! The page: the main figures, the picture and the table, in one file that needs nothing else.

use super::svg::{Canvas, Escaped};
use super::{Report, plot, units};

const STYLE: &str = "
:root{color-scheme:light dark;--page:#f3f2ee;--card:#fcfcfb;--ink:#1c1b18;--soft:#57564f;--line:#e2e1da}
@media (prefers-color-scheme:dark){:root{--page:#0e0f11;--card:#16171a;--ink:#eeeef0;--soft:#a6a8ad;--line:#2c2e33}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main{max-width:1020px;margin:0 auto;padding:32px 20px 48px}
h1{font-size:26px;line-height:1.2;margin:0 0 4px}
.soft{color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:14px;margin:24px 0 16px}
.card,.plot,.figures{background:var(--card);border:1px solid var(--line);border-radius:10px}
.card{padding:14px 18px;border-left:4px solid}
.card h2{font-size:14px;margin:0;font-weight:600}
.card .value{font-size:30px;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums;color:var(--ink)}
.card p{margin:0;font-size:13px;color:var(--soft)}
.plot svg{display:block;width:100%;height:auto}
.figures{overflow-x:auto;margin-top:16px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;white-space:nowrap;font-size:14px}
th,td{padding:9px 14px;text-align:right}
th:first-child,td:first-child{text-align:left;font-weight:600}
thead th{color:var(--soft);font-weight:500;font-size:13px;border-bottom:1px solid var(--line)}
tbody tr+tr td{border-top:1px solid var(--line)}
.bad{color:#c62f2f;font-weight:600}
footer{margin-top:18px;font-size:13px;color:var(--soft)}
.c0{border-left-color:#2468c9}.c1{border-left-color:#cf5b1a}.c2{border-left-color:#12805c}
.c3{border-left-color:#8245c9}.c4{border-left-color:#b3316f}.c5{border-left-color:#5f6672}
@media (prefers-color-scheme:dark){.bad{color:#ff7b72}
.c0{border-left-color:#6ea8fe}.c1{border-left-color:#ff9a5c}.c2{border-left-color:#4cc79a}
.c3{border-left-color:#bb94f5}.c4{border-left-color:#f08ab8}.c5{border-left-color:#a3abb8}}";

impl Report {
    /// The page.
    pub fn html(&self) -> String {
        let mut page = Canvas::default();
        page.raw(format_args!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{0} · lamina bench</title><style>{STYLE}</style></head>\n<body><main><h1>{0}</h1><div class=\"soft\">{1}</div>\n<div class=\"cards\">",
            Escaped(&self.function),
            Escaped(&self.headline())
        ));
        let summaries = self.summaries();
        for (position, (series, summary)) in self.series.iter().zip(&summaries).enumerate() {
            let value = if summary.count == 0 { "–".to_owned() } else { units::duration(summary.p50_ns as f64) };
            let beside = match summary.ratio_to_warm {
                Some(ratio) if series.name != super::BASELINE => format!(" · {} warm", units::ratio(ratio)),
                _ => String::new(),
            };
            page.raw(format_args!(
                "<section class=\"card c{}\"><h2>{}</h2><div class=\"value\">{value}</div><p>median{beside}</p><p>{}</p></section>\n",
                plot::colour(position),
                Escaped(&series.name),
                Escaped(&series.what)
            ));
        }
        page.raw(format_args!("</div>\n<div class=\"plot\">{}</div>\n", self.picture(false)));
        page.raw(format_args!("<div class=\"figures\"><table><thead><tr>"));
        for head in
            ["start", "count", "per second", "p50", "p90", "p99", "p99.9", "max", "mean", "errors", "p50 ÷ warm"]
        {
            page.raw(format_args!("<th>{head}</th>"));
        }
        page.raw(format_args!("</tr></thead><tbody>\n"));
        for (series, summary) in self.series.iter().zip(&summaries) {
            page.raw(format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td>",
                Escaped(&series.name),
                units::count(summary.count),
                units::rate(summary.throughput_per_second)
            ));
            let times = [summary.p50_ns, summary.p90_ns, summary.p99_ns, summary.p999_ns, summary.max_ns];
            for ns in times.map(|ns| ns as f64).into_iter().chain([summary.mean_ns]) {
                let text = if summary.count == 0 { "–".to_owned() } else { units::duration(ns) };
                page.raw(format_args!("<td>{text}</td>"));
            }
            let class = if summary.errors > 0 { " class=\"bad\"" } else { "" };
            let ratio = summary.ratio_to_warm.map_or_else(|| "–".to_owned(), units::ratio);
            page.raw(format_args!("<td{class}>{}</td><td>{ratio}</td></tr>\n", units::count(summary.errors)));
        }
        page.raw(format_args!(
            "</tbody></table></div>\n<footer>Lamina {} · {}. Latencies are of successful invocations, to three significant digits (HdrHistogram); failed ones are counted apart.</footer></main></body></html>\n",
            Escaped(&self.machine.lamina),
            Escaped(&self.machine.to_string())
        ));
        page.finish()
    }
}
