//! Receiving: what is shown, long polls, the limit of messages in flight.

use super::super::in_flight::InFlight;
use super::{Service, bodies, name};
use crate::storage::queues::NewMessage;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn attributes_are_shown_as_asked_for() {
    let service = Service::new();
    let url = service.queue("q", json!({ "VisibilityTimeout": "0" })).await;
    let string = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let input = json!({
        "QueueUrl": url,
        "MessageBody": "msg",
        "MessageAttributes": { "Help.Me": string("Me"), "Hello": string("There"), "General": string("Kenobi") },
        "MessageSystemAttributes": { "AWSTraceHeader": string("Root=1-2-3") },
    });
    service.call("SendMessage", input).await.ok();
    let receive = async |asked: Value| {
        let mut input = json!({ "QueueUrl": url });
        input.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
        service.call("ReceiveMessage", input).await.ok()["Messages"][0].clone()
    };
    let plain = receive(json!({})).await;
    assert_eq!(plain["MD5OfBody"], "6e2baaf3b97dbeef01c0043275f9a0e7");
    assert!(plain.get("Attributes").is_none() && plain.get("MessageAttributes").is_none());
    // The digests of selections were answered by SQS itself.
    for (names, md5) in [
        (json!(["All"]), Some("4c360f3fdafd970e05fae2f149d997f5")),
        (json!([".*"]), Some("4c360f3fdafd970e05fae2f149d997f5")),
        (json!(["General", "Hello"]), Some("fca026605781cb4126a1e9044df24232")),
        (json!(["Hello", "Foo"]), Some("a311262e065454b75da111d535b8dacd")),
        (json!(["Hel.*"]), Some("83fee93c1bcd8b9a5a923ffacdc636c7")),
        (json!(["Foo"]), None),
    ] {
        let message = receive(json!({ "MessageAttributeNames": names })).await;
        assert_eq!(message.get("MD5OfMessageAttributes").and_then(Value::as_str), md5, "{names}");
    }
    let all = receive(json!({ "MessageSystemAttributeNames": ["All"] })).await;
    let keys: Vec<&String> = all["Attributes"].as_object().unwrap().keys().collect();
    let expected =
        ["AWSTraceHeader", "ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "SenderId", "SentTimestamp"];
    assert_eq!(keys, expected);
    let one = receive(json!({ "AttributeNames": ["ApproximateReceiveCount"] })).await;
    assert_eq!(one["Attributes"], json!({ "ApproximateReceiveCount": "9" }));
    let unknown = json!({ "QueueUrl": url, "AttributeNames": ["Size"] });
    assert_eq!(service.call("ReceiveMessage", unknown).await.code(), "InvalidAttributeName");
}

#[tokio::test]
async fn bounds_of_a_receive_are_checked() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    let message =
        "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.";
    let eleven = service.call("ReceiveMessage", json!({ "QueueUrl": url, "MaxNumberOfMessages": 11 })).await;
    assert_eq!(eleven.query_error.as_deref(), Some("InvalidParameterValue;Sender"));
    assert_eq!(eleven.error(), ("InvalidParameterValueException".into(), 400, message.into()));
    for (member, value) in [
        ("MaxNumberOfMessages", json!(0)),
        ("VisibilityTimeout", json!(43_201)),
        ("WaitTimeSeconds", json!(21)),
        ("WaitTimeSeconds", json!(-1)),
        ("ReceiveRequestAttemptId", json!("a")),
    ] {
        let seen = service.call("ReceiveMessage", json!({ "QueueUrl": url, member: value })).await;
        assert_eq!(seen.code(), "InvalidParameterValueException", "{member}");
    }
    let fifo = service.queue("q.fifo", json!({})).await;
    service.call("ReceiveMessage", json!({ "QueueUrl": fifo, "ReceiveRequestAttemptId": "a" })).await.ok();
    let blank = json!({ "QueueUrl": fifo, "ReceiveRequestAttemptId": "a b" });
    assert_eq!(service.call("ReceiveMessage", blank).await.code(), "InvalidParameterValueException");
}

#[tokio::test(start_paused = true)]
async fn dead_letters_say_where_they_come_from() {
    let service = Service::new();
    let dead = service.queue("dead", json!({})).await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}"#;
    let url = service.queue("q", json!({ "RedrivePolicy": policy, "VisibilityTimeout": "1" })).await;
    service.send(&url, "m").await;
    assert_eq!(service.receive(&url).await.len(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(service.receive(&url).await.is_empty());
    let input = json!({ "QueueUrl": dead, "AttributeNames": ["All"] });
    let message = service.call("ReceiveMessage", input).await.ok()["Messages"][0].clone();
    let source = &message["Attributes"]["DeadLetterQueueSourceArn"];
    assert_eq!(source, "arn:aws:sqs:us-east-1:000000000000:q");
}

/// Starts a long poll of twenty seconds and lets it come to its wait.
async fn long_poll(service: &Arc<Service>, url: &str) -> tokio::task::JoinHandle<(Vec<Value>, Duration)> {
    let (service, input) = (Arc::clone(service), json!({ "QueueUrl": url, "WaitTimeSeconds": 20 }));
    let started = Instant::now();
    let poll = tokio::spawn(async move {
        let answer = service.call("ReceiveMessage", input).await.ok();
        (answer["Messages"].as_array().cloned().unwrap_or_default(), started.elapsed())
    });
    tokio::task::yield_now().await;
    poll
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_wakes_on_arrivals_and_ends_in_time() {
    let service = Arc::new(Service::new());
    let url = service.queue("q", json!({})).await;
    let poll = long_poll(&service, &url).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    service.send(&url, "now").await;
    let (messages, waited) = poll.await.unwrap();
    assert_eq!((bodies(&messages), waited), (vec!["now"], Duration::from_secs(5)));
    let (messages, waited) = long_poll(&service, &url).await.await.unwrap();
    assert!(messages.is_empty());
    assert_eq!(waited.as_secs(), 20);
    service.call("SendMessage", json!({ "QueueUrl": url, "MessageBody": "late", "DelaySeconds": 7 })).await.ok();
    let (messages, waited) = long_poll(&service, &url).await.await.unwrap();
    assert_eq!((bodies(&messages), waited.as_secs()), (vec!["late"], 7), "a delayed message wakes when it is due");
}

#[tokio::test(start_paused = true)]
async fn the_queue_says_how_long_to_poll_and_a_stop_ends_it() {
    let service = Arc::new(Service::new());
    let url = service.queue("q", json!({ "ReceiveMessageWaitTimeSeconds": "3" })).await;
    let started = Instant::now();
    assert!(service.receive(&url).await.is_empty());
    assert_eq!(started.elapsed().as_secs(), 3);
    let poll = long_poll(&service, &url).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    service.stop.cancel();
    let (messages, waited) = poll.await.unwrap();
    assert!(messages.is_empty());
    assert_eq!(waited.as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_dropped_takes_nothing_along() {
    let service = Arc::new(Service::new());
    let url = service.queue("q", json!({})).await;
    let poll = long_poll(&service, &url).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    poll.abort();
    assert!(poll.await.unwrap_err().is_cancelled());
    service.send(&url, "m").await;
    assert_eq!(bodies(&service.receive(&url).await), ["m"]);
}

#[tokio::test(start_paused = true)]
async fn messages_in_flight_are_limited() {
    let mut service = Service::new();
    service.api.in_flight = InFlight::new(5);
    let url = service.queue("q", json!({})).await;
    let messages = (0..10).map(|n| NewMessage { body: n.to_string(), ..NewMessage::default() }).collect();
    service.api.queues.send(name("q"), messages, service.api.clock.now_ms()).await.unwrap().unwrap();
    let received = service.receive(&url).await;
    assert_eq!(received.len(), 5, "no more than there is room for");
    let over = service.call("ReceiveMessage", json!({ "QueueUrl": url })).await.error();
    assert_eq!((over.0.as_str(), over.1), ("OverLimit", 403));
    let handle = &received[0]["ReceiptHandle"];
    service.call("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": handle })).await.ok();
    assert_eq!(service.receive(&url).await.len(), 1);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(service.receive(&url).await.len(), 5, "what is visible again is counted anew");
    let polled = service.call("ReceiveMessage", json!({ "QueueUrl": url, "WaitTimeSeconds": 1 })).await.ok();
    assert!(polled.get("Messages").is_none(), "a long poll sees nothing");
}
