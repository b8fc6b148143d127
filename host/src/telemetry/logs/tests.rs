use super::*;
use crate::clock::{SystemClock, TokioClock};
use crate::telemetry::metrics::{self, Metrics};
use std::fs;

const GROUP: &str = "/aws/lambda/hello";

pub(super) struct Fixture {
    _dir: tempfile::TempDir,
    pub(super) path: std::path::PathBuf,
    pub(super) clock: SharedClock,
    config: Config,
    metrics: Metrics,
}

impl Fixture {
    pub(super) fn new(config: Config) -> Self {
        Self::on(Arc::new(SystemClock), config)
    }

    fn on(clock: SharedClock, config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs.db");
        let metrics = Metrics::new(&metrics::Config::default(), "0", "0").unwrap();
        Self { _dir: dir, path, clock, config, metrics }
    }

    pub(super) fn open(&self) -> LogStore {
        LogStore::open(&self.path, &self.config, Arc::clone(&self.clock), &self.metrics.logs).unwrap()
    }
}

pub(super) fn quick() -> Config {
    Config { linger_ms: 0, ..Config::default() }
}

pub(super) fn batch(group: &str, stream: &str, lines: &[(i64, &str)]) -> LogBatch {
    let line = |&(timestamp_ms, text): &(i64, &str)| LogLine {
        timestamp_ms,
        text: LineText::Guest(Bytes::copy_from_slice(text.as_bytes())),
    };
    LogBatch { group: group.into(), stream: stream.into(), lines: lines.iter().map(line).collect(), trace: None }
}

fn messages(page: &LogPage) -> Vec<&str> {
    page.events.iter().map(|e| e.message.as_str()).collect()
}

async fn all(store: &LogStore, query: LogQuery) -> Vec<String> {
    messages(&store.query(query).await.unwrap()).into_iter().map(str::to_owned).collect()
}

#[test]
fn names_are_lambdas() {
    assert_eq!(&*group_name(&FunctionName::new("hello").unwrap()), GROUP);
    let at = "2026-01-31T23:59:59Z".parse().unwrap();
    assert_eq!(
        &*stream_name(Version::Latest, at, Uuid::from_u128(0xabc)),
        "2026/01/31/[$LATEST]00000000000000000000000000000abc"
    );
    assert!(stream_name(Version::Number(7), at, Uuid::nil()).starts_with("2026/01/31/[7]0"));
}

#[tokio::test]
async fn what_is_written_is_read_back_and_survives_a_restart() {
    let fixture = Fixture::new(Config::default());
    let store = fixture.open();
    let now = fixture.clock.now_ms();
    store.write(LogBatch {
        group: GROUP.into(),
        stream: "a".into(),
        lines: vec![
            LogLine::platform(now, PlatformLine::Start { request_id: Uuid::nil(), version: Version::Latest }),
            LogLine { timestamp_ms: now, text: LineText::Guest(Bytes::from_static(b"caf\xc3\xa9 \xff\0 tab\t")) },
            LogLine::platform(now, PlatformLine::End { request_id: Uuid::nil() }),
        ],
        trace: None,
    });
    store.flush().await.unwrap();
    let before = store.query(LogQuery::of(GROUP)).await.unwrap();
    assert_eq!(
        messages(&before),
        [
            "START RequestId: 00000000-0000-0000-0000-000000000000 Version: $LATEST",
            "café \u{fffd}\0 tab\t",
            "END RequestId: 00000000-0000-0000-0000-000000000000",
        ]
    );
    assert!(before.done && before.events.iter().all(|e| e.ingestion_ms >= now && &*e.stream == "a"));
    store.shutdown().await;
    let store = fixture.open();
    assert_eq!(store.query(LogQuery::of(GROUP)).await.unwrap(), before);
    store.write(batch(GROUP, "a", &[(now, "later")]));
    store.flush().await.unwrap();
    let after = store.query(LogQuery { cursor: Some(before.next), ..LogQuery::of(GROUP) }).await.unwrap();
    assert_eq!(messages(&after), ["later"]);
    assert_eq!(fixture.metrics.logs.lines.get(), 4);
}

#[tokio::test]
async fn queries_choose() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    let now = fixture.clock.now_ms();
    store.write(batch(GROUP, "2026/a", &[(now - 30, "one x"), (now - 20, "two"), (now - 10, "three x")]));
    store.write(batch(GROUP, "2026/b", &[(now - 25, "four x"), (now, "five")]));
    store.write(batch("/aws/lambda/other", "2026/a", &[(now, "not me")]));
    store.flush().await.unwrap();
    let of = || LogQuery::of(GROUP);
    assert_eq!(all(&store, of()).await, ["one x", "two", "three x", "four x", "five"]);
    assert_eq!(
        all(&store, LogQuery { streams: Streams::Prefix("2026/b".to_owned()), ..of() }).await,
        ["four x", "five"]
    );
    assert_eq!(
        all(&store, LogQuery { streams: Streams::Named(vec!["2026/b".to_owned()]), ..of() }).await,
        ["four x", "five"]
    );
    assert_eq!(all(&store, LogQuery { streams: Streams::Named(vec!["2026".to_owned()]), ..of() }).await.len(), 0);
    assert_eq!(
        all(&store, LogQuery { from_ms: Some(now - 25), until_ms: Some(now), ..of() }).await,
        ["two", "three x", "four x"]
    );
    assert_eq!(all(&store, LogQuery { contains: Some(" x".to_owned()), ..of() }).await, ["one x", "three x", "four x"]);
    assert!(matches!(store.query(LogQuery::of("/aws/lambda/none")).await, Err(Error::GroupNotFound)));

    for (order, expected) in [
        (Order::OldestFirst, ["one x", "two", "three x", "four x", "five"]),
        (Order::NewestFirst, ["five", "four x", "three x", "two", "one x"]),
    ] {
        let (mut cursor, mut seen, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = store.query(LogQuery { order, limit: 2, cursor, ..of() }).await.unwrap();
            seen.extend(page.events.iter().map(|e| e.message.clone()));
            cursor = Some(page.next);
            pages += 1;
            if page.done {
                break;
            }
        }
        assert_eq!((seen.as_slice(), pages), (expected.map(str::to_owned).as_slice(), 3));
    }
}

#[tokio::test]
async fn groups_and_streams_are_listed() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    store.write(batch("/aws/lambda/a", "s2", &[(20, "x"), (10, "y")]));
    store.write(batch("/aws/lambda/a", "s1", &[(30, "x")]));
    store.write(batch("/aws/lambda/b", "s1", &[(30, "x")]));
    store.create_group("other", BTreeMap::new()).await.unwrap();
    store.set_retention("/aws/lambda/b", Some(24)).await.unwrap();
    assert!(matches!(store.create_group("other", BTreeMap::new()).await, Err(Error::GroupExists)));
    assert!(matches!(store.set_retention("none", None).await, Err(Error::GroupNotFound)));
    let groups = store.groups(GroupNames::Prefix("/aws/lambda/".into()), None, 10).await.unwrap();
    let seen: Vec<_> = groups.iter().map(|g| (g.name.as_str(), g.retention_hours)).collect();
    assert_eq!(seen, [("/aws/lambda/a", None), ("/aws/lambda/b", Some(24))]);
    assert_eq!(
        store.groups(GroupNames::Prefix(String::new()), Some("/aws/lambda/a"), 1).await.unwrap()[0].name,
        "/aws/lambda/b"
    );
    let streams = store.streams("/aws/lambda/a", "", None, 10).await.unwrap();
    let seen: Vec<_> = streams
        .iter()
        .map(|s| (s.name.as_str(), s.times.unwrap().first_event_ms, s.times.unwrap().last_event_ms))
        .collect();
    assert_eq!(seen, [("s1", 30, 30), ("s2", 10, 20)]);
    assert_eq!(store.streams("/aws/lambda/a", "s2", None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn following_waits_for_what_comes() {
    let fixture = Fixture::new(quick());
    let store = Arc::new(fixture.open());
    // The group is not there yet.
    let follower = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut seen = Vec::new();
            let mut query = LogQuery::of(GROUP);
            while seen.len() < 20 {
                let page = store.follow(query.clone()).await.unwrap();
                seen.extend(page.events.iter().map(|e| e.message.clone()));
                query.cursor = Some(page.next);
            }
            seen
        })
    };
    for i in 0..20 {
        store.write(batch("/aws/lambda/noise", "s", &[(0, "noise")]));
        store.write(batch(GROUP, "s", &[(0, &i.to_string())]));
        store.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let seen = follower.await.unwrap();
    assert_eq!(seen, (0..20).map(|i| i.to_string()).collect::<Vec<_>>());

    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.follow(LogQuery::of("/aws/lambda/quiet")).await }
    });
    while store.followers.lock().get("/aws/lambda/quiet").is_none() {
        tokio::task::yield_now().await;
    }
    store.shutdown().await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
}

/// The writer is held up by a lock on its database, so the queue fills for certain.
#[tokio::test]
async fn a_full_queue_drops_and_says_so() {
    let fixture = Fixture::new(Config { max_queued_bytes: 3_000, ..quick() });
    let store = fixture.open();
    store.write(batch(GROUP, "s", &[(1, "first")]));
    store.flush().await.unwrap();
    let holder = rusqlite::Connection::open(&fixture.path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..100 {
        store.write(batch(GROUP, "s", &[(2, "a"), (3, "b")]));
    }
    let dropped = fixture.metrics.logs.lines_dropped.get();
    assert!(dropped > 100 && dropped < 200, "{dropped}");
    holder.execute_batch("COMMIT").unwrap();
    store.flush().await.unwrap();
    // The notice comes with the first write after the loss.
    store.write(batch(GROUP, "s", &[(4, "last")]));
    store.flush().await.unwrap();
    let seen = all(&store, LogQuery::of(GROUP)).await;
    let told: u64 = seen
        .iter()
        .filter_map(|m| m.strip_prefix("[lamina] ")?.strip_suffix(" log lines dropped: the log writer fell behind"))
        .map(|n| n.parse::<u64>().unwrap())
        .sum();
    assert_eq!(told, dropped, "{seen:?}");
    assert_eq!(seen.iter().filter(|m| matches!(m.as_str(), "a" | "b")).count() as u64, 200 - dropped);
    assert!(seen.iter().any(|m| m == "last"));
    assert_eq!(store.queue.bytes.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn old_events_go_and_their_streams() {
    let clock: SharedClock = Arc::new(TokioClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
    let fixture = Fixture::on(Arc::clone(&clock), Config { retention_hours: 48, ..quick() });
    let store = fixture.open();
    let write = |hour: u64| {
        let now = clock.now_ms();
        for group in ["default", "short", "forever"] {
            store.write(batch(group, &format!("s{hour}"), &[(now, "x")]));
        }
    };
    write(0);
    store.set_retention("short", Some(1)).await.unwrap();
    store.set_retention("forever", Some(0)).await.unwrap();
    let counts = async |store: &LogStore| {
        let mut counts = Vec::new();
        for group in ["default", "short", "forever"] {
            let events = store.query(LogQuery::of(group)).await.unwrap().events.len();
            counts.push((events, store.streams(group, "", None, 10).await.unwrap().len()));
        }
        counts
    };
    store.maintain().await.unwrap();
    assert_eq!(counts(&store).await, [(1, 1), (1, 1), (1, 1)]);
    tokio::time::advance(Duration::from_secs(40 * 3_600)).await;
    write(40);
    store.maintain().await.unwrap();
    assert_eq!(counts(&store).await, [(2, 2), (1, 1), (2, 2)]);
    tokio::time::advance(Duration::from_secs(10 * 3_600)).await;
    store.maintain().await.unwrap();
    assert_eq!(counts(&store).await, [(1, 1), (0, 0), (2, 2)]);
    // A stream whose row is gone comes back with its next line.
    store.write(batch("short", "s40", &[(clock.now_ms(), "again")]));
    store.flush().await.unwrap();
    assert_eq!(counts(&store).await, [(1, 1), (1, 1), (2, 2)]);
}

#[tokio::test]
async fn past_its_size_the_oldest_go_first() {
    let fixture = Fixture::new(Config { max_size_bytes: 2 * 1024 * 1024, retention_hours: 0, ..quick() });
    let store = fixture.open();
    let line = "x".repeat(900);
    for i in 0..40 {
        for group in ["a", "b"] {
            let lines: Vec<(i64, &str)> = (0..100).map(|_| (i, line.as_str())).collect();
            store.write(batch(group, "s", &lines));
            store.flush().await.unwrap();
        }
    }
    store.maintain().await.unwrap();
    store.shutdown().await;
    let size = fs::metadata(&fixture.path).unwrap().len();
    assert!(size <= 2 * 1024 * 1024, "{size}");
    let store = fixture.open();
    let newest = LogQuery { order: Order::NewestFirst, limit: 1, ..LogQuery::of("a") };
    assert_eq!(store.query(newest.clone()).await.unwrap().events[0].timestamp_ms, 39);
    assert_eq!(store.query(LogQuery { group: "b".into(), ..newest }).await.unwrap().events[0].timestamp_ms, 39);
}

#[tokio::test]
async fn a_deleted_group_is_empty_when_it_comes_back() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    store.write(batch(GROUP, "s", &[(1, "old")]));
    store.delete_group(GROUP).await.unwrap();
    assert!(matches!(store.query(LogQuery::of(GROUP)).await, Err(Error::GroupNotFound)));
    assert!(matches!(store.delete_group(GROUP).await, Err(Error::GroupNotFound)));
    store.write(batch(GROUP, "s", &[(2, "new")]));
    store.maintain().await.unwrap();
    assert_eq!(all(&store, LogQuery::of(GROUP)).await, ["new"]);
    let connection = rusqlite::Connection::open(&fixture.path).unwrap();
    let count = |table: &str| -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("log_groups"), count("log_streams"), count("log_events")), (1, 1, 1));
}

#[tokio::test]
async fn a_damaged_file_is_put_aside_and_a_newer_one_refused() {
    let fixture = Fixture::new(quick());
    fs::write(&fixture.path, "this is no database, and long enough to be told from one".repeat(100)).unwrap();
    let store = fixture.open();
    store.write(batch(GROUP, "s", &[(1, "x")]));
    store.flush().await.unwrap();
    assert_eq!(all(&store, LogQuery::of(GROUP)).await, ["x"]);
    assert!(fixture.path.with_extension("db.damaged").exists());
    store.shutdown().await;
    rusqlite::Connection::open(&fixture.path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused =
        LogStore::open(&fixture.path, &fixture.config, Arc::clone(&fixture.clock), &fixture.metrics.logs).err();
    assert!(refused.unwrap().to_string().contains("version 99"));
}

#[tokio::test]
async fn events_share_rows_and_are_read_from_anywhere_in_them() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    let texts: Vec<String> = (0..600).map(|n| format!("event {n}")).collect();
    let written: Vec<(i64, &str)> = texts.iter().enumerate().map(|(n, text)| (n as i64 % 7, text.as_str())).collect();
    store.write(batch(GROUP, "a", &written));
    store.flush().await.unwrap();
    let connection = rusqlite::Connection::open(&fixture.path).unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM log_events", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 3);
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let (mut read, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.query(LogQuery { cursor, order, limit: 7, ..LogQuery::of(GROUP) }).await.unwrap();
            read.extend(page.events.into_iter().map(|event| (event.timestamp_ms, event.message)));
            cursor = Some(page.next);
            if page.done {
                break;
            }
        }
        if order == Order::NewestFirst {
            read.reverse();
        }
        assert!(read.iter().map(|(at_ms, text)| (*at_ms, text.as_str())).eq(written.iter().copied()));
    }
    let times = store.streams(GROUP, "", None, 10).await.unwrap()[0].times.unwrap();
    assert_eq!((times.first_event_ms, times.last_event_ms), (0, 6));
}

#[tokio::test]
async fn after_a_failed_write_the_next_succeeds() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    store.write(batch(GROUP, "s", &[(1, "before")]));
    store.flush().await.unwrap();
    let other = rusqlite::Connection::open(&fixture.path).unwrap();
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON log_events BEGIN SELECT RAISE(ABORT, 'refused'); END";
    other.execute_batch(trigger).unwrap();
    store.write(batch(GROUP, "new", &[(2, "lost"), (2, "lost")]));
    store.flush().await.unwrap();
    assert_eq!(fixture.metrics.logs.lines_dropped.get(), 2);
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    store.write(batch(GROUP, "new", &[(3, "after")]));
    store.flush().await.unwrap();
    let mut seen = all(&store, LogQuery::of(GROUP)).await;
    // The writer tells of its losses as soon as it can, which may be before the next batch.
    seen.sort();
    assert_eq!(seen, ["[lamina] 2 log lines dropped: the log writer fell behind", "after", "before"]);
}

#[tokio::test]
async fn a_long_search_answers_in_pages() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    for _ in 0..3 {
        let lines = vec![(1, "hay"); MAX_SCAN / 2];
        store.write(batch(GROUP, "s", &lines));
    }
    store.write(batch(GROUP, "s", &[(1, "needle")]));
    store.flush().await.unwrap();
    let query = LogQuery { contains: Some("needle".to_owned()), ..LogQuery::of(GROUP) };
    let first = store.query(query.clone()).await.unwrap();
    assert!(first.events.is_empty() && !first.done);
    let second = store.query(LogQuery { cursor: Some(first.next), ..query.clone() }).await.unwrap();
    assert!(second.done && messages(&second) == ["needle"]);
    assert_eq!(messages(&store.follow(query).await.unwrap()), ["needle"]);
}

#[test]
fn any_number_is_a_cursor_and_any_time_an_id() {
    for ms in [i64::MIN, -1, 0, 1, i64::MAX] {
        assert!(EventId::at(ms).to_raw() >= 0);
    }
    assert_eq!(EventId::at(1_800_000_000_000).ms(), 1_800_000_000_000);
    assert!(EventId::from_raw(i64::MAX).next().to_raw() > 0 && EventId::from_raw(i64::MAX).next_put().to_raw() > 0);
    assert!(EventId::first_put(7).is_put() && EventId::first_put(7).ms() == 7 && !EventId::at(7).is_put());
}

pub(super) fn events(events: &[(i64, &str)]) -> Vec<(i64, String)> {
    events.iter().map(|&(timestamp_ms, text)| (timestamp_ms, text.to_owned())).collect()
}

#[tokio::test]
async fn what_clients_put_is_in_order_of_its_timestamps_whenever_it_came() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    let refused = store.put("g", "s", events(&[(1, "x")]), None).await;
    assert!(matches!(refused, Err(Error::GroupNotFound)));
    store.create_group("g", BTreeMap::new()).await.unwrap();
    let refused = store.put("g", "s", events(&[(1, "x")]), None).await;
    assert!(matches!(refused, Err(Error::StreamNotFound)));
    store.create_stream("g", "s").await.unwrap();
    assert!(matches!(store.create_stream("g", "s").await, Err(Error::StreamExists)));
    store.put("g", "s", events(&[(20, "c"), (20, "d\n")]), None).await.unwrap();
    store.put("g", "s", events(&[(10, "a"), (20, "e")]), None).await.unwrap();
    store.shutdown().await;
    let store = fixture.open();
    store.put("g", "s", events(&[(15, "b"), (20, "f"), (30, "g")]), None).await.unwrap();
    assert_eq!(all(&store, LogQuery::of("g")).await, ["a", "b", "c", "d\n", "e", "f", "g"]);
    let between = LogQuery { from_ms: Some(15), until_ms: Some(21), ..LogQuery::of("g") };
    assert_eq!(all(&store, between).await, ["b", "c", "d\n", "e", "f"]);
    let times = store.streams("g", "s", None, 1).await.unwrap()[0].times.unwrap();
    assert_eq!((times.first_event_ms, times.last_event_ms), (10, 30));
}

#[tokio::test]
async fn a_deleted_streams_events_are_gone_at_once_and_from_the_disk_in_time() {
    let fixture = Fixture::new(Config { retention_hours: 0, ..quick() });
    let store = fixture.open();
    store.create_group("g", BTreeMap::new()).await.unwrap();
    for stream in ["a", "b"] {
        store.create_stream("g", stream).await.unwrap();
        store.put("g", stream, events(&[(1, stream)]), None).await.unwrap();
    }
    store.delete_stream("g", "a").await.unwrap();
    assert!(matches!(store.delete_stream("g", "a").await, Err(Error::StreamNotFound)));
    assert_eq!(all(&store, LogQuery::of("g")).await, ["b"]);
    store.maintain().await.unwrap();
    let left: usize = rusqlite::Connection::open(&fixture.path)
        .unwrap()
        .query_row("SELECT count(*) FROM log_events", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 1);
    store.create_stream("g", "a").await.unwrap();
    assert_eq!(all(&store, LogQuery::of("g")).await, ["b"]);
}

#[tokio::test]
async fn a_watch_gets_its_groups_events_or_hears_that_some_were_left_out() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    let mut watch = store.watch(vec![GROUP.into()]);
    store.write(batch(GROUP, "s", &[(1, "seen")]));
    store.write(batch("other", "s", &[(1, "unseen")]));
    store.flush().await.unwrap();
    let written = watch.next().await.unwrap();
    assert_eq!((&*written.group, &*written.events[0].message, written.left_out), (GROUP, "seen", 0));
    store.write(batch(GROUP, "s", &vec![(1, "many"); 501]));
    store.flush().await.unwrap();
    let written = watch.next().await.unwrap();
    assert_eq!((written.events.len(), written.left_out, watch.take_skipped()), (500, 1, 0));
    for _ in 0..20 {
        store.write(batch(GROUP, "s", &[(1, "x"), (2, "y")]));
        store.flush().await.unwrap();
    }
    assert_eq!((watch.take_skipped(), watch.take_skipped()), (8, 0));
    store.shutdown().await;
    while watch.next().await.is_some() {}
}

#[tokio::test]
async fn tags_are_set_and_removed_up_to_a_bound() {
    let fixture = Fixture::new(quick());
    let store = fixture.open();
    let tag = |key: &str| BTreeMap::from([(key.to_owned(), "v".to_owned())]);
    store.create_group("g", tag("a")).await.unwrap();
    store.change_tags("g", tag("b"), vec!["a".to_owned()]).await.unwrap();
    assert_eq!(store.group("g").await.unwrap().tags, tag("b"));
    let many = (0..MAX_TAGS).map(|n| (format!("k{n}"), String::new())).collect();
    assert!(matches!(store.change_tags("g", many, Vec::new()).await, Err(Error::TooManyTags)));
    assert!(matches!(store.change_tags("x", tag("a"), Vec::new()).await, Err(Error::GroupNotFound)));
}

/// What releases before subscription filters left, and before clients could put events.
fn old_database(path: &Path, version: i64, now_ms: i64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let id = EventId::at(now_ms).to_raw();
    connection
        .execute_batch(&format!(
            "PRAGMA auto_vacuum = INCREMENTAL;
            PRAGMA journal_mode = WAL;
            CREATE TABLE log_groups (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, created_ms INTEGER NOT NULL,
                retention_hours INTEGER);
            CREATE TABLE log_streams (id INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL, name TEXT NOT NULL,
                created_ms INTEGER NOT NULL, first_event_ms INTEGER NOT NULL, last_event_ms INTEGER NOT NULL,
                last_event_id INTEGER NOT NULL, UNIQUE (group_id, name));
            CREATE TABLE log_events (group_id INTEGER NOT NULL, id INTEGER NOT NULL, stream_id INTEGER NOT NULL,
                timestamp_ms INTEGER NOT NULL, message TEXT NOT NULL, PRIMARY KEY (group_id, id)) WITHOUT ROWID;
            INSERT INTO log_groups VALUES (1, '{GROUP}', 5, 48), (2, NULL, 5, NULL);
            INSERT INTO log_streams VALUES (1, 1, 'a', 6, {now_ms}, {now_ms}, {last}), (2, 1, 'empty', 6, {none}, 0, 0);
            INSERT INTO log_events VALUES (1, {id}, 1, {now_ms}, 'one'), (1, {last}, 1, {now_ms}, 'two'), (2, 7, 9, 1, 'gone');
            PRAGMA user_version = 1;",
            last = id + 1,
            none = i64::MAX,
        ))
        .unwrap();
    if version == 2 {
        connection
            .execute_batch(
                "ALTER TABLE log_groups ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
                ALTER TABLE log_streams ADD COLUMN last_ingestion_ms INTEGER NOT NULL DEFAULT 0;
                UPDATE log_streams SET last_ingestion_ms = last_event_id >> 20;
                ALTER TABLE log_events ADD COLUMN ingestion_ms INTEGER;
                CREATE TABLE deleted_streams (id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL);
                PRAGMA user_version = 2;",
            )
            .unwrap();
    }
}

#[tokio::test]
async fn what_older_releases_wrote_is_there_and_goes_on() {
    for version in [1, 2] {
        let fixture = Fixture::new(quick());
        let now_ms = fixture.clock.now_ms() - 60_000;
        old_database(&fixture.path, version, now_ms);
        for _ in 0..2 {
            let store = fixture.open();
            assert_eq!(all(&store, LogQuery::of(GROUP)).await[..2], ["one", "two"]);
            let page = store.query(LogQuery::of(GROUP)).await.unwrap();
            assert_eq!((page.events[0].timestamp_ms, page.events[0].ingestion_ms), (now_ms, now_ms));
            let group = store.group(GROUP).await.unwrap();
            assert_eq!((group.created_ms, group.retention_hours, group.tags), (5, Some(48), BTreeMap::new()));
            let streams = store.streams(GROUP, "", None, 10).await.unwrap();
            assert_eq!(
                streams.iter().map(|s| (s.name.as_str(), s.created_ms)).collect::<Vec<_>>(),
                [("a", 6), ("empty", 6)]
            );
            assert_eq!(streams[0].times.map(|times| times.first_event_ms), Some(now_ms));
            assert_eq!(streams[1].times, None);
            store.shutdown().await;
        }
        // What is new works on it: clients put, filters subscribe, and what a deleted group left is tidied away.
        let store = fixture.open();
        store.change_tags(GROUP, BTreeMap::from([("k".into(), "v".into())]), Vec::new()).await.unwrap();
        store.put(GROUP, "empty", events(&[(now_ms + 1, "three")]), None).await.unwrap();
        store.write(batch(GROUP, "a", &[(now_ms + 2, "four")]));
        store.flush().await.unwrap();
        assert_eq!(all(&store, LogQuery::of(GROUP)).await, ["one", "two", "three", "four"]);
        assert_eq!(store.subscription_filters(GROUP, "", None, 10).await.unwrap(), []);
        assert_eq!(store.pending_subscriptions().await.unwrap(), []);
        store.maintain().await.unwrap();
        store.shutdown().await;
        let connection = rusqlite::Connection::open(&fixture.path).unwrap();
        let left: i64 =
            connection.query_row("SELECT count(*) FROM log_events WHERE group_id = 2", [], |row| row.get(0)).unwrap();
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!((left, version), (0, 4));
    }
}
