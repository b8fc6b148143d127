use crate::Pattern;
use proptest::prelude::*;

fn check(pattern: &str, message: &str, expected: bool) {
    let parsed = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    assert_eq!(parsed.matches(message), expected, "{pattern} on {message}");
    assert_eq!(parsed.extract(message).is_some(), expected, "{pattern} on {message}");
}

#[test]
fn terms() {
    for (pattern, message, matches) in [
        ("", "anything", true),
        ("\" \"", "anything", true),
        ("ERROR", "an ERROR here", true),
        ("ERROR", "an error here", false),
        ("one two", "two and one", true),
        ("one two", "one", false),
        ("\"one two\"", "two one two", true),
        ("\"one two\"", "one and two", false),
        ("one -two", "one two", false),
        ("one -two", "one", true),
        ("-two", "one", true),
        ("?one ?two", "two", true),
        ("?one ?two", "three", false),
        ("?INFO REQUEST -START", "REQUEST", true),
        ("?INFO REQUEST -START", "INFO", false),
        ("\"a \\\" b\"", "a \" b", true),
        ("-\"no way\"", "no, this way", true),
        ("é", "né", true),
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", true),
        ("%colou?r%", "a color", true),
        ("%gra|ey%", "gry ey", true),
        (r"%\$\d{2,3}%", "for $120", true),
        (r"%^10\.10\.0\.1$%", "10.10.0.1", true),
        (r"%^10\.10\.0\.1$%", "10.10.0.10", false),
        ("%[Ee]rror% -%[Ff]atal%", "an error", true),
        ("%[Ee]rror% -%[Ff]atal%", "a fatal error", false),
    ] {
        check(pattern, message, matches);
    }
}

const EVENT: &str = r#"{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],
    "objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"flag":true,"off":false,"bandwidth":75.5,
    "cluster.name":"c","code":"404","user":{"id":1,"email":"John.Stiles@example.com"},"users":[{"id":2,"email":"John.Doe@example.com"}]}"#;

#[test]
fn json_selectors() {
    for (pattern, matches) in [
        (r#"{ $.eventType = "UpdateTrail" }"#, true),
        (r#"{ $.eventType = UpdateTrail }"#, true),
        (r#"{$.eventType="UpdateTrail"}"#, true),
        (r#"{ $.eventType = "Update*" }"#, true),
        (r#"{ $.eventType = *date*ail }"#, true),
        (r#"{ $.eventType = *date }"#, false),
        (r#"{ $.sourceIPAddress != 123.123.* }"#, true),
        (r#"{ $.sourceIPAddress != 111.111.* }"#, false),
        (r#"{ $.arrayKey[0] = "value" }"#, true),
        (r#"{ $.arrayKey[1] = "value" }"#, false),
        (r#"{ $.arrayKey[*] = "another value" }"#, true),
        (r#"{ $.eventType = %Trail% }"#, true),
        (r#"{ $.arrayKey[0] = %val.{2}% }"#, true),
        (r#"{ $.sourceIPAddress = %123\.123\..{1,3}% }"#, false),
        (r#"{ $.['cluster.name'] = "c" }"#, true),
        (r#"{ $.bandwidth > 75 }"#, true),
        (r#"{ $.bandwidth < 50 }"#, false),
        (r#"{ $.bandwidth >= 75.5 && $.bandwidth <= 7.55e1 }"#, true),
        (r#"{ $.bandwidth = 75.5 }"#, true),
        (r#"{ $.bandwidth != 75.5 }"#, false),
        (r#"{ $.code = 404 }"#, true),
        (r#"{ $.code > 400 }"#, false),
        (r#"{ $.SomeObject IS NULL }"#, true),
        (r#"{ $.missing IS NULL }"#, false),
        (r#"{ $.SomeOtherObject NOT EXISTS }"#, true),
        (r#"{ $.SomeObject NOT EXISTS }"#, false),
        (r#"{ $.missing != "a" }"#, false),
        (r#"{ $.flag IS TRUE }"#, true),
        (r#"{ $.off IS FALSE }"#, true),
        (r#"{ $.off IS TRUE }"#, false),
        (r#"{ $.flag = true }"#, true),
        (r#"{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }"#, true),
        (r#"{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.objectList[1].id = 2 }"#, true),
        (r#"{ $.user.id = 2 && $.users[0].email = "nonmatch" || $.flag IS TRUE }"#, true),
        (r#"{ $.user.id = 2 && ($.users[0].email = "nonmatch" || $.flag IS TRUE) }"#, false),
        (r#"{ $.user = "x" }"#, false),
    ] {
        check(pattern, EVENT, matches);
        check(pattern, "no JSON", false);
    }
}

const LINE: &str = r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;

#[test]
fn space_delimited_fields() {
    for (pattern, matches) in [
        ("[ip, user, username, timestamp, request, status_code, bytes]", true),
        ("[ip, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", true),
        ("[..., request =*.html*, status_code = 4*, bytes]", true),
        ("[ip, ..., bytes > 1000]", true),
        ("[ip, ..., bytes > 2000]", false),
        ("[ip, user]", false),
        ("[..., status_code = 404 || status_code = 410, bytes]", true),
        ("[..., status_code = 500 || status_code = 410, bytes]", false),
        ("[..., status_code >= 400 && status_code < 500, bytes]", true),
        ("[ip=%127\\.0\\.0\\.[1-9]%, ...]", true),
        ("[ip != 127.*, ...]", false),
        ("[ip, user=Prod, username != \"alice\", ...]", true),
        ("[...]", true),
        ("[,,,,,,]", true),
    ] {
        check(pattern, LINE, matches);
    }
    let fields = Pattern::parse("[ip, , ..., status, bytes]").unwrap().extract(LINE).unwrap();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(fields[0], ("ip", "127.0.0.1"));
    assert_eq!(fields[1], ("$2", "Prod"));
    assert_eq!(fields[3], ("$4", "10/Oct/2000:13:25:15 -0700"));
    assert_eq!(fields[5], ("status", "404"));
}

#[test]
fn what_is_no_pattern_is_refused() {
    let long = "a".repeat(1025);
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(40), ")".repeat(40));
    for pattern in [
        "\"open",
        "%open",
        "%%",
        "%(a)%",
        "%a!%",
        "%é%",
        "%[%",
        "%a{1000}{1000}{1000}%",
        "{",
        "{}",
        "{ $ }",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "{ a = 1 }",
        "{ $.a[x] = 1 }",
        "{ $.a IS }",
        "{ $.a NOT }",
        "{ $.a > x }",
        "{ $.a = 1 && }",
        "{ $.a = 1 || || $.b = 1 }",
        "{ ($.a = 1 }",
        "[",
        "[a",
        "[a] b",
        "[..., ...]",
        "[a = 1 || b = 2]",
        "[a >]",
        "[a > x]",
        "{ $.a = %a% && $.b = %b% && $.c = %c% }",
        "{ $.a = \"x }",
        &long,
        &deep,
    ] {
        assert!(Pattern::parse(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn a_pattern_knows_what_every_match_contains() {
    assert_eq!(Pattern::parse("a longer -longest %lon.*%").unwrap().contained(), Some("longer"));
    assert_eq!(Pattern::parse("{ $.a = 1 }").unwrap().contained(), None);
    assert_eq!(Pattern::parse("%a% %b%").unwrap().expressions(), 2);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(pattern in "[\\PC{}\\[\\]$.%\"'=!<>&|*, ]{0,60}", message in "\\PC{0,60}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            prop_assert_eq!(pattern.matches(&message), pattern.extract(&message).is_some());
        }
    }

    #[test]
    fn an_unordinary_json_pattern_does_not_panic(inner in "[$.a-c0-2\\[\\]'()=!<>&|*%\" NULISOTEX]{0,60}", event in "[{}\\[\\]\":,a0]{0,20}") {
        if let Ok(pattern) = Pattern::parse(&format!("{{ {inner} }}")) {
            pattern.matches(&event);
        }
    }
}
