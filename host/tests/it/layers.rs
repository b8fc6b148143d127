//! The direction of dependencies between modules, held to by reading the source.

use std::collections::BTreeMap;
use std::path::Path;

/// Each module with those it may use, beside itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cli", &["bench_report", "config", "credentials", "ids", "sandbox", "storage", "telemetry"]),
    (
        "wire",
        &[
            "catalog",
            "clock",
            "credentials",
            "ids",
            "images",
            "invocation",
            "listener",
            "sandbox",
            "shutdown",
            "storage",
            "telemetry",
            "triggers",
        ],
    ),
    (
        "reconcile",
        &["catalog", "clock", "config", "credentials", "ids", "images", "sandbox", "storage", "telemetry", "triggers"],
    ),
    (
        "config",
        &[
            "catalog",
            "credentials",
            "ids",
            "images",
            "invocation",
            "sandbox",
            "shutdown",
            "storage",
            "telemetry",
            "triggers",
        ],
    ),
    (
        "triggers",
        &["credentials", "invocation", "storage", "listener", "clock", "ids", "telemetry", "shutdown", "turns"],
    ),
    ("invocation", &["catalog", "sandbox", "storage", "telemetry", "clock", "ids", "shutdown", "turns"]),
    ("catalog", &["credentials", "images", "sandbox", "storage", "telemetry", "clock", "ids"]),
    ("images", &["credentials", "sandbox"]),
    ("sandbox", &["storage", "telemetry", "clock", "ids", "shutdown", "turns"]),
    ("credentials", &["ids", "clock"]),
    ("storage", &["ids", "clock"]),
    ("telemetry", &["ids", "clock"]),
    ("listener", &["turns"]),
    ("turns", &[]),
    ("shutdown", &[]),
    ("clock", &[]),
    ("ids", &[]),
    ("bench_report", &[]),
];

#[test]
fn modules_use_only_what_stands_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut violations = Vec::new();
    visit(&src, &mut |path, text| {
        let relative = path.strip_prefix(&src).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(allowed) = allowed.get(module) else { return };
        for used in text.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if used != module && !used.is_empty() && !allowed.contains(&used.as_str()) {
                violations.push(format!("{} uses {used}", relative.display()));
            }
        }
    });
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn unsafe_code_is_where_the_architecture_says() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    visit(&src, &mut |path, text| {
        if text.contains("unsafe_code") {
            found.push(path.strip_prefix(&src).unwrap().display().to_string());
        }
    });
    found.sort();
    assert_eq!(found, ["sandbox/artifact.rs", "sandbox/memory_images/memory.rs"]);
}

fn visit(dir: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
