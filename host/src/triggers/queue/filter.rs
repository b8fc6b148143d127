//! Which messages a mapping lets through
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html>).
//!
//! A pattern looks at the record as the function would get it, except that a body of JSON is looked into. A pattern that looks into
//! the body passes only bodies that are JSON objects or arrays; one that compares the body as a text passes only other bodies.
//! A message passes if one pattern lets it through.

use lamina_event_patterns::Pattern;
use serde_json::Value;

/// A mapping's patterns. Without any, everything passes.
#[derive(Debug, Default)]
pub(super) struct Filter(Vec<One>);

#[derive(Debug)]
struct One {
    pattern: Pattern,
    /// The pattern compares the body as a text.
    wants_text: bool,
}

impl Filter {
    /// Reads patterns, or says what is wrong with one.
    pub(super) fn compile(patterns: &[String]) -> Result<Self, String> {
        let compile = |text: &String| {
            let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            let pattern = Pattern::from_value(&value).map_err(|error| error.to_string())?;
            Ok(One { pattern, wants_text: value.get("body").is_some_and(Value::is_array) })
        };
        patterns.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a record, JSON text, passes.
    pub(super) fn passes(&self, record: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Ok(mut record) = serde_json::from_str::<Value>(record) else { return false };
        let parsed =
            record.get("body").and_then(Value::as_str).and_then(|body| serde_json::from_str::<Value>(body).ok());
        let parsed = parsed.filter(|body| body.is_object() || body.is_array());
        let is_json = parsed.is_some();
        if let (Some(parsed), Some(body)) = (parsed, record.get_mut("body")) {
            *body = parsed;
        }
        self.0.iter().any(|one| !(is_json && one.wants_text) && one.pattern.matches(&record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(pattern: &str, body: &str) -> bool {
        let record = serde_json::json!({ "body": body, "messageId": "m", "attributes": { "MessageGroupId": "g" } });
        Filter::compile(&[pattern.to_owned()]).unwrap().passes(&record.to_string())
    }

    #[test]
    fn bodies_are_looked_into_as_lambda_does() {
        let json = r#"{"body":{"kind":["order"],"amount":[{"numeric":[">",10]}]}}"#;
        assert!(passes(json, r#"{"kind":"order","amount":11}"#));
        assert!(!passes(json, r#"{"kind":"order","amount":9}"#));
        assert!(!passes(json, "order"), "a text where JSON is wanted");
        let text = r#"{"body":["order"]}"#;
        assert!(passes(text, "order"));
        assert!(!passes(text, "other"));
        assert!(!passes(r#"{"body":[{"anything-but":["x"]}]}"#, r#"{"kind":"order"}"#), "JSON where a text is wanted");
        let other = r#"{"attributes":{"MessageGroupId":["g"]}}"#;
        assert!(passes(other, "x") && passes(other, r#"{"a":1}"#), "the body does not matter");
    }

    #[test]
    fn one_pattern_of_several_is_enough() {
        let patterns = [r#"{"body":["a"]}"#.to_owned(), r#"{"body":["b"]}"#.to_owned()];
        let filter = Filter::compile(&patterns).unwrap();
        assert!(filter.passes(r#"{"body":"b"}"#) && !filter.passes(r#"{"body":"c"}"#));
        assert!(Filter::default().passes("anything"));
        assert!(Filter::compile(&["{".to_owned()]).is_err() && Filter::compile(&["{}".to_owned()]).is_err());
    }
}
