//! How layer versions are shown.

use crate::ids::Home;
use crate::storage::layers::LayerVersionRecord;
use crate::wire::codec::Request;
use crate::wire::lambda::{describe, package};
use serde_json::{Map, Value, json};

/// An item of a list.
pub(super) fn item(home: &Home, record: &LayerVersionRecord) -> Map<String, Value> {
    let mut shape = Map::new();
    let mut put = |name: &str, value: Value| drop(shape.insert(name.to_owned(), value));
    put("LayerVersionArn", home.layer_arn(&record.name, Some(record.version)).into());
    put("Version", record.version.into());
    put("Description", record.description.as_str().into());
    put("CreatedDate", describe::time(record.created_at_ms, "%Y-%m-%dT%H:%M:%S%.3f+0000").into());
    if !record.compatible_runtimes.is_empty() {
        put("CompatibleRuntimes", json!(record.compatible_runtimes));
    }
    if !record.compatible_architectures.is_empty() {
        put("CompatibleArchitectures", json!(record.compatible_architectures));
    }
    if let Some(license) = &record.license_info {
        put("LicenseInfo", license.as_str().into());
    }
    shape
}

/// A version with its content.
pub(super) fn whole(home: &Home, record: &LayerVersionRecord, request: &Request) -> Map<String, Value> {
    let mut shape = item(home, record);
    let mut content = json!({
        "CodeSha256": describe::hex_to_base64(&record.content.sha256),
        "CodeSize": record.content.size_bytes,
    });
    if let (Some(url), Some(content)) = (package::location(request, &record.content.sha256), content.as_object_mut()) {
        content.insert("Location".into(), url.into());
    }
    shape.insert("Content".into(), content);
    shape.insert("LayerArn".into(), home.layer_arn(&record.name, None).into());
    shape
}
