//! Hostile and random input: bounds hold, nothing panics, nothing runs on.

use proptest::prelude::*;

use super::*;

fn nested(levels: usize, leaf: Value, wrap: impl Fn(Value) -> Value) -> Value {
    (0..levels).fold(leaf, |inner, _| wrap(inner))
}

#[test]
fn depth_is_bounded_and_arrays_of_the_event_are_not() {
    let objects = |levels| nested(levels, json!([1]), |inner| json!({ "a": inner }));
    assert!(Pattern::from_value(&objects(MAX_DEPTH)).is_ok());
    assert!(Pattern::from_value(&objects(MAX_DEPTH + 1)).is_err());
    let deep = Pattern::from_value(&objects(MAX_DEPTH)).unwrap();
    assert!(deep.matches(&nested(MAX_DEPTH, json!(1), |inner| json!({ "a": inner }))));

    assert!(Pattern::from_value(&json!({ "a".to_owned() + &".a".repeat(MAX_DEPTH - 1): [1] })).is_ok());
    assert!(Pattern::from_value(&json!({ "a".to_owned() + &".a".repeat(MAX_DEPTH): [1] })).is_err());

    let ors = |levels| nested(levels, json!({"a": [1]}), |inner| json!({ "$or": [inner, {"b": [1]}] }));
    assert!(Pattern::from_value(&ors(MAX_DEPTH - 1)).is_ok());
    assert!(Pattern::from_value(&ors(MAX_DEPTH)).is_err());

    let text = "{\"a\":".repeat(100_000);
    assert!(Pattern::parse(&text).is_err());

    // Built by hand: the macro would clone, and so recurse, at every level.
    let deep = nested(2_000, json!("x"), |inner| Value::Array(vec![inner]));
    let event = Value::Object([("a".to_owned(), deep)].into_iter().collect());
    assert!(Pattern::parse(r#"{"a": ["x"]}"#).unwrap().matches(&event));
}

#[test]
fn combinations_of_or_are_bounded() {
    let or = |count: usize| {
        let mut pattern = serde_json::Map::new();
        for index in 0..count {
            pattern.insert(format!("f{index}"), json!({"$or": [{"a": [1]}, {"b": [1]}]}));
        }
        Value::Object(pattern)
    };
    assert!(Pattern::from_value(&or(9)).is_ok(), "512 combinations");
    let error = Pattern::from_value(&or(10)).unwrap_err();
    assert!(error.reason().contains("1000"), "{error}");
    assert!(Pattern::from_value(&or(60)).is_err(), "2^60 combinations");
}

#[test]
fn repeated_dotted_names_do_not_multiply() {
    // Every level is given again by a longer dotted name; trying each against each would take 2^60 steps.
    let mut event = serde_json::Map::new();
    let mut name = "a".to_owned();
    for _ in 0..60 {
        event.insert(name.clone(), json!([{}, {}]));
        name.push_str(".a");
    }
    let pattern = Pattern::from_value(&nested(60, json!(["x"]), |inner| json!({ "a": inner }))).unwrap();
    assert!(!pattern.matches(&Value::Object(event)));
}

#[test]
fn a_wildcard_against_a_long_text_ends() {
    let pattern = Pattern::parse(r#"{"a": [{"wildcard": "*aaaab*aaaab*aaaab*aaaab*"}]}"#).unwrap();
    assert!(!pattern.matches(&json!({ "a": "a".repeat(200_000) })));
}

fn json_value(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..4_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["", "a", "b", "*", "a*b", "10.0.0.0/8", "10.1.2.3", "=", "<", ">="])
            .prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(keys), inner), 0..4).prop_map(|members| {
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()
            }),
        ]
    })
}

const PATTERN_KEYS: &[&str] = &[
    "a",
    "b",
    "a.b",
    "$or",
    "prefix",
    "suffix",
    "anything-but",
    "numeric",
    "exists",
    "cidr",
    "wildcard",
    "equals-ignore-case",
    "",
];
const EVENT_KEYS: &[&str] = &["a", "b", "a.b", "b.a.b", "", "."];

/// A pattern that asks for exactly the leaves an event has.
fn asking_for(event: &Value) -> Option<Value> {
    match event {
        Value::Object(members) => {
            let asked: serde_json::Map<_, _> =
                members.iter().filter_map(|(key, value)| Some((key.clone(), asking_for(value)?))).collect();
            (!asked.is_empty()).then_some(Value::Object(asked))
        }
        Value::Array(_) => None,
        leaf => Some(json!([leaf])),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(pattern in json_value(PATTERN_KEYS), event in json_value(EVENT_KEYS), text in "\\PC*") {
        let _ = Pattern::parse(&text);
        let wrapped = json!({ "a": [&pattern] });
        for pattern in [pattern, wrapped] {
            if let Ok(pattern) = Pattern::from_value(&pattern) {
                pattern.matches(&event);
                pattern.matches(&json!({ "a": event }));
            }
        }
    }

    #[test]
    fn an_event_passes_the_pattern_of_its_own_leaves(event in json_value(&["a", "b", "c"])) {
        if let Some(asked) = asking_for(&event) && asked.is_object() {
            let pattern = Pattern::from_value(&asked).unwrap();
            prop_assert!(pattern.matches(&event), "{} {}", asked, event);
            // And the same event with every name joined by dots.
            let mut flat = serde_json::Map::new();
            let mut open = vec![(String::new(), &event)];
            while let Some((path, value)) = open.pop() {
                match value {
                    Value::Object(members) => open.extend(members.iter().map(|(key, value)| {
                        (if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value)
                    })),
                    other => { flat.insert(path, other.clone()); }
                }
            }
            prop_assert!(pattern.matches(&Value::Object(flat)));
        }
    }

    #[test]
    fn wildcards_agree_with_a_slow_reading(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
        let Ok(compiled) = Pattern::from_value(&json!({"v": [{"wildcard": pattern}]})) else { return Ok(()); };
        let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
        // table[i] says whether the pattern read so far matches the first i bytes.
        let mut table = vec![false; text.len() + 1];
        table[0] = true;
        for byte in pattern {
            let mut next = vec![false; text.len() + 1];
            for index in 0..=text.len() {
                next[index] = if *byte == b'*' {
                    table[index] || (index > 0 && next[index - 1])
                } else {
                    index > 0 && table[index - 1] && text[index - 1] == *byte
                };
            }
            table = next;
        }
        let event = json!({"v": String::from_utf8_lossy(text)});
        prop_assert_eq!(compiled.matches(&event), table[text.len()]);
    }
}
