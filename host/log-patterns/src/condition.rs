//! What a selected value or field is compared with.

use crate::PatternError;
use crate::expression::Expression;
use crate::scanner::Scanner;
use std::cmp::Ordering;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    pub(crate) fn parse(scanner: &mut Scanner<'_>) -> Option<Self> {
        // The longer ones first.
        [
            ("!=", Self::NotEqual),
            ("<=", Self::LessOrEqual),
            (">=", Self::GreaterOrEqual),
            ("=", Self::Equal),
            ("<", Self::Less),
            (">", Self::Greater),
        ]
        .into_iter()
        .find_map(|(text, operator)| scanner.take(text).then_some(operator))
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering == Ordering::Equal,
            Self::NotEqual => ordering != Ordering::Equal,
            Self::Less => ordering == Ordering::Less,
            Self::LessOrEqual => ordering != Ordering::Greater,
            Self::Greater => ordering == Ordering::Greater,
            Self::GreaterOrEqual => ordering != Ordering::Less,
        }
    }
}

/// An operator and its right side.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    operator: Operator,
    operand: Operand,
}

#[derive(Debug, Clone)]
enum Operand {
    /// Unquoted and a number: also what its text says.
    Number(f64, String),
    Text(String),
    /// Parts between the asterisks.
    Wildcard(String),
    Expression(Expression),
}

impl Condition {
    /// Reads operator and operand. An unquoted operand ends before a space or one of `ends`.
    pub(crate) fn parse(scanner: &mut Scanner<'_>, ends: &str) -> Result<Self, PatternError> {
        scanner.skip_spaces();
        let Some(operator) = Operator::parse(scanner) else {
            return Err(scanner.unexpected("an operator is expected"));
        };
        scanner.skip_spaces();
        let operand = if scanner.take("%") {
            Operand::Expression(Expression::parse(&scanner.expression()?)?)
        } else if scanner.take("\"") {
            let text = scanner.quoted('"')?;
            if text.contains('*') { Operand::Wildcard(text) } else { Operand::Text(text) }
        } else {
            let text = scanner.take_while(|c| !c.is_whitespace() && !ends.contains(c) && !"&|\"%".contains(c));
            if text.is_empty() {
                return Err(scanner.unexpected("a value is expected"));
            }
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Operand::Number(number, text.to_owned()),
                _ if text.contains('*') => Operand::Wildcard(text.to_owned()),
                _ => Operand::Text(text.to_owned()),
            }
        };
        let orders = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if orders && !matches!(operand, Operand::Number(..)) {
            return Err(PatternError::new("<, <=, > and >= compare numbers only."));
        }
        Ok(Self { operator, operand })
    }

    /// Whether a text, and the number it is, stand so to the operand.
    pub(crate) fn holds(&self, text: &str, number: Option<f64>) -> bool {
        let equal = match &self.operand {
            Operand::Number(wanted, wanted_text) => match number.and_then(|number| number.partial_cmp(wanted)) {
                Some(ordering) => return self.operator.holds(ordering),
                None => text == wanted_text,
            },
            Operand::Text(wanted) => text == wanted,
            Operand::Wildcard(pattern) => wildcard(pattern, text),
            Operand::Expression(expression) => expression.matches(text),
        };
        match self.operator {
            Operator::Equal => equal,
            Operator::NotEqual => !equal,
            _ => false,
        }
    }

    pub(crate) fn expressions(&self) -> usize {
        usize::from(matches!(self.operand, Operand::Expression(_)))
    }
}

/// Whether `text` is `pattern` with something, or nothing, for each asterisk. Greedy: each part where it first fits.
fn wildcard(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}
