//! Event source mappings.

use super::*;
use crate::ids::{FunctionName, Qualifier};
use crate::storage::mappings::{FunctionResponseType, MappingRecord, MappingState};

on_every_backend!(mappings_are_put_read_and_deleted);

fn mapping(uuid: &str) -> MappingRecord {
    MappingRecord {
        uuid: uuid.into(),
        function: FunctionName::new("f").unwrap(),
        qualifier: Some(Qualifier::new("live").unwrap()),
        event_source_arn: "arn:aws:sqs:us-east-1:000000000000:q".into(),
        batch_size: 10,
        batching_window_s: 0,
        enabled: true,
        filters: vec!["{\"body\":{\"a\":[1]}}".into()],
        function_response_types: vec![FunctionResponseType::ReportBatchItemFailures],
        maximum_concurrency: Some(2),
        tags: Default::default(),
        echoed: serde_json::Map::from_iter([("KMSKeyArn".to_owned(), serde_json::json!("k"))]),
        state: MappingState::Enabled,
        state_reason: "USER_INITIATED".into(),
        created_at_ms: 1,
        modified_at_ms: 2,
    }
}

async fn mappings_are_put_read_and_deleted(storage: Storage) {
    let mappings = &storage.mappings;
    assert_eq!(mappings.load().await.unwrap(), []);
    mappings.put(mapping("b")).await.unwrap();
    mappings.put(mapping("a")).await.unwrap();
    assert_eq!(mappings.load().await.unwrap(), [mapping("a"), mapping("b")]);
    let changed = MappingRecord { batch_size: 1, qualifier: None, state: MappingState::Disabled, ..mapping("a") };
    mappings.put(changed.clone()).await.unwrap();
    assert_eq!(mappings.get("a".into()).await.unwrap(), Some(changed));
    assert!(mappings.delete("a".into()).await.unwrap());
    assert!(!mappings.delete("a".into()).await.unwrap());
    assert_eq!(mappings.get("a".into()).await.unwrap(), None);
    assert_eq!(mappings.load().await.unwrap(), [mapping("b")]);
}
