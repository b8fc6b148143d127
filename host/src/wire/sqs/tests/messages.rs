//! Sending, deleting, changing visibility.

use super::{Service, bodies};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_sent_message_is_answered_with_its_digests() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    let string = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let input = json!({
        "QueueUrl": url,
        "MessageBody": "msg",
        "MessageAttributes": { "Help.Me": string("Me"), "Hello": string("There"), "General": string("Kenobi") },
        "MessageSystemAttributes": { "AWSTraceHeader": string("Root=1-5759e988-bd862e3fe1be46a994272793") },
    });
    let sent = service.call("SendMessage", input).await.ok();
    assert_eq!(sent["MD5OfMessageBody"], "6e2baaf3b97dbeef01c0043275f9a0e7");
    assert_eq!(sent["MD5OfMessageAttributes"], "4c360f3fdafd970e05fae2f149d997f5");
    assert!(sent["MD5OfMessageSystemAttributes"].is_string() && sent["SequenceNumber"].is_null());
    uuid::Uuid::parse_str(sent["MessageId"].as_str().unwrap()).unwrap();
    let plain = service.send(&url, "test").await;
    assert_eq!(plain["MD5OfMessageBody"], "098f6bcd4621d373cade4e832627b4f6");
    assert!(plain.get("MD5OfMessageAttributes").is_none());
}

#[tokio::test]
async fn what_a_message_may_not_hold_is_refused() {
    let service = Service::new();
    let url = service.queue("q", json!({ "MaximumMessageSize": "1024" })).await;
    let refused = async |member: &str, value: Value| {
        let mut input = json!({ "QueueUrl": url, "MessageBody": "m" });
        input[member] = value;
        service.call("SendMessage", input).await.error()
    };
    let invalid = "InvalidParameterValueException";
    let missing = "MissingRequiredParameterException";
    assert_eq!(refused("MessageBody", json!(null)).await.0, missing);
    let message = "The request must contain the parameter MessageBody.";
    assert_eq!(refused("MessageBody", json!("")).await, (missing.into(), 400, message.into()));
    assert_eq!(refused("MessageBody", json!("\u{1}")).await.0, "InvalidMessageContents");
    let message = "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.";
    assert_eq!(refused("MessageBody", json!("x".repeat(1025))).await, (invalid.into(), 400, message.into()));
    for delay in [json!(-1), json!(901), json!(1.5)] {
        assert_eq!(refused("DelaySeconds", delay).await.0, invalid);
    }
    assert_eq!(refused("MessageDeduplicationId", json!("id")).await.0, invalid);
    assert_eq!(refused("MessageGroupId", json!("a b")).await.0, invalid);
    assert_eq!(refused("MessageGroupId", json!("")).await.0, invalid);
    let attribute = async |name: &str, value: Value| refused("MessageAttributes", json!({ name: value })).await;
    let string = json!({ "DataType": "String", "StringValue": "v" });
    for name in ["", "a b", ".a", "a.", "a..b", "AWS.x", "amazon.y", &"x".repeat(257)] {
        assert_eq!(attribute(name, string.clone()).await.0, invalid, "{name}");
    }
    let message = "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.";
    let empty = attribute("ErrorDetails", json!({ "DataType": "String", "StringValue": "" })).await;
    assert_eq!(empty, (invalid.into(), 400, message.into()));
    for value in [
        json!({}),
        json!({ "DataType": "", "StringValue": "v" }),
        json!({ "DataType": "Text", "StringValue": "v" }),
        json!({ "DataType": "Number", "StringValue": "v" }),
        json!({ "DataType": "Binary", "StringValue": "v" }),
        json!({ "DataType": "Binary", "BinaryValue": "*" }),
    ] {
        assert_eq!(attribute("a", value.clone()).await.0, invalid, "{value}");
    }
    let list = json!({ "DataType": "String", "StringValue": "v", "StringListValues": ["a"] });
    assert_eq!(attribute("a", list).await.0, "UnsupportedOperation");
    let large = json!({ "DataType": "String", "StringValue": "v".repeat(1020) });
    assert_eq!(attribute("a", large).await.0, invalid, "attributes count towards the size");
    let eleven: serde_json::Map<_, _> = (0..11).map(|n| (format!("a{n}"), string.clone())).collect();
    assert_eq!(refused("MessageAttributes", json!(eleven)).await.0, invalid);
    assert_eq!(refused("MessageSystemAttributes", json!({ "Other": string })).await.0, invalid);
    assert!(service.receive(&url).await.is_empty(), "nothing refused was sent");
}

#[tokio::test(start_paused = true)]
async fn a_delay_hides_a_message() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    service.call("SendMessage", json!({ "QueueUrl": url, "MessageBody": "late", "DelaySeconds": 10 })).await.ok();
    assert_eq!(service.attribute(&url, "ApproximateNumberOfMessagesDelayed").await.as_deref(), Some("1"));
    assert!(service.receive(&url).await.is_empty());
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(bodies(&service.receive(&url).await), ["late"]);
}

#[tokio::test(start_paused = true)]
async fn fifo_queues_ask_for_groups_and_drop_duplicates() {
    let service = Service::new();
    let url = service.queue("q.fifo", json!({})).await;
    let refused = async |input: Value| service.call("SendMessage", input).await.error();
    let no_group = refused(json!({ "QueueUrl": url, "MessageBody": "m", "MessageDeduplicationId": "d" })).await;
    let message = "The request must contain the parameter MessageGroupId.";
    assert_eq!(no_group, ("MissingRequiredParameterException".into(), 400, message.into()));
    let no_id = refused(json!({ "QueueUrl": url, "MessageBody": "m", "MessageGroupId": "g" })).await;
    let message =
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
    assert_eq!(no_id, ("InvalidParameterValueException".into(), 400, message.into()));
    let delay = json!({
        "QueueUrl": url, "MessageBody": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 2,
    });
    let message = "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.";
    assert_eq!(refused(delay).await, ("InvalidParameterValueException".into(), 400, message.into()));
    let first = service.send_to_group(&url, "one", "g", "1").await;
    assert_eq!(first["SequenceNumber"].as_str().unwrap().len(), 20);
    let again = service.send_to_group(&url, "other", "g", "1").await;
    assert_eq!(again["MessageId"], first["MessageId"]);
    service.send_to_group(&url, "two", "g", "2").await;
    let received = service.receive(&url).await;
    assert_eq!(bodies(&received), ["one", "two"]);
    let content = service.queue("content.fifo", json!({ "ContentBasedDeduplication": "true" })).await;
    for body in ["a", "a", "b"] {
        let input = json!({ "QueueUrl": content, "MessageBody": body, "MessageGroupId": "g" });
        service.call("SendMessage", input).await.ok();
    }
    let input = json!({ "QueueUrl": content, "MaxNumberOfMessages": 10, "AttributeNames": ["All"] });
    let received = service.call("ReceiveMessage", input).await.ok()["Messages"].clone();
    assert_eq!(bodies(received.as_array().unwrap()), ["a", "b"]);
    let sha256_of_a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    assert_eq!(received[0]["Attributes"]["MessageDeduplicationId"], sha256_of_a);
    assert_eq!(received[0]["Attributes"]["MessageGroupId"], "g");
}

#[tokio::test]
async fn batches_are_answered_entry_by_entry() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    let entries = json!([
        { "Id": "a", "MessageBody": "one" },
        { "Id": "b", "MessageBody": "" },
        { "Id": "c", "MessageBody": "\u{2}" },
        { "Id": "d", "MessageBody": "two" },
    ]);
    let answer = service.call("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await.ok();
    let ids = |part: &str| -> Vec<String> {
        answer[part].as_array().unwrap().iter().map(|entry| entry["Id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((ids("Successful"), ids("Failed")), (vec!["a".into(), "d".into()], vec!["b".into(), "c".into()]));
    assert_eq!(answer["Failed"][0]["Code"], "MissingParameter");
    assert_eq!(answer["Failed"][1]["Code"], "InvalidMessageContents");
    assert_eq!(answer["Failed"][0]["SenderFault"], true);
    let received = service.receive(&url).await;
    assert_eq!(bodies(&received), ["one", "two"]);
    let entries = json!([
        { "Id": "a", "ReceiptHandle": received[0]["ReceiptHandle"], "VisibilityTimeout": 100 },
        { "Id": "b", "ReceiptHandle": "nonsense", "VisibilityTimeout": 100 },
        { "Id": "c", "ReceiptHandle": received[1]["ReceiptHandle"], "VisibilityTimeout": 43_201 },
    ]);
    let changed =
        service.call("ChangeMessageVisibilityBatch", json!({ "QueueUrl": url, "Entries": entries })).await.ok();
    assert_eq!(changed["Successful"], json!([{ "Id": "a" }]));
    assert_eq!(changed["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(changed["Failed"][1]["Code"], "InvalidParameterValue");
    let deleted = service.call("DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await.ok();
    assert_eq!(deleted["Successful"], json!([{ "Id": "a" }, { "Id": "c" }]));
    assert_eq!(deleted["Failed"][0]["Id"], "b");
    assert_eq!(service.attribute(&url, "ApproximateNumberOfMessagesNotVisible").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn batches_have_their_limits() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    let fifo = service.queue("q.fifo", json!({})).await;
    for operation in ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        let refused =
            async |entries: Value| service.call(operation, json!({ "QueueUrl": url, "Entries": entries })).await;
        assert_eq!(refused(json!([])).await.code(), "EmptyBatchRequest");
        let entry = |id: String| json!({ "Id": id, "MessageBody": "m", "ReceiptHandle": "h", "VisibilityTimeout": 1 });
        let many = refused((0..20).map(|n| entry(format!("e{n}"))).collect()).await;
        assert_eq!(many.query_error.as_deref(), Some("AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender"));
        let message = "Maximum number of entries per request are 10. You have sent 20.";
        assert_eq!(many.error(), ("TooManyEntriesInBatchRequest".into(), 400, message.into()));
        assert_eq!(refused(json!([entry("a".into()), entry("a".into())])).await.code(), "BatchEntryIdsNotDistinct");
        for id in [String::new(), "a:b".into(), "x".repeat(81)] {
            assert_eq!(refused(json!([entry(id)])).await.code(), "InvalidBatchEntryId");
        }
        let nowhere = json!({ "QueueUrl": super::url("none"), "Entries": [entry("a".into())] });
        assert_eq!(service.call(operation, nowhere).await.code(), "QueueDoesNotExist");
    }
    let half = "x".repeat(524_288);
    let entries = json!([{ "Id": "a", "MessageBody": half }, { "Id": "b", "MessageBody": format!("{half}x") }]);
    let long = service.call("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    let message = "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.";
    assert_eq!(long.error(), ("BatchRequestTooLong".into(), 400, message.into()));
    let entries = json!([
        { "Id": "a", "MessageBody": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d" },
        { "Id": "b", "MessageBody": "m", "MessageDeduplicationId": "e" },
    ]);
    let no_group = service.call("SendMessageBatch", json!({ "QueueUrl": fifo, "Entries": entries })).await;
    let message = "The request must contain the parameter MessageGroupId.";
    assert_eq!(no_group.error(), ("InvalidParameterValueException".into(), 400, message.into()));
    assert!(service.receive(&url).await.is_empty() && service.receive(&fifo).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn receipt_handles_are_told_apart() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    let other = service.queue("other", json!({})).await;
    service.send(&url, "m").await;
    let handle = service.receive(&url).await[0]["ReceiptHandle"].clone();
    let delete = async |url: &str, handle: &Value| {
        service.call("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": handle })).await
    };
    let invalid = delete(&url, &json!("nonsense")).await;
    let message = "The input receipt handle \"nonsense\" is not a valid receipt handle.";
    assert_eq!(invalid.error(), ("ReceiptHandleIsInvalid".into(), 404, message.into()));
    assert_eq!(delete(&other, &handle).await.code(), "ReceiptHandleIsInvalid");
    assert_eq!(delete(&url, &json!(null)).await.code(), "MissingRequiredParameterException");
    assert_eq!(delete(&super::url("none"), &handle).await.code(), "QueueDoesNotExist");
    delete(&url, &handle).await.ok();
    delete(&url, &handle).await.ok();
    let change = json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 1 });
    let gone = service.call("ChangeMessageVisibility", change).await.error();
    assert_eq!(gone.0, "InvalidParameterValueException");
    assert!(gone.2.ends_with("Reason: Message does not exist or is not available for visibility timeout change."));
    let fifo = service.queue("q.fifo", json!({ "VisibilityTimeout": "1" })).await;
    service.send_to_group(&fifo, "m", "g", "d").await;
    let handle = service.receive(&fifo).await[0]["ReceiptHandle"].clone();
    tokio::time::advance(Duration::from_secs(2)).await;
    let expired = delete(&fifo, &handle).await.error();
    let text = handle.as_str().unwrap();
    let message =
        format!("Value {text} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.");
    assert_eq!(expired, ("InvalidParameterValueException".into(), 400, message));
}

#[tokio::test(start_paused = true)]
async fn visibility_is_changed_within_twelve_hours() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    service.send(&url, "m").await;
    let handle = service.receive(&url).await[0]["ReceiptHandle"].clone();
    let change = async |timeout_s: Value| {
        let input = json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": timeout_s });
        service.call("ChangeMessageVisibility", input).await
    };
    change(json!(60)).await.ok();
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(service.receive(&url).await.is_empty(), "the queue's timeout no longer counts");
    assert_eq!(change(json!(43_200)).await.code(), "InvalidParameterValueException", "12 hours count from the receive");
    for timeout_s in [json!(-1), json!(43_201)] {
        assert_eq!(change(timeout_s).await.code(), "InvalidParameterValueException");
    }
    assert_eq!(change(json!(null)).await.code(), "MissingRequiredParameterException");
    change(json!(0)).await.ok();
    let not_in_flight = change(json!(10)).await;
    assert_eq!(not_in_flight.query_error.as_deref(), Some("AWS.SimpleQueueService.MessageNotInflight;Sender"));
    assert_eq!(not_in_flight.code(), "MessageNotInflight");
    assert_eq!(bodies(&service.receive(&url).await), ["m"]);
}
