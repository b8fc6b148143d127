//! The configuration that `CreateFunction` and `UpdateFunctionConfiguration` take, checked.

use super::constraints::{failed, invalid, length, one_of, pattern, range, unsupported};
use super::layers::version_arn;
use crate::catalog::settings::RESERVED_VARIABLES;
use crate::catalog::{self, Catalog, Package, Settings};
use crate::ids::{Home, LayerName};
use crate::storage::functions::ConfigurationRecord;
use crate::telemetry::json_log::{APPLICATION_LEVELS, SYSTEM_LEVELS};
use crate::triggers::asynchronous::Destination;
use crate::wire::error::WireError;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Bytes of all variables together.
const ENVIRONMENT_LIMIT_BYTES: usize = 4096;

/// Members of a list of arguments, and their bytes.
const ARGUMENTS: usize = 1500;
const ARGUMENTS_LIMIT_BYTES: usize = 32 << 10;

/// The members of a request; what it leaves out is `None`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Requested {
    runtime: Option<String>,
    role: Option<String>,
    handler: Option<String>,
    description: Option<String>,
    timeout: Option<i64>,
    memory_size: Option<i64>,
    environment: Option<Environment>,
    ephemeral_storage: Option<EphemeralStorage>,
    tracing_config: Option<TracingConfig>,
    logging_config: Option<LoggingConfig>,
    #[serde(rename = "KMSKeyArn")]
    kms_key_arn: Option<String>,
    architectures: Option<Vec<String>>,
    package_type: Option<String>,
    dead_letter_config: Option<DeadLetterConfig>,
    vpc_config: Option<VpcConfig>,
    snap_start: Option<SnapStart>,
    layers: Option<Vec<String>>,
    file_system_configs: Option<Vec<Value>>,
    image_config: Option<ImageConfig>,
    capacity_provider_config: Option<Value>,
    durable_config: Option<Value>,
    tenancy_config: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Environment {
    variables: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EphemeralStorage {
    size: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct TracingConfig {
    mode: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct LoggingConfig {
    log_format: Option<String>,
    log_group: Option<String>,
    application_log_level: Option<String>,
    system_log_level: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct DeadLetterConfig {
    target_arn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct VpcConfig {
    subnet_ids: Option<Vec<String>>,
    security_group_ids: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct SnapStart {
    apply_on: Option<String>,
}

/// What is set about an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ImageConfig {
    entry_point: Option<Vec<String>>,
    command: Option<Vec<String>>,
    working_directory: Option<String>,
}

/// How a function's code comes; decided once, when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PackageType {
    Zip,
    Image,
}

impl PackageType {
    /// Refuses code of the other kind.
    pub(super) fn check(self, package: Option<&Package>) -> Result<(), WireError> {
        match (self, package) {
            (Self::Zip, Some(Package::Image(_))) => {
                Err(invalid("Please don't provide ImageUri when the intended function PackageType is Zip."))
            }
            (Self::Image, None | Some(Package::Upload(_))) => {
                Err(invalid("Please provide ImageUri when the intended function PackageType is Image."))
            }
            _ => Ok(()),
        }
    }
}

/// A request's configuration, every member within its constraints.
#[derive(Debug, Clone, Default)]
pub(super) struct Checked {
    runtime: Option<String>,
    role: Option<String>,
    handler: Option<String>,
    description: Option<String>,
    timeout_s: Option<u32>,
    memory_size_mb: Option<u32>,
    ephemeral_storage_mb: Option<u32>,
    layers: Option<Vec<(LayerName, u64)>>,
    environment: Option<BTreeMap<String, String>>,
    logging: Option<LoggingConfig>,
    image_config: Option<ImageConfig>,
    /// `null` takes a member away.
    echoed: Map<String, Value>,
}

impl Requested {
    /// How the code of a new function comes.
    pub(super) fn package_type(&self) -> Result<PackageType, WireError> {
        let kind = self.package_type.as_deref().unwrap_or("Zip");
        one_of(kind, "packageType", &["Image", "Zip"])?;
        Ok(if kind == "Image" { PackageType::Image } else { PackageType::Zip })
    }

    /// Checks every member.
    pub(super) fn check(self, catalog: &Catalog) -> Result<Checked, WireError> {
        let home = catalog.home();
        self.refuse_unsupported()?;
        if let Some(runtime) = &self.runtime {
            catalog.check_runtime(runtime)?;
        }
        if let Some(role) = &self.role {
            check_role(role)?;
        }
        if let Some(handler) = &self.handler {
            length(handler, "handler", 128)?;
            if handler.is_empty() || handler.contains(char::is_whitespace) {
                return Err(failed(handler, "handler", "Member must satisfy regular expression pattern: [^\\s]+"));
            }
        }
        if let Some(description) = &self.description {
            length(description, "description", 256)?;
        }
        let environment = self.environment.map(|environment| environment.variables.unwrap_or_default());
        if let Some(variables) = &environment {
            check_variables(variables)?;
        }
        let layers = self.layers.map(|arns| arns.iter().map(|arn| version_arn(home, arn, "layers")).collect());
        let layers: Option<Vec<_>> = layers.transpose()?;
        let mut echoed = Map::new();
        if let Some(arn) = self.dead_letter_config.map(|dead| dead.target_arn.unwrap_or_default()) {
            echoed.insert("DeadLetterConfig".into(), dead_letter_config(home, &arn)?);
        }
        if let Some(mode) = self.tracing_config.and_then(|tracing| tracing.mode) {
            one_of(&mode, "tracingConfig.mode", &["Active", "PassThrough"])?;
            echoed.insert("TracingConfig".into(), json!({ "Mode": mode }));
        }
        if let Some(key) = self.kms_key_arn {
            if !key.is_empty() && !key.starts_with("arn:") {
                let pattern = "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()";
                return Err(failed(
                    key,
                    "kMSKeyArn",
                    format!("Member must satisfy regular expression pattern: {pattern}"),
                ));
            }
            length(&key, "kMSKeyArn", 2048)?;
            echoed.insert("KMSKeyArn".into(), if key.is_empty() { Value::Null } else { key.into() });
        }
        if let Some(apply_on) = self.snap_start.and_then(|snap_start| snap_start.apply_on) {
            let shown = if apply_on == "None" { Value::Null } else { json!({ "ApplyOn": apply_on }) };
            echoed.insert("SnapStart".into(), shown);
        }
        if let Some(architectures) = self.architectures {
            echoed.insert("Architectures".into(), json!(check_architectures(&architectures)?));
        }
        if let Some(logging) = &self.logging_config {
            logging.check()?;
        }
        if let Some(image) = &self.image_config {
            image.check()?;
        }
        Ok(Checked {
            logging: self.logging_config,
            image_config: self.image_config,
            runtime: self.runtime,
            role: self.role,
            handler: self.handler,
            description: self.description,
            timeout_s: self.timeout.map(|timeout| range(timeout, "timeout", 1, 900)).transpose()?,
            memory_size_mb: self.memory_size.map(|size| range(size, "memorySize", 128, 10_240)).transpose()?,
            ephemeral_storage_mb: self
                .ephemeral_storage
                .map(|storage| range(storage.size, "ephemeralStorage.size", 512, 10_240))
                .transpose()?,
            layers,
            environment,
            echoed,
        })
    }

    /// What would be a lie to accept.
    fn refuse_unsupported(&self) -> Result<(), WireError> {
        let filled = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if filled(&self.file_system_configs) {
            return Err(unsupported("FileSystemConfigs", "functions have /tmp only"));
        }
        if let Some(vpc) = &self.vpc_config {
            let named = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
            if named(&vpc.subnet_ids) || named(&vpc.security_group_ids) {
                let why = "functions reach the hosts listed in the variable LAMINA_OUTBOUND_HOSTS";
                return Err(unsupported("VpcConfig", why));
            }
        }
        if let Some(apply_on) = self.snap_start.as_ref().and_then(|snap_start| snap_start.apply_on.as_deref()) {
            one_of(apply_on, "snapStart.applyOn", &["PublishedVersions", "None"])?;
        }
        for (member, value) in [
            ("CapacityProviderConfig", &self.capacity_provider_config),
            ("DurableConfig", &self.durable_config),
            ("TenancyConfig", &self.tenancy_config),
        ] {
            if value.is_some() {
                return Err(unsupported(member, "leave it out"));
            }
        }
        Ok(())
    }
}

impl ImageConfig {
    fn check(&self) -> Result<(), WireError> {
        for (list, member) in [(&self.entry_point, "imageConfig.entryPoint"), (&self.command, "imageConfig.command")] {
            let list = list.as_deref().unwrap_or_default();
            if list.len() > ARGUMENTS {
                let constraint = format!("Member must have length less than or equal to {ARGUMENTS}");
                return Err(failed(format!("[{}]", list.join(", ")), member, constraint));
            }
            // What the guest could not be given, and what it would take for two.
            let size_bytes: usize = list.iter().map(|argument| argument.len().saturating_add(1)).sum();
            if size_bytes > ARGUMENTS_LIMIT_BYTES || list.iter().any(|argument| argument.contains('\0')) {
                return Err(invalid(format!(
                    "{member} must be at most {ARGUMENTS_LIMIT_BYTES} bytes in all, without NUL characters."
                )));
            }
        }
        if let Some(directory) = &self.working_directory {
            length(directory, "imageConfig.workingDirectory", 1000)?;
            if !matches!(directory.as_str(), "" | "/") {
                return Err(unsupported("ImageConfig.WorkingDirectory", "functions start in /"));
            }
        }
        Ok(())
    }

    /// As functions show it; null for nothing.
    fn shown(self) -> Value {
        let mut shown = Map::new();
        for (name, list) in [("EntryPoint", self.entry_point), ("Command", self.command)] {
            if let Some(list) = list.filter(|list| !list.is_empty()) {
                shown.insert(name.into(), list.into());
            }
        }
        if let Some(directory) = self.working_directory.filter(|directory| !directory.is_empty()) {
            shown.insert("WorkingDirectory".into(), directory.into());
        }
        if shown.is_empty() { Value::Null } else { json!({ "ImageConfig": shown }) }
    }
}

impl LoggingConfig {
    fn check(&self) -> Result<(), WireError> {
        if let Some(format) = &self.log_format {
            one_of(format, "loggingConfig.logFormat", &["JSON", "Text"])?;
        }
        if let Some(level) = &self.application_log_level {
            one_of(level, "loggingConfig.applicationLogLevel", &APPLICATION_LEVELS)?;
        }
        if let Some(level) = &self.system_log_level {
            one_of(level, "loggingConfig.systemLogLevel", &SYSTEM_LEVELS)?;
        }
        if let Some(group) = &self.log_group {
            length(group, "loggingConfig.logGroup", 512)?;
            pattern(group, "loggingConfig.logGroup", r"[\.\-_/#A-Za-z0-9]+", |text| {
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte))
            })?;
        }
        Ok(())
    }

    /// Puts what the request named over what was set; levels go with the JSON format, and only with it.
    fn over(self, before: Option<&Value>) -> Result<Value, String> {
        let was = |name: &str| before.and_then(|before| before.get(name)?.as_str()).map(str::to_owned);
        let format = self.log_format.or_else(|| was("LogFormat")).unwrap_or_else(|| "Text".into());
        let mut config = Map::new();
        if format == "JSON" {
            let info = || "INFO".to_owned();
            let application = self.application_log_level.or_else(|| was("ApplicationLogLevel")).unwrap_or_else(info);
            let system = self.system_log_level.or_else(|| was("SystemLogLevel")).unwrap_or_else(info);
            config.insert("ApplicationLogLevel".into(), application.into());
            config.insert("SystemLogLevel".into(), system.into());
        } else if self.application_log_level.is_some() || self.system_log_level.is_some() {
            return Err("To use ApplicationLogLevel and SystemLogLevel, set LogFormat to JSON.".into());
        }
        config.insert("LogFormat".into(), format.into());
        if let Some(group) = self.log_group.or_else(|| was("LogGroup")) {
            config.insert("LogGroup".into(), group.into());
        }
        Ok(config.into())
    }
}

impl Checked {
    /// The configuration of a new function.
    pub(super) fn create(self, catalog: &Catalog, package_type: PackageType) -> Result<ConfigurationRecord, WireError> {
        let is_image = package_type == PackageType::Image;
        if !is_image && (self.runtime.is_none() || self.handler.is_none()) {
            return Err(invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        }
        if self.role.is_none() {
            return Err(super::constraints::missing("role"));
        }
        let mut record = ConfigurationRecord {
            description: String::new(),
            handler: String::new(),
            runtime: String::new(),
            role: String::new(),
            timeout_s: 3,
            memory_size_mb: 128,
            ephemeral_storage_mb: 512,
            layers: Vec::new(),
            environment: BTreeMap::new(),
            echoed: if is_image { Map::from_iter([("PackageType".into(), "Image".into())]) } else { Map::new() },
        };
        self.apply(catalog, &mut record)?;
        Ok(record)
    }

    /// The dead-letter queue that the request names.
    pub(super) fn dead_letter_arn(&self) -> Option<&str> {
        self.echoed.get("DeadLetterConfig")?.get("TargetArn")?.as_str()
    }

    /// Changes what the request named; refuses layer versions that are not there.
    pub(super) fn apply(self, catalog: &Catalog, record: &mut ConfigurationRecord) -> catalog::Result<()> {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        if record.is_image() {
            let has_layers = self.layers.as_ref().is_some_and(|layers| !layers.is_empty());
            if self.runtime.is_some() || self.handler.is_some() || has_layers {
                return Err(catalog::Error::Invalid(
                    "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
                        .into(),
                ));
            }
        }
        if let Some(image) = self.image_config {
            match image.shown() {
                Value::Null => drop(record.echoed.remove("ImageConfigResponse")),
                shown if record.is_image() => drop(record.echoed.insert("ImageConfigResponse".into(), shown)),
                _ => {
                    return Err(catalog::Error::Invalid(
                        "Please don't provide ImageConfig when the intended function PackageType is Zip.".into(),
                    ));
                }
            }
        }
        set(&mut record.runtime, self.runtime);
        set(&mut record.role, self.role);
        set(&mut record.handler, self.handler);
        set(&mut record.description, self.description);
        set(&mut record.timeout_s, self.timeout_s);
        set(&mut record.memory_size_mb, self.memory_size_mb);
        set(&mut record.ephemeral_storage_mb, self.ephemeral_storage_mb);
        set(&mut record.layers, self.layers.map(|layers| catalog.attach_layers(&layers)).transpose()?);
        set(&mut record.environment, self.environment);
        for (member, value) in self.echoed {
            if value.is_null() {
                record.echoed.remove(&member);
            } else {
                record.echoed.insert(member, value);
            }
        }
        if let Some(logging) = self.logging {
            let logging = logging.over(record.echoed.get("LoggingConfig")).map_err(catalog::Error::Invalid)?;
            record.echoed.insert("LoggingConfig".into(), logging);
        }
        if record.wants_snapshots() && !catalog.can_have_images(record) {
            return Err(catalog::Error::Invalid(
                "SnapStart is not supported by Lamina for this function: only what a language runtime interprets has images, where they are made.".into(),
            ));
        }
        Ok(())
    }
}

/// What is kept of `DeadLetterConfig`; null for none.
fn dead_letter_config(home: &Home, arn: &str) -> Result<Value, WireError> {
    if arn.is_empty() {
        return Ok(Value::Null);
    }
    if !arn.starts_with("arn:") {
        let pattern = "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()";
        let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
        return Err(failed(arn, "deadLetterConfig.targetArn", constraint));
    }
    match Destination::parse(home, arn) {
        Ok(Destination::Queue(_)) => Ok(json!({ "TargetArn": arn })),
        Ok(Destination::Function(_)) => Err(invalid(format!("The DeadLetterConfig target {arn} is not a queue."))),
        Err(error) => Err(invalid(format!("DeadLetterConfig: {error}"))),
    }
}

/// Roles grant nothing here; whatever looks like an ARN is kept.
fn check_role(role: &str) -> Result<(), WireError> {
    length(role, "role", 2048)?;
    if role.starts_with("arn:") && role.splitn(6, ':').count() == 6 && !role.contains(char::is_whitespace) {
        return Ok(());
    }
    let pattern = "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
    Err(failed(role, "role", format!("Member must satisfy regular expression pattern: {pattern}")))
}

/// WebAssembly runs on either; the name is kept. Answers the list.
pub(super) fn check_architectures(architectures: &[String]) -> Result<&[String], WireError> {
    let [architecture] = architectures else {
        return Err(failed(
            format!("[{}]", architectures.join(", ")),
            "architectures",
            "Member must have length less than or equal to 1 and greater than or equal to 1",
        ));
    };
    one_of(architecture, "architectures", &["x86_64", "arm64"])?;
    Ok(architectures)
}

fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), WireError> {
    const UNABLE: &str = "Lambda was unable to configure your environment variables because the environment variables \
                          you have provided";
    let is_name = |name: &str| {
        name.len() > 1
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let names = variables.keys().map(String::as_str);
    let reserved: Vec<&str> = names.filter(|name| RESERVED_VARIABLES.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "{UNABLE} contains reserved keys that are currently not supported for modification. \
             Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    if !variables.keys().all(|name| is_name(name)) {
        return Err(WireError::validation(
            "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: \
             [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
        ));
    }
    let size_bytes: usize = variables.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if size_bytes > ENVIRONMENT_LIMIT_BYTES {
        return Err(invalid(format!("{UNABLE} exceeded the 4KB limit. Bytes measured: {size_bytes}")));
    }
    Settings::from_variables(variables).map(drop).map_err(invalid)
}
