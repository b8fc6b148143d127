use super::super::tests::{Fixture, batch, events, quick};
use super::super::{EventId, LogStore};
use super::*;
use std::collections::BTreeMap;

fn definition(pattern: &str) -> FilterDefinition {
    FilterDefinition {
        pattern: pattern.to_owned(),
        expressions: 0,
        destination_arn: "arn".to_owned(),
        distribution: "ByLogStream".to_owned(),
    }
}

async fn subscribed(store: &LogStore, filters: &[&str]) {
    store.create_group("g", BTreeMap::new()).await.unwrap();
    store.create_stream("g", "s").await.unwrap();
    for filter in filters {
        store.put_subscription_filter("g", (*filter).to_owned(), definition("")).await.unwrap();
    }
}

async fn put(store: &LogStore, texts: &[(i64, &str)]) {
    store.put("g", "s", events(texts), None).await.unwrap();
}

/// Filters with something to see, and what they see of it.
async fn seen(store: &LogStore) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for pending in store.pending_subscriptions().await.unwrap() {
        let page = store.fed(&pending).await.unwrap();
        let texts = page.entries.iter().flat_map(|entry| &entry.events).map(|event| event.message.clone());
        all.push((pending.filter.name.clone(), texts.collect()));
    }
    all
}

async fn advance_all(store: &LogStore) {
    for pending in store.pending_subscriptions().await.unwrap() {
        let page = store.fed(&pending).await.unwrap();
        store.advance_subscription(&pending, &page).await.unwrap();
    }
}

fn fed_rows(fixture: &Fixture) -> i64 {
    let connection = rusqlite::Connection::open(&fixture.path).unwrap();
    connection.query_row("SELECT count(*) FROM feed", [], |row| row.get(0)).unwrap()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn a_filter_sees_what_comes_in_from_then_on_in_the_order_in_which_it_does() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    store.create_group("g", BTreeMap::new()).await.unwrap();
    store.create_stream("g", "s").await.unwrap();
    put(&store, &[(5, "before")]).await;
    assert_eq!(seen(&store).await, []);
    store.put_subscription_filter("g", "f".to_owned(), definition("")).await.unwrap();
    // Timestamps that go back, and ids taken between others.
    put(&store, &[(10, "a"), (12, "b")]).await;
    put(&store, &[(3, "c"), (11, "d")]).await;
    store.write(batch("g", "t", &[(1, "e"), (1, "f")]));
    store.write(batch("other", "t", &[(1, "x")]));
    store.flush().await.unwrap();
    assert_eq!(seen(&store).await, [("f".to_owned(), texts(&["a", "b", "c", "d", "e", "f"]))]);
    let pending = store.pending_subscriptions().await.unwrap();
    let page = store.fed(&pending[0]).await.unwrap();
    assert_eq!((page.entries.len(), page.done), (3, true));
    assert_eq!(&*page.entries[2].events[0].stream, "t");
    store.advance_subscription(&pending[0], &page).await.unwrap();
    assert_eq!((seen(&store).await, fed_rows(&fixture)), (Vec::new(), 0));
}

#[tokio::test]
async fn positions_are_kept_over_a_restart_and_never_used_twice() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    subscribed(&store, &["f"]).await;
    put(&store, &[(1, "a")]).await;
    advance_all(&store).await;
    put(&store, &[(2, "b")]).await;
    store.shutdown().await;
    let store = fixture.open();
    assert_eq!(seen(&store).await, [("f".to_owned(), texts(&["b"]))]);
    advance_all(&store).await;
    store.shutdown().await;
    // The feed is empty now, so that only the filter knows how far it went.
    let store = fixture.open();
    put(&store, &[(3, "c")]).await;
    assert_eq!(seen(&store).await, [("f".to_owned(), texts(&["c"]))]);
}

#[tokio::test]
async fn an_entry_stays_until_all_filters_have_seen_it() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    subscribed(&store, &["a", "b"]).await;
    put(&store, &[(1, "x")]).await;
    let pending = store.pending_subscriptions().await.unwrap();
    let page = store.fed(&pending[0]).await.unwrap();
    store.advance_subscription(&pending[0], &page).await.unwrap();
    assert_eq!(seen(&store).await, [("b".to_owned(), texts(&["x"]))]);
    assert_eq!(fed_rows(&fixture), 1);
    store.delete_subscription_filter("g", "b".to_owned()).await.unwrap();
    put(&store, &[(2, "y")]).await;
    advance_all(&store).await;
    assert_eq!(fed_rows(&fixture), 0);
}

#[tokio::test]
async fn what_filters_leave_behind_is_tidied_away() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    subscribed(&store, &["f"]).await;
    for n in 0..10 {
        put(&store, &[(n, "x")]).await;
    }
    store.delete_subscription_filter("g", "f".to_owned()).await.unwrap();
    put(&store, &[(20, "x")]).await;
    assert_eq!((seen(&store).await, fed_rows(&fixture)), (Vec::new(), 10));
    store.maintain().await.unwrap();
    assert_eq!(fed_rows(&fixture), 0);
    store.put_subscription_filter("g", "f".to_owned(), definition("")).await.unwrap();
    put(&store, &[(21, "x")]).await;
    store.delete_group("g").await.unwrap();
    assert_eq!((seen(&store).await, fed_rows(&fixture)), (Vec::new(), 1));
    store.maintain().await.unwrap();
    assert_eq!(fed_rows(&fixture), 0);
    // A group of the same name is another one.
    subscribed(&store, &[]).await;
    assert_eq!(store.subscription_filters("g", "", None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn events_that_are_gone_are_not_seen_and_hold_nothing_up() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    subscribed(&store, &["f"]).await;
    put(&store, &[(1, "x")]).await;
    store.delete_stream("g", "s").await.unwrap();
    assert_eq!(seen(&store).await, [("f".to_owned(), Vec::new())]);
    advance_all(&store).await;
    assert_eq!((seen(&store).await, fed_rows(&fixture)), (Vec::new(), 0));
}

#[tokio::test]
async fn a_page_has_an_end() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    subscribed(&store, &["f"]).await;
    let large = "x".repeat(READ_BYTES / 2);
    for n in 0..3 {
        put(&store, &[(n, &large)]).await;
    }
    let pending = store.pending_subscriptions().await.unwrap();
    let page = store.fed(&pending[0]).await.unwrap();
    assert_eq!((page.entries.len(), page.done), (2, false));
    store.advance_subscription(&pending[0], &page).await.unwrap();
    let pending = store.pending_subscriptions().await.unwrap();
    assert_eq!(store.fed(&pending[0]).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn many_events_put_at_once_are_all_seen() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    subscribed(&store, &["f"]).await;
    let many: Vec<(i64, &str)> = (0..10_000).map(|n| (n / 3, "m")).collect();
    put(&store, &many).await;
    let pending = store.pending_subscriptions().await.unwrap();
    let page = store.fed(&pending[0]).await.unwrap();
    let times: Vec<i64> = page.entries[0].events.iter().map(|event| event.timestamp_ms).collect();
    assert_eq!(times, many.iter().map(|(ms, _)| *ms).collect::<Vec<_>>());
    assert!(page.entries[0].events.iter().all(|event| event.id > EventId::FIRST));
}

#[tokio::test]
async fn a_group_has_so_many_filters_and_expressions() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    subscribed(&store, &["a"]).await;
    let set = |name: &str, expressions| {
        store.put_subscription_filter("g", name.to_owned(), FilterDefinition { expressions, ..definition("p") })
    };
    assert!(matches!(set("b", MAX_EXPRESSIONS + 1).await, Err(Error::TooManyFilters)));
    set("b", MAX_EXPRESSIONS).await.unwrap();
    assert!(matches!(set("a", 1).await, Err(Error::TooManyFilters)));
    assert!(matches!(set("c", 0).await, Err(Error::TooManyFilters)));
    set("b", 1).await.unwrap();
    assert_eq!(store.subscription_filters("g", "", Some("a"), 10).await.unwrap()[0].definition.expressions, 1);
    let refused = store.put_subscription_filter("x", "a".to_owned(), definition("")).await;
    assert!(matches!(refused, Err(Error::GroupNotFound)));
    let refused = store.delete_subscription_filter("g", "c".to_owned()).await;
    assert!(matches!(refused, Err(Error::FilterNotFound)));
}

#[tokio::test]
async fn the_trace_of_an_invocation_goes_with_its_lines() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    subscribed(&store, &["f"]).await;
    let mut printed = batch("g", "t", &[(1, "m")]);
    printed.trace = Some("Lineage=a87bd80c:1".into());
    store.write(printed);
    store.flush().await.unwrap();
    let grown = store.feed_grown();
    grown.await;
    let pending = store.pending_subscriptions().await.unwrap();
    let page = store.fed(&pending[0]).await.unwrap();
    assert_eq!(page.entries[0].trace.as_deref(), Some("Lineage=a87bd80c:1"));
}
