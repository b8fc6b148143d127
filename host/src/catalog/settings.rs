//! What a function can set about its sandbox.
//!
//! AWS's API has no members for these, and its clients refuse to send unknown ones. So they are environment variables of the
//! function, versioned with it and settable from every tool: `LAMINA_SANDBOX`, `LAMINA_CPU_TIME_LIMIT_MS`,
//! `LAMINA_OUTBOUND_HOSTS`, `LAMINA_IDLE_TIMEOUT_S`. Other names that start with `LAMINA_` are refused, so that a typing error shows.

use crate::sandbox::calls::outbound_http::AllowList;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The prefix of variables that set the sandbox.
pub const PREFIX: &str = "LAMINA_";

/// Variables that the platform sets
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>).
pub const RESERVED_VARIABLES: [&str; 20] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// How environments are used, and what they may reach.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `LAMINA_SANDBOX`: `reuse` (default) or `fresh`, a new sandbox for every invocation.
    pub reuse: bool,
    /// `LAMINA_CPU_TIME_LIMIT_MS`: processor time of one invocation.
    pub cpu_time_limit: Option<Duration>,
    /// `LAMINA_OUTBOUND_HOSTS`: where requests may go, comma-separated. `lamina` is this daemon's AWS port.
    pub outbound: Arc<AllowList>,
    /// `LAMINA_IDLE_TIMEOUT_S`: how long an environment stays warm; `None` is the host's default.
    pub idle_timeout: Option<Duration>,
}

impl Settings {
    /// Reads the settings among a function's variables. Errors are for the caller, who set them.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut settings = Self { reuse: true, cpu_time_limit: None, outbound: Arc::default(), idle_timeout: None };
        for (name, value) in variables {
            let Some(setting) = name.strip_prefix(PREFIX) else { continue };
            let number = |least: u64, most: u64| match value.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(number),
                _ => Err(format!("{name} must be a number from {least} to {most}, not {value:?}")),
            };
            match setting {
                "SANDBOX" => match value.as_str() {
                    "reuse" => settings.reuse = true,
                    "fresh" => settings.reuse = false,
                    _ => return Err(format!("{name} must be reuse or fresh, not {value:?}")),
                },
                "CPU_TIME_LIMIT_MS" => settings.cpu_time_limit = Some(Duration::from_millis(number(1, 900_000)?)),
                "IDLE_TIMEOUT_S" => settings.idle_timeout = Some(Duration::from_secs(number(0, 86_400)?)),
                "OUTBOUND_HOSTS" => {
                    let list = AllowList::parse(value.split(',').map(str::trim).filter(|entry| !entry.is_empty()))
                        .map_err(|error| format!("{name}: {error}"))?;
                    settings.outbound = Arc::new(list);
                }
                _ => return Err(format!("{name} is not a setting that Lamina knows")),
            }
        }
        Ok(settings)
    }
}
