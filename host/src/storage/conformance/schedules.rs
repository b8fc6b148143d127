//! Schedules and their groups.

use super::*;
use crate::storage::schedules::{
    ActionAfterCompletion, Advance, DEFAULT_GROUP, Firing, MissedPolicy, Next, PutMode, PutOutcome,
    ScheduleGroupRecord, ScheduleKey, ScheduleRecord, ScheduleState, ScheduleTarget,
};

on_every_backend!(
    a_schedule_comes_back_as_it_was_put,
    a_put_finds_what_it_expects_or_changes_nothing,
    groups_hold_schedules,
    schedules_are_listed_in_pages,
    steps_are_taken_only_from_where_they_start,
    firings_stay_on_record_until_they_are_finished,
);

fn key(group: &str, name: &str) -> ScheduleKey {
    ScheduleKey { group: group.into(), name: name.into() }
}

fn schedule(group: &str, name: &str, next_fire_at_ms: Option<i64>) -> ScheduleRecord {
    ScheduleRecord {
        key: key(group, name),
        revision: 0,
        expression: "cron(0 10 * * ? *)".into(),
        timezone: "Europe/Berlin".into(),
        start_at_ms: Some(1),
        end_at_ms: None,
        state: ScheduleState::Enabled,
        flexible_window_min: Some(5),
        target: ScheduleTarget {
            arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
            role_arn: "r".into(),
            input: Some("{}".into()),
            maximum_retry_attempts: 185,
            maximum_event_age_s: 86_400,
            dead_letter_arn: None,
            echoed: serde_json::Map::new(),
        },
        after_completion: ActionAfterCompletion::Delete,
        missed: MissedPolicy::Once,
        description: "d".into(),
        kms_key_arn: None,
        created_at_ms: 3,
        modified_at_ms: 4,
        next_fire_at_ms,
    }
}

fn group(name: &str) -> ScheduleGroupRecord {
    ScheduleGroupRecord { name: name.into(), tags: Default::default(), created_at_ms: 1, modified_at_ms: 1 }
}

async fn put(storage: &Storage, schedule: ScheduleRecord) -> u64 {
    match storage.schedules.put(schedule, PutMode::Either).await.unwrap() {
        PutOutcome::Stored(revision) => revision,
        other => panic!("{other:?}"),
    }
}

async fn a_schedule_comes_back_as_it_was_put(storage: Storage) {
    let first = put(&storage, schedule(DEFAULT_GROUP, "s", Some(10))).await;
    let expected = ScheduleRecord { revision: first, ..schedule(DEFAULT_GROUP, "s", Some(10)) };
    assert_eq!(storage.schedules.get(key(DEFAULT_GROUP, "s")).await.unwrap(), Some(expected.clone()));
    assert_eq!(storage.schedules.load().await.unwrap(), [expected]);
    let second = put(&storage, schedule(DEFAULT_GROUP, "s", None)).await;
    assert!(second > first);
    let found = storage.schedules.get(key(DEFAULT_GROUP, "s")).await.unwrap().unwrap();
    assert_eq!((found.revision, found.next_fire_at_ms), (second, None));
    assert!(storage.schedules.delete(key(DEFAULT_GROUP, "s")).await.unwrap());
    assert!(!storage.schedules.delete(key(DEFAULT_GROUP, "s")).await.unwrap());
    assert_eq!(storage.schedules.load().await.unwrap(), []);
    assert!(put(&storage, schedule(DEFAULT_GROUP, "s", None)).await > second);
}

async fn a_put_finds_what_it_expects_or_changes_nothing(storage: Storage) {
    let put = |schedule, mode| storage.schedules.put(schedule, mode);
    assert_eq!(put(schedule("none", "s", None), PutMode::Either).await.unwrap(), PutOutcome::NoGroup);
    assert_eq!(put(schedule(DEFAULT_GROUP, "s", None), PutMode::Update).await.unwrap(), PutOutcome::Missing);
    assert!(matches!(put(schedule(DEFAULT_GROUP, "s", None), PutMode::Create).await.unwrap(), PutOutcome::Stored(_)));
    assert_eq!(put(schedule(DEFAULT_GROUP, "s", Some(1)), PutMode::Create).await.unwrap(), PutOutcome::Exists);
    let found = storage.schedules.get(key(DEFAULT_GROUP, "s")).await.unwrap().unwrap();
    assert_eq!(found.next_fire_at_ms, None);
    let put_group = |name: &str, mode| storage.schedules.put_group(group(name), mode);
    assert_eq!(put_group(DEFAULT_GROUP, PutMode::Create).await.unwrap(), PutOutcome::Exists);
    assert_eq!(put_group("g", PutMode::Update).await.unwrap(), PutOutcome::Missing);
    assert_eq!(put_group("g", PutMode::Create).await.unwrap(), PutOutcome::Stored(0));
    assert_eq!(put_group("g", PutMode::Create).await.unwrap(), PutOutcome::Exists);
}

async fn groups_hold_schedules(storage: Storage) {
    let schedules = &storage.schedules;
    assert_eq!(schedules.get_group(DEFAULT_GROUP.into()).await.unwrap().unwrap().created_at_ms, 0);
    for name in ["e", "c"] {
        schedules.put_group(group(name), PutMode::Create).await.unwrap();
    }
    let names = async |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let groups = schedules.list_groups(prefix.into(), after.map(Into::into), limit).await.unwrap();
        groups.into_iter().map(|group| group.name).collect()
    };
    assert_eq!(names("", None, 10).await, ["c", DEFAULT_GROUP, "e"]);
    assert_eq!(names("", Some("c"), 1).await, [DEFAULT_GROUP]);
    assert_eq!(names("e", None, 10).await, ["e"]);
    for (group, name) in [("c", "s2"), ("c", "s1"), (DEFAULT_GROUP, "s")] {
        put(&storage, schedule(group, name, None)).await;
    }
    assert_eq!(schedules.delete_group("none".into()).await.unwrap(), None);
    assert_eq!(schedules.delete_group("c".into()).await.unwrap(), Some(vec![key("c", "s1"), key("c", "s2")]));
    assert_eq!(schedules.get_group("c".into()).await.unwrap(), None);
    assert_eq!(schedules.load().await.unwrap().len(), 1);
    assert_eq!(schedules.delete_group(DEFAULT_GROUP.into()).await.unwrap(), Some(vec![key(DEFAULT_GROUP, "s")]));
    assert!(schedules.get_group(DEFAULT_GROUP.into()).await.unwrap().is_some());
    // The default group's tags can be changed, and it still is there once.
    let tagged = ScheduleGroupRecord { tags: [("k".into(), "v".into())].into(), ..group(DEFAULT_GROUP) };
    schedules.put_group(tagged.clone(), PutMode::Update).await.unwrap();
    assert_eq!(schedules.list_groups("d".into(), None, 10).await.unwrap(), [tagged]);
}

async fn schedules_are_listed_in_pages(storage: Storage) {
    storage.schedules.put_group(group("a"), PutMode::Create).await.unwrap();
    for (group, name) in [(DEFAULT_GROUP, "x1"), ("a", "x2"), ("a", "y"), ("a", "x1"), (DEFAULT_GROUP, "é%_")] {
        put(&storage, schedule(group, name, None)).await;
    }
    let list = async |group: Option<&str>, prefix: &str, after: Option<ScheduleKey>, limit| -> Vec<String> {
        let page = storage.schedules.list(group.map(Into::into), prefix.into(), after, limit).await.unwrap();
        page.into_iter().map(|schedule| schedule.key.to_string()).collect()
    };
    assert_eq!(list(None, "", None, 10).await, ["a/x1", "a/x2", "a/y", "default/x1", "default/é%_"]);
    assert_eq!(list(None, "x", Some(key("a", "x1")), 10).await, ["a/x2", "default/x1"]);
    assert_eq!(list(Some("a"), "", None, 2).await, ["a/x1", "a/x2"]);
    assert_eq!(list(Some("a"), "", Some(key("a", "x2")), 2).await, ["a/y"]);
    assert_eq!(list(Some(DEFAULT_GROUP), "é%", None, 2).await, ["default/é%_"]);
    assert!(list(None, "%", None, 2).await.is_empty());
}

async fn steps_are_taken_only_from_where_they_start(storage: Storage) {
    let mut revisions = Vec::new();
    for name in ["fires", "ends", "goes", "changed", "moved"] {
        revisions.push(put(&storage, schedule(DEFAULT_GROUP, name, Some(10))).await);
    }
    put(&storage, schedule(DEFAULT_GROUP, "changed", Some(10))).await;
    let step = |name: &str, revision, expected, next| Advance {
        key: key(DEFAULT_GROUP, name),
        revision,
        expected_next_fire_at_ms: Some(expected),
        next,
        unfinished: Vec::new(),
    };
    let steps = vec![
        step("fires", revisions[0], 10, Next::FireAt(20)),
        step("ends", revisions[1], 10, Next::Finished),
        step("goes", revisions[2], 10, Next::Delete),
        step("changed", revisions[3], 10, Next::Delete),
        step("moved", revisions[4], 9, Next::FireAt(20)),
        step("none", 1, 10, Next::FireAt(20)),
        // Sees the step before it.
        step("fires", revisions[0], 20, Next::FireAt(30)),
    ];
    let taken = storage.schedules.advance(steps).await.unwrap();
    assert_eq!(taken, [true, true, true, false, false, false, true]);
    let mut left: Vec<_> = storage.schedules.load().await.unwrap();
    left.sort_by_key(|schedule| schedule.key.clone());
    let left: Vec<_> = left.iter().map(|schedule| (schedule.key.name.as_str(), schedule.next_fire_at_ms)).collect();
    assert_eq!(left, [("changed", Some(10)), ("ends", None), ("fires", Some(30)), ("moved", Some(10))]);
}

async fn firings_stay_on_record_until_they_are_finished(storage: Storage) {
    let schedules = &storage.schedules;
    schedules.put_group(group("g"), PutMode::Create).await.unwrap();
    let mut revisions = Vec::new();
    for (group, name) in [(DEFAULT_GROUP, "a"), (DEFAULT_GROUP, "b"), (DEFAULT_GROUP, "c"), ("g", "d")] {
        revisions.push(put(&storage, schedule(group, name, Some(10))).await);
    }
    let step = |group: &str, name: &str, revision, unfinished: &[i64]| Advance {
        key: key(group, name),
        revision,
        expected_next_fire_at_ms: Some(10),
        next: Next::FireAt(20),
        unfinished: unfinished.to_vec(),
    };
    let recorded = async || -> Vec<(String, i64)> {
        let firings = schedules.unfinished().await.unwrap();
        firings.into_iter().map(|firing| (firing.key.name, firing.fire_at_ms)).collect()
    };
    let expected = |firings: &[(&str, i64)]| -> Vec<(String, i64)> {
        firings.iter().map(|&(name, at_ms)| (name.to_owned(), at_ms)).collect()
    };
    let steps = vec![
        step(DEFAULT_GROUP, "a", revisions[0], &[8, 9, 10]),
        // Not taken, but what it begins is not lost.
        step(DEFAULT_GROUP, "b", 0, &[10]),
        step(DEFAULT_GROUP, "c", revisions[2], &[10]),
        step("g", "d", revisions[3], &[10]),
        step(DEFAULT_GROUP, "none", 1, &[10]),
    ];
    assert_eq!(schedules.advance(steps).await.unwrap(), [true, false, true, true, false]);
    assert_eq!(recorded().await, expected(&[("a", 8), ("a", 9), ("a", 10), ("b", 10), ("c", 10), ("d", 10)]));
    let finished = |name: &str, fire_at_ms| Firing { key: key(DEFAULT_GROUP, name), fire_at_ms };
    schedules.finish(vec![finished("a", 9), finished("b", 10), finished("b", 11), finished("none", 1)]).await.unwrap();
    put(&storage, schedule(DEFAULT_GROUP, "a", Some(30))).await;
    assert_eq!(recorded().await, expected(&[("a", 8), ("a", 10), ("c", 10), ("d", 10)]));
    schedules.delete_group("g".into()).await.unwrap();
    schedules.delete(key(DEFAULT_GROUP, "c")).await.unwrap();
    assert_eq!(recorded().await, expected(&[("a", 8), ("a", 10)]));
    let last = Advance {
        expected_next_fire_at_ms: Some(30),
        next: Next::Delete,
        ..step(DEFAULT_GROUP, "a", put(&storage, schedule(DEFAULT_GROUP, "a", Some(30))).await, &[30])
    };
    assert_eq!(schedules.advance(vec![last]).await.unwrap(), [true]);
    assert_eq!(recorded().await, []);
}
