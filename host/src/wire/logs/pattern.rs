//! Filter patterns for unstructured text
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>).
//!
//! Terms stand between spaces, or in double quotes; case counts. A message matches that contains every plain term, none
//! that begins with `-`, and, where there are terms that begin with `?`, at least one of these.

use super::invalid;
use crate::wire::error::WireError;

/// The longest pattern.
const LENGTH_LIMIT: usize = 1024;

/// A parsed pattern.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    required: Vec<String>,
    excluded: Vec<String>,
    any: Vec<String>,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, WireError> {
        if text.len() > LENGTH_LIMIT {
            return Err(invalid(format!("The filter pattern is longer than {LENGTH_LIMIT} characters.")));
        }
        let trimmed = text.trim();
        for (opening, closing, kind) in
            [('{', '}', "JSON"), ('[', ']', "space-delimited"), ('%', '%', "regular-expression")]
        {
            if trimmed.len() > 1 && trimmed.starts_with(opening) && trimmed.ends_with(closing) {
                return Err(invalid(format!("Invalid filter pattern: {kind} patterns are not supported by Lamina.")));
            }
        }
        let mut pattern = Self::default();
        let mut rest = trimmed;
        while !rest.is_empty() {
            let (list, after) = match rest.split_at_checked(1) {
                Some(("-", after)) => (&mut pattern.excluded, after),
                Some(("?", after)) => (&mut pattern.any, after),
                _ => (&mut pattern.required, rest),
            };
            let (term, after) = term(after)?;
            if !term.is_empty() {
                list.push(term);
            }
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    /// A text that every match contains, to look for first.
    pub(super) fn contained(&self) -> Option<&str> {
        self.required.iter().max_by_key(|term| term.len()).map(String::as_str)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let contains = |term: &String| message.contains(term.as_str());
        self.required.iter().all(contains)
            && !self.excluded.iter().any(contains)
            && (self.any.is_empty() || self.any.iter().any(contains))
    }
}

/// One term from the start of `text`, and what follows it.
fn term(text: &str) -> Result<(String, &str), WireError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (term, after) = text.split_at_checked(end).unwrap_or((text, ""));
        return Ok((term.to_owned(), after));
    };
    let mut out = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((out, quoted.get(at.saturating_add(1)..).unwrap_or_default())),
            '\\' => out.extend(characters.next().map(|(_, escaped)| escaped)),
            other => out.push(other),
        }
    }
    Err(invalid("Invalid filter pattern: a quoted term does not end."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_required_excluded_or_alternatives() {
        for (pattern, message, matches) in [
            ("", "anything", true),
            ("ERROR", "an ERROR here", true),
            ("ERROR", "an error here", false),
            ("one two", "two and one", true),
            ("one two", "one", false),
            ("\"one two\"", "two one two", true),
            ("\"one two\"", "one and two", false),
            ("one -two", "one two", false),
            ("one -two", "one", true),
            ("?one ?two", "two", true),
            ("?one ?two", "three", false),
            ("\"a \\\" b\"", "a \" b", true),
            ("-\"no way\"", "no, this way", true),
            ("é", "né", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(message), matches, "{pattern} {message}");
        }
    }

    #[test]
    fn other_kinds_of_patterns_are_refused() {
        for pattern in ["{ $.level = \"x\" }", "[a, b]", "%x+%", "\"open"] {
            assert_eq!(Pattern::parse(pattern).unwrap_err().code, "InvalidParameterException", "{pattern}");
        }
    }
}
