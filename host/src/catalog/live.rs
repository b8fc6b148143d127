//! What the data plane holds of a version, a provisioned configuration, and a way to reach them.

use super::view::Records;
use super::{Catalog, Error, Result, Settings};
use crate::ids::{FunctionMark, Qualifier, Version};
use crate::sandbox::calls::outbound_http::AllowList;
use crate::sandbox::environment::{Context, TimeLimits};
use crate::sandbox::extensions::{ExtensionCode, ExtensionsSpec};
use crate::sandbox::loaded::CodeKey;
use crate::sandbox::pool::{InitStart, Pool, Spec};
use crate::sandbox::runtime::RuntimeSpec;
use crate::sandbox::runtime::snapshot::Snapshot;
use crate::storage::functions::{FunctionRecord, GuestKind, ProvisionedRecord, RecursiveLoop, VersionRecord};
use crate::telemetry::json_log::JsonLog;
use crate::telemetry::logs;
use crate::telemetry::metrics::InvocationSeries;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A version that can be invoked.
#[derive(Debug)]
pub struct LiveVersion {
    /// What is stored.
    pub record: VersionRecord,
    /// What it sets about its sandbox.
    pub settings: Settings,
    /// Its environments on demand.
    pub pool: Arc<Pool>,
    /// The image that its environments go on from, where it is to have one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Limits of one invocation.
    pub limits: TimeLimits,
    /// Its log group.
    pub log_group: Arc<str>,
    /// How it logs, where that is JSON.
    pub json_log: Option<JsonLog>,
    /// Its endpoint and credentials of the daemon's AWS APIs, where it may reach them.
    session: Vec<(String, String)>,
}

impl LiveVersion {
    pub(super) fn new(catalog: &Catalog, function: &FunctionRecord, record: VersionRecord) -> Result<Self> {
        let mut settings = Settings::from_variables(&record.configuration.environment).map_err(Error::Invalid)?;
        if settings.outbound.lists_own() {
            let outbound = AllowList::clone(&settings.outbound).with_own(&catalog.parts.own_port);
            settings.outbound = Arc::new(outbound);
        }
        let session = catalog.session_variables(function, &record, &settings)?;
        let logging = record.configuration.echoed.get("LoggingConfig");
        let member = |name: &str| logging.and_then(|logging| logging.get(name)?.as_str());
        let log_group = member("LogGroup").map_or_else(|| logs::group_name(&record.function), Arc::from);
        let json_log = (member("LogFormat") == Some("JSON")).then(|| {
            let level = |name| member(name).unwrap_or("INFO");
            JsonLog::new(level("ApplicationLogLevel"), level("SystemLogLevel"))
        });
        let wall = Duration::from_secs(record.configuration.timeout_s.into());
        let limits = TimeLimits { wall, cpu: settings.cpu_time_limit };
        let logging = Logging { group: &log_group, json: json_log };
        let published = record.version != Version::Latest && record.code.runtime.is_some();
        let snapshot = (published && catalog.parts.host.runtimes().makes_images())
            .then(|| Snapshot::new(record.configuration.wants_snapshots()));
        let spec = spec(catalog, &record, &settings, &session, &logging, limits, false).map_err(Error::Invalid)?;
        let spec = Spec { snapshot: snapshot.clone(), ..spec };
        Ok(Self {
            session,
            snapshot,
            pool: Pool::new(spec, Arc::clone(&catalog.parts.host)),
            record,
            settings,
            limits,
            log_group,
            json_log,
        })
    }
}

/// How a version logs.
struct Logging<'a> {
    group: &'a Arc<str>,
    json: Option<JsonLog>,
}

/// What the extensions of a version's environments have in common.
fn extensions(
    catalog: &Catalog,
    record: &VersionRecord,
    logging: &Logging<'_>,
    limits: TimeLimits,
) -> Result<Option<Arc<ExtensionsSpec>>, String> {
    if record.code.extensions.is_empty() {
        return Ok(None);
    }
    let code = record.code.extensions.iter().map(|extension| {
        let sha = &extension.component_sha256;
        let path = catalog.parts.storage.blobs.path(sha);
        Ok(ExtensionCode {
            name: extension.name.as_str().into(),
            code: CodeKey {
                component_sha256: sha.as_str().into(),
                kind: GuestKind::Extension,
                family: extension.family,
            },
            component_path: path.ok_or_else(|| format!("{sha} is not the name of a component"))?,
        })
    });
    Ok(Some(Arc::new(ExtensionsSpec {
        code: code.collect::<Result<_, String>>()?,
        handler: record.configuration.handler.clone(),
        log_group: Arc::clone(logging.group),
        json_log: logging.json,
        limits,
    })))
}

/// What the environments of a version have in common.
fn spec(
    catalog: &Catalog,
    record: &VersionRecord,
    settings: &Settings,
    session: &[(String, String)],
    logs: &Logging<'_>,
    limits: TimeLimits,
    keep: bool,
) -> Result<Spec, String> {
    let (configuration, home, log_group) = (&record.configuration, catalog.home(), logs.group);
    let version = record.version.to_string();
    let memory_size_mb = configuration.memory_size_mb;
    let initialization_type = if keep { "provisioned-concurrency" } else { "on-demand" };
    let mut variables: Vec<(String, String)> = [
        ("AWS_LAMBDA_FUNCTION_NAME", record.function.to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_size_mb.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", log_group.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", initialization_type.to_owned()),
        ("AWS_REGION", home.region.to_string()),
        ("AWS_DEFAULT_REGION", home.region.to_string()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    // Images have neither.
    if !configuration.is_image() {
        variables.push(("AWS_EXECUTION_ENV".to_owned(), format!("AWS_Lambda_{}", configuration.runtime)));
        variables.push(("_HANDLER".to_owned(), configuration.handler.clone()));
    }
    if record.code.runtime.is_some() {
        let of_runtime = [
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("LANG", "en_US.UTF-8"),
            ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"),
        ];
        variables.extend(of_runtime.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    let logging = configuration.echoed.get("LoggingConfig");
    for (member, name) in [("LogFormat", "AWS_LAMBDA_LOG_FORMAT"), ("ApplicationLogLevel", "AWS_LAMBDA_LOG_LEVEL")] {
        if let Some(value) = logging.and_then(|logging| logging.get(member)?.as_str()) {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    variables.extend_from_slice(session);
    for (name, value) in &configuration.environment {
        // A function may set its time zone and its endpoint; the other names are refused where they are set.
        variables.retain(|(reserved, _)| reserved != name);
        variables.push((name.clone(), value.clone()));
    }
    let context = Context {
        request_id: String::new(),
        function_name: record.function.to_string(),
        function_version: version,
        qualifier: None,
        invoked_function_arn: String::new(),
        memory_limit_mb: memory_size_mb,
        deadline_ms: 0,
        log_group: log_group.to_string(),
        log_stream: String::new(),
        trace_id: None,
        client_context: None,
    };
    let sha = &record.code.component_sha256;
    let component_path: PathBuf =
        catalog.parts.storage.blobs.path(sha).ok_or_else(|| format!("{sha} is not the name of a component"))?;
    let default_idle = Duration::from_secs(catalog.parts.host.config().idle_timeout_s.into());
    let runtime = match &record.code.runtime {
        None => None,
        Some(name) => Some(RuntimeSpec {
            runtime: name.clone(),
            package: catalog.task_set(&record.code.package_sha256)?,
            handler: configuration.handler.clone(),
            json_log: logs.json.is_some(),
            log_level: logging
                .and_then(|logging| logging.get("ApplicationLogLevel")?.as_str())
                .unwrap_or("INFO")
                .into(),
            initialization_type,
        }),
    };
    let starts = catalog.runtime_of(Some(&record.code), configuration).map(|runtime| InitStart {
        runtime_version: runtime.version_label().into(),
        runtime_version_arn: catalog.runtime_version_arn(Some(&record.code), configuration).into(),
    });
    Ok(Spec {
        runtime,
        snapshot: None,
        init_start: starts,
        layers: catalog.layer_set(configuration)?,
        code: CodeKey { component_sha256: sha.as_str().into(), kind: record.code.kind, family: record.code.family },
        component_path,
        version: record.version,
        memory_size_mb,
        tmp_size_mb: configuration.ephemeral_storage_mb,
        variables: variables.into(),
        arguments: configuration.arguments().into(),
        context,
        reuse: settings.reuse,
        keep,
        outbound: Arc::clone(&settings.outbound),
        idle_timeout: settings.idle_timeout.unwrap_or(default_idle),
        log_limits: catalog.parts.log_limits,
        extensions: extensions(catalog, record, logs, limits)?,
    })
}

/// One way to reach one version: everything an invocation needs, ready made.
#[derive(Debug)]
pub struct Target {
    /// The version that runs.
    pub version: Arc<LiveVersion>,
    /// Provisioned environments for callers that come this way.
    pub provisioned: Option<Arc<Pool>>,
    /// Where it is counted.
    pub series: Arc<InvocationSeries>,
    /// As the function sees it.
    pub qualifier: Option<String>,
    /// The ARN, with the qualifier.
    pub arn: String,
    /// What stands for the function in the lineage of a chain of invocations.
    pub mark: FunctionMark,
    /// What becomes of a chain that comes back too often.
    pub recursive_loop: RecursiveLoop,
}

impl Target {
    pub(super) fn new(
        catalog: &Catalog,
        function: &FunctionRecord,
        version: Arc<LiveVersion>,
        qualifier: Option<&Qualifier>,
        provisioned: Option<Arc<Pool>>,
    ) -> Self {
        let name = &function.name;
        let alias = match qualifier {
            Some(Qualifier::Alias(alias)) => Some(alias),
            _ => None,
        };
        Self {
            series: catalog.parts.metrics.invocations.series(name, version.record.version, alias),
            arn: catalog.home().function_arn(name, qualifier.map(|q| q as &dyn std::fmt::Display)),
            qualifier: qualifier.map(ToString::to_string),
            mark: FunctionMark::of(&catalog.home().function_arn(name, None)),
            recursive_loop: function.recursive_loop,
            version,
            provisioned,
        }
    }
}

/// How far provisioning is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvisionedStatus {
    /// Environments are missing and being made.
    InProgress,
    /// All requested environments are initialised.
    Ready,
    /// The last attempt to make one failed; more are made.
    Failed(String),
}

/// Environments kept initialised for one qualifier.
#[derive(Debug)]
pub struct LiveProvisioned {
    /// What is asked for.
    pub record: ProvisionedRecord,
    /// A pool for each version behind the qualifier, and how many of the environments are its share.
    shares: Vec<(Version, Arc<Pool>, u32)>,
    failure: Mutex<Option<String>>,
}

impl LiveProvisioned {
    /// `None` where the qualifier no longer exists.
    pub(super) fn new(
        catalog: &Catalog,
        record: &ProvisionedRecord,
        records: &Records,
        versions: &BTreeMap<Version, Arc<LiveVersion>>,
        before: Option<&Self>,
    ) -> Option<Self> {
        let weights: Vec<(Version, f64)> = match &record.qualifier {
            Qualifier::Version(version) => vec![(*version, 1.0)],
            Qualifier::Alias(alias) => {
                let split = super::split::Split::new(records.aliases.get(alias)?, Some)?;
                split.shares().map(|(share, version)| (*version, share)).collect()
            }
        };
        let mut left = record.requested;
        let count = weights.len();
        let mut shares = Vec::with_capacity(count);
        for (index, (number, weight)) in weights.into_iter().enumerate() {
            let version = versions.get(&number)?;
            // The last share takes what rounding left.
            let wanted = (f64::from(record.requested) * weight).round() as u32;
            let share = if index + 1 == count { left } else { wanted.min(left) };
            left -= share;
            let kept = before.and_then(|before| before.pool_for(number, version));
            let pool = match kept {
                Some(pool) => pool,
                None => {
                    let spec = {
                        let logging = Logging { group: &version.log_group, json: version.json_log };
                        let LiveVersion { record, settings, session, limits, .. } = &**version;
                        let spec = spec(catalog, record, settings, session, &logging, *limits, true);
                        Spec { snapshot: version.snapshot.clone(), ..spec.ok()? }
                    };
                    Pool::new(spec, Arc::clone(&catalog.parts.host))
                }
            };
            shares.push((number, pool, share));
        }
        Some(Self { record: record.clone(), shares, failure: Mutex::default() })
    }

    /// The pool of an unchanged version.
    fn pool_for(&self, number: Version, version: &LiveVersion) -> Option<Arc<Pool>> {
        let (_, pool, _) = self.shares.iter().find(|(held, _, _)| *held == number)?;
        let published = number != Version::Latest;
        let same_code = pool.spec().code == version.pool.spec().code;
        (published && same_code).then(|| Arc::clone(pool))
    }

    /// The pool that serves `version` for callers of this qualifier.
    pub(super) fn pool_of(&self, version: &LiveVersion) -> Option<Arc<Pool>> {
        let found = self.shares.iter().find(|(number, _, _)| *number == version.record.version);
        found.map(|(_, pool, _)| Arc::clone(pool))
    }

    /// All its pools.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.shares.iter().map(|(_, pool, _)| pool)
    }

    /// Each pool with the number of environments it should hold.
    pub(super) fn shares(&self) -> impl Iterator<Item = (&Arc<Pool>, u32)> {
        self.shares.iter().map(|(_, pool, share)| (pool, *share))
    }

    /// Initialised environments, busy ones included, never more than requested.
    pub fn allocated(&self) -> u32 {
        let held = |(pool, share): (&Arc<Pool>, u32)| {
            let (idle, busy) = pool.counts();
            u32::try_from(idle).unwrap_or(u32::MAX).saturating_add(busy).min(share)
        };
        self.shares().map(held).sum()
    }

    /// Initialised environments without work.
    pub fn available(&self) -> u32 {
        let idle: usize = self.pools().map(|pool| pool.counts().0).sum();
        u32::try_from(idle).unwrap_or(u32::MAX).min(self.record.requested)
    }

    /// How far provisioning is.
    pub fn status(&self) -> ProvisionedStatus {
        if self.allocated() >= self.record.requested {
            return ProvisionedStatus::Ready;
        }
        match &*self.failure.lock() {
            Some(reason) => ProvisionedStatus::Failed(reason.clone()),
            None => ProvisionedStatus::InProgress,
        }
    }

    pub(super) fn set_failure(&self, failure: Option<String>) {
        *self.failure.lock() = failure;
    }
}
