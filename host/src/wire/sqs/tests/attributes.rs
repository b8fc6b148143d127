//! Queues themselves: creating, listing, attributes, tags, deleting.

use super::{Service, url};
use serde_json::json;

#[tokio::test]
async fn a_queue_is_created_once_and_found() {
    let service = Service::new();
    assert_eq!(service.queue("orders", json!({ "VisibilityTimeout": "5" })).await, url("orders"));
    assert_eq!(service.queue("orders", json!({})).await, url("orders"), "attributes not given do not count");
    assert_eq!(service.queue("orders", json!({ "VisibilityTimeout": "5" })).await, url("orders"));
    let other = json!({ "QueueName": "orders", "Attributes": { "VisibilityTimeout": "6" } });
    let other = service.call("CreateQueue", other).await;
    assert_eq!(other.query_error.as_deref(), Some("QueueAlreadyExists;Sender"));
    let message = "A queue already exists with the same name and a different value for attribute VisibilityTimeout";
    assert_eq!(other.error(), ("QueueNameExists".into(), 400, message.into()));
    let found = service.call("GetQueueUrl", json!({ "QueueName": "orders" })).await.ok();
    assert_eq!(found["QueueUrl"], url("orders"));
    let missing = service.call("GetQueueUrl", json!({ "QueueName": "none" })).await;
    assert_eq!(missing.query_error.as_deref(), Some("AWS.SimpleQueueService.NonExistentQueue;Sender"));
    assert_eq!(missing.error(), ("QueueDoesNotExist".into(), 400, "The specified queue does not exist.".into()));
    let foreign = json!({ "QueueName": "orders", "QueueOwnerAWSAccountId": "123456789012" });
    assert_eq!(service.call("GetQueueUrl", foreign).await.code(), "QueueDoesNotExist");
}

#[tokio::test]
async fn names_and_types_are_checked() {
    let service = Service::new();
    for (name, attributes, code) in [
        ("a b", json!({}), "InvalidParameterValueException"),
        ("", json!({}), "InvalidParameterValueException"),
        ("q.fifo", json!({}), "InvalidParameterValueException"),
        ("q", json!({ "FifoQueue": "true" }), "InvalidParameterValueException"),
        ("q", json!({ "FifoQueue": "false" }), "InvalidAttributeName"),
        ("q", json!({ "FifoQueue": "x" }), "InvalidAttributeValue"),
        ("q", json!({ "ContentBasedDeduplication": "true" }), "InvalidAttributeName"),
        ("q", json!({ "Nonsense": "1" }), "InvalidAttributeName"),
        ("q", json!({ "QueueArn": "x" }), "InvalidAttributeName"),
        ("q", json!({ "DelaySeconds": "901" }), "InvalidAttributeValue"),
        ("q", json!({ "DelaySeconds": "-1" }), "InvalidAttributeValue"),
        ("q", json!({ "DelaySeconds": "+1" }), "InvalidAttributeValue"),
        ("q", json!({ "MaximumMessageSize": "1023" }), "InvalidAttributeValue"),
        ("q", json!({ "MaximumMessageSize": "1048577" }), "InvalidAttributeValue"),
        ("q", json!({ "MessageRetentionPeriod": "59" }), "InvalidAttributeValue"),
        ("q", json!({ "ReceiveMessageWaitTimeSeconds": "21" }), "InvalidAttributeValue"),
        ("q", json!({ "VisibilityTimeout": "43201" }), "InvalidAttributeValue"),
        ("q", json!({ "Policy": "{" }), "InvalidAttributeValue"),
    ] {
        let seen = service.call("CreateQueue", json!({ "QueueName": name, "Attributes": attributes })).await;
        assert_eq!(seen.code(), code, "{name} {attributes}");
    }
    assert_eq!(service.call("CreateQueue", json!({})).await.code(), "MissingRequiredParameterException");
    assert_eq!(service.call("CreateQueue", json!({ "QueueName": 7 })).await.code(), "InvalidParameterValueException");
    let throughput = json!({ "FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId" });
    let seen = service.call("CreateQueue", json!({ "QueueName": "q.fifo", "Attributes": throughput })).await;
    assert_eq!(seen.code(), "InvalidAttributeValue");
}

#[tokio::test]
async fn attributes_are_told_and_set() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    let all = service.call("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] })).await.ok();
    assert_eq!(
        all["Attributes"],
        json!({
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
            "CreatedTimestamp": "1700000000",
            "DelaySeconds": "0",
            "LastModifiedTimestamp": "1700000000",
            "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600",
            "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
            "ReceiveMessageWaitTimeSeconds": "0",
            "SqsManagedSseEnabled": "false",
            "VisibilityTimeout": "30",
        })
    );
    let none = service.call("GetQueueAttributes", json!({ "QueueUrl": url })).await.ok();
    assert_eq!(none, json!({}));
    let unknown = service.call("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["Size"] })).await;
    assert_eq!(unknown.error(), ("InvalidAttributeName".into(), 400, "Unknown Attribute Size.".into()));
    let set = json!({ "VisibilityTimeout": "7", "Policy": "{\"Version\":\"2012-10-17\"}", "KmsMasterKeyId": "key" });
    service.call("SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": set })).await.ok();
    assert_eq!(service.attribute(&url, "VisibilityTimeout").await.as_deref(), Some("7"));
    assert_eq!(service.attribute(&url, "KmsMasterKeyId").await.as_deref(), Some("key"));
    let both = json!({ "QueueUrl": url, "Attributes": { "SqsManagedSseEnabled": "true" } });
    assert_eq!(service.call("SetQueueAttributes", both).await.code(), "InvalidAttributeName");
    let unset = json!({ "QueueUrl": url, "Attributes": { "Policy": "", "KmsMasterKeyId": "" } });
    service.call("SetQueueAttributes", unset).await.ok();
    assert_eq!(service.attribute(&url, "Policy").await, None);
    let fifo = json!({ "QueueUrl": url, "Attributes": { "FifoQueue": "true" } });
    assert_eq!(service.call("SetQueueAttributes", fifo).await.code(), "InvalidAttributeName");
    let fifo = service.queue("q.fifo", json!({})).await;
    assert_eq!(service.attribute(&fifo, "DeduplicationScope").await.as_deref(), Some("queue"));
    let standard = json!({ "QueueUrl": fifo, "Attributes": { "FifoQueue": "false" } });
    assert_eq!(service.call("SetQueueAttributes", standard).await.code(), "InvalidAttributeValue");
    let missing = json!({ "QueueUrl": super::url("none"), "Attributes": { "DelaySeconds": "1" } });
    assert_eq!(service.call("SetQueueAttributes", missing).await.code(), "QueueDoesNotExist");
}

#[tokio::test]
async fn redrive_policies_are_checked() {
    let service = Service::new();
    let source = service.queue("source", json!({})).await;
    let dead = service.queue("dead", json!({})).await;
    service.queue("dead.fifo", json!({})).await;
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let set = async |policy: String| {
        let input = json!({ "QueueUrl": source, "Attributes": { "RedrivePolicy": policy } });
        service.call("SetQueueAttributes", input).await
    };
    let dummy = r#"{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}"#;
    let message =
        format!("Value {dummy} for parameter RedrivePolicy is invalid. Reason: Invalid value for deadLetterTargetArn.");
    assert_eq!(set(dummy.into()).await.error(), ("InvalidParameterValueException".into(), 400, message));
    for policy in [
        "x".to_owned(),
        "[]".to_owned(),
        json!({ "deadLetterTargetArn": arn("dead") }).to_string(),
        json!({ "maxReceiveCount": 1 }).to_string(),
        json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": 0 }).to_string(),
        json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1001 }).to_string(),
        json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": true }).to_string(),
        json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1, "x": 1 }).to_string(),
        json!({ "deadLetterTargetArn": arn("none"), "maxReceiveCount": 1 }).to_string(),
        json!({ "deadLetterTargetArn": arn("source"), "maxReceiveCount": 1 }).to_string(),
        json!({ "deadLetterTargetArn": arn("dead.fifo"), "maxReceiveCount": 1 }).to_string(),
    ] {
        assert_eq!(set(policy.clone()).await.code(), "InvalidParameterValueException", "{policy}");
    }
    set(json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": "3" }).to_string()).await.ok();
    let stored = service.attribute(&source, "RedrivePolicy").await.unwrap();
    assert_eq!(stored, format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":3}}"#, arn("dead")));
    let sources = service.call("ListDeadLetterSourceQueues", json!({ "QueueUrl": dead })).await.ok();
    assert_eq!(sources, json!({ "queueUrls": [source] }));
    let allow = async |policy: serde_json::Value| {
        let input = json!({ "QueueUrl": dead, "Attributes": { "RedriveAllowPolicy": policy.to_string() } });
        service.call("SetQueueAttributes", input).await
    };
    for policy in [
        json!({ "redrivePermission": "some" }),
        json!({ "redrivePermission": "byQueue" }),
        json!({ "redrivePermission": "byQueue", "sourceQueueArns": [] }),
        json!({ "redrivePermission": "byQueue", "sourceQueueArns": ["x"] }),
        json!({ "redrivePermission": "denyAll", "sourceQueueArns": [arn("source")] }),
        json!([]),
    ] {
        assert_eq!(allow(policy.clone()).await.code(), "InvalidParameterValueException", "{policy}");
    }
    let policy = json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": 4 }).to_string();
    allow(json!({ "redrivePermission": "denyAll" })).await.ok();
    assert_eq!(set(policy.clone()).await.code(), "InvalidParameterValueException");
    allow(json!({ "redrivePermission": "byQueue", "sourceQueueArns": [arn("source")] })).await.ok();
    set(policy).await.ok();
    set(String::new()).await.ok();
    assert_eq!(service.attribute(&source, "RedrivePolicy").await, None);
}

#[tokio::test]
async fn queues_are_listed_by_the_page() {
    let service = Service::new();
    assert_eq!(service.call("ListQueues", json!({})).await.ok(), json!({}));
    for name in ["a1", "a2", "a3", "b1"] {
        service.queue(name, json!({})).await;
    }
    let list = async |input: serde_json::Value| service.call("ListQueues", input).await;
    let all = list(json!({})).await.ok();
    assert_eq!(all, json!({ "QueueUrls": [url("a1"), url("a2"), url("a3"), url("b1")] }));
    let first = list(json!({ "QueueNamePrefix": "a", "MaxResults": 2 })).await.ok();
    assert_eq!(first["QueueUrls"], json!([url("a1"), url("a2")]));
    let next = json!({ "QueueNamePrefix": "a", "MaxResults": 2, "NextToken": first["NextToken"] });
    assert_eq!(list(next).await.ok(), json!({ "QueueUrls": [url("a3")] }));
    for input in [json!({ "MaxResults": 0 }), json!({ "MaxResults": 1001 }), json!({ "NextToken": "!" })] {
        assert_eq!(list(input.clone()).await.code(), "InvalidParameterValueException", "{input}");
    }
}

#[tokio::test]
async fn tags_come_and_go() {
    let service = Service::new();
    let created = json!({ "QueueName": "q", "tags": { "a": "1" } });
    let url = service.call("CreateQueue", created).await.ok()["QueueUrl"].as_str().unwrap().to_owned();
    service.call("TagQueue", json!({ "QueueUrl": url, "Tags": { "a": "2", "b": "" } })).await.ok();
    let tags = service.call("ListQueueTags", json!({ "QueueUrl": url })).await.ok();
    assert_eq!(tags, json!({ "Tags": { "a": "2", "b": "" } }));
    service.call("UntagQueue", json!({ "QueueUrl": url, "TagKeys": ["a", "c"] })).await.ok();
    assert_eq!(service.call("ListQueueTags", json!({ "QueueUrl": url })).await.ok(), json!({ "Tags": { "b": "" } }));
    let many: serde_json::Map<_, _> = (0..51).map(|n| (format!("k{n}"), "v".into())).collect();
    for tags in [json!(many), json!({ "": "v" }), json!({ "aws:x": "v" }), json!({ "k": "v".repeat(257) })] {
        let seen = service.call("TagQueue", json!({ "QueueUrl": url, "Tags": tags })).await;
        assert_eq!(seen.code(), "InvalidParameterValueException");
    }
}

#[tokio::test(start_paused = true)]
async fn queues_are_purged_at_most_once_a_minute_and_deleted() {
    let service = Service::new();
    let url = service.queue("q", json!({})).await;
    service.send(&url, "a").await;
    service.call("PurgeQueue", json!({ "QueueUrl": url })).await.ok();
    assert_eq!(service.attribute(&url, "ApproximateNumberOfMessages").await.as_deref(), Some("0"));
    let again = service.call("PurgeQueue", json!({ "QueueUrl": url })).await;
    assert_eq!(again.query_error.as_deref(), Some("AWS.SimpleQueueService.PurgeQueueInProgress;Sender"));
    let message = "Only one PurgeQueue operation on q is allowed every 60 seconds.";
    assert_eq!(again.error(), ("PurgeQueueInProgress".into(), 403, message.into()));
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    service.call("PurgeQueue", json!({ "QueueUrl": url })).await.ok();
    service.call("DeleteQueue", json!({ "QueueUrl": url })).await.ok();
    for operation in ["DeleteQueue", "PurgeQueue", "ListQueueTags", "ReceiveMessage", "GetQueueAttributes"] {
        assert_eq!(service.call(operation, json!({ "QueueUrl": url })).await.code(), "QueueDoesNotExist");
    }
}

#[tokio::test]
async fn urls_count_by_their_last_segments() {
    let service = Service::new();
    service.queue("q", json!({})).await;
    for url in
        ["https://sqs.us-east-1.amazonaws.com/000000000000/q", "/000000000000/q", "http://x/queue/000000000000/q/"]
    {
        service.send(url, "m").await;
    }
    for (url, code) in [
        (json!("http://localhost/123456789012/q"), "QueueDoesNotExist"),
        (json!("http://localhost/000000000000/"), "InvalidAddress"),
        (json!("q"), "InvalidAddress"),
        (json!(""), "InvalidAddress"),
        (json!("http://localhost/000000000000/a%20b"), "QueueDoesNotExist"),
        (json!(null), "MissingRequiredParameterException"),
    ] {
        let seen = service.call("SendMessage", json!({ "QueueUrl": url, "MessageBody": "m" })).await;
        assert_eq!(seen.code(), code, "{url}");
    }
    assert_eq!(service.call("Nonsense", json!({})).await.code(), "UnknownOperationException");
    assert_eq!(service.call("AddPermission", json!({})).await.code(), "UnsupportedOperation");
}
