//! Mappings over storage in memory and a paused clock, in front of an `Invoke` that records and answers as it is told.

use super::*;
use crate::clock::TokioClock;
use crate::ids::{FunctionName, QueueName, Version};
use crate::invocation::{
    FunctionError, Invocation, InvokeError, Outcome, Payload, Response, Source, StartKind, ThrottleReason,
};
use crate::shutdown::{Ending, Limits};
use crate::storage::Storage;
use crate::storage::mappings::FunctionResponseType;
use crate::storage::queues::{FifoAttributes, NewMessage, QueueAttributes, QueueRecord, RedrivePolicy};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::time::Instant;

/// How one invocation is to end.
enum Answer {
    Ok(&'static str),
    /// Reports the messages with these bodies as failed.
    Failing(&'static [&'static str]),
    Error,
    Throttle,
    /// Takes so many seconds and goes well.
    Slow(u64),
}

#[derive(Default)]
struct Recorder {
    /// Consumed one an invocation; then all go well.
    answers: Mutex<VecDeque<Answer>>,
    events: Mutex<Vec<(Duration, Value)>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
    started: Mutex<Option<Instant>>,
}

impl Invoke for Recorder {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(async move {
            assert_eq!(invocation.source, Source::Queue);
            let Payload::Event(event) = invocation.payload else { panic!("not an event") };
            let event: Value = serde_json::from_slice(&event).unwrap();
            let since = self.started.lock().get_or_insert_with(Instant::now).elapsed();
            let answer = self.answers.lock().pop_front().unwrap_or(Answer::Ok("null"));
            let records = event["Records"].as_array().unwrap().clone();
            self.events.lock().push((since, event));
            let _running = Running::new(self);
            let result = match answer {
                Answer::Ok(text) => Ok(Response::Event(Bytes::from_static(text.as_bytes()))),
                Answer::Failing(bodies) => {
                    let failed = records.iter().filter(|record| bodies.contains(&record["body"].as_str().unwrap()));
                    let failed: Vec<_> =
                        failed.map(|record| json!({ "itemIdentifier": record["messageId"] })).collect();
                    Ok(Response::Event(json!({ "batchItemFailures": failed }).to_string().into()))
                }
                Answer::Error => Err(FunctionError {
                    handled: true,
                    error_type: "Error".into(),
                    error_message: "on purpose".into(),
                    stack_trace: Vec::new(),
                    document: None,
                }),
                Answer::Throttle => return Err(InvokeError::Throttled(ThrottleReason::HostCapacity)),
                Answer::Slow(seconds) => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    Ok(Response::Event(Bytes::from_static(b"null")))
                }
            };
            Ok(Outcome {
                executed_version: Version::Latest,
                result,
                start: StartKind::Warm,
                duration: Duration::ZERO,
                init_duration: None,
                log_tail: None,
            })
        })
    }
}

struct Running<'a>(&'a Recorder);

impl<'a> Running<'a> {
    fn new(recorder: &'a Recorder) -> Self {
        let now = recorder.running.fetch_add(1, Ordering::SeqCst) + 1;
        recorder.most_running.fetch_max(now, Ordering::SeqCst);
        Self(recorder)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Directory(AtomicBool);

impl FunctionDirectory for Directory {
    fn exists(&self, function: &FunctionRef) -> bool {
        self.0.load(Ordering::SeqCst) && function.name.as_str() != "missing"
    }

    fn stops(&self, _: &FunctionRef, _: &crate::invocation::lineage::Lineage) -> bool {
        false
    }
}

#[derive(Default)]
struct Observer(Mutex<Vec<MappingEvent>>);

impl MappingObserver for Observer {
    fn observed(&self, _: &MappingRecord, event: MappingEvent) {
        self.0.lock().push(event);
    }
}

struct World {
    mappings: Arc<EventSourceMappings>,
    parts: Parts,
    recorder: Arc<Recorder>,
    directory: Arc<Directory>,
    observer: Arc<Observer>,
    shutdown: Shutdown,
}

const OPTIONS: Options =
    Options { concurrency: 8, drain: Duration::from_secs(20), sweep_interval: Duration::from_secs(60) };

impl World {
    async fn new() -> Self {
        let storage = Storage::memory().unwrap();
        let recorder = Arc::new(Recorder::default());
        let directory = Arc::new(Directory(AtomicBool::new(true)));
        let observer = Arc::new(Observer::default());
        let parts = Parts {
            mappings: storage.mappings,
            queues: storage.queues,
            invoker: recorder.clone(),
            functions: directory.clone(),
            observer: observer.clone(),
            clock: Arc::new(TokioClock::starting_at(Timestamp::from_second(1_700_000_000).unwrap())),
            home: Home::default(),
        };
        let shutdown = Shutdown::new();
        let mappings = EventSourceMappings::start(parts.clone(), OPTIONS, shutdown.clone()).await.unwrap();
        Self { mappings, parts, recorder, directory, observer, shutdown }
    }

    async fn queue(&self, name: &str, attributes: QueueAttributes) {
        let name = QueueName::new(name).unwrap();
        let attributes = QueueAttributes { fifo: name.is_fifo().then(FifoAttributes::default), ..attributes };
        let record = QueueRecord { name, attributes, tags: BTreeMap::new(), created_at_ms: 0, modified_at_ms: 0 };
        self.parts.queues.create(record).await.unwrap();
    }

    async fn send(&self, queue: &str, bodies: &[&str]) {
        let messages = bodies.iter().map(|body| NewMessage {
            body: (*body).to_owned(),
            // On FIFO queues the first letter is the group.
            group_id: queue.ends_with(".fifo").then(|| body.chars().take(1).collect()),
            ..NewMessage::default()
        });
        let name = QueueName::new(queue).unwrap();
        self.parts.queues.send(name, messages.collect(), self.parts.clock.now_ms()).await.unwrap().unwrap();
    }

    fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.recorder.answers.lock().extend(answers);
    }

    async fn map(&self, queue: &str, change: impl FnOnce(&mut NewMapping)) -> MappingRecord {
        let mut new = mapping(queue);
        change(&mut new);
        self.mappings.create(new).await.unwrap()
    }

    /// The bodies of each event so far.
    fn batches(&self) -> Vec<Vec<String>> {
        let bodies = |event: &Value| {
            let records = event["Records"].as_array().unwrap();
            records.iter().map(|record| record["body"].as_str().unwrap().to_owned()).collect()
        };
        self.recorder.events.lock().iter().map(|(_, event)| bodies(event)).collect()
    }

    /// Seconds from the first event to each.
    fn times_s(&self) -> Vec<u64> {
        self.recorder.events.lock().iter().map(|(since, _)| since.as_secs()).collect()
    }

    async fn stats(&self, queue: &str) -> (u64, u64) {
        let name = QueueName::new(queue).unwrap();
        let stats = self.parts.queues.stats(name, self.parts.clock.now_ms()).await.unwrap().unwrap();
        (stats.visible, stats.in_flight)
    }

    fn observed(&self) -> Vec<MappingEvent> {
        self.observer.0.lock().clone()
    }
}

fn mapping(queue: &str) -> NewMapping {
    let function = FunctionRef { name: FunctionName::new("worker").unwrap(), qualifier: None };
    NewMapping::new(function, format!("arn:aws:sqs:us-east-1:000000000000:{queue}"))
}

fn standard() -> QueueAttributes {
    QueueAttributes::default()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_has_lambdas_shape_and_success_deletes() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.map("q", |_| {}).await;
    let message = NewMessage {
        body: "Test message.".into(),
        attributes: Some(
            r#"{"a":{"DataType":"String","StringValue":"v"},"b":{"DataType":"Binary","BinaryValue":"AQ=="}}"#.into(),
        ),
        system_attributes: Some(r#"{"AWSTraceHeader":{"DataType":"String","StringValue":"Root=1-2-3"}}"#.into()),
        ..NewMessage::default()
    };
    let queue = QueueName::new("q").unwrap();
    let sent = world.parts.queues.send(queue, vec![message], world.parts.clock.now_ms()).await.unwrap().unwrap();
    pass(1).await;
    let event = world.recorder.events.lock()[0].1.clone();
    let record = &event["Records"][0];
    assert_eq!(
        event,
        json!({ "Records": [{
            "messageId": sent[0].message_id.to_string(),
            "receiptHandle": record["receiptHandle"].as_str().unwrap(),
            "body": "Test message.",
            "attributes": {
                "AWSTraceHeader": "Root=1-2-3",
                "ApproximateFirstReceiveTimestamp": "1700000000000",
                "ApproximateReceiveCount": "1",
                "SenderId": "000000000000",
                "SentTimestamp": "1700000000000",
            },
            "messageAttributes": {
                "a": { "stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String" },
                "b": { "binaryValue": "AQ==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary" },
            },
            "md5OfMessageAttributes": record["md5OfMessageAttributes"].as_str().unwrap(),
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
            "awsRegion": "us-east-1",
        }]})
    );
    assert_eq!(world.stats("q").await, (0, 0));
    assert_eq!(world.observed(), [MappingEvent::Batch { messages: 1, failed: 0 }]);
}

#[tokio::test(start_paused = true)]
async fn failure_leaves_messages_to_their_timeout_and_the_redrive_policy() {
    let world = World::new().await;
    world.queue("dead", standard()).await;
    let redrive = RedrivePolicy { dead_letter_queue: QueueName::new("dead").unwrap(), max_receive_count: 2 };
    world.queue("q", QueueAttributes { redrive: Some(redrive), ..standard() }).await;
    world.map("q", |_| {}).await;
    world.answer([Answer::Error, Answer::Error]);
    world.send("q", &["m"]).await;
    pass(100).await;
    assert_eq!(world.times_s(), [0, 30]);
    assert_eq!((world.stats("q").await, world.stats("dead").await), ((0, 0), (1, 0)));
    let failed = MappingEvent::Batch { messages: 1, failed: 1 };
    assert_eq!(world.observed(), [failed, failed, MappingEvent::DeadLettered { messages: 1 }]);
}

#[tokio::test(start_paused = true)]
async fn reported_failures_stay_and_the_rest_is_deleted() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.send("q", &["a", "b", "c"]).await;
    world.answer([Answer::Failing(&["b"])]);
    world.map("q", |new| new.function_response_types = vec![FunctionResponseType::ReportBatchItemFailures]).await;
    pass(1).await;
    assert_eq!(world.stats("q").await, (0, 1));
    pass(30).await;
    assert_eq!(world.batches(), [vec!["a", "b", "c"], vec!["b"]]);
    world.send("q", &["d"]).await;
    world.answer([Answer::Ok("nonsense")]);
    pass(1).await;
    assert_eq!(world.stats("q").await, (0, 1), "what cannot be read fails all");
}

#[tokio::test(start_paused = true)]
async fn without_reporting_the_response_does_not_matter() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.send("q", &["a"]).await;
    world.answer([Answer::Failing(&["a"])]);
    world.map("q", |_| {}).await;
    pass(1).await;
    assert_eq!(world.stats("q").await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn fifo_groups_keep_their_order_through_failures() {
    let world = World::new().await;
    world.queue("q.fifo", standard()).await;
    world.send("q.fifo", &["a1", "b1", "a2", "a3", "b2"]).await;
    world.answer([Answer::Failing(&["a2"])]);
    world.map("q.fifo", |new| new.function_response_types = vec![FunctionResponseType::ReportBatchItemFailures]).await;
    pass(1).await;
    let mut first = world.batches()[0].clone();
    first.sort();
    assert_eq!(first, ["a1", "a2", "a3", "b1", "b2"]);
    world.send("q.fifo", &["a4"]).await;
    pass(60).await;
    let after: Vec<String> = world.batches().into_iter().skip(1).flatten().collect();
    assert_eq!(after, ["a2", "a3", "a4"]);
    assert_eq!(world.stats("q.fifo").await, (0, 0));
    let group = world.recorder.events.lock()[1].1["Records"][0]["attributes"]["MessageGroupId"].clone();
    assert_eq!(group, "a");
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_across_receives() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.map("q", |new| (new.batch_size, new.batching_window_s) = (Some(50), 60)).await;
    for n in 0..5 {
        world.send("q", &[&n.to_string()]).await;
        pass(10).await;
    }
    assert!(world.batches().is_empty(), "the window is longer than the visibility timeout, and still holds");
    pass(20).await;
    assert_eq!(world.batches(), [vec!["0", "1", "2", "3", "4"]]);
    assert_eq!(world.stats("q").await, (0, 0));
    let bodies: Vec<String> = (0..120).map(|n| n.to_string()).collect();
    world.send("q", &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    pass(1).await;
    let sizes: Vec<usize> = world.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [5, 50, 50], "full batches do not wait");
    pass(61).await;
    assert_eq!(world.batches()[3].len(), 20);
}

#[tokio::test(start_paused = true)]
async fn events_stay_within_six_megabytes() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    let large = "x".repeat(1_000_000);
    world.send("q", &[large.as_str(); 10]).await;
    world.map("q", |_| {}).await;
    pass(1).await;
    let sizes: Vec<usize> = world.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [6, 4]);
    for (_, event) in world.recorder.events.lock().iter() {
        assert!(event.to_string().len() <= crate::invocation::PAYLOAD_LIMIT_BYTES);
    }
    assert_eq!(world.stats("q").await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn filtered_messages_are_deleted() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.map("q", |new| new.filters = vec![r#"{"body":{"kind":["order"]}}"#.into()]).await;
    world.send("q", &[r#"{"kind":"order"}"#, r#"{"kind":"other"}"#, "text"]).await;
    pass(1).await;
    assert_eq!(world.batches(), [vec![r#"{"kind":"order"}"#]]);
    assert_eq!(world.stats("q").await, (0, 0));
    assert!(world.observed().contains(&MappingEvent::Filtered { messages: 2 }));
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_bounded() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    let bodies: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    world.send("q", &bodies[..20]).await;
    world.answer((0..40).map(|_| Answer::Slow(5)));
    let created = world.map("q", |new| (new.batch_size, new.maximum_concurrency) = (Some(1), Some(2))).await;
    pass(60).await;
    assert_eq!(world.batches().len(), 20);
    assert_eq!(world.recorder.most_running.load(Ordering::SeqCst), 2);
    let change = MappingChange { maximum_concurrency: Some(None), ..MappingChange::default() };
    world.mappings.update(&created.uuid, change).await.unwrap();
    world.send("q", &bodies[20..]).await;
    pass(60).await;
    assert_eq!(world.recorder.most_running.load(Ordering::SeqCst), OPTIONS.concurrency);
    assert_eq!(world.stats("q").await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn throttles_use_up_no_receives() {
    let world = World::new().await;
    world.queue("dead", standard()).await;
    let redrive = RedrivePolicy { dead_letter_queue: QueueName::new("dead").unwrap(), max_receive_count: 1 };
    world.queue("q", QueueAttributes { redrive: Some(redrive), ..standard() }).await;
    world.answer((0..100).map(|_| Answer::Throttle));
    world.send("q", &["held"]).await;
    world.map("q", |_| {}).await;
    pass(5).await;
    world.send("q", &["waiting"]).await;
    pass(600).await;
    assert!(world.times_s().len() < 80, "pauses grow: {:?}", world.times_s());
    assert!(world.batches().iter().all(|batch| *batch == ["held"]), "no other batch is taken meanwhile");
    assert_eq!(world.stats("q").await, (1, 1));
    world.recorder.answers.lock().clear();
    pass(20).await;
    assert_eq!((world.stats("q").await, world.stats("dead").await), ((0, 0), (0, 0)));
    assert_eq!(world.batches().last().unwrap(), &["waiting"]);
    let counts = world
        .recorder
        .events
        .lock()
        .iter()
        .all(|(_, event)| event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1");
    assert!(counts);
}

#[tokio::test(start_paused = true)]
async fn disabling_gives_back_what_is_throttled_and_lets_the_rest_end() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.send("q", &["slow", "throttled"]).await;
    world.answer([Answer::Slow(10)]);
    world.answer((0..50).map(|_| Answer::Throttle));
    let created = world.map("q", |new| new.batch_size = Some(1)).await;
    pass(1).await;
    assert_eq!(world.stats("q").await, (0, 2));
    let disable = MappingChange { enabled: Some(false), ..MappingChange::default() };
    let changed = world.mappings.update(&created.uuid, disable).await.unwrap();
    assert_eq!(changed.state, MappingState::Disabling);
    assert_eq!(world.mappings.get(&created.uuid).unwrap().state, MappingState::Disabled);
    pass(1).await;
    assert_eq!(world.stats("q").await, (1, 1), "the throttled one is visible at once");
    assert!(world.observed().contains(&MappingEvent::GivenBack { messages: 1 }));
    pass(20).await;
    assert_eq!(world.stats("q").await, (1, 0), "the running one was deleted");
    let tries = world.batches().len();
    world.recorder.answers.lock().clear();
    let enable = MappingChange { enabled: Some(true), ..MappingChange::default() };
    assert_eq!(world.mappings.update(&created.uuid, enable).await.unwrap().state, MappingState::Enabling);
    pass(1).await;
    assert_eq!(world.batches()[tries..], [vec!["throttled"]]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_mapping_ends_its_gathering_and_finishes_its_batches() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.queue("w", standard()).await;
    let gathering = world.map("w", |new| new.batching_window_s = 100).await;
    let running = world.map("q", |_| {}).await;
    world.answer([Answer::Slow(10)]);
    world.send("q", &["a"]).await;
    world.send("w", &["b"]).await;
    pass(1).await;
    assert_eq!((world.stats("q").await, world.stats("w").await), ((0, 1), (0, 1)));
    for mapping in [&gathering, &running] {
        assert_eq!(world.mappings.delete(&mapping.uuid).await.unwrap().state, MappingState::Deleting);
        assert!(world.mappings.get(&mapping.uuid).is_none());
        assert!(matches!(world.mappings.delete(&mapping.uuid).await, Err(MappingError::NoSuchMapping(_))));
    }
    assert!(world.parts.mappings.load().await.unwrap().is_empty());
    pass(1).await;
    assert_eq!(world.stats("w").await, (1, 0), "what was gathered is visible at once");
    pass(10).await;
    assert_eq!(world.stats("q").await, (0, 0));
    world.send("q", &["c"]).await;
    pass(100).await;
    assert_eq!(world.batches(), [vec!["a"]]);
    assert_eq!(world.shutdown.running(Phase::Intake), 1, "only the sweeper is left");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_finishes_what_it_can_and_gives_back_the_rest() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.send("q", &["short", "long"]).await;
    world.answer([Answer::Slow(10), Answer::Slow(100)]);
    world.map("q", |new| new.batch_size = Some(1)).await;
    pass(1).await;
    world.send("q", &["never"]).await;
    world.answer([Answer::Slow(1000)]);
    pass(1).await;
    let limits = Limits { drain: Duration::from_secs(30), flush: Duration::from_secs(1) };
    assert_eq!(world.shutdown.drain(limits).await, Ending::Drained);
    assert_eq!(world.stats("q").await, (2, 0), "cut off, and visible at once");
    assert_eq!(world.batches().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn mappings_survive_a_restart() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    let enabled = world.map("q", |_| {}).await;
    let mut other = mapping("q");
    other.function = FunctionRef::parse("worker:live").unwrap();
    other.enabled = false;
    let disabled = world.mappings.create(other).await.unwrap();
    let mut broken = world.mappings.get(&disabled.uuid).unwrap();
    broken.uuid = "broken".into();
    broken.filters = vec!["{".into()];
    world.parts.mappings.put(broken).await.unwrap();
    let limits = Limits { drain: Duration::from_secs(30), flush: Duration::from_secs(1) };
    assert_eq!(world.shutdown.drain(limits).await, Ending::Drained);
    world.send("q", &["m"]).await;
    pass(1).await;
    assert!(world.batches().is_empty());
    let again = EventSourceMappings::start(world.parts.clone(), OPTIONS, Shutdown::new()).await.unwrap();
    assert_eq!(again.list().len(), 3);
    assert_eq!(again.get(&enabled.uuid).unwrap().state, MappingState::Enabled);
    assert!(again.get("broken").unwrap().state_reason.starts_with("Invalid filter pattern definition."));
    pass(1).await;
    assert_eq!(world.batches(), [vec!["m"]]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_received_for_a_function_that_is_gone() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.map("q", |_| {}).await;
    world.directory.0.store(false, Ordering::SeqCst);
    // The first wait began before the function went.
    world.answer([Answer::Ok("null")]);
    world.send("q", &["a"]).await;
    pass(1).await;
    world.send("q", &["b"]).await;
    pass(100).await;
    assert_eq!(world.stats("q").await.0, 2 - u64::try_from(world.batches().len()).unwrap());
    assert!(world.batches().len() <= 1);
    world.directory.0.store(true, Ordering::SeqCst);
    pass(20).await;
    assert_eq!(world.stats("q").await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn delayed_messages_and_new_queues_wake_the_poller() {
    let world = World::new().await;
    world.queue("q", QueueAttributes { delay_s: 40, ..standard() }).await;
    world.map("q", |_| {}).await;
    world.send("q", &["late"]).await;
    pass(39).await;
    assert!(world.batches().is_empty());
    pass(2).await;
    assert_eq!(world.batches(), [vec!["late"]]);
    world.parts.queues.delete(QueueName::new("q").unwrap()).await.unwrap().unwrap();
    pass(100).await;
    world.queue("q", standard()).await;
    world.send("q", &["new"]).await;
    pass(1).await;
    assert_eq!(world.batches()[1..], [vec!["new"]]);
}

#[tokio::test(start_paused = true)]
async fn queues_are_swept() {
    let world = World::new().await;
    world.queue("q", QueueAttributes { retention_s: 60, ..standard() }).await;
    world.send("q", &["old"]).await;
    pass(50).await;
    assert_eq!(world.stats("q").await.0, 1);
    pass(80).await;
    assert_eq!(world.stats("q").await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn settings_are_checked() {
    let world = World::new().await;
    world.queue("q", standard()).await;
    world.queue("q.fifo", standard()).await;
    let refused = async |queue: &str, change: fn(&mut NewMapping)| {
        let mut new = mapping(queue);
        change(&mut new);
        world.mappings.create(new).await.unwrap_err().to_string()
    };
    let window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    assert_eq!(refused("q", |new| new.batch_size = Some(11)).await, window);
    assert!(refused("q", |new| new.batch_size = Some(0)).await.starts_with("Batch size"));
    assert!(refused("q", |new| new.batch_size = Some(10_001)).await.starts_with("Batch size"));
    assert!(refused("q.fifo", |new| new.batch_size = Some(11)).await.starts_with("Batch size"));
    assert!(refused("q", |new| new.batching_window_s = 301).await.starts_with("Maximum batch window"));
    assert!(refused("q.fifo", |new| new.batching_window_s = 1).await.starts_with("Batching window"));
    assert!(refused("q", |new| new.maximum_concurrency = Some(1)).await.starts_with("Maximum concurrency"));
    assert!(refused("q", |new| new.filters = vec!["{".into()]).await.starts_with("Invalid filter pattern"));
    assert!(refused("q", |new| new.filters = vec!["x".repeat(4097)]).await.contains("4096"));
    assert!(refused("q", |new| new.filters = vec![r#"{"body":["a"]}"#.into(); 11]).await.contains("limit of 10"));
    assert!(refused("none", |_| {}).await.contains("AWS.SimpleQueueService.NonExistentQueue"));
    assert!(refused("q", |new| new.event_source_arn = "arn:aws:kinesis:r:a:s".into()).await.contains("SQS"));
    let missing = refused("q", |new| new.function = FunctionRef::parse("missing:live").unwrap()).await;
    assert_eq!(missing, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:missing:live");
    let first = world.map("q", |_| {}).await;
    let conflict = refused("q", |new| new.function = FunctionRef::parse("worker:$LATEST").unwrap()).await;
    assert!(conflict.contains("already exists") && conflict.contains(&first.uuid), "{conflict}");
    let change = MappingChange { batch_size: Some(20), ..MappingChange::default() };
    assert_eq!(world.mappings.update(&first.uuid, change).await.unwrap_err().to_string(), window);
    assert_eq!(world.mappings.get(&first.uuid).unwrap().batch_size, 10, "nothing was changed");
}
