//! Reading requests and writing answers: what all operations share.

use super::error::WireError;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer.
pub type Answer = Response<AnswerBody>;

/// What an answer carries.
#[derive(Debug)]
pub enum AnswerBody {
    /// Bytes that are there whole.
    Whole(Full<Bytes>),
    /// A stream that is still being made.
    Streamed(crate::invocation::Body),
}

/// The body of an answer that is there whole.
pub fn whole(bytes: impl Into<Bytes>) -> AnswerBody {
    AnswerBody::Whole(Full::new(bytes.into()))
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = crate::invocation::BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Streamed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(body) => body.size_hint(),
        }
    }
}

/// A request, read whole.
#[derive(Debug)]
pub struct Request {
    /// Method, URI and headers.
    pub parts: http::request::Parts,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// The first value of a query parameter, percent-decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.parts.uri.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(key) == name).then(|| percent_decode(value))
        })
    }

    /// All values of a query parameter, percent-decoded, in order.
    pub fn query_all(&self, name: &str) -> Vec<String> {
        let pairs = self.parts.uri.query().into_iter().flat_map(|query| query.split('&'));
        pairs
            .filter_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (percent_decode(key) == name).then(|| percent_decode(value))
            })
            .collect()
    }

    /// A header's value, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// Parses the body as JSON; an empty one counts as `{}`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        parse(&self.body)
    }
}

/// Parses a body as JSON; an empty one counts as `{}`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    let body: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let code = if error.is_data() { "InvalidParameterValueException" } else { "SerializationException" };
        WireError::bad_request(code, format!("Could not parse request body into json: {error}"))
    })
}

/// Percent-decodes one part of a URI; `+` is a space, bytes that are not UTF-8 are replaced.
pub fn percent_decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Reads a body up to `limit_bytes`; a longer one is refused with 413.
pub async fn read_body<B>(body: B, limit_bytes: usize) -> Result<Bytes, WireError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, limit_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large(limit_bytes)),
        Err(error) => {
            Err(WireError::bad_request("SerializationException", format!("The body could not be read: {error}")))
        }
    }
}

/// The refusal of a body over its limit.
pub fn too_large(limit_bytes: usize) -> WireError {
    WireError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLargeException",
        format!("Request must be smaller than {limit_bytes} bytes for the operation"),
    )
}

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Answer, WireError> {
    json_as(status, "application/json", body)
}

/// An answer with a JSON body under another content type, such as `application/x-amz-json-1.0`.
pub fn json_as(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Result<Answer, WireError> {
    let text = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        WireError::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", "The answer could not be written.")
    })?;
    let mut answer = Response::new(whole(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(answer)
}

/// An answer with a text.
pub fn text(status: StatusCode, content_type: &'static str, text: String) -> Answer {
    let mut answer = empty(status);
    *answer.body_mut() = whole(text);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}
