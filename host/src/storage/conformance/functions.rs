//! Functions, versions, aliases and provisioned concurrency.

use super::*;
use crate::ids::{AliasName, FunctionName, Qualifier, Version};
use crate::storage::functions::{
    AliasRecord, Change, CodeRecord, ConfigurationRecord, Cors, DeploymentFailure, DeploymentRecord, EventInvokeRecord,
    Family, FunctionRecord, GuestKind, ImageRecord, InvokeMode, PolicyRecord, ProvisionedRecord, RecursiveLoop,
    RuntimeManagement, Snapshot, Sticky, UrlAuthType, UrlRecord, VersionRecord,
};
use std::collections::BTreeMap;

on_every_backend!(
    what_was_put_is_loaded,
    a_put_replaces,
    parts_are_deleted_one_by_one,
    a_deleted_function_takes_all_its_parts_and_leaves_its_numbers,
    changes_are_applied_in_order,
);

fn name(name: &str) -> FunctionName {
    FunctionName::new(name).unwrap()
}

fn function(of: &str, next_version: u64) -> FunctionRecord {
    let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    let management = RuntimeManagement { update_runtime_on: "Manual".into(), runtime_version_arn: Some("arn".into()) };
    FunctionRecord {
        name: name(of),
        next_version,
        reserved_concurrency: Some(3),
        tags,
        created_at_ms: 5,
        recursive_loop: RecursiveLoop::Allow,
        code_signing_config: Some("csc-0".into()),
        runtime_management: BTreeMap::from([(Version::Latest, management.clone()), (Version::Number(2), management)]),
        deployment: Some(DeploymentRecord {
            package_sha256: "c".repeat(64),
            package_size_bytes: 7,
            image: Some(image()),
            signing_profile_version_arn: Some("arn".into()),
            configuration: version(of, Version::Latest).configuration,
            publish: Some(next_version),
            revision_id: "d".into(),
            modified_at_ms: 8,
            failure: Some(DeploymentFailure { code: "FunctionError".into(), reason: "r".into() }),
        }),
    }
}

fn image() -> ImageRecord {
    ImageRecord { uri: "r/a:t".into(), resolved_uri: "r/a@d".into(), manifest_sha256: "e".repeat(64) }
}

fn version(of: &str, version: Version) -> VersionRecord {
    VersionRecord {
        function: name(of),
        version,
        code: CodeRecord {
            package_sha256: "a".repeat(64),
            package_size_bytes: u64::from(u32::MAX) + 1,
            unpacked_bytes: 11,
            component_sha256: "b".repeat(64),
            runtime: None,
            kind: GuestKind::HttpP3,
            family: Family::Concurrent,
            initial_memory_bytes: 1 << 33,
            image: Some(image()),
            signing_profile_version_arn: Some("arn".into()),
            extensions: Vec::new(),
        },
        configuration: ConfigurationRecord {
            description: "d".into(),
            handler: "h".into(),
            runtime: "provided.al2023".into(),
            role: "r".into(),
            timeout_s: 3,
            memory_size_mb: 128,
            ephemeral_storage_mb: 512,
            layers: Vec::new(),
            environment: BTreeMap::from([("A".to_owned(), "é".to_owned())]),
            echoed: serde_json::Map::from_iter([("Architectures".to_owned(), serde_json::json!(["x86_64"]))]),
        },
        revision_id: "r".into(),
        modified_at_ms: 6,
    }
}

fn alias(of: &str, alias: &str) -> AliasRecord {
    AliasRecord {
        function: name(of),
        name: AliasName::new(alias).unwrap(),
        version: Version::Number(1),
        weights: BTreeMap::from([(Version::Number(2), 0.25), (Version::Latest, 0.5)]),
        sticky: Some(Sticky::Header("x-user".into())),
        description: String::new(),
        revision_id: "r".into(),
    }
}

fn provisioned(of: &str, qualifier: &str) -> ProvisionedRecord {
    ProvisionedRecord {
        function: name(of),
        qualifier: Qualifier::new(qualifier).unwrap(),
        requested: 2,
        modified_at_ms: 7,
    }
}

fn url(of: &str, alias: Option<&str>) -> UrlRecord {
    UrlRecord {
        function: name(of),
        alias: alias.map(|alias| AliasName::new(alias).unwrap()),
        url_id: format!("{of}{}", alias.unwrap_or_default()),
        auth_type: UrlAuthType::AwsIam,
        cors: Some(Cors { allow_origins: Some(vec!["*".into()]), max_age: Some(0), ..Cors::default() }),
        invoke_mode: InvokeMode::ResponseStream,
        created_at_ms: 8,
        modified_at_ms: 9,
    }
}

fn event_invoke(of: &str, qualifier: &str) -> EventInvokeRecord {
    EventInvokeRecord {
        function: name(of),
        qualifier: Qualifier::new(qualifier).unwrap(),
        maximum_retry_attempts: Some(0),
        maximum_event_age_s: None,
        on_success: None,
        on_failure: Some("arn:aws:sqs:us-east-1:000000000000:q".into()),
        modified_at_ms: 8,
    }
}

fn policy(of: &str, qualifier: Option<&str>) -> PolicyRecord {
    PolicyRecord {
        function: name(of),
        qualifier: qualifier.map(|text| Qualifier::new(text).unwrap()),
        statements: vec![serde_json::json!({ "Sid": "s" })],
        revision_id: "r".into(),
    }
}

async fn load(storage: &Storage) -> Snapshot {
    let mut snapshot = storage.functions.load().await.unwrap();
    snapshot.functions.sort_by(|a, b| a.name.cmp(&b.name));
    snapshot.versions.sort_by_key(|record| (record.function.clone(), record.version));
    snapshot.aliases.sort_by_key(|record| (record.function.clone(), record.name.clone()));
    snapshot.provisioned.sort_by_key(|record| (record.function.clone(), record.qualifier.to_string()));
    snapshot.urls.sort_by(|a, b| a.url_id.cmp(&b.url_id));
    snapshot.event_invoke.sort_by_key(|record| (record.function.clone(), record.qualifier.to_string()));
    snapshot.policies.sort_by_key(|record| record.qualifier.clone());
    snapshot
}

fn all_of(of: &str) -> Vec<Change> {
    vec![
        Change::PutFunction(function(of, 3)),
        Change::PutVersion(version(of, Version::Latest)),
        Change::PutVersion(version(of, Version::Number(2))),
        Change::PutAlias(alias(of, "live")),
        Change::PutProvisioned(provisioned(of, "live")),
        Change::PutProvisioned(provisioned(of, "2")),
        Change::PutUrl(url(of, None)),
        Change::PutUrl(url(of, Some("live"))),
        Change::PutEventInvoke(event_invoke(of, "$LATEST")),
        Change::PutEventInvoke(event_invoke(of, "live")),
        Change::PutPolicy(policy(of, None)),
        Change::PutPolicy(policy(of, Some("live"))),
    ]
}

fn snapshot_of(of: &str) -> Snapshot {
    Snapshot {
        functions: vec![function(of, 3)],
        versions: vec![version(of, Version::Latest), version(of, Version::Number(2))],
        aliases: vec![alias(of, "live")],
        provisioned: vec![provisioned(of, "2"), provisioned(of, "live")],
        urls: vec![url(of, None), url(of, Some("live"))],
        event_invoke: vec![event_invoke(of, "$LATEST"), event_invoke(of, "live")],
        policies: vec![policy(of, None), policy(of, Some("live"))],
    }
}

async fn what_was_put_is_loaded(storage: Storage) {
    assert_eq!(load(&storage).await, Snapshot::default());
    storage.functions.commit(all_of("f")).await.unwrap();
    assert_eq!(load(&storage).await, snapshot_of("f"));
}

async fn a_put_replaces(storage: Storage) {
    storage.functions.commit(all_of("f")).await.unwrap();
    let mut changed = snapshot_of("f");
    changed.functions[0].reserved_concurrency = None;
    changed.versions[0].configuration.timeout_s = 900;
    changed.aliases[0].weights.clear();
    changed.provisioned[0].requested = 9;
    changed.urls[1].cors = None;
    changed.event_invoke[0].maximum_event_age_s = Some(60);
    changed.policies[1].statements.clear();
    let changes = vec![
        Change::PutFunction(changed.functions[0].clone()),
        Change::PutVersion(changed.versions[0].clone()),
        Change::PutAlias(changed.aliases[0].clone()),
        Change::PutProvisioned(changed.provisioned[0].clone()),
        Change::PutUrl(changed.urls[1].clone()),
        Change::PutEventInvoke(changed.event_invoke[0].clone()),
        Change::PutPolicy(changed.policies[1].clone()),
    ];
    storage.functions.commit(changes).await.unwrap();
    assert_eq!(load(&storage).await, changed);
}

async fn parts_are_deleted_one_by_one(storage: Storage) {
    storage.functions.commit(all_of("f")).await.unwrap();
    let changes = vec![
        Change::DeleteVersion(name("f"), Version::Number(2)),
        Change::DeleteAlias(name("f"), AliasName::new("live").unwrap()),
        Change::DeleteProvisioned(name("f"), Qualifier::new("live").unwrap()),
        Change::DeleteUrl(name("f"), Some(AliasName::new("live").unwrap())),
        Change::DeleteEventInvoke(name("f"), Qualifier::new("live").unwrap()),
        Change::DeletePolicy(name("f"), None),
    ];
    storage.functions.commit(changes).await.unwrap();
    let expected = Snapshot {
        functions: vec![function("f", 3)],
        versions: vec![version("f", Version::Latest)],
        aliases: vec![],
        provisioned: vec![provisioned("f", "2")],
        urls: vec![url("f", None)],
        event_invoke: vec![event_invoke("f", "$LATEST")],
        policies: vec![policy("f", Some("live"))],
    };
    assert_eq!(load(&storage).await, expected);
}

async fn a_deleted_function_takes_all_its_parts_and_leaves_its_numbers(storage: Storage) {
    assert_eq!(storage.functions.retired_next_version(name("f")).await.unwrap(), None);
    storage.functions.commit(all_of("f")).await.unwrap();
    storage.functions.commit(all_of("g")).await.unwrap();
    storage.functions.commit(vec![Change::DeleteFunction(name("f"))]).await.unwrap();
    assert_eq!(load(&storage).await, snapshot_of("g"));
    assert_eq!(storage.functions.retired_next_version(name("f")).await.unwrap(), Some(3));
    // Again, and with a number that went back: the greatest counts.
    let again = vec![Change::PutFunction(function("f", 2)), Change::DeleteFunction(name("f"))];
    storage.functions.commit(again).await.unwrap();
    assert_eq!(storage.functions.retired_next_version(name("f")).await.unwrap(), Some(3));
    storage.functions.commit(vec![Change::DeleteFunction(name("never"))]).await.unwrap();
    assert_eq!(storage.functions.retired_next_version(name("never")).await.unwrap(), None);
}

async fn changes_are_applied_in_order(storage: Storage) {
    let mut changes = all_of("f");
    changes.push(Change::DeleteFunction(name("f")));
    changes.push(Change::PutFunction(function("f", 3)));
    storage.functions.commit(changes).await.unwrap();
    assert_eq!(load(&storage).await, Snapshot { functions: vec![function("f", 3)], ..Snapshot::default() });
}
