use super::*;
use crate::ids::Version;
use std::fs;

fn load(text: &str, overrides: &Overrides, variables: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f.wasm"), b"\0asm").unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let prefix = format!("{}/", dir.path().display());
    Config::load_with(Some(&path), overrides, &variables).map_err(|error| error.to_string().replace(&prefix, ""))
}

fn fault(text: &str) -> String {
    load(text, &Overrides::default(), &[]).unwrap_err()
}

#[test]
fn flags_beat_the_environment_beats_the_file_beats_defaults() {
    let text = "[listen]\napi_addr = '127.0.0.1:1'\nhttp_addr = '0.0.0.0:2'\n[sandbox]\nidle_timeout_s = 5\n";
    let overrides = Overrides { api_addr: Some("127.0.0.1:3".parse().unwrap()), ..Overrides::default() };
    let variables =
        [("LAMINA_LISTEN_API_ADDR", "127.0.0.1:4"), ("LAMINA_SANDBOX_IDLE_TIMEOUT_S", "7"), ("LAMINA_LOG", "debug")];
    let config = load(text, &overrides, &variables).unwrap();
    assert_eq!(config.listen.api_addr.port(), 3, "the flag");
    assert_eq!(config.sandbox.idle_timeout_s, 7, "the variable");
    assert_eq!(config.host_log.level, "debug", "the variable");
    assert_eq!(config.listen.http_addr.to_string(), "0.0.0.0:2", "the file");
    assert_eq!(config.listen.admin_addr, Listen::default().admin_addr, "the default");
}

#[test]
fn without_a_file_there_are_defaults() {
    let config = Config::load_with(None, &Overrides::default(), &BTreeMap::new()).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn unknown_keys_are_all_told_with_their_places_and_what_may_be_meant() {
    let text =
        "[http]\nmax_body_byte = 1\n\n[[functions]]\nname = 'f'\npackage = 'f.wasm'\n  memory = 128\n[nonsense]\n";
    let said = fault(text);
    assert!(
        said.contains(
            "config.toml: line 2, column 1: http.max_body_byte: unknown key (did you mean \"max_body_bytes\"?)"
        ),
        "{said}"
    );
    assert!(said.contains("config.toml: line 7, column 3: functions[0].memory: unknown key"), "{said}");
    assert!(said.contains("line 8, column 2: nonsense: unknown key"), "{said}");
    let said = fault("[[functions]]\nname='f'\npackage='f.wasm'\n[[functions.aliases]]\nname='a'\nversoin=1\n");
    assert!(
        said.contains("line 6, column 1: functions[0].aliases[0].versoin: unknown key (did you mean \"version\"?)")
    );
}

#[test]
fn what_does_not_parse_or_has_the_wrong_type_is_told_with_its_place_and_key() {
    for (text, said) in [
        ("this is not toml", "line 1, column 6"),
        ("[http]\nmax_body_bytes = 'x'\n", "line 2, column 18: http.max_body_bytes: invalid type"),
        ("[listen]\nadmin_addr = 'here'\n", "line 2, column 14: listen.admin_addr: invalid socket address"),
        ("[[functions]]\nname = 'a b'\npackage = 'f.wasm'\n", "line 2, column 8: functions[0].name"),
        ("[[functions]]\nname = 'f'\n", "functions[0]: needs a package or an image"),
        ("[[schedules]]\nname='s'\nexpression='rate(1 minute)'\nfunction='f'\nmissed='some'\n", "schedules[0].missed"),
        ("[sandbox]\nidle_timeout_s = -1\n", "line 2, column 18: sandbox.idle_timeout_s"),
    ] {
        let fault = fault(text);
        assert!(fault.contains(said), "{text}\n{fault}");
    }
}

#[test]
fn values_are_checked_before_anything_starts() {
    let function = "[[functions]]\nname = 'f'\npackage = 'f.wasm'\n";
    let schedule = "[[schedules]]\nname = 's'\nfunction = 'f'\nexpression = 'rate(1 minute)'\n";
    for (text, said) in [
        ("[listen]\napi_addr = '0.0.0.0:4566'\n".to_owned(), "line 2, column 1: listen.api_addr: binding"),
        ("[listen]\nhttp_addr = '127.0.0.1:4566'\n".to_owned(), "listen.http_addr: 127.0.0.1:4566 is listen.api_addr"),
        ("[home]\naccount = '12'\n".to_owned(), "line 2, column 1: home.account"),
        ("[home]\nregion = 'Here'\n".to_owned(), "home.region"),
        ("[concurrency]\nceiling = 10\n".to_owned(), "concurrency.unreserved_minimum: 100 is more than"),
        ("[host_log]\nlevel = 'loud'\n".to_owned(), "line 2, column 1: host_log.level"),
        ("[http]\nmax_connections = 0\n".to_owned(), "line 2, column 1: http.max_connections"),
        ("[shutdown]\ndrain_limit_s = 1\n".to_owned(), "http.drain_limit_ms: 25000"),
        ("[scheduler]\nin_flight = 0\n".to_owned(), "line 2, column 1: scheduler.in_flight: 0"),
        ("[event_source_mappings]\ndrain_limit_s = 31\n".to_owned(), "line 2, column 1: event_source_mappings.drain"),
        (function.replace("f.wasm", "g.wasm"), "line 3, column 1: functions[0].package: there is no package file"),
        (format!("{function}timeout_s = 901\n"), "line 4, column 1: functions[0].timeout_s: must be from 1 to 900"),
        (format!("{function}role = 'no name'\n"), "line 4, column 1: functions[0].role: must be the name of a role"),
        (format!("{function}outbound_hosts = ['bad host']\n"), "line 4, column 1: functions[0].outbound_hosts"),
        (
            format!("{function}environment = {{ LAMINA_SANDBOX = 'fresh' }}\n"),
            "functions[0].environment.LAMINA_SANDBOX",
        ),
        (format!("{function}{function}"), "line 5, column 1: functions[1].name: the function f is declared twice"),
        (
            format!("{function}environment = {{ A = 'b' }}\n"),
            "functions[0].environment.A: \"A\" is not a variable's name",
        ),
        (format!("{function}reserved_concurrency = 950\n"), "functions[0].reserved_concurrency"),
        (
            format!("{function}[[functions.aliases]]\nname = 'a'\nweights = {{ 1 = 1.5 }}\n"),
            "functions[0].aliases[0].weights.1: a weight",
        ),
        ("[[routes]]\npath = '/x'\nfunction = 'f'\nmethod = 'FETCH'\n".to_owned(), "line 1, column 1: routes[0]"),
        (
            "[[routes]]\npath = '/x'\nfunction = 'f'\n[[routes]]\npath = '/x'\nfunction = 'g'\n".to_owned(),
            "line 4, column 1: routes[1]",
        ),
        (schedule.replace("minute", "moment"), "line 4, column 1: schedules[0].expression"),
        (format!("{schedule}timezone = 'Mars/Olympus'\n"), "line 5, column 1: schedules[0].timezone"),
        (format!("{schedule}input = '{{'\n"), "schedules[0].input: is not JSON"),
        ("[[queues]]\nname = 'q'\ndelay_s = 901\n".to_owned(), "line 3, column 1: queues[0].delay_s"),
        ("[[queues]]\nname = 'q'\ndead_letter_queue = 'd.fifo'\n".to_owned(), "queues[0].dead_letter_queue"),
        ("[[mappings]]\nqueue = 'q'\nfunction = 'f'\nbatch_size = 11\n".to_owned(), "mappings[0].batch_size"),
        ("[[mappings]]\nqueue = 'q'\nfunction = 'f'\nfilters = ['[]']\n".to_owned(), "mappings[0].filters"),
    ] {
        let fault = fault(&text);
        assert!(fault.contains(said), "{text}\n{fault}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let said =
        fault("[home]\naccount = 'x'\n[listen]\napi_addr = '0.0.0.0:1'\n[[queues]]\nname = 'q'\ndelay_s = 901\n");
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn faults_of_flags_and_variables_name_them() {
    let overrides = Overrides { api_addr: Some("10.0.0.1:80".parse().unwrap()), ..Overrides::default() };
    let said = load("", &overrides, &[]).unwrap_err();
    assert!(said.starts_with("--api-addr: listen.api_addr: binding"), "{said}");
    assert!(said.contains("requires credentials"), "{said}");
    let said = load("", &Overrides::default(), &[("LAMINA_HTTP_MAX_BODY_BYTE", "1")]).unwrap_err();
    assert!(
        said.contains("LAMINA_HTTP_MAX_BODY_BYTE") && said.contains("did you mean LAMINA_HTTP_MAX_BODY_BYTES"),
        "{said}"
    );
    let said = load("", &Overrides::default(), &[("LAMINA_HTTP_MAX_BODY_BYTES", "many")]).unwrap_err();
    assert!(said.contains("http.max_body_bytes: must be a whole number"), "{said}");
    let said = load("", &Overrides::default(), &[("LAMINA_HOME_ACCOUNT", "1")]).unwrap_err();
    assert!(said.starts_with("environment variable LAMINA_HOME_ACCOUNT: home.account"), "{said}");
}

#[test]
fn package_paths_take_variables_and_are_relative_to_the_file() {
    let text = "[[functions]]\nname = 'f'\npackage = '${GUESTS:-.}/f.wasm'\n";
    let config = load(text, &Overrides::default(), &[]).unwrap();
    assert!(config.functions[0].package.as_ref().is_some_and(|path| path.is_absolute() && path.ends_with("f.wasm")));
    let said = load(text, &Overrides::default(), &[("GUESTS", "/nowhere")]).unwrap_err();
    assert!(said.contains("/nowhere/f.wasm"), "{said}");
    let said = fault("[[functions]]\nname = 'f'\npackage = '${GUESTS}/f.wasm'\n");
    assert!(said.contains("functions[0].package: the environment variable GUESTS is not set"), "{said}");
}

#[test]
fn settings_of_the_sandbox_become_its_variables() {
    let text = "[[functions]]\nname = 'f'\npackage = 'f.wasm'\nsandbox = 'fresh'\ncpu_time_limit_ms = 50\nidle_timeout_s = 9\n\
                outbound_hosts = ['example.com', 'api.example.org']\nenvironment = { KEY = 'b' }\n";
    let config = load(text, &Overrides::default(), &[]).unwrap();
    let variables = config.functions[0].variables();
    let expected = [
        ("KEY", "b"),
        ("LAMINA_CPU_TIME_LIMIT_MS", "50"),
        ("LAMINA_IDLE_TIMEOUT_S", "9"),
        ("LAMINA_OUTBOUND_HOSTS", "example.com,api.example.org"),
        ("LAMINA_SANDBOX", "fresh"),
    ];
    assert!(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected), "{variables:?}");
}

#[test]
fn a_role_is_named_with_or_without_its_account() {
    for (line, arn) in [
        ("", "arn:aws:iam::000000000000:role/lamina"),
        ("role = 'path/worker'\n", "arn:aws:iam::000000000000:role/path/worker"),
        ("role = 'arn:aws:iam::111122223333:role/worker'\n", "arn:aws:iam::111122223333:role/worker"),
    ] {
        let text = format!("[[functions]]\nname = 'f'\npackage = 'f.wasm'\n{line}");
        let config = load(&text, &Overrides::default(), &[]).unwrap();
        assert_eq!(config.functions[0].configuration(&config.home()).role, arn);
    }
}

#[test]
fn a_dumped_configuration_reads_as_the_same() {
    let text = "[[functions]]\nname = 'f'\npackage = 'f.wasm'\nenvironment = { KEY = 'b' }\n\
                [[functions.aliases]]\nname = 'live'\nversion = 3\nweights = { 1 = 0.25 }\nsticky = { header = 'x-user' }\n\
                [[functions.aliases]]\nname = 'next'\nprovisioned_concurrency = 2\n\
                [[routes]]\npath = '/x'\nfunction = 'f'\nqualifier = 'live'\n\
                [[schedules]]\nname = 's'\nfunction = 'f'\nexpression = 'rate(1 minute)'\nstart_at = '2027-01-01T00:00:00Z'\n\
                [[queues]]\nname = 'q'\n[[queues]]\nname = 'p'\ndead_letter_queue = 'q'\n\
                [[mappings]]\nqueue = 'q'\nfunction = 'f'\n";
    let config = load(text, &Overrides::default(), &[]).unwrap();
    assert_eq!(config.functions[0].aliases[0].version, AliasVersion::Is(Version::Number(3)));
    assert_eq!(config.functions[0].aliases[1].version, AliasVersion::LatestPublished);
    let dumped = config.dump().unwrap();
    let again: Config = toml::from_str(&dumped).unwrap_or_else(|error| panic!("{dumped}\n{error}"));
    assert_eq!(again, config);
}

/// The repository's `config.toml`, which is reference and example in one.
const REFERENCE: &str = include_str!("../../../config.toml");

/// The file, with the keys that have no default put in by way of their comments.
fn uncommented() -> String {
    let key = |line: &str| {
        let rest = line.strip_prefix("# ")?;
        let (key, _) = rest.split_once(" = ")?;
        (!key.contains(' ')).then(|| rest.to_owned())
    };
    REFERENCE.lines().map(|line| key(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn config_toml_has_every_section_with_its_defaults() {
    let file: Config = toml::from_str(REFERENCE).unwrap();
    let sections = Config {
        layers: Vec::new(),
        functions: Vec::new(),
        routes: Vec::new(),
        schedules: Vec::new(),
        queues: Vec::new(),
        mappings: Vec::new(),
        signing_keys: Vec::new(),
        ..file
    };
    assert_eq!(sections, Config::default());
    let table: toml::Table = uncommented().parse().unwrap_or_else(|error| panic!("{error}"));
    for section in source::keys_of("").unwrap() {
        let Some(keys) = source::keys_of(section) else { continue };
        for key in keys {
            assert!(table[*section].get(key).is_some(), "config.toml has no {section}.{key}");
        }
    }
}

#[test]
fn config_toml_shows_the_defaults_of_what_is_declared() {
    let same = |declared: &toml::Value, minimal: toml::Value, skip: &[&str]| {
        let shown = declared.as_table().unwrap();
        for (key, value) in minimal.as_table().unwrap() {
            if !skip.contains(&key.as_str()) {
                assert_eq!(shown.get(key), Some(value), "{key}");
            }
        }
    };
    let table: toml::Table = REFERENCE.parse().unwrap();
    let first = |name: &str| &table[name].as_array().unwrap()[0];
    let value = |declaration: &dyn erased::Value| declaration.value();
    let function: FunctionDeclaration = toml::from_str("name = 'hello'\npackage = 'x'\n").unwrap();
    same(first("functions"), value(&function), &["package", "description", "aliases"]);
    let alias: AliasDeclaration = toml::from_str("name = 'live'\n").unwrap();
    same(&first("functions")["aliases"].as_array().unwrap()[0], value(&alias), &[]);
    let schedule = "name = 'heartbeat'\nfunction = 'heartbeat'\nexpression = 'rate(1 minute)'\n";
    let schedule: ScheduleDeclaration = toml::from_str(schedule).unwrap();
    same(first("schedules"), value(&schedule), &[]);
    let queue: QueueDeclaration = toml::from_str("name = 'orders-dead'\n").unwrap();
    same(first("queues"), value(&queue), &[]);
    let mapping: MappingDeclaration = toml::from_str("queue = 'orders'\nfunction = 'order-worker'\n").unwrap();
    same(first("mappings"), value(&mapping), &["report_batch_item_failures"]);
}

#[test]
fn config_toml_names_every_key_of_what_is_declared() {
    for shape in
        ["layers[]", "functions[]", "functions[].aliases[]", "routes[]", "schedules[]", "queues[]", "mappings[]"]
    {
        for key in source::keys_of(shape).unwrap() {
            let word = |found: &str| found.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|w| w == *key);
            assert!(REFERENCE.lines().any(word), "config.toml says nothing of {shape}.{key}");
        }
    }
}

#[test]
fn config_toml_is_sound_but_for_guests_not_yet_built() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.toml");
    let variables = [("LAMINA_GUESTS".to_owned(), "/nowhere".to_owned())].into();
    let error = Config::load_with(Some(&path), &Overrides::default(), &variables).unwrap_err();
    assert!(error.problems.iter().all(|problem| problem.message.contains("/nowhere/")), "{error}");
}

mod erased {
    pub(super) trait Value {
        fn value(&self) -> toml::Value;
    }

    impl<T: serde::Serialize> Value for T {
        fn value(&self) -> toml::Value {
            toml::Value::try_from(self).unwrap()
        }
    }
}
