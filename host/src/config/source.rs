//! The file's text: parsed, with the place of every key.

use super::error::{ConfigError, Origin, Problem};
use super::fields::fields_of;
use super::resources::{
    AliasDeclaration, FunctionDeclaration, LayerDeclaration, MappingDeclaration, QueueDeclaration, ScheduleDeclaration,
};
use super::{Config, EventSourceMappingsConfig, HomeConfig, Listen, ShutdownConfig, StorageConfig, TlsConfig};
use crate::triggers::http::RouteConfig;
use crate::{catalog, credentials, sandbox, telemetry, triggers};
use serde::Deserialize;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest file read. Declarations of thousands of functions fit.
const SIZE_LIMIT_BYTES: u64 = 16 << 20;

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let fault = |message: String| {
        let origin = Origin::File { path: path.to_owned(), line: 1, column: 1 };
        ConfigError::from(Problem { origin, key: String::new(), message, hint: None })
    };
    let metadata = std::fs::metadata(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
    if metadata.len() > SIZE_LIMIT_BYTES {
        return Err(fault(format!("is larger than {SIZE_LIMIT_BYTES} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| fault(format!("cannot be read: {error}")))
}

/// A parsed file.
pub(super) struct Source<'a> {
    path: Option<&'a Path>,
    text: &'a str,
    root: DeTable<'a>,
}

impl<'a> Source<'a> {
    /// Parses; without a `path`, `text` is empty and stands for no file.
    pub(super) fn parse(path: Option<&'a Path>, text: &'a str) -> Result<Self, ConfigError> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let source = Self { path, text, root: root.into_inner() };
        if errors.is_empty() {
            return Ok(source);
        }
        let problems = errors.iter().map(|error| source.parse_problem(error)).collect();
        Err(ConfigError { problems })
    }

    fn parse_problem(&self, error: &toml::de::Error) -> Problem {
        let at = error.span().unwrap_or(0..0);
        Problem { origin: self.origin(at.start), key: String::new(), message: error.message().to_owned(), hint: None }
    }

    /// The file as a configuration. Unknown keys are all told, and before anything else.
    pub(super) fn deserialize(&self) -> Result<Config, ConfigError> {
        let mut problems = Vec::new();
        self.unknown_keys(&self.root, "", "", &mut problems);
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let root = Spanned::new(0..self.text.len(), self.root.clone());
        Config::deserialize(toml::de::Deserializer::from(root)).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().trim_end().replace('\n', "; ");
            let key = path_at(&self.root, &span).unwrap_or_default();
            Problem { origin: self.origin(span.start), key, message, hint: None }.into()
        })
    }

    /// A fault of the value at `path`. A key that is not there is told of the innermost table that is.
    pub(super) fn problem(&self, path: &str, message: String) -> Problem {
        let found = locate(&self.root, path);
        let origin = if self.path.is_none() {
            Origin::Default
        } else {
            match found {
                Some(span) => self.origin(span.start),
                None => Origin::Default,
            }
        };
        Problem { origin, key: path.to_owned(), message, hint: None }
    }

    fn origin(&self, at: usize) -> Origin {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
        let column = before.get(start..).unwrap_or_default().chars().count().saturating_add(1);
        Origin::File { path: self.path.map(Path::to_owned).unwrap_or_default(), line, column }
    }

    /// `shape` is `path` without indices, and names the struct that is read there.
    fn unknown_keys(&self, table: &DeTable<'_>, path: &str, shape: &str, problems: &mut Vec<Problem>) {
        let Some(known) = keys_of(shape) else { return };
        for (key, value) in table {
            let name = key.get_ref();
            let (path, shape) = (join(path, name), join(shape, name));
            if !known.contains(&name.as_ref()) {
                let hint = nearest(name, known.iter().copied()).map(|near| format!("did you mean {near:?}?"));
                let hint = hint.or_else(|| Some(format!("known here: {}", known.join(", "))));
                let origin = self.origin(key.span().start);
                problems.push(Problem { origin, key: path, message: "unknown key".to_owned(), hint });
                continue;
            }
            match value.get_ref() {
                DeValue::Table(table) => self.unknown_keys(table, &path, &shape, problems),
                DeValue::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        if let DeValue::Table(table) = item.get_ref() {
                            self.unknown_keys(table, &format!("{path}[{index}]"), &format!("{shape}[]"), problems);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// The keys that may stand in the table of a shape; `None` where keys are free.
pub(super) fn keys_of(shape: &str) -> Option<&'static [&'static str]> {
    Some(match shape {
        "" => fields_of::<Config>(),
        "listen" => fields_of::<Listen>(),
        "tls" => fields_of::<TlsConfig>(),
        "credentials" => fields_of::<credentials::Config>(),
        "home" => fields_of::<HomeConfig>(),
        "storage" => fields_of::<StorageConfig>(),
        "sandbox" => fields_of::<sandbox::Config>(),
        "runtimes" => fields_of::<sandbox::runtime::Config>(),
        "images" => fields_of::<crate::images::Config>(),
        "concurrency" => fields_of::<catalog::Config>(),
        "http" => fields_of::<triggers::http::Config>(),
        "function_urls" => fields_of::<triggers::http::urls::Config>(),
        "response_streaming" => fields_of::<crate::invocation::StreamingConfig>(),
        "scheduler" => fields_of::<triggers::schedule::Config>(),
        "asynchronous" => fields_of::<triggers::asynchronous::Config>(),
        "event_source_mappings" => fields_of::<EventSourceMappingsConfig>(),
        "logs" => fields_of::<telemetry::logs::Config>(),
        "log_capture" => fields_of::<telemetry::capture::Limits>(),
        "metrics" => fields_of::<telemetry::metrics::Config>(),
        "host_log" => fields_of::<telemetry::host_log::Config>(),
        "shutdown" => fields_of::<ShutdownConfig>(),
        "layers[]" => fields_of::<LayerDeclaration>(),
        "functions[]" => fields_of::<FunctionDeclaration>(),
        "functions[].aliases[]" => fields_of::<AliasDeclaration>(),
        "functions[].aliases[].sticky" => &["header", "cookie"],
        "routes[]" => fields_of::<RouteConfig>(),
        "schedules[]" => fields_of::<ScheduleDeclaration>(),
        "queues[]" => fields_of::<QueueDeclaration>(),
        "mappings[]" => fields_of::<MappingDeclaration>(),
        "signing_keys[]" => fields_of::<sandbox::signature::SigningKey>(),
        _ => return None,
    })
}

/// The word that `name` was most likely meant to be.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let close = known.map(|key| (strsim::jaro_winkler(name, key), key));
    let best = close.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The place of `a.b[2].c`, or of the innermost part of it that is there.
fn locate(root: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let mut found = None;
    let mut table = root;
    let mut rest = path;
    while !rest.is_empty() {
        // Keys of free tables may hold dots: what is left may be one key.
        let (step, after) = match table.contains_key(rest) {
            true => (rest, ""),
            false => rest.split_once('.').unwrap_or((rest, "")),
        };
        let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, index)) => (name, index.parse::<usize>().ok()),
            None => (step, None),
        };
        let Some((key, mut value)) = table.get_key_value(name) else { break };
        found = Some(key.span());
        if let Some(index) = index {
            let Some(item) = value.get_ref().as_array().and_then(|items| items.get(index)) else { break };
            found = Some(item.span());
            value = item;
        }
        let Some(inner) = value.get_ref().as_table() else { break };
        (table, rest) = (inner, after);
    }
    found
}

/// The key whose name or value holds `span`.
fn path_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (key, value) in table {
        let name = key.get_ref();
        let deeper = match value.get_ref() {
            DeValue::Table(inner) => path_at(inner, span).map(|rest| join(name, &rest)),
            DeValue::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
                let name = format!("{name}[{index}]");
                let inner = item.get_ref().as_table().and_then(|table| path_at(table, span));
                inner.map(|rest| join(&name, &rest)).or_else(|| within(item.span()).then_some(name))
            }),
            _ => None,
        };
        if deeper.is_some() {
            return deeper;
        }
        if within(key.span()) || within(value.span()) {
            return Some(name.to_string());
        }
    }
    None
}
