//! What is special to this backend: files, damage, limits, failures of single writes, crashes.

use super::*;
use crate::ids::QueueName;
use crate::storage::queues::{Created, NewMessage, QueueAttributes, QueueRecord};
use futures_util::future::poll_immediate;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

/// Names the directory in the process that is killed.
const CRASH_DIR: &str = "LAMINA_TEST_CRASH_DIR";

fn queue() -> QueueName {
    QueueName::new("q").unwrap()
}

async fn create_queue(storage: &Storage) -> Created {
    let attributes = QueueAttributes { retention_s: 1_209_600, ..QueueAttributes::default() };
    let record = QueueRecord { name: queue(), attributes, tags: BTreeMap::new(), created_at_ms: 0, modified_at_ms: 0 };
    storage.queues.create(record).await.unwrap()
}

async fn send(storage: &Storage, body: String) -> Result<()> {
    let message = NewMessage { body, ..NewMessage::default() };
    storage.queues.send(queue(), vec![message], 0).await.map(|sent| drop(sent.unwrap()))
}

async fn receive_all(storage: &Storage) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let received = storage.queues.receive(queue(), 1000, Some(43_200), 0).await.unwrap().unwrap();
        if received.messages.is_empty() {
            return all;
        }
        all.extend(received.messages.into_iter().map(|message| message.body));
    }
}

/// What commits were made of.
#[derive(Default)]
struct Commits(Mutex<Vec<(usize, bool)>>);

impl CommitObserver for Commits {
    fn committed(&self, _latency: Duration, jobs: usize, succeeded: bool) {
        self.0.lock().push((jobs, succeeded));
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut numbers = HashSet::new();
    for round in 0..3 {
        let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
        assert_eq!(create_queue(&storage).await == Created::New, round == 0);
        send(&storage, round.to_string()).await.unwrap();
        let received = storage.queues.receive(queue(), 10, Some(0), 0).await.unwrap().unwrap().messages;
        assert_eq!(received.len(), round + 1);
        for message in &received {
            assert_eq!(message.receive_count as usize, round + 1 - message.body.parse::<usize>().unwrap());
        }
        numbers.insert(received.iter().map(|message| message.receipt_handle.message).max().unwrap());
        storage.close().await.unwrap();
    }
    assert_eq!(numbers.len(), 3);
}

#[tokio::test]
async fn a_second_daemon_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
    let second = Storage::embedded(dir.path(), Options::default()).err().unwrap();
    assert!(second.to_string().contains("in use by another process"), "{second}");
    storage.close().await.unwrap();
    Storage::embedded(dir.path(), Options::default()).unwrap();
}

#[tokio::test]
async fn what_a_killed_daemon_leaves_locked_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let held = lock(dir.path()).unwrap();
    // As long as nobody who opens it can have missed it.
    let child = std::thread::spawn(move || {
        std::thread::sleep(LOCK_WAIT / 4);
        drop(held);
    });
    let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
    storage.close().await.unwrap();
    child.join().unwrap();
}

#[tokio::test]
async fn damage_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
    create_queue(&storage).await;
    for _ in 0..100 {
        send(&storage, "x".repeat(10_000)).await.unwrap();
    }
    storage.close().await.unwrap();
    let path = dir.path().join(DATABASE_FILE);
    let good = std::fs::read(&path).unwrap();
    let garbage: Vec<u8> = std::iter::repeat_n(0xa5, good.len()).collect();
    let mut torn = good.clone();
    torn[4096..].fill(0xa5);
    for (what, bytes) in
        [("cut", &good[..good.len() / 2]), ("short", &good[..50]), ("garbage", &garbage), ("torn", &torn)]
    {
        std::fs::write(&path, bytes).unwrap();
        let error = Storage::embedded(dir.path(), Options::default()).err();
        assert!(matches!(error, Some(Error::Corrupt(_))), "{what}: {error:?}");
        assert!(!error.unwrap().is_retryable());
    }
    std::fs::write(&path, &good).unwrap();
    let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
    assert_eq!(receive_all(&storage).await.len(), 100);
}

#[tokio::test]
async fn damage_met_later_is_an_error_too() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
    create_queue(&storage).await;
    for _ in 0..100 {
        send(&storage, "x".repeat(1_000)).await.unwrap();
    }
    storage.close().await.unwrap();
    let path = dir.path().join(DATABASE_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let pages = bytes.len() / 4096;
    // Pages at the end hold messages; their heads say what they are.
    for page in pages - 10..pages {
        bytes[page * 4096..page * 4096 + 100].fill(0xff);
    }
    std::fs::write(&path, bytes).unwrap();
    let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
    let received = storage.queues.receive(queue(), 100, None, 0).await;
    assert!(matches!(received, Err(Error::Corrupt(_))), "{received:?}");
    storage.close().await.unwrap();
}

#[tokio::test]
async fn a_full_database_refuses_what_needs_room_and_serves_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { maximum_size_bytes: Some(2 << 20), ..Options::default() };
    let storage = Storage::embedded(dir.path(), options).unwrap();
    create_queue(&storage).await;
    let mut sent = 0;
    let error = loop {
        match send(&storage, "x".repeat(50_000)).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full(_)) && error.is_retryable(), "{error}");
    // What fits still goes through beside what does not.
    let (large, small) = tokio::join!(send(&storage, "x".repeat(500_000)), send(&storage, "y".into()));
    assert!(matches!(large, Err(Error::Full(_))));
    small.unwrap();
    let received = storage.queues.receive(queue(), 10, Some(60), 0).await.unwrap().unwrap().messages;
    let handles = received.iter().map(|message| message.receipt_handle).collect();
    storage.queues.delete_messages(queue(), handles, 0).await.unwrap().unwrap();
    send(&storage, "x".repeat(50_000)).await.unwrap();
    assert_eq!(receive_all(&storage).await.len(), sent + 2 - 10);
    storage.close().await.unwrap();
}

#[tokio::test]
async fn waiting_writes_share_a_commit_and_a_failing_one_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let commits = Arc::new(Commits::default());
    let path = dir.path().join(DATABASE_FILE);
    let connection = schema::open(&path, None).unwrap();
    let writer = Arc::new(Writer::start(connection, &path, Some(commits.clone()), lock(dir.path()).unwrap()).unwrap());
    // Keeps the thread busy until the others wait.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let work = writer.write(move |_| {
        wait.recv().ok();
        Ok(())
    });
    let mut blocker: Pending<'_, ()> = Box::pin(work);
    assert!(poll_immediate(&mut blocker).await.is_none());
    let mut writes = Vec::new();
    for number in 0..10 {
        let mut write: Pending<'_, i64> = Box::pin(writer.write(move |txn| {
            let given = txn.next_number()?;
            let uuid = if number == 3 { None } else { Some(number.to_string()) };
            txn.connection.execute("INSERT INTO mapping VALUES (?1, '')", [uuid])?;
            Ok(given)
        }));
        assert!(poll_immediate(&mut write).await.is_none());
        writes.push(write);
    }
    // Dropped, it also lets the second run of that write pass.
    drop(go);
    blocker.await.unwrap();
    let mut given = HashSet::new();
    for (number, answer) in futures_util::future::join_all(writes).await.into_iter().enumerate() {
        match answer {
            Ok(number) => assert!(given.insert(number)),
            Err(_) => assert_eq!(number, 3),
        }
    }
    assert_eq!(given.len(), 9);
    let seen = commits.0.lock().clone();
    assert!(seen.iter().any(|(jobs, _)| *jobs > 1), "{seen:?}");
    assert!(seen.contains(&(1, false)) && seen.contains(&(1, true)), "{seen:?}");
    let count = writer
        .write(|txn| Ok(txn.connection.query_row("SELECT count(*) FROM mapping", (), |row| row.get::<_, i64>(0))?));
    assert_eq!(count.await.unwrap(), 9);
    writer.stop().await.unwrap();
}

#[tokio::test]
async fn a_drained_queue_gives_its_space_back_and_the_log_stays_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
    create_queue(&storage).await;
    let large = NewMessage { body: "x".repeat(1_000_000), ..NewMessage::default() };
    for _ in 0..12 {
        storage.queues.send(queue(), vec![large.clone(); 8], 0).await.unwrap().unwrap();
        storage.queues.purge(queue()).await.unwrap().unwrap();
    }
    let log = std::fs::metadata(dir.path().join("lamina.db-wal")).unwrap().len();
    // One commit may pass the bound.
    assert!(log < 100 << 20, "{log}");
    loop {
        // Messages first, then space, a piece at a time.
        storage.queues.sweep(0, 1000).await.unwrap();
        let table = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
        let pages: i64 = table.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let free: i64 = table.pragma_query_value(None, "freelist_count", |row| row.get(0)).unwrap();
        assert!(free <= pages);
        if free <= 2048 {
            break;
        }
    }
    storage.close().await.unwrap();
    let size = std::fs::metadata(dir.path().join(DATABASE_FILE)).unwrap().len();
    assert!(size < 16 << 20, "{size}");
}

/// The process that is killed: writes, and says on its standard output what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by what_was_acknowledged_survives_kill_9"]
async fn crash_child() {
    let Some(dir) = std::env::var_os(CRASH_DIR) else { return };
    let round = std::process::id();
    let storage = Storage::embedded(Path::new(&dir), Options::default()).unwrap();
    create_queue(&storage).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let storage = storage.clone();
        tasks.spawn(async move {
            for number in 0.. {
                let kept = format!("kept-{round}-{task}-{number}");
                send(&storage, kept.clone()).await.unwrap();
                // One call a line, past the test harness's capture.
                std::io::stdout().write_all(format!("+{kept}\n").as_bytes()).unwrap();
                let received = storage.queues.receive(queue(), 1, Some(43_200), 0).await.unwrap().unwrap().messages;
                for message in received.into_iter().filter(|message| message.body.ends_with('7')) {
                    std::io::stdout().write_all(format!("?{}\n", message.body).as_bytes()).unwrap();
                    storage.queues.delete_messages(queue(), vec![message.receipt_handle], 0).await.unwrap().unwrap();
                    std::io::stdout().write_all(format!("-{}\n", message.body).as_bytes()).unwrap();
                }
                storage.blobs.put(format!("blob {round} {task} {}", number % 4).into()).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sent, mut deleting, mut deleted) = (HashSet::new(), HashSet::new(), HashSet::new());
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["storage::embedded::tests::crash_child", "--exact", "--ignored", "--nocapture"])
            .env(CRASH_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed after so many acknowledgements; what it said until it died counts too.
        let mut left = 40 + round * 61;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            match line.split_at_checked(1) {
                Some(("+", body)) => drop(sent.insert(body.to_owned())),
                Some(("?", body)) => drop(deleting.insert(body.to_owned())),
                Some(("-", body)) => drop(deleted.insert(body.to_owned())),
                _ => continue,
            }
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(left <= 0, "the process ended by itself");
    }
    assert!(!sent.is_empty() && !deleted.is_empty());
    let storage = Storage::embedded(dir.path(), Options::default()).unwrap();
    for blob in storage.blobs.list().await.unwrap() {
        storage.blobs.get(blob.sha256).await.unwrap().unwrap();
    }
    let mut found = HashSet::new();
    loop {
        // Later than every timeout.
        let received = storage.queues.receive(queue(), 1000, Some(43_200), 50_000_000).await.unwrap().unwrap();
        if received.messages.is_empty() {
            break;
        }
        for message in received.messages {
            assert!(found.insert(message.body.clone()), "{} is there twice", message.body);
        }
    }
    for body in &sent {
        assert!(found.contains(body) || deleting.contains(body), "{body} was acknowledged and is lost");
    }
    for body in &deleted {
        assert!(!found.contains(body), "{body} was deleted and is back");
    }
    storage.close().await.unwrap();
}
