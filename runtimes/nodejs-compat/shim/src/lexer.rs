//! What a source file's tokens show without running it: whether it is an ES module, and which names a CommonJS module exports.
//!
//! As Node does, names are found where they are assigned in the usual ways; a name that only running the code would show is missed.

use std::collections::BTreeSet;

use crate::resolve::{self, Kind, Target};

/// How many files deep `module.exports = require(…)` is followed.
const DEPTH: usize = 8;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Mark(u8),
    /// A number, a template or a regular expression.
    Other,
}

/// Reads tokens off a source text.
struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether a slash here would divide.
    after_value: bool,
    /// Parentheses that are open, and whether each belongs to `if`, `while` or `for`.
    parens: Vec<bool>,
    last_word: &'a str,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, after_value: false, parens: Vec::new(), last_word: "" }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to.min(self.text.len())).unwrap_or("")
    }

    /// Moves past the next `end`, or to the end of the text.
    fn skip_past(&mut self, end: &str) {
        let rest = self.text.get(self.at..).unwrap_or("");
        self.at += rest.find(end).map_or(rest.len(), |at| at + end.len());
    }

    fn quoted(&mut self, quote: u8) -> Token<'a> {
        let from = self.at + 1;
        self.at = from;
        while self.at < self.text.len() && self.byte(0) != quote && self.byte(0) != b'\n' {
            self.at += if self.byte(0) == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        Token::Text(self.slice(from, self.at - 1))
    }

    /// A template with everything in it.
    fn template(&mut self) {
        self.at += 1;
        while self.at < self.text.len() {
            match (self.byte(0), self.byte(1)) {
                (b'\\', _) => self.at += 2,
                (b'`', _) => {
                    self.at += 1;
                    return;
                }
                (b'$', b'{') => {
                    self.at += 2;
                    let mut inner = Lexer { at: self.at, ..Lexer::new(self.text) };
                    let mut depth = 1;
                    while depth > 0 {
                        match inner.next() {
                            Some(Token::Mark(b'{')) => depth += 1,
                            Some(Token::Mark(b'}')) => depth -= 1,
                            Some(_) => {}
                            None => break,
                        }
                    }
                    self.at = inner.at;
                }
                _ => self.at += 1,
            }
        }
    }

    fn regular_expression(&mut self) {
        self.at += 1;
        let mut class = false;
        while self.at < self.text.len() {
            match self.byte(0) {
                b'\\' => self.at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => break,
                b'\n' => return,
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'\\' | 0x80..)
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            match (self.byte(0), self.byte(1)) {
                _ if self.at >= self.text.len() => return None,
                (b' ' | b'\t' | b'\r' | b'\n', _) => self.at += 1,
                (b'/', b'/') => self.skip_past("\n"),
                (b'/', b'*') => self.skip_past("*/"),
                (b'#', b'!') if self.at == 0 => self.skip_past("\n"),
                _ => break,
            }
        }
        let first = self.byte(0);
        let mut value = true;
        let token = match first {
            b'"' | b'\'' => self.quoted(first),
            b'`' => {
                self.template();
                Token::Other
            }
            b'/' if !self.after_value => {
                self.regular_expression();
                Token::Other
            }
            _ if is_word(first) => {
                let from = self.at;
                while self.at < self.text.len() && is_word(self.byte(0)) {
                    self.at += 1;
                }
                let word = self.slice(from, self.at);
                self.last_word = word;
                value = !matches!(word, "return" | "typeof" | "case" | "in" | "of" | "delete" | "void" | "throw" | "new" | "else" | "do")
                    && !matches!(word, "await" | "yield" | "instanceof");
                if first.is_ascii_digit() { Token::Other } else { Token::Word(word) }
            }
            _ => {
                self.at += 1;
                match first {
                    b'(' => {
                        self.parens.push(self.after_value && matches!(self.last_word, "if" | "while" | "for" | "with"));
                        value = false;
                    }
                    b')' => value = !self.parens.pop().unwrap_or(false),
                    b']' => {}
                    // After a block a slash begins an expression, after an object it divides; blocks are far more common there.
                    _ => value = false,
                }
                Token::Mark(first)
            }
        };
        self.after_value = value;
        if !matches!(token, Token::Word(_) | Token::Mark(b'(')) {
            self.last_word = "";
        }
        Some(token)
    }
}

/// Whether a source has the syntax of an ES module: an import or export statement, or `import.meta`.
pub(crate) fn is_module(source: &[u8]) -> bool {
    let text = String::from_utf8_lossy(source);
    let mut tokens = Lexer::new(&text).peekable();
    let (mut depth, mut before) = (0i32, Token::Mark(b';'));
    while let Some(token) = tokens.next() {
        let member = before == Token::Mark(b'.');
        match (token, tokens.peek()) {
            (Token::Mark(b'{' | b'(' | b'['), _) => depth += 1,
            (Token::Mark(b'}' | b')' | b']'), _) => depth -= 1,
            (Token::Word("import"), Some(Token::Mark(b'.'))) if !member => return true,
            (Token::Word("import"), Some(Token::Word(_) | Token::Text(_) | Token::Mark(b'{' | b'*'))) if depth == 0 && !member => {
                return true;
            }
            (Token::Word("export"), Some(Token::Word(_) | Token::Mark(b'{' | b'*'))) if depth == 0 && !member => return true,
            _ => {}
        }
        before = token;
    }
    false
}

/// Whether `name` can stand in an export list.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | '$'))
        && chars.all(|char| char.is_alphanumeric() || matches!(char, '_' | '$'))
}

/// The names that a CommonJS file at `path` exports.
pub(crate) fn exports(source: &[u8], path: &str) -> Vec<String> {
    let mut names = BTreeSet::new();
    collect(source, path, DEPTH, &mut names);
    names.into_iter().collect()
}

fn collect(source: &[u8], path: &str, depth: usize, names: &mut BTreeSet<String>) {
    let text = String::from_utf8_lossy(source);
    let tokens: Vec<Token<'_>> = Lexer::new(&text).collect();
    let mut again = Vec::new();
    let mut rest = tokens.as_slice();
    while let [first, tail @ ..] = rest {
        match rest {
            [Token::Mark(b'.'), Token::Word("defineProperty"), Token::Mark(b'('), after @ ..] => {
                if let Some([Token::Mark(b','), Token::Text(name), ..]) = exports_object(after) {
                    names.insert((*name).to_owned());
                }
            }
            [Token::Word(star), Token::Mark(b'('), after @ ..] if matches!(*star, "__exportStar" | "__export" | "__reExport") => {
                again.extend(required(after).or_else(|| required(after.get(2..).unwrap_or_default())));
            }
            [Token::Word("module" | "exports"), ..] => assignment(rest, names, &mut again),
            _ => {}
        }
        // `a.exports` is somebody else's.
        rest = match (first, tail) {
            (Token::Mark(b'.'), [Token::Word("exports"), after @ ..]) => after,
            _ => tail,
        };
    }
    if depth == 0 {
        return;
    }
    for specifier in again {
        if let Ok(Target::File(file)) = resolve::resolve(specifier, path, Kind::Require)
            && let Ok(source) = std::fs::read(&file)
        {
            collect(&source, &file, depth - 1, names);
        }
    }
}

/// What follows `exports` or `module.exports`.
fn exports_object<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    match tokens {
        [Token::Word("exports"), rest @ ..] => Some(rest),
        [Token::Word("module"), Token::Mark(b'.'), Token::Word("exports"), rest @ ..] => Some(rest),
        _ => None,
    }
}

/// The specifier of a `require('…')`.
fn required<'a>(tokens: &[Token<'a>]) -> Option<&'a str> {
    match tokens {
        [Token::Word("require"), Token::Mark(b'('), Token::Text(specifier), Token::Mark(b')'), ..] => Some(specifier),
        _ => None,
    }
}

/// `exports.x = …`, `exports['x'] = …`, `module.exports = { … }`, `module.exports = require('…')`.
fn assignment<'a>(tokens: &[Token<'a>], names: &mut BTreeSet<String>, again: &mut Vec<&'a str>) {
    let whole = matches!(tokens, [Token::Word("module"), ..]);
    match exports_object(tokens) {
        Some([Token::Mark(b'.'), Token::Word(name), Token::Mark(b'='), next, ..]) if *next != Token::Mark(b'=') => {
            names.insert((*name).to_owned());
        }
        Some([Token::Mark(b'['), Token::Text(name), Token::Mark(b']'), Token::Mark(b'='), ..]) => {
            names.insert((*name).to_owned());
        }
        Some([Token::Mark(b'='), Token::Mark(b'{'), members @ ..]) if whole => literal(members, names, again),
        Some([Token::Mark(b'='), Token::Word("exports"), Token::Mark(b'='), Token::Mark(b'{'), members @ ..]) if whole => {
            literal(members, names, again);
        }
        Some([Token::Mark(b'='), value @ ..]) if whole => again.extend(required(value)),
        _ => {}
    }
}

/// The members of an object literal, after its brace.
fn literal<'a>(mut tokens: &[Token<'a>], names: &mut BTreeSet<String>, again: &mut Vec<&'a str>) {
    loop {
        match tokens {
            [Token::Mark(b'.'), Token::Mark(b'.'), Token::Mark(b'.'), value @ ..] => again.extend(required(value)),
            [Token::Word("get" | "set" | "async"), Token::Word(name), Token::Mark(b'('), ..] => {
                names.insert((*name).to_owned());
            }
            [Token::Word(name) | Token::Text(name), Token::Mark(b':' | b',' | b'}' | b'('), ..] => {
                names.insert((*name).to_owned());
            }
            _ => return,
        }
        let mut depth = 0;
        loop {
            let [token, rest @ ..] = tokens else { return };
            tokens = rest;
            match token {
                Token::Mark(b'{' | b'(' | b'[') => depth += 1,
                Token::Mark(b'}') if depth == 0 => return,
                Token::Mark(b'}' | b')' | b']') => depth -= 1,
                Token::Mark(b',') if depth == 0 => break,
                _ => {}
            }
        }
    }
}
