//! The one translation into AWS errors: code, HTTP status and message, in the shape of the service's protocol.

mod cbor;
pub(super) mod xml;

use super::codec::{Answer, whole};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The error shape of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// REST with JSON bodies (Lambda, Scheduler): the code in `x-amzn-ErrorType`.
    RestJson,
    /// JSON 1.0 or 1.1 by `X-Amz-Target` (SQS …): the code in `__type`.
    Json {
        /// Put before the code, such as `com.amazonaws.sqs#`.
        namespace: &'static str,
    },
    /// Query (STS …): XML, with the code without `Exception`.
    Query,
    /// EC2's own form of it.
    Ec2,
    /// REST with XML (S3 …).
    RestXml,
    /// Smithy RPC v2 with CBOR (CloudWatch …): the code in `__type`.
    Cbor,
}

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq)]
pub struct WireError {
    /// HTTP status.
    pub status: StatusCode,
    /// AWS's error code, such as `ResourceNotFoundException`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Further members of the error's shape, such as `Reason`.
    pub members: BTreeMap<String, Value>,
    /// SQS's older code for the same error, in `x-amzn-query-error`.
    pub query_code: Option<&'static str>,
    /// Seconds, in `Retry-After`.
    pub retry_after_s: Option<u32>,
}

impl WireError {
    /// An error with nothing beyond its code and message.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), members: BTreeMap::new(), query_code: None, retry_after_s: None }
    }

    /// The caller's fault: 400.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Constraint violations, worded as AWS words them; `what` says which member and constraint.
    pub fn validation(what: impl std::fmt::Display) -> Self {
        Self::bad_request("ValidationException", format!("1 validation error detected: {what}"))
    }

    /// Adds a member.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Writes the error as `shape` has it.
    pub fn into_response(self, shape: Shape) -> Answer {
        let mut body: Map<String, Value> = self.members.into_iter().collect();
        let content = match shape {
            Shape::RestJson => {
                // Lambda's clients read either spelling.
                body.insert("Message".into(), self.message.clone().into());
                body.insert("message".into(), self.message.into());
                let kind = if self.status.is_server_error() { "Service" } else { "User" };
                body.entry("Type").or_insert_with(|| kind.into());
                Value::Object(body).to_string().into_bytes()
            }
            Shape::Json { namespace } => {
                body.insert("__type".into(), format!("{namespace}{}", self.code).into());
                body.insert("message".into(), self.message.into());
                Value::Object(body).to_string().into_bytes()
            }
            Shape::Query | Shape::Ec2 | Shape::RestXml => {
                xml::error(shape, self.code, &self.message, self.status.is_server_error()).into_bytes()
            }
            Shape::Cbor => cbor::error(self.code, &self.message),
        };
        let mut response = Response::new(whole(content));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let content_type = match shape {
            Shape::RestJson => "application/json",
            Shape::Json { .. } => "application/x-amz-json-1.0",
            Shape::Query | Shape::Ec2 => "text/xml",
            Shape::RestXml => "application/xml",
            Shape::Cbor => "application/cbor",
        };
        if shape == Shape::Cbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(self.code));
        if let Some(query_code) = self.query_code {
            let kind = if self.status.is_server_error() { "Receiver" } else { "Sender" };
            if let Ok(value) = HeaderValue::try_from(format!("{query_code};{kind}")) {
                headers.insert("x-amzn-query-error", value);
            }
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<crate::storage::Error> for WireError {
    fn from(error: crate::storage::Error) -> Self {
        tracing::error!(%error, "storage failed");
        let status = if error.is_retryable() || matches!(error, crate::storage::Error::Closed) {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        Self::new(status, "ServiceException", "The service could not store or read its data. Try again later.")
    }
}
