//! A kept run in the documents: the chart beside the run, tables between markers.
//!
//! What lies between `<!-- comparison -->` and `<!-- /comparison -->` is written here and by nobody else.

use super::{Run, chart, report, targets};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- comparison -->\n";
const END: &str = "<!-- /comparison -->";
/// A run's file.
pub const FILE: &str = "http.json";
const CHART: &str = "http.svg";

/// Keeps a run in `directory`.
///
/// Its commands are kept as they would be typed in any checkout.
pub fn keep(workspace: &Workspace, run: &Run, directory: &Path) -> Result<()> {
    let file = directory.join(FILE);
    let anywhere = |path: &Path, name: &str, text: String| text.replace(&format!("{}/", path.display()), name);
    let text = serde_json::to_string_pretty(run)? + "\n";
    let text = anywhere(&workspace.root, "", anywhere(&workspace.target, "target/", text));
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Writes the chart of the run that `directory` keeps, and the tables of README.md and docs/performance.md.
pub fn publish(workspace: &Workspace, directory: &Path) -> Result<()> {
    let file = directory.join(FILE);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let run: Run = serde_json::from_str(&text).with_context(|| format!("{} is no run", file.display()))?;
    fs::write(directory.join(CHART), chart::svg(&run))?;
    let directory = directory.canonicalize()?;
    let root = workspace.root.canonicalize()?;
    let place = directory.strip_prefix(&root).context("a run is published from within the repository")?;
    let place = place.to_str().context("the run's path is no text")?;
    let evidence = evidence(&run, &directory)?;
    let picture = |up: &str| format!("![Requests a second, Lamina beside others]({up}{place}/{CHART})\n");
    replace(
        &root.join("README.md"),
        &format!("{}\n{}\n\n{}", picture(""), report::circumstances(&run), report::targets(&evidence)),
    )?;
    let left_out: String = run.left_out.iter().map(|what| format!("- left out: {what}\n")).collect();
    let all = format!(
        "{}\n{}\n\n{}\n{}\n{}{}{left_out}",
        picture("../"),
        report::circumstances(&run),
        report::rows(&run),
        report::apart(&run),
        report::targets(&evidence),
        if left_out.is_empty() { "" } else { "\n" },
    );
    replace(&root.join("docs/performance.md"), &all)
}

/// What else the run's directory says.
fn evidence<'a>(run: &'a Run, directory: &Path) -> Result<targets::Evidence<'a>> {
    let mut criterion_ns = BTreeMap::new();
    for line in fs::read_to_string(directory.join("criterion.jsonl")).unwrap_or_default().lines() {
        let bench: Value = serde_json::from_str(line).context("criterion.jsonl")?;
        if let (Some(name), Some(ns)) =
            (bench["bench"].as_str(), bench["estimates"]["median"]["point_estimate"].as_f64())
        {
            criterion_ns.insert(name.to_owned(), ns);
        }
    }
    let mut printed = BTreeMap::new();
    for (name, _) in crate::bench::PROGRAMS {
        if let Ok(text) = fs::read_to_string(directory.join(format!("{name}.txt"))) {
            printed.insert(name.to_owned(), text);
        }
    }
    Ok(targets::Evidence { run, criterion_ns, printed })
}

fn replace(file: &Path, text: &str) -> Result<()> {
    let old = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let new = between(&old, text).with_context(|| format!("{} has no markers", file.display()))?;
    if new != old {
        fs::write(file, new).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The document with `text` between its markers.
fn between(document: &str, text: &str) -> Result<String> {
    let Some((before, rest)) = document.split_once(BEGIN) else { bail!("no {}", BEGIN.trim()) };
    let Some((_, after)) = rest.split_once(END) else { bail!("no {END}") };
    Ok(format!("{before}{BEGIN}{}\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = format!("a\n{BEGIN}old\n{END}\nb\n");
        let new = between(&document, "new\n\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}new\n{END}\nb\n"));
        assert_eq!(between(&new, "new").unwrap(), new);
        assert!(between("a", "new").is_err());
    }
}
