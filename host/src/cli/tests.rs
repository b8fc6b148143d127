use super::*;
use clap::CommandFactory as _;

fn parse(words: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(words.split(' '))
}

#[test]
fn the_commands_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn what_people_type_is_understood() {
    for words in [
        "lamina serve --config config.toml --data-dir .lamina --api-addr 127.0.0.1:0 --dump-config",
        "lamina deploy hello hello.wasm --memory 256 --timeout 5 --env A=b --env C=d=e --sandbox fresh --alias live",
        "lamina invoke hello --payload @event.json --qualifier live --tail --output json",
        "lamina alias create hello live --version 3 --weight 2=0.1 --sticky-header x-user",
        "lamina alias weights hello live 2=0.1 1=0.2 --random",
        "lamina logs hello --follow --since 10m --filter ERROR",
        "lamina rollback hello live --to 3",
        "lamina bench hello -c 8 -d 2.5 --starts cold,warm --html bench.html",
        "lamina compile --guest a --component b --native c --memory-mb 1 --timeout-s 1",
        "lamina check",
    ] {
        assert!(parse(words).is_ok(), "{words}: {}", parse(words).unwrap_err());
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for words in [
        "lamina dance",
        "lamina deploy hello",
        "lamina deploy hello hello.wasm --env A",
        "lamina alias create hello live --version 1 --weight 2=1.5",
        "lamina alias weights hello live --random --sticky-header x",
        "lamina logs hello --since yesterday-ish",
        "lamina bench hello --concurrency 0",
        "lamina serve --api-addr here",
    ] {
        let refused = parse(words).expect_err(words);
        assert_eq!(refused.exit_code(), 2, "{words}");
    }
}

#[test]
fn a_template_is_written_whole_and_once() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, name) in [("event", "my-event"), ("http", "my-http")] {
        let words = ["lamina", "new", name, "--kind", kind, "--in", dir.path().to_str().unwrap()];
        let new = |words: &[&str]| match Cli::try_parse_from(words).unwrap().command {
            Command::New(new) => new.run(),
            other => panic!("{other:?}"),
        };
        new(&words).unwrap();
        for file in ["Cargo.toml", "src/lib.rs", "event.json", "README.md"] {
            let text = std::fs::read_to_string(dir.path().join(name).join(file)).unwrap();
            assert!(!text.contains("{{"), "{name}/{file}\n{text}");
        }
        let manifest = std::fs::read_to_string(dir.path().join(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some(name));
        assert!(manifest["dependencies"].get("lamina-guest-sdk").is_some());
        assert!(new(&words).unwrap_err().to_string().contains("exists already"));
    }
}

#[test]
fn a_directory_becomes_the_same_package_each_time() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("bootstrap.wat"), "(module (func (export \"_start\")))").unwrap();
    std::fs::write(dir.path().join("sub/data.txt"), "x").unwrap();
    let package = package::read(dir.path()).unwrap();
    assert_eq!(package, package::read(dir.path()).unwrap());
    assert!(crate::sandbox::package::guest(&package, "bootstrap").is_ok());
    assert!(package::read(&dir.path().join("none")).is_err());
}

#[test]
fn tables_line_up() {
    let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["long name".to_owned(), String::new()]];
    assert_eq!(output::table(&["name", "value"], rows, ""), "NAME       VALUE\na          1\nlong name\n");
    assert_eq!(output::table(&["name"], Vec::new(), "none"), "none");
}
