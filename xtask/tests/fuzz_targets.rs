//! `cargo xtask fuzz` runs what has a corpus, and builds it by name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_fuzz_target_has_a_corpus_and_every_corpus_a_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let corpora: BTreeSet<String> = fs::read_dir(fuzz.join("corpus"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let targets: BTreeSet<String> = manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|bin| bin.lines().find_map(|line| line.strip_prefix("name = ")))
        .map(|name| name.trim_matches('"').to_owned())
        .collect();
    assert!(!targets.is_empty());
    assert_eq!(corpora, targets);
}
