//! Every operation at the service's entry point, over storage in memory.

mod attributes;
mod messages;
mod receiving;

use super::{ERROR_SHAPE, SqsApi, handle};
use crate::clock::TokioClock;
use crate::ids::{Home, QueueName};
use crate::storage::Storage;
use crate::wire::codec::{Answer, Request};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const ACCOUNT: &str = "000000000000";

struct Service {
    api: SqsApi,
    stop: CancellationToken,
}

/// What a client sees.
#[derive(Debug)]
struct Seen {
    status: u16,
    body: Value,
    query_error: Option<String>,
}

impl Seen {
    /// The answer of a call that went well.
    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    /// Code, status and message of one that did not.
    #[track_caller]
    fn error(self) -> (String, u16, String) {
        assert_ne!(self.status, 200, "{self:?}");
        let kind = self.body["__type"].as_str().unwrap();
        let code = kind.strip_prefix("com.amazonaws.sqs#").unwrap().to_owned();
        (code, self.status, self.body["message"].as_str().unwrap().to_owned())
    }

    #[track_caller]
    fn code(self) -> String {
        self.error().0
    }
}

impl Service {
    fn new() -> Self {
        let clock = TokioClock::starting_at(Timestamp::from_second(1_700_000_000).unwrap());
        let stop = CancellationToken::new();
        let queues = Storage::memory().unwrap().queues;
        Self { api: SqsApi::new(queues, Arc::new(clock), Home::default(), stop.clone()), stop }
    }

    async fn call(&self, operation: &str, input: Value) -> Seen {
        let request = http::Request::post("/")
            .header("host", "localhost:4566")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("AmazonSQS.{operation}"))
            .body(())
            .unwrap();
        let request = Request { parts: request.into_parts().0, body: Bytes::from(input.to_string()) };
        let answer: Answer = match handle(&self.api, &request).await {
            Ok(answer) => answer,
            Err(error) => error.into_response(ERROR_SHAPE),
        };
        let status = answer.status().as_u16();
        let query_error = answer.headers().get("x-amzn-query-error").map(|value| value.to_str().unwrap().to_owned());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Seen { status, body: serde_json::from_slice(&body).unwrap(), query_error }
    }

    /// A new queue's URL.
    async fn queue(&self, name: &str, mut attributes: Value) -> String {
        if name.ends_with(".fifo") {
            attributes["FifoQueue"] = "true".into();
        }
        let input = json!({ "QueueName": name, "Attributes": attributes });
        self.call("CreateQueue", input).await.ok()["QueueUrl"].as_str().unwrap().to_owned()
    }

    async fn send(&self, url: &str, body: &str) -> Value {
        self.call("SendMessage", json!({ "QueueUrl": url, "MessageBody": body })).await.ok()
    }

    async fn send_to_group(&self, url: &str, body: &str, group: &str, id: &str) -> Value {
        let input =
            json!({ "QueueUrl": url, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": id });
        self.call("SendMessage", input).await.ok()
    }

    /// Receives up to ten messages.
    async fn receive(&self, url: &str) -> Vec<Value> {
        let input = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
        let answer = self.call("ReceiveMessage", input).await.ok();
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    async fn attribute(&self, url: &str, name: &str) -> Option<String> {
        let input = json!({ "QueueUrl": url, "AttributeNames": [name] });
        let answer = self.call("GetQueueAttributes", input).await.ok();
        answer["Attributes"][name].as_str().map(str::to_owned)
    }
}

fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().unwrap()).collect()
}

fn url(name: &str) -> String {
    format!("http://localhost:4566/{ACCOUNT}/{name}")
}

fn name(text: &str) -> QueueName {
    QueueName::new(text).unwrap()
}
