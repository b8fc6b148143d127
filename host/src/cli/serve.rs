//! `lamina serve`: its arguments. Running the daemon is not this module's.

use super::Failure;
use super::output;
use crate::config::{Config, Overrides};
use crate::telemetry::host_log;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Arguments of `serve`. Flags override the environment, which overrides the file.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The configuration file; without one there are defaults
    #[arg(long, env = "LAMINA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything is kept
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the AWS APIs listen [default: 127.0.0.1:4566]
    #[arg(long, value_name = "ADDR")]
    api_addr: Option<SocketAddr>,
    /// Where function routes listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http_addr: Option<SocketAddr>,
    /// Where /metrics, /healthz and /readyz listen [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR")]
    admin_addr: Option<SocketAddr>,
    /// What the daemon logs: error, warn, info, debug, trace, off, or directives [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How the daemon logs [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Print the configuration in effect as TOML, and start nothing
    #[arg(long)]
    dump_config: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// For machines
    Json,
}

impl Serve {
    /// Reads the configuration anew, as at SIGHUP.
    pub fn load(&self) -> Result<Config, crate::config::ConfigError> {
        Config::load(self.config.as_deref(), &self.overrides())
    }

    /// The configuration to run with; `None` if it was only to be printed.
    pub fn configure(&self) -> Result<Option<Config>, Failure> {
        let config = self.load().map_err(|error| Failure::usage(format!("bad configuration\n{error}")))?;
        if !self.dump_config {
            return Ok(Some(config));
        }
        let text = config.dump().map_err(|error| Failure::local(error.to_string()))?;
        output::write(text.as_bytes())?;
        Ok(None)
    }

    /// What the flags set.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            data_dir: self.data_dir.clone(),
            api_addr: self.api_addr,
            http_addr: self.http_addr,
            admin_addr: self.admin_addr,
            log_level: self.log_level.clone(),
            log_format: self.log_format.map(|format| match format {
                LogFormat::Text => host_log::Format::Text,
                LogFormat::Json => host_log::Format::Json,
            }),
        }
    }
}
