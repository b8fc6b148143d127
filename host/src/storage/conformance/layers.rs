//! Layer versions.

use super::*;
use crate::ids::LayerName;
use crate::storage::layers::{LayerContent, LayerVersionRecord};

on_every_backend!(layer_versions_are_published_replaced_and_deleted, layer_numbers_are_never_used_twice);

fn layer(name: &str, version: u64) -> LayerVersionRecord {
    LayerVersionRecord {
        name: LayerName::new(name).unwrap(),
        version,
        description: "d".into(),
        license_info: Some("MIT".into()),
        compatible_runtimes: vec!["provided.al2023".into()],
        compatible_architectures: vec!["arm64".into()],
        content: LayerContent { sha256: "0".repeat(64), size_bytes: 1, unpacked_bytes: 2, libraries: 1, extensions: 0 },
        policy: Default::default(),
        revision_id: "r".into(),
        created_at_ms: 3,
    }
}

async fn layer_versions_are_published_replaced_and_deleted(storage: Storage) {
    let layers = &storage.layers;
    assert_eq!(layers.load().await.unwrap(), []);
    assert_eq!(layers.publish(layer("b", 7)).await.unwrap(), 1);
    assert_eq!(layers.publish(layer("a", 0)).await.unwrap(), 1);
    assert_eq!(layers.publish(layer("a", 1)).await.unwrap(), 2);
    assert_eq!(layers.load().await.unwrap(), [layer("a", 1), layer("a", 2), layer("b", 1)]);
    let policy = [("sid".to_owned(), serde_json::json!({ "Effect": "Allow" }))].into();
    let changed = LayerVersionRecord { policy, revision_id: "s".into(), ..layer("a", 2) };
    assert!(layers.replace(changed.clone()).await.unwrap());
    assert!(!layers.replace(layer("a", 3)).await.unwrap());
    assert!(layers.delete(layer("a", 1).name, 1).await.unwrap());
    assert!(!layers.delete(layer("a", 1).name, 1).await.unwrap());
    assert_eq!(layers.load().await.unwrap(), [changed, layer("b", 1)]);
}

async fn layer_numbers_are_never_used_twice(storage: Storage) {
    let layers = &storage.layers;
    assert_eq!(layers.publish(layer("a", 0)).await.unwrap(), 1);
    assert_eq!(layers.publish(layer("a", 0)).await.unwrap(), 2);
    for version in [1, 2] {
        assert!(layers.delete(layer("a", 1).name, version).await.unwrap());
    }
    assert_eq!(layers.publish(layer("a", 0)).await.unwrap(), 3);
}
