//! Code signing configurations.

use super::*;
use crate::storage::code_signing::{CodeSigningConfigRecord, UntrustedArtifact};

on_every_backend!(code_signing_configs_are_put_read_and_deleted);

fn config(id: &str) -> CodeSigningConfigRecord {
    CodeSigningConfigRecord {
        id: id.into(),
        description: "d".into(),
        allowed_publishers: vec!["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/0123456789".into()],
        untrusted_artifact: UntrustedArtifact::Enforce,
        tags: [("a".to_owned(), "b".to_owned())].into(),
        modified_at_ms: 3,
    }
}

async fn code_signing_configs_are_put_read_and_deleted(storage: Storage) {
    let configs = &storage.code_signing;
    assert_eq!(configs.load().await.unwrap(), []);
    configs.put(config("b")).await.unwrap();
    configs.put(config("a")).await.unwrap();
    let changed = CodeSigningConfigRecord { untrusted_artifact: UntrustedArtifact::Warn, ..config("b") };
    configs.put(changed.clone()).await.unwrap();
    assert_eq!(configs.load().await.unwrap(), [config("a"), changed.clone()]);
    assert!(configs.delete("a".into()).await.unwrap());
    assert!(!configs.delete("a".into()).await.unwrap());
    assert_eq!(configs.load().await.unwrap(), [changed]);
}
