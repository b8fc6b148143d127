//! `FunctionConfiguration`: how most operations answer.

use crate::catalog::{Catalog, Deployment, View};
use crate::ids::{FunctionName, Version};
use crate::sandbox::Failure;
use crate::sandbox::runtime::snapshot::Progress;
use crate::storage::functions::{
    AttachedLayer, CodeRecord, ConfigurationRecord, DeploymentRecord, ImageRecord, VersionRecord,
};
use crate::telemetry::logs;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::fmt::Display;

/// How most operations answer about a deployment.
pub(super) fn deployed(catalog: &Catalog, deployment: &Deployment) -> Value {
    match deployment {
        Deployment::Done(record) => configuration(catalog, record, None),
        Deployment::UnderWay { function, .. } => match &function.deployment {
            Some(record) => accepted(catalog, &function.name, record, record.publish.map(Version::Number), None),
            None => Value::Null,
        },
    }
}

/// A version as a function has it now, with what is under way or failed; `None` where there is no such version.
pub(super) fn version(
    catalog: &Catalog,
    view: &View,
    version: Version,
    qualifier: Option<&dyn Display>,
) -> Option<Value> {
    let record = view.records.versions.get(&version);
    let deployment = view.deployment();
    match (record, deployment) {
        (Some(record), Some(deployment)) if version == Version::Latest => Some(match &deployment.failure {
            None => {
                let mut shape = accepted(catalog, &record.function, deployment, None, qualifier);
                set(&mut shape, [("State", "Active"), ("LastUpdateStatus", "InProgress")]);
                unset(&mut shape, ["StateReason", "StateReasonCode"]);
                set(&mut shape, [("LastUpdateStatusReason", CREATING), ("LastUpdateStatusReasonCode", "Creating")]);
                shape
            }
            Some(failure) => {
                let mut shape = configuration(catalog, record, qualifier);
                set(&mut shape, [("LastUpdateStatus", "Failed"), ("LastUpdateStatusReason", &failure.reason)]);
                set(&mut shape, [("LastUpdateStatusReasonCode", &failure.code)]);
                shape
            }
        }),
        (Some(record), _) => Some(configuration(catalog, record, qualifier)),
        (None, Some(deployment)) => {
            let published = deployment.publish.map(Version::Number);
            let number = Some(version).filter(|version| published == Some(*version));
            let meant = version == Version::Latest || number.is_some();
            meant.then(|| accepted(catalog, &view.records.function.name, deployment, number, qualifier))
        }
        (None, None) => None,
    }
}

/// What AWS says while code is made ready.
const CREATING: &str = "The function is being created.";

fn set<const N: usize>(shape: &mut Value, members: [(&str, &str); N]) {
    if let Some(shape) = shape.as_object_mut() {
        shape.extend(members.map(|(name, value)| (name.to_owned(), Value::from(value))));
    }
}

fn unset<const N: usize>(shape: &mut Value, members: [&str; N]) {
    if let Some(shape) = shape.as_object_mut() {
        members.into_iter().for_each(|name| drop(shape.remove(name)));
    }
}

/// A version that was accepted and is not there: it is compiled, or could not be.
fn accepted(
    catalog: &Catalog,
    function: &FunctionName,
    deployment: &DeploymentRecord,
    number: Option<Version>,
    qualifier: Option<&dyn Display>,
) -> Value {
    let facts = Facts {
        function,
        version: number.unwrap_or(Version::Latest),
        package_sha256: &deployment.package_sha256,
        package_size_bytes: deployment.package_size_bytes,
        image: deployment.image.as_ref(),
        code: None,
        signed_by: deployment.signing_profile_version_arn.as_ref(),
        configuration: &deployment.configuration,
        revision_id: &deployment.revision_id,
        modified_at_ms: deployment.modified_at_ms,
    };
    let mut shape = facts.shape(catalog, qualifier);
    unset(&mut shape, ["LastUpdateStatus"]);
    match &deployment.failure {
        None => {
            set(&mut shape, [("State", "Pending"), ("StateReason", CREATING), ("StateReasonCode", "Creating")]);
        }
        Some(failure) => {
            set(
                &mut shape,
                [("State", "Failed"), ("StateReason", &failure.reason), ("StateReasonCode", &failure.code)],
            );
        }
    }
    shape
}

/// A version that can be invoked, under the qualifier that it was asked for with; a published one is always qualified.
pub(super) fn configuration(catalog: &Catalog, record: &VersionRecord, qualifier: Option<&dyn Display>) -> Value {
    let facts = Facts {
        function: &record.function,
        version: record.version,
        package_sha256: &record.code.package_sha256,
        package_size_bytes: record.code.package_size_bytes,
        image: record.code.image.as_ref(),
        code: Some(&record.code),
        signed_by: record.code.signing_profile_version_arn.as_ref(),
        configuration: &record.configuration,
        revision_id: &record.revision_id,
        modified_at_ms: record.modified_at_ms,
    };
    let mut shape = facts.shape(catalog, qualifier);
    if let Some(progress) = catalog.image_progress(record) {
        set_image(&mut shape, &progress, record.configuration.wants_snapshots());
    }
    shape
}

/// Tells how far a version's image is; one that was asked for is part of the version's state.
fn set_image(shape: &mut Value, progress: &Progress, requested: bool) {
    if let (Progress::Ready, Some(snap_start)) = (progress, shape.get_mut("SnapStart")) {
        set(snap_start, [("OptimizationStatus", "On")]);
    }
    match progress {
        Progress::Pending if requested => {
            set(shape, [("State", "Pending"), ("StateReason", CREATING), ("StateReasonCode", "Creating")]);
        }
        Progress::Failed(failure) if requested => {
            let (code, reason) = match failure {
                Failure::TimedOut => ("FunctionError.InitTimeout", "The function did not initialise in time."),
                _ => {
                    ("FunctionError.RuntimeInitError", "The function failed when it was initialised; its log says how.")
                }
            };
            set(shape, [("State", "Failed"), ("StateReason", reason), ("StateReasonCode", code)]);
        }
        _ => {}
    }
}

/// What is known of a version before its code is compiled.
struct Facts<'a> {
    function: &'a FunctionName,
    version: Version,
    package_sha256: &'a str,
    package_size_bytes: u64,
    image: Option<&'a ImageRecord>,
    code: Option<&'a CodeRecord>,
    signed_by: Option<&'a String>,
    configuration: &'a ConfigurationRecord,
    revision_id: &'a str,
    modified_at_ms: i64,
}

impl Facts<'_> {
    /// Of a package its hash in base64, of an image the digest in hex, as AWS has it.
    fn code_sha256(&self) -> String {
        match self.image {
            Some(image) => image.manifest_sha256.clone(),
            None => hex_to_base64(self.package_sha256),
        }
    }

    fn shape(&self, catalog: &Catalog, qualifier: Option<&dyn Display>) -> Value {
        let facts = self;
        let own: Option<&dyn Display> = match &facts.version {
            Version::Latest => None,
            number @ Version::Number(_) => Some(number),
        };
        let settings = facts.configuration;
        let mut shape = json!({
            "FunctionName": facts.function,
            "FunctionArn": catalog.home().function_arn(facts.function, qualifier.or(own)),
            "Runtime": settings.runtime,
            "Role": settings.role,
            "Handler": settings.handler,
            "CodeSize": facts.package_size_bytes,
            "Description": settings.description,
            "Timeout": settings.timeout_s,
            "MemorySize": settings.memory_size_mb,
            "LastModified": time(facts.modified_at_ms, "%Y-%m-%dT%H:%M:%S%.3f+0000"),
            "CodeSha256": facts.code_sha256(),
            "Version": facts.version,
            "TracingConfig": { "Mode": "PassThrough" },
            "RevisionId": facts.revision_id,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": { "Size": settings.ephemeral_storage_mb },
            "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
            "RuntimeVersionConfig": {
                "RuntimeVersionArn": catalog.runtime_version_arn(facts.code, settings),
            },
            "LoggingConfig": { "LogFormat": "Text", "LogGroup": *logs::group_name(facts.function) },
        });
        if let Some(members) = shape.as_object_mut() {
            if settings.is_image() {
                for member in ["Runtime", "Handler", "RuntimeVersionConfig"] {
                    members.shift_remove(member);
                }
                // The size of an image is its registry's.
                members.insert("CodeSize".into(), 0.into());
            }
            if !settings.environment.is_empty() {
                members.insert("Environment".into(), json!({ "Variables": settings.environment }));
            }
            if let Some(arn) = facts.signed_by {
                members.insert("SigningProfileVersionArn".into(), arn.clone().into());
            }
            if !settings.layers.is_empty() {
                let shown = |layer: &AttachedLayer| json!({ "Arn": layer.arn, "CodeSize": layer.content.size_bytes });
                members.insert("Layers".into(), settings.layers.iter().map(shown).collect());
            }
            for (name, value) in &settings.echoed {
                members.insert(name.clone(), value.clone());
            }
            if let Some(snap_start) = members.get_mut("SnapStart").and_then(Value::as_object_mut) {
                snap_start.entry("OptimizationStatus").or_insert_with(|| "Off".into());
            }
            let logging = members.get_mut("LoggingConfig").and_then(Value::as_object_mut);
            if let Some(logging) = logging {
                logging.entry("LogGroup").or_insert_with(|| Value::from(&*logs::group_name(facts.function)));
            }
        }
        shape
    }
}

/// Milliseconds since the Unix epoch, in UTC.
pub(super) fn time(ms: i64, format: &str) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().strftime(format).to_string()
}

/// A `CodeSha256` of either kind, as it is stored; `None` where it is neither.
pub(super) fn hex_of_code(text: &str) -> Option<String> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex { Some(text.to_ascii_lowercase()) } else { base64_to_hex(text) }
}

/// A stored hash as AWS writes it.
pub(super) fn hex_to_base64(hex: &str) -> String {
    let nibble = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    let bytes: Vec<u8> =
        hex.as_bytes().chunks(2).map(|pair| pair.iter().fold(0u8, |byte, digit| (byte << 4) | nibble(digit))).collect();
    BASE64_STANDARD.encode(bytes)
}

/// A hash as AWS writes it, as it is stored; `None` where it is not base64.
pub(super) fn base64_to_hex(text: &str) -> Option<String> {
    use std::fmt::Write;
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(hex, "{byte:02x}").ok()?;
    }
    Some(hex)
}
