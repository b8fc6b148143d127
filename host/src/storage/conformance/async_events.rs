//! Events of asynchronous invocations.

use super::*;
use crate::ids::{FunctionName, FunctionRef};
use crate::storage::async_events::{Due, Event, EventId, NewEvent, Selection, Standing};
use std::collections::HashSet;
use uuid::Uuid;

on_every_backend!(
    due_events_come_in_order_and_only_those_asked_for,
    a_failed_attempt_waits_and_is_remembered,
    dead_events_are_listed_redriven_and_swept,
    purging_spares_what_is_excepted,
    pages_go_to_the_end,
);

fn event(target: &str, payload: &str, accepted_at_ms: i64) -> NewEvent {
    NewEvent {
        request_id: Uuid::new_v4(),
        target: FunctionRef::parse(target).unwrap(),
        payload: payload.to_owned().into(),
        trace_id: Some("Root=1".into()),
        accepted_at_ms,
    }
}

fn function(name: &str) -> FunctionName {
    FunctionName::new(name).unwrap()
}

async fn due(storage: &Storage, name: &str, now_ms: i64, except: &[EventId]) -> Due {
    let except: HashSet<EventId> = except.iter().copied().collect();
    storage.async_events.due(function(name), now_ms, except, 100, usize::MAX).await.unwrap()
}

fn payloads(due: &Due) -> Vec<&str> {
    due.events.iter().map(|event| std::str::from_utf8(&event.payload).unwrap()).collect()
}

async fn due_events_come_in_order_and_only_those_asked_for(storage: Storage) {
    let events = &storage.async_events;
    events.accept(vec![event("f:live", "b", 20), event("f", "a", 10), event("g", "x", 1)]).await.unwrap();
    events.accept(vec![event("f", "c", 30)]).await.unwrap();
    let found = due(&storage, "f", 20, &[]).await;
    assert_eq!((payloads(&found), found.next_at_ms), (vec!["a", "b"], Some(30)));
    let b: &Event = &found.events[1];
    assert_eq!(b.summary.target, FunctionRef::parse("f:live").unwrap());
    assert_eq!((b.trace_id.as_deref(), b.failure.as_deref()), (Some("Root=1"), None));
    assert_eq!((b.summary.accepted_at_ms, b.summary.attempts, b.summary.dead_at_ms), (20, 0, None));

    let rest = due(&storage, "f", 30, &[found.events[0].summary.id]).await;
    assert_eq!((payloads(&rest), rest.next_at_ms), (vec!["b", "c"], None));
    let one = events.due(function("f"), 30, HashSet::new(), 1, usize::MAX).await.unwrap();
    assert_eq!((payloads(&one), one.next_at_ms), (vec!["a"], Some(20)));
    let small = events.due(function("f"), 30, HashSet::new(), 9, 2).await.unwrap();
    assert_eq!(payloads(&small), ["a", "b"]);
    let least = events.due(function("f"), 30, HashSet::new(), 9, 0).await.unwrap();
    assert_eq!(payloads(&least), ["a"]);

    assert!(events.remove(found.events[0].summary.id).await.unwrap());
    assert!(!events.remove(found.events[0].summary.id).await.unwrap());
    assert_eq!(payloads(&due(&storage, "f", 30, &[]).await), ["b", "c"]);
    assert_eq!(due(&storage, "none", 30, &[]).await, Due::default());
}

async fn a_failed_attempt_waits_and_is_remembered(storage: Storage) {
    let events = &storage.async_events;
    events.accept(vec![event("f", "a", 10)]).await.unwrap();
    let id = due(&storage, "f", 10, &[]).await.events[0].summary.id;
    assert!(events.reschedule(id, 1, 70, Some("{}".into())).await.unwrap());
    assert_eq!(due(&storage, "f", 69, &[]).await, Due { events: vec![], next_at_ms: Some(70) });
    let again = due(&storage, "f", 70, &[]).await.events.remove(0);
    assert_eq!((again.summary.attempts, again.summary.accepted_at_ms, again.failure.as_deref()), (1, 10, Some("{}")));
    assert!(events.reschedule(id, 1, 80, None).await.unwrap());
    assert_eq!(due(&storage, "f", 80, &[]).await.events[0].failure.as_deref(), Some("{}"));
    assert!(!events.reschedule(id + 1, 1, 80, None).await.unwrap());
}

async fn dead_events_are_listed_redriven_and_swept(storage: Storage) {
    let events = &storage.async_events;
    let (first, second) = (event("f", "a", 10), event("g", "b", 11));
    let ids = (first.request_id, second.request_id);
    events.accept(vec![first, second]).await.unwrap();
    let id = events.find(ids.0).await.unwrap().unwrap().summary.id;
    assert!(events.bury(id, 3, 50, Some("why".into())).await.unwrap());
    assert!(!events.bury(id, 3, 60, None).await.unwrap());
    assert_eq!(due(&storage, "f", 100, &[]).await, Due::default());

    let dead = Selection { standing: Some(Standing::Dead), ..Selection::default() };
    let found = events.list(dead.clone(), None, 10).await.unwrap();
    assert_eq!(
        found.iter().map(|e| (e.request_id, e.dead_at_ms, e.attempts)).collect::<Vec<_>>(),
        [(ids.0, Some(50), 3)]
    );
    let waiting = Selection { standing: Some(Standing::Waiting), ..Selection::default() };
    assert_eq!(events.list(waiting, None, 10).await.unwrap()[0].request_id, ids.1);
    let backlog = events.backlog().await.unwrap();
    let counts: Vec<_> =
        backlog.iter().map(|b| (b.function.as_str(), b.waiting, b.dead, b.oldest_accepted_at_ms)).collect();
    assert_eq!(counts, [("f", 0, 1, None), ("g", 1, 0, Some(11))]);

    let redriven = events.redrive(dead.clone(), None, 10, 90).await.unwrap();
    assert_eq!(
        (redriven.len(), redriven[0].accepted_at_ms, redriven[0].attempts, redriven[0].dead_at_ms),
        (1, 90, 0, None)
    );
    assert_eq!(payloads(&due(&storage, "f", 90, &[]).await), ["a"]);
    assert_eq!(events.redrive(dead.clone(), None, 10, 91).await.unwrap(), []);

    assert!(events.bury(id, 3, 200, None).await.unwrap());
    assert_eq!(events.sweep(200, 10).await.unwrap(), 0);
    assert_eq!(events.sweep(201, 10).await.unwrap(), 1);
    assert_eq!(events.find(ids.0).await.unwrap(), None);
    assert_eq!(events.list(dead, None, 10).await.unwrap(), []);
}

async fn purging_spares_what_is_excepted(storage: Storage) {
    let events = &storage.async_events;
    events.accept((0..5).map(|i| event("f", "a", i)).collect()).await.unwrap();
    events.accept(vec![event("g", "b", 1)]).await.unwrap();
    let kept = due(&storage, "f", 10, &[]).await.events[0].summary.id;
    let of_f = Selection { function: Some(function("f")), ..Selection::default() };
    assert_eq!(events.purge(of_f.clone(), HashSet::from([kept]), 3).await.unwrap(), 3);
    assert_eq!(events.purge(of_f, HashSet::from([kept]), 3).await.unwrap(), 1);
    let left = events.list(Selection::default(), None, 10).await.unwrap();
    assert_eq!(left.iter().map(|e| e.target.name.as_str()).collect::<Vec<_>>(), ["f", "g"]);
    assert_eq!(left[0].id, kept);
    let one = Selection { request_id: Some(left[1].request_id), ..Selection::default() };
    assert_eq!(events.purge(one, HashSet::new(), 3).await.unwrap(), 1);
}

async fn pages_go_to_the_end(storage: Storage) {
    let events = &storage.async_events;
    events.accept((0..7).map(|i| event("f", "a", i)).collect()).await.unwrap();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = events.list(Selection::default(), after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|e| e.accepted_at_ms));
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
}
