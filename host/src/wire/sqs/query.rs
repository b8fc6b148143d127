//! SQS's query protocol, which its clients spoke before 2023: forms in, XML out
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests.html>).
//!
//! A codec and nothing else. [`translate`] turns a call into the request that a client of today would have sent, once its signature has
//! been verified; what the operations answer to that is written as XML by [`render`]. A call names its operation in `Action`, in a form in
//! the body or in the query, and is of version [`VERSION`]; it is sent to `/` or to the queue's URL, which then says which queue is meant.
//!
//! Lists and maps are flat: `AttributeName.1`, `Attribute.1.Name`. Bounds: that of the body, and [`INDEX_LIMIT`]. What is not understood
//! is left out, or reaches the operation as text, which refuses it.

use super::super::codec::{self, Answer, Request, percent_decode};
use super::super::error::WireError;
use super::super::error::xml::escape;
use super::TARGET_PREFIX;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The version of the API.
const VERSION: &str = "2012-11-05";

/// The namespace of answers.
const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";

/// The highest index in a list.
const INDEX_LIMIT: u32 = 1_000;

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// Marks a request that came as a form: its answer is XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::wire) struct Spoken {
    /// The operation.
    action: String,
}

/// How a parameter is written, and what it is today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Text,
    Number,
    Texts,
    /// Text by text; what precedes the key.
    Texted(&'static str),
    /// Message attributes by name.
    Attributes,
    /// Structures.
    Entries,
}

/// Parameters, by their names in forms and in JSON.
const PARAMETERS: &[(&str, &str, Kind)] = &[
    ("QueueUrl", "QueueUrl", Kind::Text),
    ("QueueName", "QueueName", Kind::Text),
    ("QueueNamePrefix", "QueueNamePrefix", Kind::Text),
    ("QueueOwnerAWSAccountId", "QueueOwnerAWSAccountId", Kind::Text),
    ("NextToken", "NextToken", Kind::Text),
    ("MaxResults", "MaxResults", Kind::Number),
    ("Id", "Id", Kind::Text),
    ("MessageBody", "MessageBody", Kind::Text),
    ("MessageDeduplicationId", "MessageDeduplicationId", Kind::Text),
    ("MessageGroupId", "MessageGroupId", Kind::Text),
    ("DelaySeconds", "DelaySeconds", Kind::Number),
    ("ReceiptHandle", "ReceiptHandle", Kind::Text),
    ("ReceiveRequestAttemptId", "ReceiveRequestAttemptId", Kind::Text),
    ("MaxNumberOfMessages", "MaxNumberOfMessages", Kind::Number),
    ("VisibilityTimeout", "VisibilityTimeout", Kind::Number),
    ("WaitTimeSeconds", "WaitTimeSeconds", Kind::Number),
    ("AttributeName", "AttributeNames", Kind::Texts),
    ("MessageSystemAttributeName", "MessageSystemAttributeNames", Kind::Texts),
    ("MessageAttributeName", "MessageAttributeNames", Kind::Texts),
    ("TagKey", "TagKeys", Kind::Texts),
    ("Attribute", "Attributes", Kind::Texted("Name")),
    ("Tag", "Tags", Kind::Texted("Key")),
    ("MessageAttribute", "MessageAttributes", Kind::Attributes),
    ("MessageSystemAttribute", "MessageSystemAttributes", Kind::Attributes),
    ("SendMessageBatchRequestEntry", "Entries", Kind::Entries),
    ("DeleteMessageBatchRequestEntry", "Entries", Kind::Entries),
    ("ChangeMessageVisibilityBatchRequestEntry", "Entries", Kind::Entries),
];

/// Operations that answer nothing.
const WITHOUT_RESULT: &[&str] = &[
    "ChangeMessageVisibility",
    "DeleteMessage",
    "DeleteQueue",
    "PurgeQueue",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
];

/// Whether a path may be that of a call: the root, or a queue's.
pub(in crate::wire) fn is_path(path: &str) -> bool {
    let is_queue = || {
        let mut segments = path.split('/').skip(1);
        let account = segments.next().unwrap_or_default();
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        is_account && segments.next().is_some_and(|name| !name.is_empty()) && segments.all(str::is_empty)
    };
    path == "/" || is_queue()
}

/// The request of today that a form means; `None` where it is no call of this service. Its signature is over the form: verify that first.
pub(in crate::wire) fn translate(request: &Request) -> Option<Request> {
    let (parts, path) = (&request.parts, request.parts.uri.path());
    if parts.headers.contains_key("x-amz-target") || !is_path(path) {
        return None;
    }
    let has_form = parts.method == Method::POST
        && parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(FORM));
    let body = if has_form { std::str::from_utf8(&request.body).ok()? } else { "" };
    let texts = [parts.uri.query().unwrap_or_default(), body];
    let pairs = texts.iter().flat_map(|text| text.split('&')).filter(|pair| !pair.is_empty());
    let pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (percent_decode(name), percent_decode(value)))
        .collect();
    let value = |name: &str| pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let action = value("Action").filter(|_| value("Version") == Some(VERSION))?;
    let is_name = !action.is_empty() && action.len() <= 64 && action.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let target = HeaderValue::try_from(format!("{TARGET_PREFIX}{}", if is_name { action } else { "none" })).ok()?;
    let mut members = members(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if path != "/" {
        members.entry("QueueUrl").or_insert_with(|| path.into());
    }
    let mut parts = parts.clone();
    parts.method = Method::POST;
    parts.headers.insert("x-amz-target", target);
    parts.extensions.insert(Spoken { action: action.to_owned() });
    Some(Request { parts, body: Bytes::from(Value::Object(members).to_string()) })
}

/// Names and values.
type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// The members of a structure. The first of a name counts.
fn members<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let mut out = Map::new();
    // What is within lists and maps, by the member and the index.
    let mut within: BTreeMap<(&'static str, Kind), BTreeMap<u32, Pairs<'a>>> = BTreeMap::new();
    for (name, value) in pairs {
        let (head, rest) = name.split_once('.').unwrap_or((name, ""));
        let Some((_, member, kind)) = PARAMETERS.iter().find(|(form, ..)| *form == head) else { continue };
        match kind {
            Kind::Text | Kind::Number if !rest.is_empty() => {}
            Kind::Text => {
                out.entry(*member).or_insert_with(|| value.into());
            }
            Kind::Number => {
                // A text where a number should be is the operation's to refuse.
                let number = || value.parse::<i64>().map_or_else(|_| value.into(), Value::from);
                out.entry(*member).or_insert_with(number);
            }
            kind => {
                // A list of one may stand without its index.
                let (index, rest) =
                    if rest.is_empty() { ("1", "") } else { rest.split_once('.').unwrap_or((rest, "")) };
                let Some(index) = index.parse().ok().filter(|index| *index <= INDEX_LIMIT) else { continue };
                within.entry((*member, *kind)).or_default().entry(index).or_default().push((rest, value));
            }
        }
    }
    for ((member, kind), items) in within {
        out.insert(member.to_owned(), list(kind, items.into_values()));
    }
    out
}

fn list<'a>(kind: Kind, items: impl Iterator<Item = Vec<(&'a str, &'a str)>>) -> Value {
    let named = |item: &[(&'a str, &'a str)], name: &str| {
        item.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
    };
    match kind {
        Kind::Text | Kind::Number | Kind::Texts => {
            items.filter_map(|item| Some(Value::from(named(&item, "")?))).collect()
        }
        Kind::Texted(key) => {
            let pairs = items.filter_map(|item| {
                Some((named(&item, key)?.to_owned(), named(&item, "Value").unwrap_or_default().into()))
            });
            Value::Object(pairs.collect())
        }
        Kind::Attributes => {
            let attribute = |item: Vec<(&'a str, &'a str)>| {
                let name = named(&item, "Name")?.to_owned();
                let members = item.iter().filter_map(|(name, value)| Some((name.strip_prefix("Value.")?, *value)));
                let members = members.filter(|(name, _)| matches!(*name, "DataType" | "StringValue" | "BinaryValue"));
                Some((name, Value::Object(members.map(|(name, value)| (name.to_owned(), value.into())).collect())))
            };
            Value::Object(items.filter_map(attribute).collect())
        }
        Kind::Entries => items.map(|item| Value::Object(members(item.into_iter()))).collect(),
    }
}

/// What an operation answered, as clients of old read it.
pub(in crate::wire) async fn render(spoken: &Spoken, answered: Result<Answer, WireError>, request_id: Uuid) -> Answer {
    let Spoken { action } = spoken;
    let head = "<?xml version=\"1.0\"?>\n";
    let answer = match answered {
        Ok(answer) => answer,
        Err(error) => {
            let kind = if error.status.is_server_error() { "Receiver" } else { "Sender" };
            let code = match error.code {
                "UnknownOperationException" => "InvalidAction",
                code => error.query_code.unwrap_or(code),
            };
            let (code, message) = (escape(code), escape(&error.message));
            let document = format!(
                "{head}<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message>\
                 <Detail/></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
            );
            return codec::text(error.status, "text/xml", document);
        }
    };
    let status = answer.status();
    // Answers of operations are whole.
    let body = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let members = serde_json::from_slice::<Map<String, Value>>(&body).unwrap_or_default();
    let mut document = format!("{head}<{action}Response xmlns=\"{NAMESPACE}\">");
    if !WITHOUT_RESULT.contains(&action.as_str()) {
        document.push_str(&format!("<{action}Result>"));
        write(&mut document, action, &members);
        document.push_str(&format!("</{action}Result>"));
    }
    document.push_str(&format!(
        "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    ));
    codec::text(status, "text/xml", document)
}

fn write(out: &mut String, action: &str, members: &Map<String, Value>) {
    let element = |out: &mut String, name: &str, value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out.push_str(&format!("<{name}>{}</{name}>", escape(&text)));
    };
    for (member, value) in members {
        match (member.as_str(), value) {
            ("QueueUrls" | "queueUrls", Value::Array(urls)) => {
                urls.iter().for_each(|url| element(out, "QueueUrl", url))
            }
            ("Messages" | "Successful" | "Failed", Value::Array(items)) => {
                let name = match member.as_str() {
                    "Messages" => "Message".to_owned(),
                    "Failed" => "BatchResultErrorEntry".to_owned(),
                    _ => format!("{action}ResultEntry"),
                };
                for item in items.iter().filter_map(Value::as_object) {
                    out.push_str(&format!("<{name}>"));
                    write(out, action, item);
                    out.push_str(&format!("</{name}>"));
                }
            }
            ("Attributes" | "Tags" | "MessageAttributes", Value::Object(entries)) => {
                let name = member.trim_end_matches('s');
                let key = if name == "Tag" { "Key" } else { "Name" };
                for (given, value) in entries {
                    out.push_str(&format!("<{name}>"));
                    element(out, key, &json!(given));
                    match value {
                        Value::Object(value) => {
                            out.push_str("<Value>");
                            write(out, action, value);
                            out.push_str("</Value>");
                        }
                        value => element(out, "Value", value),
                    }
                    out.push_str(&format!("</{name}>"));
                }
            }
            (_, Value::Object(_) | Value::Array(_) | Value::Null) => {}
            (name, value) => element(out, name, value),
        }
    }
}

/// Whether a request may be such a call, as far as its head tells: what is refused before it is read is refused in XML.
pub(in crate::wire) fn is_spoken(parts: &http::request::Parts) -> bool {
    let has_form = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(FORM));
    has_form && parts.method == Method::POST && is_path(parts.uri.path()) && !parts.headers.contains_key("x-amz-target")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn request(target: &str, body: &str) -> Request {
        let builder =
            http::Request::post(target).header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        Request { parts, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn translated(target: &str, body: &str) -> Option<(String, Value)> {
        let request = translate(&request(target, &format!("Version=2012-11-05&{body}")))?;
        let target = request.header("x-amz-target")?.strip_prefix("AmazonSQS.")?.to_owned();
        Some((target, serde_json::from_slice(&request.body).unwrap()))
    }

    #[test]
    fn forms_become_the_members_of_today() {
        for (target, body, action, expected) in [
            ("/", "Action=ListQueues", "ListQueues", json!({})),
            (
                "/",
                "Action=CreateQueue&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&Tag.1.Key=a&Tag.1.Value=b",
                "CreateQueue",
                json!({ "QueueName": "q", "Attributes": { "DelaySeconds": "5" }, "Tags": { "a": "b" } }),
            ),
            (
                "/000000000000/q",
                "Action=SendMessage&MessageBody=a+b%26&DelaySeconds=1&MessageAttribute.2.Name=n&\
                 MessageAttribute.2.Value.DataType=String&MessageAttribute.2.Value.StringValue=v",
                "SendMessage",
                json!({
                    "QueueUrl": "/000000000000/q", "MessageBody": "a b&", "DelaySeconds": 1,
                    "MessageAttributes": { "n": { "DataType": "String", "StringValue": "v" } },
                }),
            ),
            (
                "/",
                "Action=ReceiveMessage&QueueUrl=u&AttributeName.10=b&AttributeName.9=a&MaxNumberOfMessages=x&WaitTimeSeconds=-1",
                "ReceiveMessage",
                json!({ "QueueUrl": "u", "AttributeNames": ["a", "b"], "MaxNumberOfMessages": "x", "WaitTimeSeconds": -1 }),
            ),
            (
                "/",
                "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x&\
                 SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=n&\
                 SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=Number",
                "SendMessageBatch",
                json!({ "Entries": [
                    { "Id": "a", "MessageBody": "x" },
                    { "Id": "b", "MessageAttributes": { "n": { "DataType": "Number" } } },
                ] }),
            ),
            (
                "/",
                "Action=UntagQueue&TagKey=a&QueueUrl=u&QueueUrl=v",
                "UntagQueue",
                json!({ "TagKeys": ["a"], "QueueUrl": "u" }),
            ),
            ("/", "Action=%3Cx%3E", "none", json!({})),
        ] {
            assert_eq!(translated(target, body), Some((action.to_owned(), expected)), "{target} {body}");
        }
        assert_eq!(translated("/?Action=ListQueues", ""), Some(("ListQueues".to_owned(), json!({}))));
    }

    #[test]
    fn what_is_no_call_of_this_service_is_left_alone() {
        for (target, body) in [
            ("/", "Action=GetCallerIdentity&Version=2011-06-15"),
            ("/", "Version=2012-11-05"),
            ("/x", "Action=ListQueues&Version=2012-11-05"),
            ("/2015-03-31/functions", "Action=ListQueues&Version=2012-11-05"),
            ("/000000000000/q/r", "Action=ListQueues&Version=2012-11-05"),
            ("/", "\u{0}&&=&==&.1=&Action.1=x"),
        ] {
            assert!(translate(&request(target, body)).is_none(), "{target} {body}");
        }
        let far =
            "Action=ReceiveMessage&AttributeName.4294967296=a&AttributeName.1001=b&AttributeName.x=c&AttributeName..=d";
        assert_eq!(translated("/", far), Some(("ReceiveMessage".to_owned(), json!({}))));
    }

    #[tokio::test]
    async fn answers_are_written_as_xml() {
        let members = json!({
            "Messages": [{
                "MessageId": "1", "Body": "<&>", "Attributes": { "SentTimestamp": "2" },
                "MessageAttributes": { "n": { "DataType": "String", "StringValue": "v" } },
            }],
        });
        let answer = codec::json(StatusCode::OK, &members);
        let spoken = Spoken { action: "ReceiveMessage".into() };
        let document = text(render(&spoken, answer, Uuid::nil()).await).await;
        // Members of a structure come in any order.
        for part in [
            "<ReceiveMessageResult><Message><",
            "<MessageId>1</MessageId>",
            "<Body>&lt;&amp;&gt;</Body>",
            "<Attribute><Name>SentTimestamp</Name><Value>2</Value></Attribute>",
            "<MessageAttribute><Name>n</Name><Value><DataType>String</DataType><StringValue>v</StringValue></Value>\
             </MessageAttribute>",
            "></Message></ReceiveMessageResult>",
        ] {
            assert!(document.contains(part), "{part}: {document}");
        }
        let spoken = Spoken { action: "DeleteQueue".into() };
        let document = text(render(&spoken, codec::json(StatusCode::OK, &json!({})), Uuid::nil()).await).await;
        assert!(!document.contains("Result") && document.contains("<RequestId>00000000-"), "{document}");
        let refused = render(&spoken, Err(super::super::fault::no_such_queue()), Uuid::nil()).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert!(text(refused).await.contains("<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"));
    }

    async fn text(answer: Answer) -> String {
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }
}
