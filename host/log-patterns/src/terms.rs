//! Terms of unstructured text: all plain ones, none with `-`, or at least one with `?`.

use crate::PatternError;
use crate::expression::Expression;
use crate::scanner::Scanner;

#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    required: Vec<Term>,
    excluded: Vec<Term>,
    any: Vec<Term>,
}

#[derive(Debug, Clone)]
enum Term {
    Text(String),
    Expression(Expression),
}

impl Term {
    fn matches(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Expression(expression) => expression.matches(message),
        }
    }

    fn is_expression(&self) -> bool {
        matches!(self, Self::Expression(_))
    }
}

impl Terms {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut terms = Self::default();
        let mut scanner = Scanner::new(text);
        loop {
            scanner.skip_spaces();
            if scanner.is_done() {
                return Ok(terms);
            }
            let list = if scanner.take("-") {
                &mut terms.excluded
            } else if scanner.take("?") {
                &mut terms.any
            } else {
                &mut terms.required
            };
            let term = if scanner.take("\"") {
                Term::Text(scanner.quoted('"')?)
            } else if scanner.take("%") {
                Term::Expression(Expression::parse(&scanner.expression()?)?)
            } else {
                Term::Text(scanner.take_while(|c| !c.is_whitespace()).to_owned())
            };
            // `" "` is AWS's pattern for everything.
            if !matches!(&term, Term::Text(text) if text.trim().is_empty()) {
                list.push(term);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.required.is_empty() && self.excluded.is_empty() && self.any.is_empty()
    }

    pub(crate) fn contained(&self) -> Option<&str> {
        let texts = self.required.iter().filter_map(|term| match term {
            Term::Text(text) => Some(text.as_str()),
            Term::Expression(_) => None,
        });
        texts.max_by_key(|text| text.len())
    }

    pub(crate) fn expressions(&self) -> usize {
        let all = self.required.iter().chain(&self.excluded).chain(&self.any);
        all.filter(|term| term.is_expression()).count()
    }

    pub(crate) fn matches(&self, message: &str) -> bool {
        let matches = |term: &Term| term.matches(message);
        if self.required.is_empty() && self.excluded.is_empty() {
            return self.any.is_empty() || self.any.iter().any(matches);
        }
        self.required.iter().all(matches) && !self.excluded.iter().any(matches)
    }
}
