//! Events over storage in memory and a paused clock, in front of an `Invoke` that records and answers as it is told.

use super::*;
use crate::clock::TokioClock;
use crate::ids::Version;
use crate::invocation::{
    FunctionError, Invocation, InvokeError, Outcome, Payload, Response, Source, StartKind, ThrottleReason,
};
use crate::shutdown::{Ending, Limits};
use crate::storage::async_events::Standing;
use crate::storage::queues::{QueueAttributes, QueueRecord, ReceivedMessage};
use crate::storage::{Pending, Storage};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::time::Instant;

#[derive(Default)]
struct Recorder {
    calls: Mutex<Vec<(Duration, String, Bytes, Uuid)>>,
    started: Mutex<Option<Instant>>,
}

impl Recorder {
    /// When a function was called, in whole seconds.
    fn seconds(&self, function: &str) -> Vec<u64> {
        let calls = self.calls.lock();
        calls.iter().filter(|(_, name, ..)| name == function).map(|(at, ..)| at.as_secs()).collect()
    }
}

impl Invoke for Recorder {
    /// What the function is called decides what it does.
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(async move {
            assert_eq!(invocation.source, Source::Asynchronous);
            let Payload::Event(event) = invocation.payload else { panic!("not an event") };
            let since = self.started.lock().get_or_insert_with(Instant::now).elapsed();
            let name = invocation.target.name.to_string();
            self.calls.lock().push((since, name.clone(), event, invocation.request_id));
            let result = match name.as_str() {
                "failing" => Err(FunctionError {
                    handled: true,
                    error_type: "Error".into(),
                    error_message: "on purpose".into(),
                    stack_trace: Vec::new(),
                    document: None,
                }),
                "throttled" => return Err(InvokeError::Throttled(ThrottleReason::ConcurrentInvocationLimitExceeded)),
                "gone" => return Err(InvokeError::FunctionNotFound { arn: "gone".into() }),
                "stuck" => std::future::pending().await,
                _ => Ok(Response::Event(Bytes::from_static(b"{\"a\":1}"))),
            };
            Ok(Outcome {
                executed_version: Version::Number(7),
                result,
                start: StartKind::Warm,
                duration: Duration::ZERO,
                init_duration: None,
                log_tail: None,
            })
        })
    }
}

struct Told(Settings);

impl FunctionSettings for Told {
    fn settings(&self, _target: &FunctionRef) -> Settings {
        self.0.clone()
    }
}

#[derive(Default)]
struct Observer(Mutex<Vec<(String, Dropped)>>);

impl AsyncObserver for Observer {
    fn received(&self, _function: &FunctionName, _events: usize) {}
    fn started(&self, _function: &FunctionName, _age: Duration) {}
    fn dropped(&self, function: &FunctionName, why: Dropped) {
        self.0.lock().push((function.to_string(), why));
    }
    fn undeliverable(&self, _function: &FunctionName) {}
}

struct World {
    all: Arc<AsyncInvocations>,
    storage: Storage,
    recorder: Arc<Recorder>,
    observer: Arc<Observer>,
    shutdown: Shutdown,
}

impl World {
    async fn new(settings: Settings) -> Self {
        Self::over(Storage::memory().unwrap(), settings, Config::default()).await
    }

    async fn over(storage: Storage, settings: Settings, config: Config) -> Self {
        let (recorder, observer, shutdown) = (Arc::<Recorder>::default(), Arc::<Observer>::default(), Shutdown::new());
        *recorder.started.lock() = Some(Instant::now());
        let parts = Parts {
            events: Arc::clone(&storage.async_events),
            queues: Arc::clone(&storage.queues),
            invoker: Arc::clone(&recorder) as _,
            functions: Arc::new(Told(settings)),
            observer: Arc::clone(&observer) as _,
            clock: Arc::new(TokioClock::starting_at(Timestamp::from_second(1_000_000).unwrap())),
            home: Home::default(),
        };
        let all = AsyncInvocations::start(parts, config, shutdown.clone()).await.unwrap();
        Self { all, storage, recorder, observer, shutdown }
    }

    async fn accept(&self, target: &str, payload: &'static str) -> Uuid {
        let request_id = Uuid::new_v4();
        let event = NewEvent {
            request_id,
            target: FunctionRef::parse(target).unwrap(),
            payload: Bytes::from_static(payload.as_bytes()),
            trace_id: Some("Root=1-2-3;Lineage=0000000a:1".into()),
            accepted_at_ms: self.all.now_ms(),
        };
        self.all.accept(event).await.unwrap();
        request_id
    }

    async fn queue(&self, name: &str) -> QueueName {
        let name = QueueName::new(name).unwrap();
        let record = QueueRecord {
            name: name.clone(),
            attributes: QueueAttributes::default(),
            tags: BTreeMap::new(),
            created_at_ms: 0,
            modified_at_ms: 0,
        };
        self.storage.queues.create(record).await.unwrap();
        name
    }

    async fn message(&self, queue: &QueueName) -> ReceivedMessage {
        let received = self.storage.queues.receive(queue.clone(), 10, None, self.all.now_ms()).await.unwrap().unwrap();
        assert_eq!(received.messages.len(), 1);
        received.messages.into_iter().next().unwrap()
    }

    async fn left(&self) -> Vec<Seen<EventSummary>> {
        self.all.list(Selection::default(), None, 100).await.unwrap()
    }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Events whose readers hear of what they read a second later.
struct LateReads(Arc<dyn AsyncEvents>);

impl AsyncEvents for LateReads {
    fn due(
        &self,
        function: FunctionName,
        now_ms: i64,
        except: HashSet<EventId>,
        limit: usize,
        limit_bytes: usize,
    ) -> Pending<'_, async_events::Due> {
        let due = self.0.due(function, now_ms, except, limit, limit_bytes);
        Box::pin(async move {
            let due = due.await;
            seconds(1).await;
            due
        })
    }
    fn accept(&self, events: Vec<NewEvent>) -> Pending<'_, ()> {
        self.0.accept(events)
    }
    fn reschedule(&self, id: EventId, attempts: u32, due_at_ms: i64, failure: Option<String>) -> Pending<'_, bool> {
        self.0.reschedule(id, attempts, due_at_ms, failure)
    }
    fn bury(&self, id: EventId, attempts: u32, dead_at_ms: i64, failure: Option<String>) -> Pending<'_, bool> {
        self.0.bury(id, attempts, dead_at_ms, failure)
    }
    fn remove(&self, id: EventId) -> Pending<'_, bool> {
        self.0.remove(id)
    }
    fn find(&self, request_id: Uuid) -> Pending<'_, Option<Event>> {
        self.0.find(request_id)
    }
    fn list(&self, selection: Selection, after: Option<EventId>, limit: usize) -> Pending<'_, Vec<EventSummary>> {
        self.0.list(selection, after, limit)
    }
    fn redrive(
        &self,
        selection: Selection,
        after: Option<EventId>,
        limit: usize,
        now_ms: i64,
    ) -> Pending<'_, Vec<EventSummary>> {
        self.0.redrive(selection, after, limit, now_ms)
    }
    fn purge(&self, selection: Selection, except: HashSet<EventId>, limit: usize) -> Pending<'_, usize> {
        self.0.purge(selection, except, limit)
    }
    fn sweep(&self, dead_before_ms: i64, limit: usize) -> Pending<'_, usize> {
        self.0.sweep(dead_before_ms, limit)
    }
    fn backlog(&self) -> Pending<'_, Vec<async_events::Backlog>> {
        self.0.backlog()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_while_its_lane_reads_is_tried_again() {
    let mut storage = Storage::memory().unwrap();
    storage.async_events = Arc::new(LateReads(Arc::clone(&storage.async_events)));
    let world = World::over(storage, Settings::default(), Config::default()).await;
    world.accept("failing", "1").await;
    seconds(300).await;
    assert_eq!(world.recorder.calls.lock().len(), 3);
    assert!(world.left().await[0].event.dead_at_ms.is_some());
    assert!(world.all.lanes.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delivered_event_is_gone_and_its_lane_too() {
    let world = World::new(Settings::default()).await;
    let id = world.accept("f:live", "{\"n\":1}").await;
    seconds(1).await;
    let calls = world.recorder.calls.lock().clone();
    assert_eq!((calls.len(), &calls[0].2[..], calls[0].3), (1, &b"{\"n\":1}"[..], id));
    assert_eq!(world.left().await, []);
    assert!(world.all.lanes.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failing_event_is_tried_after_one_and_two_minutes_and_then_dead() {
    let world = World::new(Settings::default()).await;
    let id = world.accept("failing", "1").await;
    seconds(300).await;
    assert_eq!(world.recorder.seconds("failing"), [0, 60, 180]);
    assert!(world.recorder.calls.lock().iter().all(|(.., request_id)| *request_id == id));
    let left = world.left().await;
    assert_eq!((left.len(), left[0].event.attempts), (1, 3));
    assert!(left[0].event.dead_at_ms.is_some() && !left[0].in_flight);
    assert_eq!(*world.observer.0.lock(), [("failing".to_owned(), Dropped::RetriesExhausted)]);

    let dead = Selection { standing: Some(Standing::Dead), ..Selection::default() };
    assert_eq!(world.all.redrive(dead.clone()).await.unwrap(), 1);
    seconds(1).await;
    assert_eq!(world.recorder.seconds("failing"), [0, 60, 180, 300]);
    assert_eq!(world.all.purge(Selection::default()).await.unwrap(), 1);
    seconds(600).await;
    assert_eq!((world.recorder.seconds("failing").len(), world.left().await), (4, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_failure_and_a_dead_letter_say_what_lambda_s_do() {
    let settings = Settings {
        maximum_retry_attempts: 0,
        on_failure: Some(Destination::Queue(QueueName::new("records").unwrap())),
        dead_letter_queue: Some(QueueName::new("letters").unwrap()),
        ..Settings::default()
    };
    let world = World::new(settings).await;
    let (records, letters) = (world.queue("records").await, world.queue("letters").await);
    let id = world.accept("failing:live", "{\"n\": 1.0}").await;
    seconds(1).await;
    assert_eq!(world.left().await, []);

    let message = world.message(&records).await;
    assert!(message.body.contains("{\"n\": 1.0}"), "{}", message.body);
    let record: Value = serde_json::from_str(&message.body).unwrap();
    let expected = json!({
        "version": "1.0",
        "timestamp": record["timestamp"],
        "requestContext": {
            "requestId": id.to_string(),
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:failing:live",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 1,
        },
        "requestPayload": { "n": 1.0 },
        "responseContext": { "statusCode": 200, "executedVersion": "7", "functionError": "Unhandled" },
        "responsePayload": { "errorType": "Error", "errorMessage": "on purpose", "stackTrace": [] },
    });
    assert_eq!(record, expected);
    let mark = crate::ids::FunctionMark::of("arn:aws:lambda:us-east-1:000000000000:function:failing").0;
    let lineage = format!("Root=1-2-3;Lineage=0000000a:1|{mark:08x}:1\"");
    assert!(message.system_attributes.unwrap().contains(&lineage));

    let letter = world.message(&letters).await;
    assert_eq!(letter.body, "{\"n\": 1.0}");
    assert!(letter.system_attributes.unwrap().contains(&lineage));
    let attributes: Value = serde_json::from_str(&letter.attributes.unwrap()).unwrap();
    assert_eq!(attributes["RequestID"], json!({ "DataType": "String", "StringValue": id.to_string() }));
    assert_eq!(attributes["ErrorCode"], json!({ "DataType": "Number", "StringValue": "200" }));
    assert_eq!(attributes["ErrorMessage"], json!({ "DataType": "String", "StringValue": "on purpose" }));
}

#[tokio::test(start_paused = true)]
async fn a_success_can_be_handed_to_a_function() {
    let to = Destination::Function(FunctionRef::parse("next").unwrap());
    let world = World::new(Settings { on_success: Some(to), ..Settings::default() }).await;
    world.accept("f", "[]").await;
    for _ in 0..100 {
        if world.recorder.calls.lock().len() > 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let calls = world.recorder.calls.lock().clone();
    let record: Value = serde_json::from_slice(&calls[1].2).unwrap();
    assert_eq!((calls[1].1.as_str(), &record["requestContext"]["condition"]), ("next", &json!("Success")));
    assert_eq!(record["responseContext"], json!({ "statusCode": 200, "executedVersion": "7" }));
    assert_eq!((&record["responsePayload"], &record["requestPayload"]), (&json!({ "a": 1 }), &json!([])));
    assert_eq!(record["requestContext"]["functionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
    let _ = world.shutdown.drain(Limits { drain: Duration::from_secs(1), flush: Duration::from_secs(1) }).await;
}

#[tokio::test(start_paused = true)]
async fn throttled_events_are_tried_until_they_are_too_old_and_hold_up_nobody() {
    let settings = Settings { maximum_event_age_s: 60, ..Settings::default() };
    let world = World::new(settings).await;
    for _ in 0..300 {
        world.accept("throttled", "1").await;
    }
    world.accept("f", "1").await;
    seconds(1).await;
    assert_eq!(world.recorder.seconds("f"), [0]);
    let tried = world.recorder.seconds("throttled").len();
    seconds(30).await;
    let more = world.recorder.seconds("throttled").len() - tried;
    assert!((2..20).contains(&more), "{more}");
    assert!(world.left().await.iter().all(|seen| seen.event.attempts == 0));
    seconds(60).await;
    let left = world.left().await;
    assert_eq!(left.iter().filter(|seen| seen.event.dead_at_ms.is_some()).count(), 100);
    assert_eq!(world.observer.0.lock().len(), 300);
    assert!(world.observer.0.lock().iter().all(|(_, why)| *why == Dropped::EventAgeExceeded));
}

#[tokio::test(start_paused = true)]
async fn stuck_functions_leave_a_place_to_others() {
    let config = Config { in_flight: 2, ..Config::default() };
    let world = World::over(Storage::memory().unwrap(), Settings::default(), config).await;
    for _ in 0..10 {
        world.accept("stuck", "1").await;
    }
    seconds(1).await;
    let stuck = world.recorder.seconds("stuck").len();
    assert!((2..=3).contains(&stuck), "{stuck}");
    for _ in 0..5 {
        world.accept("f", "1").await;
    }
    seconds(1).await;
    assert_eq!(world.recorder.seconds("f").len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_delivered_is_delivered_after_a_restart() {
    let storage = Storage::memory().unwrap();
    let world = World::over(storage.clone(), Settings::default(), Config::default()).await;
    world.accept("stuck", "1").await;
    world.accept("failing", "2").await;
    seconds(1).await;
    let limits = Limits { drain: Duration::from_secs(5), flush: Duration::from_secs(1) };
    // The stuck one.
    assert_eq!(world.shutdown.drain(limits).await, Ending::Cut { tasks: 1 });

    let again = World::over(storage, Settings::default(), Config::default()).await;
    seconds(100).await;
    assert_eq!(again.recorder.seconds("stuck").len(), 1);
    assert_eq!(again.recorder.seconds("failing").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_function_that_is_gone_dies_at_once() {
    let world = World::new(Settings::default()).await;
    world.accept("gone", "1").await;
    seconds(1).await;
    let left = world.left().await;
    assert_eq!((left[0].event.attempts, left[0].event.dead_at_ms.is_some()), (0, true));
    let event = world.all.find(left[0].event.request_id).await.unwrap().unwrap();
    assert!(event.event.failure.unwrap().contains("404"));
}

#[tokio::test(start_paused = true)]
async fn dead_events_are_kept_for_their_retention() {
    let config = Config { dead_retention_s: 3_600, ..Config::default() };
    let world = World::over(Storage::memory().unwrap(), Settings::default(), config).await;
    world.accept("gone", "1").await;
    seconds(3_500).await;
    assert_eq!(world.left().await.len(), 1);
    seconds(300).await;
    assert_eq!(world.left().await, []);
}

#[test]
fn the_bounds_of_the_configuration_hold() {
    assert_eq!(Config::default().check(), Ok(()));
    let wrong = Config { in_flight: 0, ..Config::default() };
    assert_eq!(wrong.check().unwrap_err().key, "in_flight");
    let crossed = Config { first_throttle_pause_ms: 100, longest_throttle_pause_ms: 99, ..Config::default() };
    assert_eq!(crossed.check().unwrap_err().key, "longest_throttle_pause_ms");
}
