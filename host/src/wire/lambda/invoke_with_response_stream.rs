//! `InvokeWithResponseStream` (<https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html>).
//!
//! The answer is an event stream: a `PayloadChunk` for each piece as the function makes it, and an `InvokeComplete` once it has ended. A
//! function that fails before its first piece is an `InvokeComplete` too; what kept it from running is an ordinary error.
//! The response of an HTTP function comes as a stream with a head
//! ([`HTTP_INTEGRATION`](crate::invocation::http_event::HTTP_INTEGRATION)).

use super::constraints::one_of;
use super::invoke::{TRACE_ID, client_context, event};
use super::{LambdaApi, target};
use crate::invocation::http_event::response_prelude;
use crate::invocation::{
    Body, FunctionError, Invocation, Payload, Source, StreamEnded, StreamHead, StreamedOutcome, body_failure,
};
use crate::sandbox::calls::response_stream::StreamTooLarge;
use crate::wire::codec::{self, Answer, AnswerBody, Request};
use crate::wire::error::WireError;
use crate::wire::event_stream;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::convert::Infallible;
use std::sync::Arc;
use uuid::Uuid;

/// The most that one `PayloadChunk` carries; clients refuse messages over 16 MB.
const CHUNK_BYTES: usize = 1 << 20;

pub(super) async fn handle(api: &LambdaApi, request: &Request, name: &str, id: Uuid) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let kind = request.header("x-amz-invocation-type").unwrap_or("RequestResponse");
    one_of(kind, "invocationType", &["RequestResponse", "DryRun"])?;
    let log_type = request.header("x-amz-log-type").unwrap_or("None");
    one_of(log_type, "logType", &["None", "Tail"])?;
    let client_context = request.header("x-amz-client-context").map(client_context).transpose()?;
    let event = event(&request.body)?;
    if kind == "DryRun" {
        api.catalog.resolve(&target, None)?;
        return Ok(codec::empty(StatusCode::NO_CONTENT));
    }
    let trace_id = request.header(TRACE_ID);
    let invocation = Invocation {
        target,
        payload: Payload::Event(event),
        request_id: id,
        source: Source::Api,
        trace_id: trace_id.map(Arc::from),
        client_context,
        tail_log: log_type == "Tail",
    };
    let outcome = api.invoke.invoke_streamed(invocation).await?;
    let version = outcome.executed_version.to_string();
    let frames = StreamBody::new(messages(outcome));
    let frames = frames.map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut answer = Answer::new(AnswerBody::Streamed(frames));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(event_stream::CONTENT_TYPE));
    for (name, value) in [("x-amz-executed-version", Some(version.as_str())), (TRACE_ID, trace_id)] {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
    Ok(answer)
}

/// Where a stream of messages stands.
enum State {
    /// A message that is ready, and what comes after it.
    Ready(Bytes, Box<State>),
    /// The response's body, whose rest is still to be read, with a part of it that is ready.
    Reading { body: Body, ready: Bytes, end: crate::invocation::StreamEnd },
    /// Told in full.
    Done,
}

fn messages(outcome: StreamedOutcome) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    let state = match outcome.result {
        Err(error) => complete(StreamEnded { error: Some(error), log_tail: outcome.log_tail }),
        Ok(response) => {
            let reading = |ready| State::Reading { body: response.body, ready, end: response.end };
            match response.head {
                StreamHead::Event { .. } => reading(Bytes::new()),
                StreamHead::Http(parts) => match response_prelude(&parts) {
                    Ok(prelude) => State::Ready(chunk(&prelude), Box::new(reading(Bytes::new()))),
                    Err(error) => complete(StreamEnded { error: Some(unreadable(&error)), log_tail: None }),
                },
            }
        }
    };
    stream::unfold(state, |state| async move {
        let (message, next) = next_message(state).await?;
        Some((Ok(Frame::data(message)), next))
    })
}

async fn next_message(state: State) -> Option<(Bytes, State)> {
    let mut state = state;
    loop {
        state = match state {
            State::Done => return None,
            State::Ready(message, next) => return Some((message, *next)),
            State::Reading { body, mut ready, end } if !ready.is_empty() => {
                let piece = ready.split_to(ready.len().min(CHUNK_BYTES));
                return Some((chunk(&piece), State::Reading { body, ready, end }));
            }
            State::Reading { mut body, end, .. } => match body.frame().await {
                Some(Ok(frame)) => State::Reading { body, ready: frame.into_data().unwrap_or_default(), end },
                None => complete(end.wait().await),
                Some(Err(error)) => {
                    let failure = body_failure(&error);
                    // The function hears that nobody reads on.
                    drop(body);
                    let ended = end.wait().await;
                    // A limit explains what the function did after it.
                    let error = match ended.error {
                        Some(own) if !error.is::<StreamTooLarge>() => own,
                        _ => failure,
                    };
                    complete(StreamEnded { error: Some(error), ..ended })
                }
            },
        };
    }
}

fn chunk(payload: &[u8]) -> Bytes {
    event_stream::event("PayloadChunk", "application/octet-stream", payload)
}

fn complete(ended: StreamEnded) -> State {
    let mut shape = serde_json::Map::new();
    if let Some(error) = ended.error {
        shape.insert("ErrorCode".into(), "Unhandled".into());
        shape.insert("ErrorDetails".into(), error.to_text().into());
    }
    if let Some(log) = ended.log_tail {
        shape.insert("LogResult".into(), BASE64_STANDARD.encode(log).into());
    }
    let message = event_stream::event(
        "InvokeComplete",
        "application/json",
        serde_json::Value::Object(shape).to_string().as_bytes(),
    );
    State::Ready(message, Box::new(State::Done))
}

fn unreadable(error: &impl std::fmt::Display) -> FunctionError {
    FunctionError {
        handled: false,
        error_type: "Runtime.InvalidResponse".into(),
        error_message: error.to_string(),
        stack_trace: Vec::new(),
        document: None,
    }
}
