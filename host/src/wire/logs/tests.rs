use super::*;
use crate::clock::SystemClock;
use crate::telemetry::logs::{Config, LineText, LogBatch, LogLine};
use crate::telemetry::metrics::{self, Metrics};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const GROUP: &str = "/aws/lambda/f";

/// No function at all.
struct Nowhere;

impl Destinations for Nowhere {
    fn may_invoke(&self, _: &crate::ids::FunctionRef, _: &str) -> bool {
        false
    }

    fn stops(&self, _: &crate::ids::FunctionRef, _: &crate::invocation::lineage::Lineage) -> bool {
        false
    }
}

struct World {
    api: LogsApi,
    _dir: tempfile::TempDir,
}

impl World {
    /// Ten lines in each of two streams, a millisecond apart.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Metrics::new(&metrics::Config::default(), "test", "test").unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let logs =
            LogStore::open(&dir.path().join("logs.db"), &Config::default(), Arc::clone(&clock), &metrics.logs).unwrap();
        let now_ms = jiff::Timestamp::now().as_millisecond();
        for stream in ["a", "b"] {
            let line = |index: i64| LogLine {
                timestamp_ms: now_ms - 1_000 + index,
                text: LineText::Guest(Bytes::from(format!("line {index} of {stream}"))),
            };
            logs.write(LogBatch {
                group: GROUP.into(),
                stream: stream.into(),
                lines: (0..10).map(line).collect(),
                trace: None,
            });
        }
        logs.flush().await.unwrap();
        let (stop, tails) = (CancellationToken::new(), metrics.logs.tails.clone());
        let api = LogsApi::new(Arc::new(logs), Home::default(), clock, stop, tails, Arc::new(Nowhere));
        Self { api, _dir: dir }
    }

    async fn call(&self, operation: &str, body: Value) -> Result<Value, WireError> {
        let request = http::Request::post("/").header("x-amz-target", format!("{TARGET_PREFIX}{operation}"));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let answer = handle(&self.api, &Request { parts, body: Bytes::from(body.to_string()) }).await?;
        Ok(serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap())
    }
}

fn messages(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap().trim_end()).collect()
}

#[tokio::test]
async fn events_are_filtered_and_paged() {
    let world = World::new().await;
    let mut body = json!({ "logGroupName": GROUP, "filterPattern": "line -9", "limit": 7 });
    let mut found = Vec::new();
    loop {
        let page = world.call("FilterLogEvents", body.clone()).await.unwrap();
        found.extend(messages(&page).into_iter().map(str::to_owned));
        match page.get("nextToken") {
            Some(token) => body["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(found.len(), 18);
    assert!(found.iter().all(|message| !message.contains('9')));
    let body = json!({ "logGroupIdentifier": format!("arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:*"),
        "logStreamNames": ["b"] });
    assert_eq!(messages(&world.call("FilterLogEvents", body).await.unwrap()).len(), 10);
}

#[tokio::test]
async fn an_event_id_is_a_place_to_go_on_from() {
    let world = World::new().await;
    let all = world.call("FilterLogEvents", json!({ "logGroupName": GROUP })).await.unwrap();
    let id = all["events"][11]["eventId"].as_str().unwrap();
    let rest = world.call("FilterLogEvents", json!({ "logGroupName": GROUP, "nextToken": format!("f/{id}") })).await;
    assert_eq!(messages(&rest.unwrap()), messages(&all)[12..]);
}

#[tokio::test]
async fn a_stream_is_read_from_its_end_or_its_head_and_both_ways() {
    let world = World::new().await;
    let get = |more: Value| {
        let mut body = json!({ "logGroupName": GROUP, "logStreamName": "a", "limit": 4 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.call("GetLogEvents", body)
    };
    let last = get(json!({})).await.unwrap();
    assert_eq!(messages(&last), ["line 6 of a", "line 7 of a", "line 8 of a", "line 9 of a"]);
    let back = get(json!({ "nextToken": last["nextBackwardToken"] })).await.unwrap();
    assert_eq!(messages(&back), ["line 2 of a", "line 3 of a", "line 4 of a", "line 5 of a"]);
    let end = get(json!({ "nextToken": last["nextForwardToken"] })).await.unwrap();
    assert_eq!(messages(&end), Vec::<&str>::new());
    let head = get(json!({ "startFromHead": true })).await.unwrap();
    assert_eq!(messages(&head)[0], "line 0 of a");
    let on = get(json!({ "nextToken": head["nextForwardToken"] })).await.unwrap();
    assert_eq!(messages(&on)[0], "line 4 of a");
}

#[tokio::test]
async fn groups_and_streams_are_described() {
    let world = World::new().await;
    let groups = world.call("DescribeLogGroups", json!({ "logGroupNamePrefix": "/aws" })).await.unwrap();
    assert_eq!(groups["logGroups"][0]["logGroupName"], GROUP);
    let streams = world.call("DescribeLogStreams", json!({ "logGroupName": GROUP, "limit": 1 })).await.unwrap();
    assert_eq!(streams["logStreams"][0]["logStreamName"], "a");
    let body = json!({ "logGroupName": GROUP, "nextToken": streams["nextToken"] });
    assert_eq!(world.call("DescribeLogStreams", body).await.unwrap()["logStreams"][0]["logStreamName"], "b");
    let body = json!({ "logGroupName": GROUP, "descending": true, "limit": 1 });
    let streams = world.call("DescribeLogStreams", body).await.unwrap();
    assert_eq!((&streams["logStreams"][0]["logStreamName"], &streams["nextToken"]), (&json!("b"), &json!("1")));
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_refused_as_aws_refuses_it() {
    let world = World::new().await;
    for (operation, body, code) in [
        ("FilterLogEvents", json!({ "logGroupName": "/aws/lambda/g" }), "ResourceNotFoundException"),
        ("GetLogEvents", json!({ "logGroupName": GROUP, "logStreamName": "c" }), "ResourceNotFoundException"),
        ("FilterLogEvents", json!({}), "InvalidParameterException"),
        ("FilterLogEvents", json!({ "logGroupName": "a b" }), "InvalidParameterException"),
        ("FilterLogEvents", json!({ "logGroupName": GROUP, "limit": 10_001 }), "InvalidParameterException"),
        ("FilterLogEvents", json!({ "logGroupName": GROUP, "limit": "x" }), "InvalidParameterException"),
        ("FilterLogEvents", json!({ "logGroupName": GROUP, "nextToken": "x" }), "InvalidParameterException"),
        ("DescribeLogStreams", json!({ "logGroupName": GROUP, "orderBy": "Size" }), "InvalidParameterException"),
        ("PutLogEvents", json!({}), "InvalidParameterException"),
        ("CreateExportTask", json!({}), "UnknownOperationException"),
    ] {
        assert_eq!(world.call(operation, body.clone()).await.unwrap_err().code, code, "{operation} {body}");
    }
}
