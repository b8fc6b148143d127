//! The configuration: parsed once, into checked types, before a port opens.
//!
//! Defaults < `config.toml` < environment (`LAMINA_<SECTION>_<KEY>`) < flags. A component's section is the component's own
//! `Config`; what is declared ([`resources`]) is the other half of the file, brought into being by reconciliation.
//!
//! Everything that can be known before starting is checked here: keys, types, bounds, names, routes, schedule expressions, time
//! zones, event patterns, that package files exist. Unknown keys are errors. Every error says where the value came from (file,
//! line, column; or variable; or flag), which key it is, and, for what looks like a typing error, what may have been meant.
//! All faults of a file are told at once, except that what does not parse hides what follows.
//!
//! Relative paths in the file are relative to the file's directory; those in flags and variables to the working directory.
//! Only this module reads the process's environment.

mod check;
mod environment;
mod error;
mod fields;
pub mod resources;
mod source;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, Origin, Problem};
pub use resources::{
    AliasDeclaration, AliasVersion, FunctionDeclaration, LayerDeclaration, MappingDeclaration, QueueDeclaration,
    SandboxMode, ScheduleDeclaration, StickyBy,
};

use crate::ids::Home;
use crate::invocation::StreamingConfig;
use crate::sandbox::signature::SigningKey;
use crate::triggers::http::RouteConfig;
use crate::{catalog, credentials, images, sandbox, shutdown, storage, telemetry, triggers};
use serde::{Deserialize, Serialize};
use source::Source;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What `config.toml` holds: a section for each component, and what is declared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the daemon listens.
    pub listen: Listen,
    /// Certificates of its ports.
    pub tls: TlsConfig,
    /// Who may call its AWS APIs.
    pub credentials: credentials::Config,
    /// What its ARNs say.
    pub home: HomeConfig,
    /// Where it keeps things.
    pub storage: StorageConfig,
    /// Environments and compilation.
    pub sandbox: sandbox::Config,
    /// Language runtimes.
    pub runtimes: sandbox::runtime::Config,
    /// Code as images.
    pub images: images::Config,
    /// Invocations at once.
    pub concurrency: catalog::Config,
    /// The HTTP trigger.
    pub http: triggers::http::Config,
    /// Function URLs.
    pub function_urls: triggers::http::urls::Config,
    /// Responses that stream.
    pub response_streaming: StreamingConfig,
    /// The scheduler.
    pub scheduler: triggers::schedule::Config,
    /// Asynchronous invocation.
    pub asynchronous: triggers::asynchronous::Config,
    /// Event source mappings, all together.
    pub event_source_mappings: EventSourceMappingsConfig,
    /// Function logs as stored.
    pub logs: telemetry::logs::Config,
    /// Function logs as captured.
    pub log_capture: telemetry::capture::Limits,
    /// Metrics.
    pub metrics: telemetry::metrics::Config,
    /// The daemon's own log.
    pub host_log: telemetry::host_log::Config,
    /// How it ends.
    pub shutdown: ShutdownConfig,
    /// Declared layers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerDeclaration>,
    /// Declared functions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionDeclaration>,
    /// Declared routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
    /// Declared schedules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<ScheduleDeclaration>,
    /// Declared queues.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<QueueDeclaration>,
    /// Declared event source mappings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<MappingDeclaration>,
    /// Keys whose signatures of packages count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signing_keys: Vec<SigningKey>,
    /// Where keys stand in the file, for what turns out to be wrong later.
    #[serde(skip)]
    pub places: Places,
}

/// The file that a configuration was read from. All are equal: it is not part of what is configured.
#[derive(Debug, Clone, Default)]
pub struct Places {
    path: Option<PathBuf>,
    text: Arc<str>,
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Places {
    /// A fault of what stands at `key`, such as `functions[0].package`.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        match Source::parse(self.path.as_deref(), &self.text) {
            Ok(source) => source.problem(key, message.into()),
            Err(_) => Problem { origin: Origin::Default, key: key.to_owned(), message: message.into(), hint: None },
        }
    }
}

/// The `[listen]` section. Port 0 lets the system choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The AWS APIs. Other than loopback only with access keys.
    pub api_addr: SocketAddr,
    /// Function routes.
    pub http_addr: SocketAddr,
    /// `/metrics`, `/healthz`, `/readyz`.
    pub admin_addr: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            api_addr: SocketAddr::from(([127, 0, 0, 1], 4566)),
            http_addr: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_addr: SocketAddr::from(([127, 0, 0, 1], 9464)),
        }
    }
}

/// The `[tls]` section: PEM files of a certificate chain and its key for each port; a port without them speaks plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The AWS APIs' certificate chain, the server's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_certificate_file: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// The function routes' certificate chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_certificate_file: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_key_file: Option<PathBuf>,
    /// The admin port's certificate chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_certificate_file: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_key_file: Option<PathBuf>,
}

/// A certificate and its key, as configured for a port.
pub type CertificateFiles<'a> = (Option<&'a Path>, Option<&'a Path>);

impl TlsConfig {
    /// The files by port: `api`, `http`, `admin`.
    pub fn by_port(&self) -> [(&'static str, CertificateFiles<'_>); 3] {
        [
            ("api", (self.api_certificate_file.as_deref(), self.api_key_file.as_deref())),
            ("http", (self.http_certificate_file.as_deref(), self.http_key_file.as_deref())),
            ("admin", (self.admin_certificate_file.as_deref(), self.admin_key_file.as_deref())),
        ]
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [
            &mut self.api_certificate_file,
            &mut self.api_key_file,
            &mut self.http_certificate_file,
            &mut self.http_key_file,
            &mut self.admin_certificate_file,
            &mut self.admin_key_file,
        ]
        .into_iter()
        .flatten()
    }
}

/// The `[home]` section: what every ARN of this daemon says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HomeConfig {
    /// Such as `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Default for HomeConfig {
    fn default() -> Self {
        let home = Home::default();
        Self { region: home.region.to_string(), account: home.account.to_string() }
    }
}

/// The `[storage]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// Where everything acknowledged is kept; made if it does not exist. One daemon a directory.
    pub data_dir: PathBuf,
    /// Size of the database, packages apart, past which writes are refused; 0 for no bound.
    pub max_size_mb: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("lamina-data"), max_size_mb: 0 }
    }
}

impl StorageConfig {
    /// The bound as the storage takes it.
    pub fn maximum_size_bytes(&self) -> Option<u64> {
        (self.max_size_mb > 0).then(|| self.max_size_mb.saturating_mul(1 << 20))
    }

    /// The storage's options.
    pub fn options(&self, observer: Option<Arc<dyn storage::CommitObserver>>) -> storage::Options {
        storage::Options { observer, maximum_size_bytes: self.maximum_size_bytes() }
    }
}

/// The `[shutdown]` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownConfig {
    /// How long work under way may go on after the first signal.
    pub drain_limit_s: u32,
    /// How long what is acknowledged may take to reach the disk after that.
    pub flush_limit_s: u32,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { drain_limit_s: 30, flush_limit_s: 10 }
    }
}

impl ShutdownConfig {
    /// The limits as the shutdown takes them.
    pub fn limits(&self) -> shutdown::Limits {
        shutdown::Limits {
            drain: Duration::from_secs(self.drain_limit_s.into()),
            flush: Duration::from_secs(self.flush_limit_s.into()),
        }
    }
}

/// The `[event_source_mappings]` section: what holds for all mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventSourceMappingsConfig {
    /// Batches in flight a mapping; a mapping's own maximum counts where it is lower.
    pub concurrency: u32,
    /// How long batches in flight may go on once the daemon stops; then their messages are made visible.
    pub drain_limit_s: u32,
    /// How often queues are swept of messages past their retention.
    pub sweep_interval_s: u32,
}

impl Default for EventSourceMappingsConfig {
    fn default() -> Self {
        Self { concurrency: 100, drain_limit_s: 20, sweep_interval_s: 60 }
    }
}

impl EventSourceMappingsConfig {
    /// The bounds as the mappings take them.
    pub fn options(&self) -> triggers::queue::Options {
        triggers::queue::Options {
            concurrency: usize::try_from(self.concurrency).unwrap_or(usize::MAX),
            drain: Duration::from_secs(self.drain_limit_s.into()),
            sweep_interval: Duration::from_secs(self.sweep_interval_s.into()),
        }
    }
}

/// What flags set; `None` leaves it to the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--api-addr`
    pub api_addr: Option<SocketAddr>,
    /// `--http-addr`
    pub http_addr: Option<SocketAddr>,
    /// `--admin-addr`
    pub admin_addr: Option<SocketAddr>,
    /// `--log-level`
    pub log_level: Option<String>,
    /// `--log-format`
    pub log_format: Option<telemetry::host_log::Format>,
}

impl Config {
    /// Reads and checks everything. Without a `path` there are only defaults, the environment and flags.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_with(path, overrides, &variables())
    }

    /// As [`Config::load`], for who is about to make the keys that an address may ask for.
    pub fn load_without_keys(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_checking(path, overrides, &variables(), false)
    }

    /// As [`Config::load`], with an environment of the caller's.
    pub fn load_with(
        path: Option<&Path>,
        overrides: &Overrides,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        Self::load_checking(path, overrides, variables, true)
    }

    fn load_checking(
        path: Option<&Path>,
        overrides: &Overrides,
        variables: &BTreeMap<String, String>,
        checks_keys: bool,
    ) -> Result<Self, ConfigError> {
        let text = match path {
            None => String::new(),
            Some(path) => source::read(path)?,
        };
        let source = Source::parse(path, &text)?;
        let mut config: Self = source.deserialize()?;
        let mut origins = Origins { source: &source, set: BTreeMap::new() };
        let mut problems = Vec::new();
        config.place(path.and_then(Path::parent), variables, &mut |path, message| {
            problems.push(origins.source.problem(path, message));
        });
        environment::apply(&mut config, variables, &mut origins, &mut problems);
        config.apply(overrides, &mut origins);
        if let Some(text) = variables.get(SEALING_KEY_VARIABLE) {
            match credentials::seal::SealingKey::parse(text) {
                Ok(key) => config.credentials.sealing_key = Some(key),
                Err(error) => problems.push(Problem {
                    origin: Origin::Variable(SEALING_KEY_VARIABLE.to_owned()),
                    key: String::new(),
                    message: error.to_string(),
                    hint: None,
                }),
            }
        }
        check::check(&config, checks_keys, &mut |path, message, hint| {
            let mut problem = origins.problem(path, message);
            problem.hint = problem.hint.or(hint);
            problems.push(problem);
        });
        config.places = Places { path: path.map(Path::to_owned), text: text.as_str().into() };
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    /// Sections that differ from those of `other`: they take effect with the next start only.
    pub fn differing_sections(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            ("listen", self.listen == other.listen),
            ("tls", self.tls == other.tls),
            ("credentials", self.credentials == other.credentials),
            ("home", self.home == other.home),
            ("storage", self.storage == other.storage),
            ("sandbox", self.sandbox == other.sandbox),
            ("images", self.images == other.images),
            ("concurrency", self.concurrency == other.concurrency),
            ("http", self.http == other.http),
            ("function_urls", self.function_urls == other.function_urls),
            ("response_streaming", self.response_streaming == other.response_streaming),
            ("scheduler", self.scheduler == other.scheduler),
            ("asynchronous", self.asynchronous == other.asynchronous),
            ("event_source_mappings", self.event_source_mappings == other.event_source_mappings),
            ("logs", self.logs == other.logs),
            ("log_capture", self.log_capture == other.log_capture),
            ("metrics", self.metrics == other.metrics),
            ("host_log", self.host_log == other.host_log),
            ("shutdown", self.shutdown == other.shutdown),
            ("signing_keys", self.signing_keys == other.signing_keys),
        ];
        all.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// Region and account.
    pub fn home(&self) -> Home {
        Home { region: self.home.region.as_str().into(), account: self.home.account.as_str().into() }
    }

    /// The effective configuration as TOML.
    pub fn dump(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Makes the file's relative paths relative to its directory, and puts variables into package paths.
    fn place(
        &mut self,
        base: Option<&Path>,
        variables: &BTreeMap<String, String>,
        report: &mut dyn FnMut(&str, String),
    ) {
        let place = |path: &mut PathBuf| {
            if let Some(base) = base.filter(|base| !base.as_os_str().is_empty()) {
                *path = base.join(&path);
            }
        };
        place(&mut self.storage.data_dir);
        self.sandbox.outbound_ca_file.iter_mut().for_each(place);
        self.runtimes.dir.iter_mut().for_each(place);
        self.images.credentials_file.iter_mut().chain(&mut self.images.ca_file).for_each(place);
        self.images.layout_directories.iter_mut().for_each(place);
        self.tls.paths_mut().for_each(place);
        self.credentials.file.iter_mut().chain(&mut self.credentials.key_file).for_each(place);
        for (index, layer) in self.layers.iter_mut().enumerate() {
            match environment::expand(&layer.path.to_string_lossy(), variables) {
                Ok(expanded) => layer.path = PathBuf::from(expanded),
                Err(message) => report(&format!("layers[{index}].path"), message),
            }
            place(&mut layer.path);
        }
        for (index, function) in self.functions.iter_mut().enumerate() {
            if let Some(package) = &mut function.package {
                match environment::expand(&package.to_string_lossy(), variables) {
                    Ok(expanded) => *package = PathBuf::from(expanded),
                    Err(message) => report(&format!("functions[{index}].package"), message),
                }
                place(package);
            }
            if let Some(image) = &mut function.image {
                match environment::expand(image, variables) {
                    Ok(expanded) => *image = expanded,
                    Err(message) => report(&format!("functions[{index}].image"), message),
                }
            }
        }
    }

    fn apply(&mut self, overrides: &Overrides, origins: &mut Origins<'_>) {
        fn set<T: Clone>(to: &mut T, from: Option<&T>, path: &str, flag: &'static str, origins: &mut Origins<'_>) {
            if let Some(value) = from {
                to.clone_from(value);
                origins.set.insert(path.to_owned(), Origin::Flag(flag));
            }
        }
        let Overrides { data_dir, api_addr, http_addr, admin_addr, log_level, log_format } = overrides;
        set(&mut self.storage.data_dir, data_dir.as_ref(), "storage.data_dir", "--data-dir", origins);
        set(&mut self.listen.api_addr, api_addr.as_ref(), "listen.api_addr", "--api-addr", origins);
        set(&mut self.listen.http_addr, http_addr.as_ref(), "listen.http_addr", "--http-addr", origins);
        set(&mut self.listen.admin_addr, admin_addr.as_ref(), "listen.admin_addr", "--admin-addr", origins);
        set(&mut self.host_log.level, log_level.as_ref(), "host_log.level", "--log-level", origins);
        set(&mut self.host_log.format, log_format.as_ref(), "host_log.format", "--log-format", origins);
    }
}

/// Holds the key that seals access keys' secrets, in place of a file. Not a key of the configuration, which is printed and kept.
const SEALING_KEY_VARIABLE: &str = "LAMINA_SEALING_KEY";

fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Where each value came from.
struct Origins<'a> {
    source: &'a Source<'a>,
    /// Keys that the environment or a flag set.
    set: BTreeMap<String, Origin>,
}

impl Origins<'_> {
    fn problem(&self, path: &str, message: String) -> Problem {
        match self.set.get(path) {
            Some(origin) => Problem { origin: origin.clone(), key: path.to_owned(), message, hint: None },
            None => self.source.problem(path, message),
        }
    }
}
