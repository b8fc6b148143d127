//! From a manifest to the one layer that is WebAssembly.
//!
//! Taken is what the CNCF's wasm OCI artifact (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>) and its predecessor
//! are: one layer, `application/wasm` or `application/vnd.wasm.content.layer.v1+wasm`, under a config that is wasm's or OCI's empty one
//! (`oras push`). An index leads to its entry for wasm. Container images are refused, whatever is in them.

use super::error::Fault;
use super::reference::Digest;
use crate::sandbox::package::UNPACKED_LIMIT_BYTES;
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    OciImageIndex, OciImageManifest, Versioned, WASM_CONFIG_MEDIA_TYPE, WASM_LAYER_MEDIA_TYPE,
};
use serde::de::DeserializeOwned;

/// Bytes of a manifest: what registries have to accept (<https://github.com/opencontainers/distribution-spec>).
pub const MANIFEST_LIMIT_BYTES: u64 = 4 << 20;

/// Media types of manifests and indexes, as registries are asked for them.
pub const MANIFEST_MEDIA_TYPES: [&str; 4] =
    [OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE];

const CONFIGS: [&str; 3] =
    ["application/vnd.wasm.config.v0+json", WASM_CONFIG_MEDIA_TYPE, "application/vnd.oci.empty.v1+json"];

const LAYERS: [&str; 2] = ["application/wasm", WASM_LAYER_MEDIA_TYPE];

/// Operating systems of wasm in an index; the architecture is `wasm`.
const SYSTEMS: [&str; 3] = ["wasi", "wasip1", "wasip2"];

/// What a manifest leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Manifest {
    /// The layer.
    Artifact(Layer),
    /// Another manifest, that of the wasm.
    Index(Digest),
}

/// A layer to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its digest.
    pub digest: Digest,
    /// Its size, not more than a package may have.
    pub size_bytes: u64,
}

/// Reads a manifest or an index.
pub fn read(manifest: &[u8]) -> Result<Manifest, Fault> {
    let versioned: Versioned = json(manifest)?;
    if versioned.schema_version != 2 {
        return Err(Fault::Unsupported(format!("its manifest has the schema version {}", versioned.schema_version)));
    }
    match versioned.media_type.as_deref() {
        Some(OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE) => index(&json(manifest)?),
        Some(OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE) => artifact(&json(manifest)?),
        Some(other) => Err(Fault::Unsupported(format!("its manifest is {}", shown(other)))),
        // The media type may be left out.
        None => match json::<OciImageIndex>(manifest) {
            Ok(found) => index(&found),
            Err(_) => artifact(&json(manifest)?),
        },
    }
}

/// The digest of the entry that is wasm.
pub fn index(index: &OciImageIndex) -> Result<Manifest, Fault> {
    let is_wasm = |entry: &&oci_client::manifest::ImageIndexEntry| {
        let platform = entry.platform.as_ref();
        platform.is_some_and(|platform| {
            platform.architecture.to_string() == "wasm" && SYSTEMS.contains(&platform.os.to_string().as_str())
        })
    };
    let found = index.manifests.iter().find(is_wasm);
    // Artifacts need no platform; of several without one, none can be told from the others.
    let found = found.or(match index.manifests.as_slice() {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    });
    let Some(entry) = found else {
        let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
        let names: Vec<String> = platforms.take(8).map(|p| format!("{}/{}", p.os, p.architecture)).collect();
        let names = if names.is_empty() { "none with a platform".to_owned() } else { shown(&names.join(", ")) };
        return Err(Fault::Unsupported(format!("its index has no manifest for wasi/wasm, but {names}")));
    };
    Ok(Manifest::Index(digest(&entry.digest)?))
}

fn artifact(manifest: &OciImageManifest) -> Result<Manifest, Fault> {
    let config = manifest.config.media_type.as_str();
    if !CONFIGS.contains(&config) {
        let wanted = CONFIGS.join(" or ");
        return Err(Fault::Unsupported(format!("its config is {}; a wasm artifact's is {wanted}", shown(config))));
    }
    let [layer] = manifest.layers.as_slice() else {
        return Err(Fault::Unsupported(format!("it has {} layers; a wasm artifact has one", manifest.layers.len())));
    };
    if !LAYERS.contains(&layer.media_type.as_str()) {
        let (is, wanted) = (shown(&layer.media_type), LAYERS.join(" or "));
        return Err(Fault::Unsupported(format!("its layer is {is}; a wasm artifact's is {wanted}")));
    }
    let size_bytes = u64::try_from(layer.size).map_err(|_| Fault::Invalid("its layer has a negative size".into()))?;
    if size_bytes > UNPACKED_LIMIT_BYTES {
        return Err(Fault::TooLarge(format!("its layer has {size_bytes} bytes, more than {UNPACKED_LIMIT_BYTES}")));
    }
    Ok(Manifest::Artifact(Layer { digest: digest(&layer.digest)?, size_bytes }))
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| Fault::Invalid(format!("its manifest cannot be read: {error}")))
}

fn digest(text: &str) -> Result<Digest, Fault> {
    Digest::parse(text)
        .ok_or_else(|| Fault::Unsupported(format!("it has a digest other than SHA-256: {}", shown(text))))
}

/// Text from outside as an error may repeat it.
fn shown(text: &str) -> String {
    text.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn hash(byte: char) -> String {
        format!("sha256:{}", byte.to_string().repeat(64))
    }

    fn manifest(config: &str, layers: Value) -> Value {
        json!({
            "schemaVersion": 2, "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "config": { "mediaType": config, "digest": hash('c'), "size": 2 }, "layers": layers,
        })
    }

    fn layer(media_type: &str, size: i64) -> Value {
        json!({ "mediaType": media_type, "digest": hash('a'), "size": size })
    }

    fn read_json(value: &Value) -> Result<Manifest, Fault> {
        read(value.to_string().as_bytes())
    }

    #[test]
    fn each_kind_of_wasm_artifact_is_taken() {
        let expected = Manifest::Artifact(Layer { digest: Digest::parse(&hash('a')).unwrap(), size_bytes: 5 });
        for config in CONFIGS {
            for kind in LAYERS {
                let value = manifest(config, json!([layer(kind, 5)]));
                assert_eq!(read_json(&value).as_ref(), Ok(&expected), "{config} {kind}");
            }
        }
        let mut bare = manifest(CONFIGS[0], json!([layer(LAYERS[0], 5)]));
        bare.as_object_mut().unwrap().remove("mediaType");
        assert_eq!(read_json(&bare), Ok(expected));
    }

    #[test]
    fn container_images_and_odd_artifacts_are_refused() {
        let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
        let unsupported = |value: &Value| matches!(read_json(value), Err(Fault::Unsupported(_)));
        let container = manifest("application/vnd.oci.image.config.v1+json", json!([layer(tar, 5)]));
        assert!(unsupported(&container));
        assert!(unsupported(&manifest(CONFIGS[0], json!([layer(tar, 5)]))));
        assert!(unsupported(&manifest(CONFIGS[0], json!([]))));
        let two = json!([layer(LAYERS[0], 5), layer(LAYERS[0], 5)]);
        assert!(unsupported(&manifest(CONFIGS[0], two)));
        assert!(unsupported(&json!({ "schemaVersion": 1, "name": "x" })));
        let mut sha512 = layer(LAYERS[0], 5);
        sha512["digest"] = format!("sha512:{}", "0".repeat(128)).into();
        assert!(unsupported(&manifest(CONFIGS[0], json!([sha512]))));
        let invalid = |bytes: &[u8]| matches!(read(bytes), Err(Fault::Invalid(_)));
        assert!(invalid(b"") && invalid(b"[]") && invalid(b"{}") && invalid(&b"[".repeat(10_000)));
        assert!(invalid(manifest(CONFIGS[0], json!([layer(LAYERS[0], -1)])).to_string().as_bytes()));
    }

    #[test]
    fn a_layer_may_be_as_large_as_a_package() {
        let limit = i64::try_from(UNPACKED_LIMIT_BYTES).unwrap();
        let of = |size| read_json(&manifest(CONFIGS[0], json!([layer(LAYERS[0], size)])));
        assert!(of(limit).is_ok());
        assert!(matches!(of(limit + 1), Err(Fault::TooLarge(_))));
    }

    #[test]
    fn an_index_leads_to_its_wasm() {
        let entry = |byte, platform: Option<(&str, &str)>| {
            let mut entry = json!({ "mediaType": OCI_IMAGE_MEDIA_TYPE, "digest": hash(byte), "size": 9 });
            if let Some((os, architecture)) = platform {
                entry["platform"] = json!({ "os": os, "architecture": architecture });
            }
            entry
        };
        let of = |entries: Value| {
            read_json(&json!({ "schemaVersion": 2, "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": entries }))
        };
        let found = |byte| Ok(Manifest::Index(Digest::parse(&hash(byte)).unwrap()));
        let linux = entry('1', Some(("linux", "amd64")));
        for system in SYSTEMS {
            assert_eq!(of(json!([linux, entry('2', Some((system, "wasm")))])), found('2'), "{system}");
        }
        assert_eq!(of(json!([entry('3', None)])), found('3'));
        for entries in [json!([]), json!([linux]), json!([entry('3', None), entry('4', None)])] {
            assert!(matches!(of(entries), Err(Fault::Unsupported(_))));
        }
    }
}
