//! The body of a request or a response.
//!
//! A request's body is read from the host as the handler asks for it. A response's is either all
//! there, copied from a reader, or written by a closure that runs once the host has the response's
//! head; what it has flushed reaches the client without waiting for the rest. Nothing is buffered
//! but what [`Body::into_bytes`] collects, which the function's memory size bounds, and 8 KiB of a closure's writes.

use std::{
    fmt,
    io::{self, BufWriter, Read, Write},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// Bytes, a stream to read, or a stream to write.
#[derive(Default)]
pub struct Body(Source);

type Writer = Box<dyn FnOnce(&mut dyn Write) -> Result<(), Error>>;

enum Source {
    Bytes(Bytes),
    Reader(Box<dyn Read>),
    Writer(Writer),
}

impl Default for Source {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl Body {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A response body copied from `reader`, such as the request's body or a file.
    pub fn from_reader(reader: impl Read + 'static) -> Self {
        Self(Source::Reader(Box::new(reader)))
    }

    /// A response body that `write` writes, after status and headers have gone out.
    ///
    /// `flush` hands what is written to the client. If `write` fails, the client sees a response cut
    /// short, since its status can no longer be taken back, and the error goes to the function's log.
    pub fn stream(write: impl FnOnce(&mut dyn Write) -> Result<(), Error> + 'static) -> Self {
        Self(Source::Writer(Box::new(write)))
    }

    /// `value` as JSON.
    ///
    /// # Errors
    /// [`Error::MARSHAL`] if the value has no JSON form.
    pub fn from_json(value: &impl Serialize) -> Result<Self, Error> {
        match serde_json::to_vec(value) {
            Ok(json) => Ok(json.into()),
            Err(error) => Err(Error::new(Error::MARSHAL, error.to_string())),
        }
    }

    /// Everything in the body, which must fit into the function's memory.
    ///
    /// # Errors
    /// That the client or the function broke off while sending it.
    pub fn into_bytes(self) -> Result<Bytes, Error> {
        match self.0 {
            Source::Bytes(bytes) => Ok(bytes),
            Source::Reader(mut reader) => {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
            Source::Writer(write) => {
                let mut bytes = Vec::new();
                write(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// [`Error::UNMARSHAL`] if it is not JSON of this type, or why it could not be read.
    pub fn into_json<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_slice(&self.into_bytes()?).map_err(|error| Error::new(Error::UNMARSHAL, error.to_string()))
    }

    /// The length in bytes, where it is known before the body is read or written.
    pub fn len_bytes(&self) -> Option<u64> {
        match &self.0 {
            Source::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
            Source::Reader(_) | Source::Writer(_) => None,
        }
    }

    /// Sends the body to `target`.
    ///
    /// # Errors
    /// The writing closure's own, or why the source could not be read or the target written.
    pub fn write_to(self, target: &mut dyn Write) -> Result<(), Error> {
        match self.0 {
            Source::Bytes(bytes) => target.write_all(&bytes)?,
            Source::Reader(mut reader) => {
                io::copy(&mut reader, target)?;
            }
            Source::Writer(write) => {
                // Many small writes become one call of the host, and `flush` still reaches it.
                let mut target = BufWriter::new(target);
                write(&mut target)?;
                return Ok(target.flush()?);
            }
        }
        Ok(target.flush()?)
    }
}

/// Reading a body made by [`Body::stream`] first runs its closure to the end.
impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.0, Source::Writer(_)) {
            let written = std::mem::take(self).into_bytes().map_err(|error| io::Error::other(error.to_string()))?;
            self.0 = Source::Bytes(written);
        }
        match &mut self.0 {
            Source::Bytes(bytes) => {
                let read = bytes.split_to(bytes.len().min(buffer.len()));
                // `&[u8]` reads as much as both sides hold, which is all of `read`.
                read.as_ref().read(buffer)
            }
            Source::Reader(reader) => reader.read(buffer),
            Source::Writer(_) => Ok(0),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Source::Reader(_) => f.write_str("Body(reader)"),
            Source::Writer(_) => f.write_str("Body(stream)"),
        }
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

/// What a handler can take as its request's body.
pub trait FromBody: Sized {
    /// Reads as much of the body as the type needs.
    ///
    /// # Errors
    /// [`Error::UNMARSHAL`] if the body has no such form, or why it could not be read.
    fn from_body(body: Body) -> Result<Self, Error>;
}

impl FromBody for Body {
    fn from_body(body: Body) -> Result<Self, Error> {
        Ok(body)
    }
}

impl FromBody for Bytes {
    fn from_body(body: Body) -> Result<Self, Error> {
        body.into_bytes()
    }
}

impl FromBody for Vec<u8> {
    fn from_body(body: Body) -> Result<Self, Error> {
        Ok(body.into_bytes()?.into())
    }
}

impl FromBody for String {
    fn from_body(body: Body) -> Result<Self, Error> {
        String::from_utf8(Vec::from_body(body)?).map_err(|error| Error::new(Error::UNMARSHAL, error.to_string()))
    }
}

/// Leaves the body unread.
impl FromBody for () {
    fn from_body(_: Body) -> Result<Self, Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed() -> Body {
        Body::stream(|out| {
            for part in ["one ", "two"] {
                out.write_all(part.as_bytes())?;
                out.flush()?;
            }
            Ok(())
        })
    }

    #[test]
    fn every_source_reads_and_writes_the_same() {
        let sources: [fn() -> Body; 3] = [|| "one two".into(), || Body::from_reader(&b"one two"[..]), streamed];
        for source in sources {
            assert_eq!(source().into_bytes().unwrap(), "one two");
            let mut read = String::new();
            source().read_to_string(&mut read).unwrap();
            let mut written = Vec::new();
            source().write_to(&mut written).unwrap();
            assert_eq!((read.as_str(), written.as_slice()), ("one two", &b"one two"[..]));
        }
    }

    #[test]
    fn a_body_reads_in_pieces() {
        let mut body = Body::from("abcde");
        let mut piece = [0; 2];
        let mut sizes = Vec::new();
        while let Ok(size @ 1..) = body.read(&mut piece) {
            sizes.push(size);
        }
        assert_eq!(sizes, [2, 2, 1]);
    }

    #[test]
    fn a_failing_stream_fails_its_reader() {
        let failing = || Body::stream(|_| Err(Error::new("Gone", "away")));
        assert_eq!(failing().into_bytes().unwrap_err().error_type(), "Gone");
        assert!(failing().read(&mut [0; 8]).unwrap_err().to_string().contains("away"));
    }

    #[test]
    fn bodies_convert() {
        assert_eq!(String::from_body("é".into()).unwrap(), "é");
        assert_eq!(String::from_body(vec![0xff].into()).unwrap_err().error_type(), Error::UNMARSHAL);
        assert_eq!(Body::from("[1,2]").into_json::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(Body::from("[1,").into_json::<Vec<u8>>().unwrap_err().error_type(), Error::UNMARSHAL);
        assert_eq!(Body::from("abc").len_bytes(), Some(3));
        assert_eq!(streamed().len_bytes(), None);
    }
}
