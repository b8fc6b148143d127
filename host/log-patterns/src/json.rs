//! JSON selectors: `{ ($.a.b[0] = "x" || $.['c.d'] > 3) && $.e IS NULL }`.

use crate::condition::Condition;
use crate::scanner::Scanner;
use crate::{MAX_DEPTH, MAX_EXPRESSIONS, PatternError};
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Test(Selector, Test),
}

#[derive(Debug, Clone)]
pub(crate) enum Test {
    Condition(Condition),
    IsNull,
    IsTrue,
    IsFalse,
    NotExists,
    Exists,
}

#[derive(Debug, Clone)]
pub(crate) struct Selector {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Name(String),
    Index(usize),
    Any,
}

pub(crate) fn parse(text: &str) -> Result<Node, PatternError> {
    let mut scanner = Scanner::new(text);
    scanner.expect("{")?;
    let node = or(&mut scanner, 0)?;
    scanner.skip_spaces();
    scanner.expect("}")?;
    if !scanner.is_done() {
        return Err(scanner.unexpected("nothing may follow"));
    }
    if node.expressions() > MAX_EXPRESSIONS {
        return Err(PatternError::new(format!("it has more than {MAX_EXPRESSIONS} regular expressions.")));
    }
    Ok(node)
}

fn or(scanner: &mut Scanner<'_>, depth: usize) -> Result<Node, PatternError> {
    let mut nodes = vec![and(scanner, depth)?];
    loop {
        scanner.skip_spaces();
        if !scanner.take("||") {
            return Ok(single(nodes, Node::Or));
        }
        nodes.push(and(scanner, depth)?);
    }
}

fn and(scanner: &mut Scanner<'_>, depth: usize) -> Result<Node, PatternError> {
    let mut nodes = vec![test(scanner, depth)?];
    loop {
        scanner.skip_spaces();
        if !scanner.take("&&") {
            return Ok(single(nodes, Node::And));
        }
        nodes.push(test(scanner, depth)?);
    }
}

fn single(mut nodes: Vec<Node>, several: impl Fn(Vec<Node>) -> Node) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(node)) => node,
        (_, last) => {
            nodes.extend(last);
            several(nodes)
        }
    }
}

fn test(scanner: &mut Scanner<'_>, depth: usize) -> Result<Node, PatternError> {
    scanner.skip_spaces();
    if scanner.take("(") {
        if depth >= MAX_DEPTH {
            return Err(PatternError::new(format!("parentheses go deeper than {MAX_DEPTH}.")));
        }
        let node = or(scanner, depth.saturating_add(1))?;
        scanner.skip_spaces();
        scanner.expect(")")?;
        return Ok(node);
    }
    let selector = Selector::parse(scanner)?;
    scanner.skip_spaces();
    let test = if scanner.take_word("IS") {
        scanner.skip_spaces();
        if scanner.take_word("NULL") {
            Test::IsNull
        } else if scanner.take_word("TRUE") {
            Test::IsTrue
        } else if scanner.take_word("FALSE") {
            Test::IsFalse
        } else {
            return Err(scanner.unexpected("NULL, TRUE or FALSE is expected"));
        }
    } else if scanner.take_word("NOT") {
        scanner.skip_spaces();
        if !scanner.take_word("EXISTS") {
            return Err(scanner.unexpected("EXISTS is expected"));
        }
        Test::NotExists
    } else if scanner.take_word("EXISTS") {
        Test::Exists
    } else {
        Test::Condition(Condition::parse(scanner, ")}")?)
    };
    Ok(Node::Test(selector, test))
}

impl Selector {
    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, PatternError> {
        if !scanner.take("$") {
            return Err(scanner.unexpected("a selector, which begins with $, is expected"));
        }
        let (mut steps, mut text) = (Vec::new(), "$".to_owned());
        loop {
            let dotted = scanner.take(".");
            if dotted {
                text.push('.');
            }
            if scanner.take("[") {
                scanner.skip_spaces();
                text.push('[');
                if let Some(quote @ ('\'' | '"')) = scanner.peek() {
                    scanner.next();
                    let name = scanner.quoted(quote)?;
                    text.extend(['\''].into_iter().chain(name.chars()).chain(['\'']));
                    steps.push(Step::Name(name));
                } else if scanner.take("*") {
                    text.push('*');
                    steps.push(Step::Any);
                } else {
                    let digits = scanner.take_while(|c| c.is_ascii_digit());
                    let Ok(index) = digits.parse() else {
                        return Err(scanner.unexpected("an index or a quoted name is expected"));
                    };
                    text.push_str(digits);
                    steps.push(Step::Index(index));
                }
                scanner.skip_spaces();
                scanner.expect("]")?;
                text.push(']');
            } else if dotted {
                let name =
                    scanner.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '$' | '#' | ':' | '/'));
                if name.is_empty() {
                    return Err(scanner.unexpected("a name is expected"));
                }
                text.push_str(name);
                steps.push(Step::Name(name.to_owned()));
            } else if steps.is_empty() {
                return Err(scanner.unexpected("a selector names what it selects, such as $.name"));
            } else {
                return Ok(Self { text, steps });
            }
        }
    }

    /// All that is selected.
    fn select<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.steps {
            found = found
                .into_iter()
                .flat_map(|value| match (step, value) {
                    (Step::Name(name), Value::Object(members)) => members.get(name).into_iter().collect(),
                    (Step::Index(index), Value::Array(items)) => items.get(*index).into_iter().collect(),
                    (Step::Any, Value::Array(items)) => items.iter().collect(),
                    (Step::Any, Value::Object(members)) => members.values().collect::<Vec<_>>(),
                    _ => Vec::new(),
                })
                .collect();
        }
        found
    }
}

impl Node {
    pub(crate) fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(value)),
            Self::And(nodes) => nodes.iter().all(|node| node.matches(value)),
            Self::Test(selector, test) => {
                let selected = selector.select(value);
                match test {
                    Test::NotExists => selected.is_empty(),
                    Test::Exists => !selected.is_empty(),
                    Test::IsNull => selected.iter().any(|value| value.is_null()),
                    Test::IsTrue => selected.iter().any(|value| **value == Value::Bool(true)),
                    Test::IsFalse => selected.iter().any(|value| **value == Value::Bool(false)),
                    Test::Condition(condition) => selected.iter().any(|value| holds(condition, value)),
                }
            }
        }
    }

    /// What the selectors select.
    pub(crate) fn extract(&self, value: &Value) -> Vec<(String, String)> {
        match self {
            Self::Or(nodes) | Self::And(nodes) => nodes.iter().flat_map(|node| node.extract(value)).collect(),
            Self::Test(selector, _) => match selector.select(value).first() {
                Some(Value::String(text)) => vec![(selector.text.clone(), text.clone())],
                Some(other) => vec![(selector.text.clone(), other.to_string())],
                None => Vec::new(),
            },
        }
    }

    pub(crate) fn expressions(&self) -> usize {
        match self {
            Self::Or(nodes) | Self::And(nodes) => nodes.iter().map(Self::expressions).sum(),
            Self::Test(_, Test::Condition(condition)) => condition.expressions(),
            Self::Test(..) => 0,
        }
    }
}

/// Objects, arrays and null stand in no relation to a value.
fn holds(condition: &Condition, value: &Value) -> bool {
    match value {
        Value::String(text) => condition.holds(text, None),
        Value::Number(number) => condition.holds(&number.to_string(), number.as_f64()),
        Value::Bool(given) => condition.holds(if *given { "true" } else { "false" }, None),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
