//! Space-delimited patterns: `[ip, ..., status = 4* || status = 500, bytes > 1000]`.
//!
//! A message's fields stand between spaces; what is in square brackets or double quotes is one field, without them. The pattern has
//! as many fields as the message, unless one is `...`, which stands for any number, none included.

use crate::condition::Condition;
use crate::scanner::Scanner;
use crate::{MAX_EXPRESSIONS, PatternError};

#[derive(Debug, Clone)]
pub(crate) struct Fields {
    before: Vec<Field>,
    /// Those behind `...`, where there is one.
    after: Option<Vec<Field>>,
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    /// Alternatives, of each of which all conditions hold.
    alternatives: Vec<Vec<Condition>>,
}

impl Fields {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut scanner = Scanner::new(text);
        scanner.expect("[")?;
        let mut fields = Self { before: Vec::new(), after: None };
        let mut more = true;
        while more {
            scanner.skip_spaces();
            if scanner.take("...") {
                if fields.after.replace(Vec::new()).is_some() {
                    return Err(PatternError::new("there is more than one ellipsis."));
                }
            } else {
                let field = Field::parse(&mut scanner)?;
                fields.after.as_mut().unwrap_or(&mut fields.before).push(field);
            }
            scanner.skip_spaces();
            more = scanner.take(",");
        }
        scanner.expect("]")?;
        if !scanner.is_done() {
            return Err(scanner.unexpected("nothing may follow"));
        }
        if fields.expressions() > MAX_EXPRESSIONS {
            return Err(PatternError::new(format!("it has more than {MAX_EXPRESSIONS} regular expressions.")));
        }
        Ok(fields)
    }

    pub(crate) fn expressions(&self) -> usize {
        let fields = self.before.iter().chain(self.after.iter().flatten());
        fields.flat_map(|field| field.alternatives.iter().flatten()).map(Condition::expressions).sum()
    }

    /// The fields of a message that matches.
    pub(crate) fn extract(&self, message: &str) -> Option<Vec<(String, String)>> {
        let given = split(message);
        let after = self.after.as_deref().unwrap_or_default();
        let named = self.before.len().saturating_add(after.len());
        let skipped = given.len().checked_sub(named)?;
        if self.after.is_none() && skipped > 0 {
            return None;
        }
        let behind = self.before.len().saturating_add(skipped);
        let mut out = Vec::with_capacity(given.len());
        for (place, text) in given.iter().enumerate() {
            let field = match place.checked_sub(behind) {
                Some(place) => after.get(place),
                None => self.before.get(place),
            };
            if !field.is_none_or(|field| field.holds(text)) {
                return None;
            }
            let name = field.map(|field| field.name.clone()).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| format!("${}", place.saturating_add(1)));
            out.push((name, (*text).to_owned()));
        }
        Some(out)
    }
}

impl Field {
    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, PatternError> {
        let name = name(scanner);
        let mut field = Self { name: name.to_owned(), alternatives: Vec::new() };
        scanner.skip_spaces();
        if matches!(scanner.peek(), Some(',' | ']')) {
            return Ok(field);
        }
        let mut all = vec![Condition::parse(scanner, ",]")?];
        loop {
            scanner.skip_spaces();
            let alternative = scanner.take("||");
            if !alternative && !scanner.take("&&") {
                field.alternatives.push(all);
                return Ok(field);
            }
            scanner.skip_spaces();
            let again = self::name(scanner);
            if !again.is_empty() && again != field.name {
                return Err(PatternError::new(format!("{again} stands among the conditions of {}.", field.name)));
            }
            if alternative {
                field.alternatives.push(std::mem::take(&mut all));
            }
            all.push(Condition::parse(scanner, ",]")?);
        }
    }

    fn holds(&self, text: &str) -> bool {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        self.alternatives.is_empty()
            || self.alternatives.iter().any(|all| all.iter().all(|condition| condition.holds(text, number)))
    }
}

fn name<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    scanner.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '@' | '/'))
}

/// The fields of a message.
fn split(message: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = message.trim();
    while !rest.is_empty() {
        let closing = match rest.chars().next() {
            Some('[') => Some(']'),
            Some('"') => Some('"'),
            _ => None,
        };
        // What opens and never closes is a field like others.
        let enclosed = closing.and_then(|closing| rest.get(1..)?.split_once(closing));
        let (field, after) = enclosed.unwrap_or_else(|| rest.split_once(char::is_whitespace).unwrap_or((rest, "")));
        fields.push(field);
        rest = after.trim_start();
    }
    fields
}
