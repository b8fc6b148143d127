//! Every call at the service's entry point.

use super::{ERROR_SHAPE, handle};
use crate::clock::TokioClock;
use crate::ids::{FunctionRef, Home, QueueName};
use crate::invocation::{Invocation, Invoke, InvokeError, Outcome};
use crate::shutdown::Shutdown;
use crate::storage::Storage;
use crate::storage::queues::{QueueAttributes, QueueRecord};
use crate::triggers::queue::{EventSourceMappings, FunctionDirectory, Options, Parts};
use crate::wire::codec::Request;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Nothing;

impl Invoke for Nothing {
    fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(std::future::pending())
    }
}

impl FunctionDirectory for Nothing {
    fn exists(&self, function: &FunctionRef) -> bool {
        function.name.as_str().starts_with("worker")
    }

    fn stops(&self, _: &FunctionRef, _: &crate::invocation::lineage::Lineage) -> bool {
        false
    }
}

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

struct Service(Arc<EventSourceMappings>);

impl Service {
    async fn new() -> Self {
        let storage = Storage::memory().unwrap();
        for name in ["q", "q.fifo"] {
            let record = QueueRecord {
                name: QueueName::new(name).unwrap(),
                attributes: QueueAttributes::default(),
                tags: BTreeMap::new(),
                created_at_ms: 0,
                modified_at_ms: 0,
            };
            storage.queues.create(record).await.unwrap();
        }
        let parts = Parts {
            mappings: storage.mappings,
            queues: storage.queues,
            invoker: Arc::new(Nothing),
            functions: Arc::new(Nothing),
            observer: Arc::new(()),
            clock: Arc::new(TokioClock::starting_at(Timestamp::from_millisecond(1_700_000_000_250).unwrap())),
            home: Home::default(),
        };
        Self(EventSourceMappings::start(parts, Options::default(), Shutdown::new()).await.unwrap())
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let uri = format!("/2015-03-31/event-source-mappings{path}");
        let parts = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let answer = handle(&self.0, &Request { parts, body }).await.unwrap();
        let answer = answer.unwrap_or_else(|error| error.into_response(ERROR_SHAPE));
        let status = answer.status().as_u16();
        let kind = answer.headers().get("x-amzn-errortype").map(|kind| kind.to_str().unwrap().to_owned());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        if let Some(kind) = kind {
            body["code"] = kind.into();
        }
        (status, body)
    }

    /// Code, status and message of a call that is refused.
    async fn refused(&self, method: &str, path: &str, body: Value) -> (String, u16, String) {
        let (status, body) = self.call(method, path, body).await;
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (text("code"), status, text("message"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_mapping_lives_from_create_to_delete() {
    let service = Service::new().await;
    let input = json!({
        "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:worker:live",
        "EventSourceArn": QUEUE,
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 5,
        "FilterCriteria": { "Filters": [{ "Pattern": "{\"body\":{\"a\":[1]}}" }] },
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": { "MaximumConcurrency": 7 },
        "MetricsConfig": { "Metrics": ["EventCount"] },
    });
    let (status, created) = service.call("POST", "/", input).await;
    let uuid = created["UUID"].as_str().unwrap().to_owned();
    let mut expected = json!({
        "UUID": uuid,
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 5,
        "EventSourceArn": QUEUE,
        "EventSourceMappingArn": format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"),
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:worker:live",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "LastModified": 1_700_000_000.25,
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "FilterCriteria": { "Filters": [{ "Pattern": "{\"body\":{\"a\":[1]}}" }] },
        "ScalingConfig": { "MaximumConcurrency": 7 },
        "MetricsConfig": { "Metrics": ["EventCount"] },
    });
    assert_eq!((status, &created), (202, &expected));
    expected["State"] = "Enabled".into();
    let path = format!("/{uuid}");
    assert_eq!(service.call("GET", &path, Value::Null).await, (200, expected.clone()));
    let change = json!({ "Enabled": false, "ScalingConfig": {}, "FilterCriteria": {}, "BatchSize": 1, "FunctionName": "worker" });
    let (status, changed) = service.call("PUT", &path, change).await;
    assert_eq!((status, &changed["State"]), (202, &json!("Disabling")));
    assert!(changed.get("ScalingConfig").is_none() && changed.get("FilterCriteria").is_none());
    assert_eq!(changed["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:worker");
    assert_eq!(changed["MaximumBatchingWindowInSeconds"], 5, "what is not given stays");
    assert_eq!(service.call("GET", &path, Value::Null).await.1["State"], "Disabled");
    assert_eq!(service.call("PUT", &path, json!({ "Enabled": true })).await.1["State"], "Enabling");
    assert_eq!(service.call("PUT", &path, json!({ "BatchSize": 2 })).await.1["State"], "Updating");
    let (status, deleted) = service.call("DELETE", &path, Value::Null).await;
    assert_eq!((status, &deleted["State"]), (202, &json!("Deleting")));
    let gone = ("ResourceNotFoundException".to_owned(), 404, "The resource you requested does not exist.".to_owned());
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(service.refused(method, &path, json!({})).await, gone);
    }
}

#[tokio::test(start_paused = true)]
async fn the_least_that_can_be_given_is_enough() {
    let service = Service::new().await;
    let (status, created) =
        service.call("POST", "", json!({ "FunctionName": "worker", "EventSourceArn": QUEUE })).await;
    assert_eq!(status, 202);
    assert_eq!((&created["BatchSize"], &created["MaximumBatchingWindowInSeconds"]), (&json!(10), &json!(0)));
    assert_eq!(created["FunctionResponseTypes"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_mapped_is_refused() {
    let service = Service::new().await;
    let refused = async |change: Value| {
        let mut input = json!({ "FunctionName": "worker", "EventSourceArn": QUEUE });
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        service.refused("POST", "/", input).await
    };
    let message = "1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: Member must have \
                   value less than or equal to 10000";
    assert_eq!(refused(json!({ "BatchSize": 10_001 })).await, ("ValidationException".into(), 400, message.into()));
    for change in [
        json!({ "FunctionName": null }),
        json!({ "FunctionName": "a b" }),
        json!({ "EventSourceArn": null }),
        json!({ "BatchSize": 0 }),
        json!({ "BatchSize": -5_000_000_000_i64 }),
        json!({ "MaximumBatchingWindowInSeconds": 301 }),
        json!({ "ScalingConfig": { "MaximumConcurrency": 1 } }),
        json!({ "ScalingConfig": { "MaximumConcurrency": 1001 } }),
        json!({ "FunctionResponseTypes": ["Other"] }),
    ] {
        assert_eq!(refused(change.clone()).await.0, "ValidationException", "{change}");
    }
    for change in [
        json!({ "BatchSize": 11 }),
        json!({ "EventSourceArn": format!("{QUEUE}.fifo"), "MaximumBatchingWindowInSeconds": 1 }),
        json!({ "EventSourceArn": format!("{QUEUE}.fifo"), "BatchSize": 11 }),
        json!({ "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:none" }),
        json!({ "EventSourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s" }),
        json!({ "FilterCriteria": { "Filters": [{ "Pattern": "{" }] } }),
        json!({ "FilterCriteria": { "Filters": [{}] } }),
        json!({ "StartingPosition": "LATEST" }),
        json!({ "BatchSize": "ten" }),
    ] {
        assert_eq!(refused(change.clone()).await.0, "InvalidParameterValueException", "{change}");
    }
    let message = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:other";
    let missing = refused(json!({ "FunctionName": "other" })).await;
    assert_eq!(missing, ("ResourceNotFoundException".into(), 404, message.into()));
    let first = service.call("POST", "/", json!({ "FunctionName": "worker", "EventSourceArn": QUEUE })).await.1;
    let message = format!(
        "An event source mapping with SQS arn (\" {QUEUE} \") and function (\" worker \") already exists. Please update or \
         delete the existing mapping with UUID {}",
        first["UUID"].as_str().unwrap()
    );
    assert_eq!(refused(json!({})).await, ("ResourceConflictException".into(), 409, message));
    assert_eq!(service.refused("PATCH", "/", json!({})).await.1, 405);
}

#[tokio::test(start_paused = true)]
async fn mappings_are_listed_by_the_page() {
    let service = Service::new().await;
    for (function, source) in
        [("worker", QUEUE.to_owned()), ("worker:live", QUEUE.to_owned()), ("worker", format!("{QUEUE}.fifo"))]
    {
        let input = json!({ "FunctionName": function, "EventSourceArn": source });
        assert_eq!(service.call("POST", "/", input).await.0, 202);
    }
    let list = async |query: &str| {
        let (status, body) = service.call("GET", &format!("/?{query}"), Value::Null).await;
        assert_eq!(status, 200, "{body}");
        let of =
            |mapping: &Value| mapping["FunctionArn"].as_str().unwrap().rsplit("function:").next().unwrap().to_owned();
        let found: Vec<String> = body["EventSourceMappings"].as_array().unwrap().iter().map(of).collect();
        (found, body["NextMarker"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await.0.len(), 3);
    assert_eq!(list("FunctionName=worker%3Alive").await.0, ["worker:live"]);
    assert_eq!(list("FunctionName=worker").await.0, ["worker", "worker"]);
    assert_eq!(list(&format!("EventSourceArn={QUEUE}.fifo")).await.0, ["worker"]);
    assert!(list("FunctionName=other").await.0.is_empty());
    let (first, marker) = list("MaxItems=2").await;
    let (second, end) = list(&format!("MaxItems=2&Marker={}", marker.unwrap())).await;
    assert_eq!((first.len(), second.len(), end), (2, 1, None));
    assert_eq!(service.refused("GET", "/?MaxItems=0", Value::Null).await.0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn other_paths_are_left_alone() {
    let service = Service::new().await;
    for path in ["/2015-03-31/functions", "/2015-03-31/event-source-mappingsx", "/"] {
        let parts = http::Request::get(path).body(()).unwrap().into_parts().0;
        assert!(handle(&service.0, &Request { parts, body: Bytes::new() }).await.is_none(), "{path}");
    }
}
