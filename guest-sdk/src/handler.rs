//! Which functions can be handlers.
//!
//! The traits are implemented for plain functions of the accepted shapes; the attributes and
//! [`testing`](crate::testing) call through them. `Args` only tells the implementations apart.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Context, Error, ResponseStream};

/// An event or a response as bytes, taken and given as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

/// What a handler can take as its event: JSON of a serde type, or [`Raw`] bytes.
pub trait FromEvent: Sized {
    /// Reads the event.
    ///
    /// # Errors
    /// [`Error::UNMARSHAL`] if the bytes are not JSON of this type.
    fn from_event(event: Vec<u8>) -> Result<Self, Error>;
}

impl<T: DeserializeOwned> FromEvent for T {
    fn from_event(event: Vec<u8>) -> Result<Self, Error> {
        serde_json::from_slice(&event).map_err(|error| Error::new(Error::UNMARSHAL, error.to_string()))
    }
}

impl FromEvent for Raw {
    fn from_event(event: Vec<u8>) -> Result<Self, Error> {
        Ok(Self(event))
    }
}

/// What a handler can answer with: a serde type, sent as JSON, or [`Raw`] bytes.
pub trait IntoResponse {
    /// Writes the response.
    ///
    /// # Errors
    /// [`Error::MARSHAL`] if the value has no JSON form, such as a map whose keys are not strings.
    fn into_response(self) -> Result<Vec<u8>, Error>;
}

impl<T: Serialize> IntoResponse for T {
    fn into_response(self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(&self).map_err(|error| Error::new(Error::MARSHAL, error.to_string()))
    }
}

impl IntoResponse for Raw {
    fn into_response(self) -> Result<Vec<u8>, Error> {
        Ok(self.0)
    }
}

/// A function `#[lamina::handler]` takes.
pub trait EventHandler<Args> {
    /// Handles one event.
    ///
    /// # Errors
    /// The handler's own, or that its event or response does not convert.
    fn call(&self, event: Vec<u8>, context: Context) -> Result<Vec<u8>, Error>;
}

impl<F, E, R, X> EventHandler<(E,)> for F
where
    F: Fn(E) -> Result<R, X>,
    E: FromEvent,
    R: IntoResponse,
    X: Into<Error>,
{
    fn call(&self, event: Vec<u8>, _: Context) -> Result<Vec<u8>, Error> {
        self(E::from_event(event)?).map_err(Into::into)?.into_response()
    }
}

impl<F, E, R, X> EventHandler<(E, Context)> for F
where
    F: Fn(E, Context) -> Result<R, X>,
    E: FromEvent,
    R: IntoResponse,
    X: Into<Error>,
{
    fn call(&self, event: Vec<u8>, context: Context) -> Result<Vec<u8>, Error> {
        self(E::from_event(event)?, context).map_err(Into::into)?.into_response()
    }
}

impl<F, E, X> EventHandler<(E, ResponseStream)> for F
where
    F: Fn(E, ResponseStream) -> Result<(), X>,
    E: FromEvent,
    X: Into<Error>,
{
    fn call(&self, event: Vec<u8>, _: Context) -> Result<Vec<u8>, Error> {
        self(E::from_event(event)?, ResponseStream::new()).map_err(Into::into)?;
        Ok(Vec::new())
    }
}

impl<F, E, X> EventHandler<(E, Context, ResponseStream)> for F
where
    F: Fn(E, Context, ResponseStream) -> Result<(), X>,
    E: FromEvent,
    X: Into<Error>,
{
    fn call(&self, event: Vec<u8>, context: Context) -> Result<Vec<u8>, Error> {
        self(E::from_event(event)?, context, ResponseStream::new()).map_err(Into::into)?;
        Ok(Vec::new())
    }
}

/// A function `#[lamina::http]` takes.
#[cfg(feature = "http")]
pub trait HttpHandler<Args> {
    /// Handles one request.
    ///
    /// # Errors
    /// The handler's own, or that the request body does not convert.
    fn call(&self, request: http::Request<crate::Body>, context: Context)
    -> Result<http::Response<crate::Body>, Error>;
}

#[cfg(feature = "http")]
impl<F, B, C, X> HttpHandler<(http::Request<B>,)> for F
where
    F: Fn(http::Request<B>) -> Result<http::Response<C>, X>,
    B: crate::FromBody,
    C: Into<crate::Body>,
    X: Into<Error>,
{
    fn call(&self, request: http::Request<crate::Body>, _: Context) -> Result<http::Response<crate::Body>, Error> {
        let (head, body) = request.into_parts();
        let request = http::Request::from_parts(head, B::from_body(body)?);
        Ok(self(request).map_err(Into::into)?.map(Into::into))
    }
}

#[cfg(feature = "http")]
impl<F, B, C, X> HttpHandler<(http::Request<B>, Context)> for F
where
    F: Fn(http::Request<B>, Context) -> Result<http::Response<C>, X>,
    B: crate::FromBody,
    C: Into<crate::Body>,
    X: Into<Error>,
{
    fn call(
        &self,
        request: http::Request<crate::Body>,
        context: Context,
    ) -> Result<http::Response<crate::Body>, Error> {
        let (head, body) = request.into_parts();
        let request = http::Request::from_parts(head, B::from_body(body)?);
        Ok(self(request, context).map_err(Into::into)?.map(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing;

    fn double(event: u32) -> Result<u32, Error> {
        event.checked_mul(2).ok_or_else(|| Error::new("TooBig", "no double"))
    }

    fn whose(_: (), context: Context) -> Result<String, std::io::Error> {
        Ok(context.request_id)
    }

    fn reversed(Raw(mut bytes): Raw) -> Result<Raw, Error> {
        bytes.reverse();
        Ok(Raw(bytes))
    }

    fn unserialisable(_: ()) -> Result<BTreeMap<Vec<u8>, u8>, Error> {
        Ok(BTreeMap::from([(vec![1, 2], 3)]))
    }

    fn call<A>(handler: impl EventHandler<A>, event: &[u8]) -> Result<Vec<u8>, Error> {
        handler.call(event.to_vec(), testing::context().request_id("r-9").build())
    }

    #[test]
    fn handlers_take_json_or_bytes_with_or_without_context() {
        assert_eq!(call(double, b" 21 ").unwrap(), b"42");
        assert_eq!(call(whose, b"null").unwrap(), b"\"r-9\"");
        assert_eq!(call(reversed, b"\xff\x00").unwrap(), b"\x00\xff");
    }

    #[test]
    fn handlers_may_stream_with_or_without_context() {
        use std::io::Write as _;
        fn words(words: Vec<String>, mut out: ResponseStream) -> Result<(), Error> {
            out.begin("text/plain")?;
            Ok(words.iter().try_for_each(|word| writeln!(out, "{word}"))?)
        }
        fn headed(_: (), context: Context, mut out: ResponseStream) -> Result<(), Error> {
            out.with_head(201, [("x-a", "1"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")])?;
            assert_eq!(out.begin("text/plain").unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
            Ok(out.write_all(context.request_id.as_bytes())?)
        }
        assert_eq!(call(words, br#"["a","b"]"#).unwrap(), b"");
        assert_eq!(crate::stream::sink::take(), Some(("text/plain".to_owned(), b"a\nb\n".to_vec())));
        call(headed, b"null").unwrap();
        let (content_type, bytes) = crate::stream::sink::take().unwrap();
        assert_eq!(content_type, "application/vnd.awslambda.http-integration-response");
        let head = br#"{"cookies":["a=1","b=2"],"headers":{"x-a":"1"},"statusCode":201}"#;
        assert_eq!(bytes, [&head[..], &[0; 8], b"r-9"].concat());
    }

    #[test]
    fn each_failure_has_its_type() {
        assert_eq!(call(double, b"{}").unwrap_err().error_type(), Error::UNMARSHAL);
        assert_eq!(call(double, b"").unwrap_err().error_type(), Error::UNMARSHAL);
        assert_eq!(call(double, b"4000000000").unwrap_err().error_type(), "TooBig");
        assert_eq!(call(unserialisable, b"null").unwrap_err().error_type(), Error::MARSHAL);
    }
}
