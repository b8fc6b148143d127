//! `FunctionConfiguration`: how most operations answer.

use crate::ids::{Home, Version};
use crate::storage::functions::{AttachedLayer, VersionRecord};
use crate::telemetry::logs;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::fmt::Display;

/// A version under the qualifier that it was asked for with; a published one is always qualified.
pub(super) fn configuration(home: &Home, record: &VersionRecord, qualifier: Option<&dyn Display>) -> Value {
    let own: Option<&dyn Display> = match &record.version {
        Version::Latest => None,
        number @ Version::Number(_) => Some(number),
    };
    let settings = &record.configuration;
    let mut shape = json!({
        "FunctionName": record.function,
        "FunctionArn": home.function_arn(&record.function, qualifier.or(own)),
        "Runtime": settings.runtime,
        "Role": settings.role,
        "Handler": settings.handler,
        "CodeSize": record.code.package_size_bytes,
        "Description": settings.description,
        "Timeout": settings.timeout_s,
        "MemorySize": settings.memory_size_mb,
        "LastModified": time(record.modified_at_ms, "%Y-%m-%dT%H:%M:%S%.3f+0000"),
        "CodeSha256": hex_to_base64(&record.code.package_sha256),
        "Version": record.version,
        "TracingConfig": { "Mode": "PassThrough" },
        "RevisionId": record.revision_id,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": { "Size": settings.ephemeral_storage_mb },
        "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
        "RuntimeVersionConfig": {
            "RuntimeVersionArn": runtime_version_arn(home),
        },
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": *logs::group_name(&record.function) },
    });
    if let Some(members) = shape.as_object_mut() {
        if !settings.environment.is_empty() {
            members.insert("Environment".into(), json!({ "Variables": settings.environment }));
        }
        if let Some(arn) = &record.code.signing_profile_version_arn {
            members.insert("SigningProfileVersionArn".into(), arn.clone().into());
        }
        if !settings.layers.is_empty() {
            let shown = |layer: &AttachedLayer| json!({ "Arn": layer.arn, "CodeSize": layer.content.size_bytes });
            members.insert("Layers".into(), settings.layers.iter().map(shown).collect());
        }
        for (name, value) in &settings.echoed {
            members.insert(name.clone(), value.clone());
        }
        let logging = members.get_mut("LoggingConfig").and_then(Value::as_object_mut);
        if let Some(logging) = logging {
            logging.entry("LogGroup").or_insert_with(|| Value::from(&*logs::group_name(&record.function)));
        }
    }
    shape
}

/// The runtime that there is: this daemon.
pub(super) fn runtime_version_arn(home: &Home) -> String {
    format!("arn:aws:lambda:{}::runtime:lamina-{}", home.region, env!("CARGO_PKG_VERSION"))
}

/// Milliseconds since the Unix epoch, in UTC.
pub(super) fn time(ms: i64, format: &str) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().strftime(format).to_string()
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
