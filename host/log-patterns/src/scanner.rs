//! Reading a pattern's text from its start.

use crate::PatternError;

/// What is left of a pattern.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(crate) fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    /// Takes `text` where it comes next.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a word of letters in any case, where nothing of a word follows.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let Some((start, rest)) = self.rest.split_at_checked(word.len()) else { return false };
        if !start.eq_ignore_ascii_case(word) || rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = rest;
        true
    }

    /// Takes characters as long as `wanted` says so.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    pub(crate) fn expect(&mut self, text: &str) -> Result<(), PatternError> {
        if self.take(text) { Ok(()) } else { Err(self.unexpected(&format!("{text} is expected"))) }
    }

    pub(crate) fn unexpected(&self, what: &str) -> PatternError {
        match self.rest.is_empty() {
            true => PatternError::new(format!("{what} at its end.")),
            false => PatternError::new(format!("{what} at {:?}.", self.rest.chars().take(32).collect::<String>())),
        }
    }

    /// The rest of a quoted text whose opening quote was taken; `\` takes the next character as it is.
    pub(crate) fn quoted(&mut self, quote: char) -> Result<String, PatternError> {
        let mut out = String::new();
        while let Some(character) = self.next() {
            match character {
                '\\' => out.extend(self.next()),
                other if other == quote => return Ok(out),
                other => out.push(other),
            }
        }
        Err(PatternError::new("a quoted term does not end."))
    }

    /// The rest of an expression whose opening `%` was taken. `\%` is a percent sign.
    pub(crate) fn expression(&mut self) -> Result<String, PatternError> {
        let mut out = String::new();
        while let Some(character) = self.next() {
            match character {
                '\\' => {
                    out.push('\\');
                    out.extend(self.next());
                }
                '%' => return Ok(out),
                other => out.push(other),
            }
        }
        Err(PatternError::new("a regular expression does not end with %."))
    }
}
