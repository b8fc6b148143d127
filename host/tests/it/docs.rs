//! The documents name files and metrics that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pages that are held to the tree.
const PAGES: [&str; 3] = ["README.md", "docs/architecture.md", "docs/request-life.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Text between backticks on one line; blocks of code are left out.
fn quoted(page: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// Whether quoted text is meant as a path of the repository: relative, of plain characters, with a directory or an ending.
fn is_path(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    let file = [".rs", ".md", ".toml", ".wit", ".service"].iter().any(|ending| text.ends_with(ending));
    let built = text.starts_with("target/");
    plain && !built && !text.starts_with(['/', '.']) && (text.contains('/') || file)
}

#[test]
fn paths_are_told_from_other_text() {
    for path in ["host/", "config.rs", "docs/architecture.md", "wire/lambda/", "guest-sdk/wit/lamina.wit"] {
        assert!(is_path(path), "{path}");
    }
    for other in ["/tmp", "cargo xtask run", "wasi:http", "target/release/lamina", "Invoker::invoke", "127.0.0.1:4566"]
    {
        assert!(!is_path(other), "{other}");
    }
    assert_eq!(quoted("a `b` c `d`\n```\n`e`\n```\n`f`"), ["b", "d", "f"]);
}

#[test]
fn every_path_in_the_pages_exists() {
    let root = root();
    let mut missing = Vec::new();
    for page in PAGES {
        let text = read(page);
        let paths: Vec<&str> = quoted(&text).into_iter().filter(|text| is_path(text)).collect();
        assert!(paths.len() > 10, "{page} names hardly a path: is it read as it is written?");
        let gone = |path: &&str| !root.join(path).exists() && !root.join("host/src").join(path).exists();
        missing.extend(paths.into_iter().filter(gone).map(|path| format!("{page}: {path}")));
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The names given to the registry: the first text after each `to.`, which registers.
fn registered() -> BTreeSet<String> {
    let source = read("host/src/telemetry/metrics/mod.rs");
    let calls = source.split("to\n").flat_map(|part| part.split("to.")).skip(1);
    let names =
        calls.filter_map(|call| Some(call.split_once('(')?.1.trim_start().strip_prefix('"')?.split_once('"')?.0));
    names.map(|name| format!("lamina_{name}")).collect()
}

#[test]
fn every_metric_is_explained_and_every_metric_explained_exists() {
    let registered = registered();
    assert!(registered.len() > 20, "{registered:?}");
    let page = read("docs/operations.md");
    let explained: BTreeSet<String> = quoted(&page)
        .into_iter()
        .filter(|text| text.starts_with("lamina_"))
        .map(|text| text.split('{').next().unwrap_or(text).to_owned())
        .collect();
    assert_eq!(explained, registered);
}
