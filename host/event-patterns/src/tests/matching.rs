//! Patterns beside events they let through and events they do not.

use super::*;

fn check(pattern: Value, passing: &[Value], stopped: &[Value]) {
    let compiled = Pattern::from_value(&pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    for event in passing {
        assert!(compiled.matches(event), "{pattern} must let through {event}");
    }
    for event in stopped {
        assert!(!compiled.matches(event), "{pattern} must stop {event}");
    }
}

/// The pattern `{"v": conditions}` against events `{"v": value}`.
fn check_values(conditions: Value, passing: &[Value], stopped: &[Value]) {
    let event = |value: &Value| json!({ "v": value });
    let events = |values: &[Value]| values.iter().map(event).collect::<Vec<_>>();
    check(json!({ "v": conditions }), &events(passing), &events(stopped));
}

#[test]
fn exact_values() {
    check_values(json!(["running"]), &[json!("running")], &[json!("Running"), json!("run"), json!(null)]);
    check_values(json!(["a", "b"]), &[json!("a"), json!("b")], &[json!("c"), json!("")]);
    check_values(json!([""]), &[json!("")], &[json!(" "), json!(null), json!([])]);
    check_values(json!([null]), &[json!(null)], &[json!(""), json!("null"), json!(0), json!([])]);
    check_values(json!([true]), &[json!(true)], &[json!(false), json!("true"), json!(1)]);
    check_values(json!([300]), &[json!(300), json!(300.0), json!(3e2)], &[json!("300"), json!(301), json!(300.5)]);
    check_values(json!([0.5]), &[json!(0.5)], &[json!(0), json!(".5")]);
    check_values(
        json!([9_007_199_254_740_993_u64]),
        &[json!(9_007_199_254_740_993_u64)],
        &[json!(9_007_199_254_740_992_u64)],
    );
    check_values(json!([{"exactly": "a"}]), &[json!("a")], &[json!("A")]);
    // Addresses are equal in any spelling.
    check_values(json!(["2001:db8::1"]), &[json!("2001:0DB8:0:0::1")], &[json!("2001:db8::2")]);
}

#[test]
fn prefix_and_suffix() {
    check_values(
        json!([{"prefix": "us-"}]),
        &[json!("us-"), json!("us-east-1")],
        &[json!("US-east-1"), json!("eu"), json!(5)],
    );
    check_values(json!([{"suffix": ".png"}]), &[json!(".png"), json!("a.png")], &[json!("a.PNG"), json!("a.png2")]);
    check_values(json!([{"prefix": {"equals-ignore-case": "EventB"}}]), &[json!("eventbridge")], &[json!("event")]);
    check_values(
        json!([{"suffix": {"equals-ignore-case": ".PNG"}}]),
        &[json!("a.png"), json!("a.PnG")],
        &[json!("a.jpg")],
    );
    check_values(json!([{"prefix": ""}]), &[json!(""), json!("x")], &[json!(1)]);
}

#[test]
fn equals_ignore_case() {
    check_values(
        json!([{"equals-ignore-case": "aLiCe"}]),
        &[json!("Alice"), json!("ALICE")],
        &[json!("Alicea"), json!(null)],
    );
    check_values(json!([{"equals-ignore-case": "ÄÖ"}]), &[json!("äö")], &[json!("ao")]);
}

#[test]
fn wildcards() {
    check_values(
        json!([{"wildcard": "dir/*.png"}]),
        &[json!("dir/.png"), json!("dir/a/b.png")],
        &[json!("dir/a.jpg"), json!("a/dir/b.png"), json!("dir.png")],
    );
    check_values(json!([{"wildcard": "*"}]), &[json!(""), json!("x")], &[json!(1)]);
    check_values(json!([{"wildcard": "a*b*c"}]), &[json!("abc"), json!("aXbYbZc")], &[json!("acb"), json!("abcd")]);
    check_values(json!([{"wildcard": "*aba"}]), &[json!("ababa"), json!("aba")], &[json!("abab")]);
    check_values(json!([{"wildcard": "ab*ba"}]), &[json!("abba"), json!("ab-ba")], &[json!("aba")]);
    check_values(json!([{"wildcard": r"\*x\\*"}]), &[json!(r"*x\"), json!(r"*x\y")], &[json!(r"ax\y"), json!("*xy")]);
    check_values(json!([{"wildcard": "plain"}]), &[json!("plain")], &[json!("plainer")]);
}

#[test]
fn anything_but() {
    check_values(
        json!([{"anything-but": "init"}]),
        &[json!("running"), json!(null), json!(1), json!(true), json!("")],
        &[json!("init"), json!([])],
    );
    check_values(json!([{"anything-but": ["a", "b"]}]), &[json!("c")], &[json!("a"), json!("b")]);
    check_values(json!([{"anything-but": 123}]), &[json!(124), json!("123")], &[json!(123), json!(123.0)]);
    check_values(json!([{"anything-but": [1, 2]}]), &[json!(3)], &[json!(1), json!(2.0)]);
    check_values(
        json!([{"anything-but": {"prefix": "in"}}]),
        &[json!("out"), json!(12), json!(null)],
        &[json!("in"), json!("inner")],
    );
    check_values(json!([{"anything-but": {"prefix": ["a", "b"]}}]), &[json!("c")], &[json!("a1"), json!("b1")]);
    check_values(json!([{"anything-but": {"suffix": ".txt"}}]), &[json!("a.png")], &[json!("a.txt")]);
    check_values(json!([{"anything-but": {"suffix": [".txt", ".rtf"]}}]), &[json!("a.png")], &[json!("a.rtf")]);
    check_values(json!([{"anything-but": {"equals-ignore-case": "Init"}}]), &[json!("run")], &[json!("INIT")]);
    check_values(
        json!([{"anything-but": {"equals-ignore-case": ["a", "b"]}}]),
        &[json!("c"), json!(null)],
        &[json!("B")],
    );
    check_values(json!([{"anything-but": {"wildcard": "*/lib/*"}}]), &[json!("/bin/a")], &[json!("/lib/a")]);
    check_values(
        json!([{"anything-but": {"wildcard": ["*/lib/*", "*/tmp/*"]}}]),
        &[json!("/bin/a")],
        &[json!("/tmp/a")],
    );
    check_values(json!([{"anything-but": {"wildcard": ""}}]), &[json!("x")], &[json!("")]);
    check(json!({"v": [{"anything-but": "a"}]}), &[], &[json!({"w": 1}), json!({})]);
}

#[test]
fn numeric() {
    check_values(json!([{"numeric": ["=", 5]}]), &[json!(5), json!(5.0)], &[json!(5.1), json!("5"), json!(null)]);
    check_values(json!([{"numeric": [">", 0, "<=", 5]}]), &[json!(0.1), json!(5)], &[json!(0), json!(5.1), json!(-1)]);
    check_values(json!([{"numeric": [">=", -1.5, "<", 5]}]), &[json!(-1.5), json!(4.9)], &[json!(5), json!(-2)]);
    check_values(json!([{"numeric": ["<", 10]}]), &[json!(9.99)], &[json!(10)]);
    check_values(json!([{"numeric": ["<=", 10]}]), &[json!(10)], &[json!(11)]);
    check_values(json!([{"numeric": [">", 100]}]), &[json!(101.0)], &[json!(100), json!(true)]);
    check_values(
        json!([{"numeric": [">", 9_007_199_254_740_992_u64]}]),
        &[json!(9_007_199_254_740_993_u64)],
        &[json!(9_007_199_254_740_992_u64)],
    );
}

#[test]
fn cidr() {
    check_values(
        json!([{"cidr": "10.0.0.0/24"}]),
        &[json!("10.0.0.0"), json!("10.0.0.255")],
        &[json!("10.0.1.0"), json!("10.0.0"), json!("x"), json!(10), json!("::1")],
    );
    check_values(json!([{"cidr": "10.0.0.77/8"}]), &[json!("10.255.1.2")], &[json!("11.0.0.0")]);
    check_values(json!([{"cidr": "0.0.0.0/0"}]), &[json!("255.255.255.255")], &[json!("::")]);
    check_values(
        json!([{"cidr": "2001:db8:1234:1a00::/56"}]),
        &[json!("2001:db8:1234:1a00::1"), json!("2001:0db8:1234:1aFF::")],
        &[json!("2001:db8:1234:1b00::"), json!("10.0.0.1")],
    );
    check_values(json!([{"cidr": "::/0"}]), &[json!("ffff::")], &[json!("1.2.3.4")]);
}

#[test]
fn existence() {
    check(
        json!({"d": {"k": [{"exists": true}]}}),
        &[json!({"d": {"k": 1}}), json!({"d": {"k": null}}), json!({"d": {"k": ""}}), json!({"d": {"k": [1]}})],
        &[json!({"d": {}}), json!({}), json!({"d": {"k": []}}), json!({"d": {"k": {"inner": 1}}}), json!({"d": 1})],
    );
    check(
        json!({"d": {"k": [{"exists": false}]}}),
        &[json!({"d": {}}), json!({}), json!({"d": {"k": []}}), json!({"d": {"k": {"inner": 1}}}), json!({"d": 1})],
        &[json!({"d": {"k": 1}}), json!({"d": {"k": null}})],
    );
    check(json!({"k": [{"exists": false}, "x"]}), &[json!({}), json!({"k": "x"})], &[json!({"k": "y"})]);
    check(
        json!({"dynamodb": {"NewImage": {"homemade": {"S": [{"anything-but": ["roses"]}, {"exists": false}]}}}}),
        &[
            json!({"dynamodb": {"NewImage": {"purchased": {"N": "789"}}}}),
            json!({"dynamodb": {"NewImage": {"homemade": {"S": "lilies"}}}}),
        ],
        &[json!({"dynamodb": {"NewImage": {"homemade": {"S": "roses"}}}})],
    );
}

#[test]
fn fields_are_and_and_conditions_are_or() {
    check(
        json!({"a": ["x"], "b": {"c": [{"prefix": "y"}, {"numeric": [">", 5]}]}}),
        &[json!({"a": "x", "b": {"c": "yes"}}), json!({"a": "x", "b": {"c": 6}, "more": 1})],
        &[
            json!({"a": "x"}),
            json!({"a": "x", "b": {"c": "no"}}),
            json!({"a": "z", "b": {"c": 6}}),
            json!({"A": "x", "b": {"c": 6}}),
        ],
    );
}

#[test]
fn arrays_match_by_any_element() {
    check_values(
        json!(["b", "c"]),
        &[json!(["a", "b"]), json!([["x", ["c"]]])],
        &[json!(["a"]), json!([]), json!([{"b": "b"}])],
    );
    check_values(json!([{"anything-but": "a"}]), &[json!(["a", "b"])], &[json!(["a"])]);
}

#[test]
fn one_array_element_must_meet_all_its_fields() {
    let pattern = json!({"items": {"name": ["n1"], "price": [{"numeric": [">", 5]}]}});
    check(
        pattern,
        &[
            json!({"items": {"name": "n1", "price": 6}}),
            json!({"items": [{"name": "n0", "price": 1}, {"name": "n1", "price": 6}]}),
            json!({"items": [[{"name": "n1", "price": 6}]]}),
        ],
        &[
            json!({"items": [{"name": "n1", "price": 1}, {"name": "n2", "price": 6}]}),
            json!({"items": []}),
            json!({"items": ["n1", 6]}),
        ],
    );
    // Also at depth, also with fields named by dots, also through $or.
    let consistent = json!({"o": {"l": [{"k": [{"a": 1, "b": 1}, {"a": 2, "b": 2}]}]}});
    check(json!({"o": {"l": {"k": {"a": [1], "b": [1]}}}}), std::slice::from_ref(&consistent), &[]);
    check(json!({"o": {"l": {"k": {"a": [1], "b": [2]}}}}), &[], std::slice::from_ref(&consistent));
    check(json!({"o.l.k.a": [1], "o": {"l.k": {"b": [2]}}}), &[], std::slice::from_ref(&consistent));
    check(
        json!({"o.l.k.a": [1], "$or": [{"o": {"l": {"k": {"b": [2]}}}}, {"o": {"x": [1]}}]}),
        &[],
        std::slice::from_ref(&consistent),
    );
    check(
        json!({"o.l.k.a": [1], "$or": [{"o": {"l": {"k": {"b": [1]}}}}, {"o": {"x": [1]}}]}),
        std::slice::from_ref(&consistent),
        &[],
    );
}

#[test]
fn absence_in_arrays() {
    let absent = json!({"l": {"b": [{"exists": false}]}});
    check(absent, &[json!({"l": [{"a": 1}]}), json!({"l": []})], &[json!({"l": [{"b": 1}, {"a": 1}]})]);
    check(
        json!({"l": {"a": [1], "b": [{"exists": false}]}}),
        &[json!({"l": [{"b": 1}, {"a": 1}]})],
        &[json!({"l": [{"a": 1, "b": 1}, {"a": 2}]})],
    );
}

#[test]
fn dotted_names_are_nesting_both_ways() {
    for pattern in [
        json!({"detail": {"state": {"status": ["running"]}}}),
        json!({"detail.state.status": ["running"]}),
        json!({"detail.state": {"status": ["running"]}}),
        json!({"detail": {"state.status": ["running"]}}),
    ] {
        check(
            pattern,
            &[
                json!({"detail": {"state": {"status": "running"}}}),
                json!({"detail": {"state.status": "running"}}),
                json!({"detail.state.status": "running"}),
                json!({"detail.state": {"status": "running"}}),
                json!({"detail.state": [{"status": "x"}, {"status": "running"}]}),
                json!({"detail": {"state": 1}, "detail.state.status": "running"}),
            ],
            &[
                json!({"detail": {"state": "running"}}),
                json!({"detail": {"state.statu": "running"}}),
                json!({"detail": {"state.status.x": "running"}}),
                json!({"state.status": "running"}),
            ],
        );
    }
    check(
        json!({"a.b": [1], "a": {"c": [2]}}),
        &[json!({"a": {"b": 1, "c": 2}}), json!({"a.b": 1, "a.c": 2}), json!({"a": {"c": 2}, "a.b": 1})],
        &[json!({"a": {"b": 1}})],
    );
    check(json!({"a..b": [1]}), &[json!({"a..b": 1}), json!({"a": {"": {"b": 1}}})], &[json!({"a": {"b": 1}})]);
}

#[test]
fn or() {
    check(
        json!({"source": ["s"], "$or": [{"m": ["CPU"]}, {"t": ["T"], "n": ["A", "B"]}, {"detail": {"scope": ["x"]}}]}),
        &[
            json!({"source": "s", "m": "CPU"}),
            json!({"source": "s", "t": "T", "n": "B"}),
            json!({"source": "s", "detail": {"scope": "x"}}),
        ],
        &[json!({"source": "s"}), json!({"source": "s", "t": "T"}), json!({"source": "z", "m": "CPU"})],
    );
    check(
        json!({"d": {"$or": [{"a": [1]}, {"$or": [{"b": [2]}, {"c": [3]}]}], "e": [4]}}),
        &[json!({"d": {"a": 1, "e": 4}}), json!({"d": {"c": 3, "e": 4}})],
        &[json!({"d": {"a": 1}}), json!({"d": {"e": 4}})],
    );
    check(
        json!({"d": {"$or": [{"a": [{"exists": false}]}, {"a": [{"numeric": ["<", 5]}]}]}}),
        &[json!({"d": {}}), json!({"d": {"a": 4}})],
        &[json!({"d": {"a": 5}})],
    );
    // Two of them multiply.
    check(
        json!({"$or": [{"a": [1]}, {"b": [1]}], "x": {"$or": [{"c": [1]}, {"d": [1]}]}}),
        &[json!({"a": 1, "x": {"d": 1}}), json!({"b": 1, "x": {"c": 1}})],
        &[json!({"a": 1, "b": 1}), json!({"x": {"c": 1, "d": 1}})],
    );
}

#[test]
fn the_last_of_two_equal_names_counts() {
    let pattern = Pattern::parse(r#"{"a": ["x"], "a": ["y"]}"#).unwrap();
    assert!(pattern.matches(&json!({"a": "y"})));
    assert!(!pattern.matches(&json!({"a": "x"})));
}

#[test]
fn an_event_that_is_no_object_never_passes() {
    let pattern = Pattern::parse(r#"{"a": [{"exists": false}]}"#).unwrap();
    assert!(pattern.matches(&json!({})));
    for event in [json!([]), json!([{}]), json!("x"), json!(null)] {
        assert!(!pattern.matches(&event), "{event}");
    }
}

#[test]
fn a_filter_of_an_event_source_mapping() {
    let pattern = Pattern::parse(
        r#"{"body": {"Temperature": [{"numeric": [">", 30]}], "Room": [{"anything-but": ["cellar"]}]}}"#,
    )
    .unwrap();
    assert!(pattern.matches(&json!({"messageId": "1", "body": {"Temperature": 31, "Room": "attic"}})));
    assert!(!pattern.matches(&json!({"messageId": "1", "body": {"Temperature": 31, "Room": "cellar"}})));
    assert!(!pattern.matches(&json!({"messageId": "1", "body": "Temperature"})));
}
