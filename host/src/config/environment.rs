//! Environment variables: `LAMINA_<SECTION>_<KEY>`, and variables in package paths.

use super::error::{Origin, Problem};
use super::source::{keys_of, nearest};
use super::{Config, Origins};
use crate::telemetry::host_log::LEVEL_VARIABLE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use toml::Value;

const PREFIX: &str = "LAMINA_";

/// Puts variables in the place of what the file says.
pub(super) fn apply(
    config: &mut Config,
    variables: &BTreeMap<String, String>,
    origins: &mut Origins<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut section = Section { variables, origins, problems };
    section.overlay("listen", &mut config.listen);
    section.overlay("tls", &mut config.tls);
    section.overlay("credentials", &mut config.credentials);
    section.overlay("home", &mut config.home);
    section.overlay("storage", &mut config.storage);
    section.overlay("sandbox", &mut config.sandbox);
    section.overlay("runtimes", &mut config.runtimes);
    section.overlay("images", &mut config.images);
    section.overlay("concurrency", &mut config.concurrency);
    section.overlay("http", &mut config.http);
    section.overlay("function_urls", &mut config.function_urls);
    section.overlay("response_streaming", &mut config.response_streaming);
    section.overlay("scheduler", &mut config.scheduler);
    section.overlay("asynchronous", &mut config.asynchronous);
    section.overlay("event_source_mappings", &mut config.event_source_mappings);
    section.overlay("logs", &mut config.logs);
    section.overlay("log_capture", &mut config.log_capture);
    section.overlay("metrics", &mut config.metrics);
    section.overlay("host_log", &mut config.host_log);
    section.overlay("shutdown", &mut config.shutdown);
    if let Some(level) = variables.get(LEVEL_VARIABLE) {
        config.host_log.level.clone_from(level);
        origins.set.insert("host_log.level".to_owned(), Origin::Variable(LEVEL_VARIABLE.to_owned()));
    }
}

struct Section<'a, 's> {
    variables: &'a BTreeMap<String, String>,
    origins: &'a mut Origins<'s>,
    problems: &'a mut Vec<Problem>,
}

impl Section<'_, '_> {
    fn overlay<T: Serialize + DeserializeOwned>(&mut self, name: &str, section: &mut T) {
        let prefix = format!("{PREFIX}{}_", name.to_ascii_uppercase());
        let known = keys_of(name).unwrap_or_default();
        for (variable, text) in self.variables.range(prefix.clone()..) {
            let Some(key) = variable.strip_prefix(&prefix) else { break };
            let key = key.to_ascii_lowercase();
            let path = format!("{name}.{key}");
            let mut fault = |message: String, hint: Option<String>| {
                let origin = Origin::Variable(variable.clone());
                self.problems.push(Problem { origin, key: path.clone(), message, hint });
            };
            if !known.contains(&key.as_str()) {
                let near = nearest(&key, known.iter().copied());
                let hint = near.map(|near| format!("did you mean {prefix}{}?", near.to_ascii_uppercase()));
                fault("unknown key".to_owned(), hint);
                continue;
            }
            match with(section, &key, text) {
                Ok(changed) => {
                    *section = changed;
                    self.origins.set.insert(path, Origin::Variable(variable.clone()));
                }
                Err(message) => fault(message, None),
            }
        }
    }
}

/// `section` with one key set from text.
fn with<T: Serialize + DeserializeOwned>(section: &T, key: &str, text: &str) -> Result<T, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string().trim_end().replace('\n', "; ");
    let Value::Table(mut table) = Value::try_from(section).map_err(|error| words(&error))? else {
        return Err("is no section".to_owned());
    };
    let value = match table.get(key) {
        Some(Value::Integer(_)) => {
            Value::Integer(text.trim().parse().map_err(|_| format!("must be a whole number, not {text:?}"))?)
        }
        Some(Value::Boolean(_)) => {
            Value::Boolean(text.trim().parse().map_err(|_| format!("must be true or false, not {text:?}"))?)
        }
        // A key that is not set by default, or text.
        _ => Value::String(text.to_owned()),
    };
    table.insert(key.to_owned(), value);
    Value::Table(table).try_into().map_err(|error: toml::de::Error| error.message().trim_end().replace('\n', "; "))
}

/// Replaces `${NAME}` and `${NAME:-default}`; `$$` is a dollar sign.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let inside = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let Some((inside, after)) = inside else {
            return Err("a dollar sign must begin ${NAME} or ${NAME:-default}, or be doubled".to_owned());
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let set = variables.get(name).map(String::as_str).filter(|value| !value.is_empty() || default.is_none());
        match set.or(default) {
            Some(value) => out.push_str(value),
            None => return Err(format!("the environment variable {name} is not set, and has no default here")),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
