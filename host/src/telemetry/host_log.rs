//! The daemon's own log: `tracing` events on standard error, as text for people or as one JSON object a line for machines.
//!
//! Function output never comes here; it has [`crate::telemetry::logs`].

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// The environment variable that overrides [`Config::level`]; read by the configuration, not here.
pub const LEVEL_VARIABLE: &str = "LAMINA_LOG";

/// How the daemon logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or directives such as `info,lamina::sandbox=debug`.
    pub level: String,
    /// Text or JSON.
    pub format: Format,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `2026-01-31T12:00:00.000000Z  INFO lamina::wire: message field=value`.
    Text,
    /// `{"timestamp":"…","level":"INFO","message":"…","field":"value","target":"lamina::wire"}`.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Text }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's fault: the level is not one.
    #[error("{level:?} is not a log level: {reason}")]
    InvalidLevel {
        /// What was given.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The platform's fault: something has set up logging in this process already.
    #[error("logging is set up already: {0}")]
    AlreadySet(String),
}

/// Sets logging up for the whole process.
pub fn init(config: &Config) -> Result<(), Error> {
    subscriber(config, std::io::stderr, std::io::IsTerminal::is_terminal(&std::io::stderr()))?
        .try_init()
        .map_err(|e| Error::AlreadySet(e.to_string()))
}

/// Checks a level without setting anything up.
pub fn check(level: &str) -> Result<(), Error> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, Error> {
    let invalid = |reason: String| Error::InvalidLevel { level: level.to_owned(), reason };
    if level.trim().is_empty() {
        return Err(invalid("it is empty".to_owned()));
    }
    // A lone word that is no level would otherwise be taken for the name of a target.
    if level.bytes().all(|b| b.is_ascii_alphabetic()) {
        level.parse::<tracing_subscriber::filter::LevelFilter>().map_err(|e| invalid(e.to_string()))?;
    }
    EnvFilter::builder().parse(level).map_err(|e| invalid(e.to_string()))
}

fn subscriber<W>(config: &Config, writer: W, colours: bool) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(&config.level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match config.format {
        Format::Text => Box::new(builder.with_ansi(colours).finish()),
        Format::Json => {
            Box::new(builder.json().flatten_event(true).with_current_span(true).with_span_list(false).finish())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::io::Write;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, format: Format) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let config = Config { level: level.to_owned(), format };
        let subscriber = subscriber(&config, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(port = 4566, "ready");
            tracing::debug!("details");
        });
        String::from_utf8(sink.0.lock().clone()).unwrap()
    }

    #[test]
    fn json_is_an_object_a_line() {
        let text = logged("debug", Format::Json);
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "ready");
        assert_eq!(lines[0]["port"], 4566);
        assert_eq!(lines[0]["level"], "INFO");
    }

    #[test]
    fn the_level_holds() {
        assert_eq!(logged("info", Format::Text).lines().count(), 1);
        assert!(logged("info", Format::Text).contains("ready port=4566"));
        assert_eq!(logged("warn", Format::Text), "");
        assert_eq!(logged("warn,lamina=debug", Format::Text).lines().count(), 2);
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for level in ["", "  ", "loud", "lamina=loud"] {
            let error = check(level).unwrap_err().to_string();
            assert!(error.contains("not a log level"), "{level}: {error}");
        }
    }
}
