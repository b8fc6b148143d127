//! Patterns that are refused, and with which reason.

use super::*;

#[test]
fn reasons_are_those_of_event_bridge() {
    let too_complex = "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character";
    let mixed = "Inside anything but list, either all values are number or string, mixed type is not supported";
    let in_list = "Inside anything but list, start|null|boolean is not supported.";
    let in_case_list = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.";
    let anything_but = "Value of anything-but must be an array or single string/number value.";
    let affix = "prefix/suffix match pattern must be a string";
    let one_key = "Only one key allowed in match expression";
    let table = [
        (json!(["not", "an", "object"]), "Filter is not an object"),
        (json!("text"), "Filter is not an object"),
        (json!(null), "Filter is not an object"),
        (json!({}), "Empty objects are not allowed"),
        (json!({"a": {}}), "Empty objects are not allowed"),
        (json!({"a": []}), "Empty arrays are not allowed"),
        (json!({"int": 42}), "\"int\" must be an object or an array"),
        (json!({"string": "x"}), "\"string\" must be an object or an array"),
        (json!({"d": {"n": null}}), "\"n\" must be an object or an array"),
        (json!({"a": [[1]]}), "Match value must be String, number, true, false, or null"),
        (json!({"a": [{}]}), "Match expression name not found"),
        (json!({"a": [{"EXISTS": true}]}), "Unrecognized match type EXISTS"),
        (json!({"a": [{"NUMERIC": ["=", 5]}]}), "Unrecognized match type NUMERIC"),
        (json!({"a": [{"prefix": "a", "suffix": "b"}]}), one_key),
        (json!({"a": [{"exists": true, "suffix": "b"}]}), one_key),
        (json!({"a": [{"exists": "true"}]}), "exists match pattern must be either true or false."),
        (json!({"a": [{"prefix": 123}]}), "prefix match pattern must be a string"),
        (json!({"a": [{"prefix": ["x"]}]}), "prefix match pattern must be a string"),
        (json!({"a": [{"suffix": 123}]}), "suffix match pattern must be a string"),
        (json!({"a": [{"suffix": [".png"]}]}), "suffix match pattern must be a string"),
        (json!({"a": [{"equals-ignore-case": ["x"]}]}), "equals-ignore-case match pattern must be a string"),
        (json!({"a": [{"equals-ignore-case": {"prefix": "x"}}]}), "equals-ignore-case match pattern must be a string"),
        (json!({"a": [{"wildcard": 123}]}), "wildcard match pattern must be a string"),
        (json!({"a": [{"wildcard": ["*"]}]}), "wildcard match pattern must be a string"),
        (
            json!({"a": [{"wildcard": "arn:aws:events:us-east-1:**:event-bus/*"}]}),
            "Consecutive wildcard characters at pos 26",
        ),
        (json!({"a": [{"wildcard": r"a\bc"}]}), "Invalid escape character at pos 2"),
        (json!({"a": [{"wildcard": "a\\"}]}), "Invalid escape character at pos 2"),
        (json!({"a": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}), too_complex),
        (json!({"a": [{"cidr": ["bad-type"]}]}), "prefix match pattern must be a string"),
        (json!({"a": [{"cidr": "10.0.0.0"}]}), "Malformed CIDR, one '/' required"),
        (json!({"a": [{"cidr": "10.0.0.0/"}]}), "Malformed CIDR, one '/' required"),
        (json!({"a": [{"cidr": "10.0.0.0/8/8"}]}), "Malformed CIDR, one '/' required"),
        (json!({"a": [{"cidr": "10.0.0.0/xx"}]}), "Malformed CIDR, mask bits must be an integer"),
        (json!({"a": [{"cidr": "10.0.0.0/-1"}]}), "Malformed CIDR, mask bits must not be negative"),
        (json!({"a": [{"cidr": "xx.11.xx/8"}]}), "Nonstandard IP address: xx.11.xx"),
        (json!({"a": [{"cidr": "xxxx:db8:1234:1a00::/64"}]}), "Nonstandard IP address: xxxx:db8:1234:1a00::"),
        (json!({"a": [{"cidr": "10.0.0.0/32"}]}), "IPv4 mask bits must be < 32"),
        (json!({"a": [{"cidr": "::/128"}]}), "IPv6 mask bits must be < 128"),
        (json!({"a": [{"numeric": 5}]}), "Value of numeric must be an array."),
        (json!({"a": [{"numeric": []}]}), "Invalid member in numeric match: ]"),
        (json!({"a": [{"numeric": [5]}]}), "Invalid member in numeric match: 5"),
        (json!({"a": [{"numeric": ["!=", 5]}]}), "Unrecognized numeric range operator: !="),
        (json!({"a": [{"numeric": ["=", "5"]}]}), "Value of equals must be numeric"),
        (json!({"a": [{"numeric": [">"]}]}), "Value of > must be numeric"),
        (json!({"a": [{"numeric": [">", 0, "<"]}]}), "Value of < must be numeric"),
        (json!({"a": [{"numeric": [">", 0, ">", 0]}]}), "Bad numeric range operator: >"),
        (json!({"a": [{"numeric": [">", 0, 5]}]}), "Bad value in numeric range: 5"),
        (json!({"a": [{"numeric": ["<", 0, ">", 5]}]}), "Too many elements in numeric expression"),
        (json!({"a": [{"numeric": ["=", 0, 5]}]}), "Too many elements in numeric expression"),
        (json!({"a": [{"numeric": [">", 0, "<", 5, 6]}]}), "Too many terms in numeric range expression"),
        (json!({"a": [{"numeric": [">", 5, "<", 5]}]}), "Bottom must be less than top"),
        (json!({"a": [{"anything-but": null}]}), anything_but),
        (json!({"a": [{"anything-but": true}]}), anything_but),
        (json!({"a": [{"anything-but": []}]}), mixed),
        (json!({"a": [{"anything-but": ["x", 1]}]}), mixed),
        (json!({"a": [{"anything-but": ["x", null]}]}), in_list),
        (json!({"a": [{"anything-but": [["x"]]}]}), in_list),
        (json!({"a": [{"anything-but": {}}]}), "Anything-But expression name not found"),
        (json!({"a": [{"anything-but": {"numeric": ["=", 1]}}]}), "Unsupported anything-but pattern: numeric"),
        (json!({"a": [{"anything-but": {"prefix": ""}}]}), "Null prefix/suffix not allowed"),
        (json!({"a": [{"anything-but": {"suffix": ""}}]}), "Null prefix/suffix not allowed"),
        (json!({"a": [{"anything-but": {"prefix": 123}}]}), affix),
        (json!({"a": [{"anything-but": {"suffix": [123, ".txt"]}}]}), affix),
        (json!({"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]}), anything_but),
        (json!({"a": [{"anything-but": {"wildcard": [123, "*"]}}]}), "wildcard match pattern must be a string"),
        (json!({"a": [{"anything-but": {"equals-ignore-case": 123}}]}), in_case_list),
        (json!({"a": [{"anything-but": {"equals-ignore-case": [1, 2]}}]}), in_case_list),
        (json!({"a": [{"anything-but": {"prefix": "a", "suffix": "b"}}]}), one_key),
        (json!({"$or": {"a": [1]}}), "It must be an Array followed with $or."),
        (json!({"$or": [1, 2]}), "Only JSON object is allowed in array of $or relationship."),
        (json!({"$or": [{"a": [1]}]}), "There must have at least 2 Objects in $or relationship."),
        (json!({"$or": [{"a": [1]}, {}]}), "Empty objects are not allowed"),
        (
            json!({"$or": [{"a": [1]}, {"numeric": ["=", 1]}]}),
            "numeric is Ruler reserved fieldName which cannot be used inside $or.",
        ),
    ];
    for (pattern, reason) in table {
        let error = Pattern::from_value(&pattern).expect_err(&pattern.to_string());
        assert_eq!(error.reason(), reason, "{pattern}");
        assert_eq!(error.to_string(), format!("Event pattern is not valid. Reason: {reason}"));
    }
}

#[test]
fn text_that_is_no_json_is_refused() {
    for text in [
        "",
        "this is not json",
        "{'bad': 'quotation'}",
        "{\"not\": closed mark\"",
        "{\"a\": [1]} x",
        "{\"a\": [1e999]}",
    ] {
        let error = Pattern::parse(text).expect_err(text);
        assert!(error.to_string().starts_with("Event pattern is not valid. Reason: "), "{error}");
    }
}
