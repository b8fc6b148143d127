//! `lamina:function/response-stream`: an event function's response, in pieces, while it runs.
//!
//! An environment has one [`StreamSink`], put in place before an invocation and taken away after it; outside of one, and
//! once nobody reads any more, the guest is told that the stream is closed. Bounds: the sink's limit of bytes, past which
//! the invocation fails with [`StreamTooLarge`]; [`PIECES`] of at most [`PIECE_BYTES`] on their way to a reader, past which
//! the guest waits.

use crate::sandbox::bindings::response_stream::{Host, StreamError};
use crate::sandbox::state::State;
use bytes::Bytes;
use futures_channel::oneshot;
use tokio::sync::mpsc;

/// Pieces that wait for the reader.
pub const PIECES: usize = 8;

/// The most one piece carries; longer ones are cut up.
const PIECE_BYTES: usize = 64 * 1024;

/// What a stream is called that its function gave no name.
pub const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// A streamed response over its limit. The function's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the streamed response is larger than {limit_bytes} bytes")]
pub struct StreamTooLarge {
    /// The limit.
    pub limit_bytes: u64,
}

/// What was written to a sink that gathers.
#[derive(Debug, PartialEq, Eq)]
pub struct Gathered {
    /// As the function called it.
    pub content_type: String,
    /// All pieces.
    pub bytes: Vec<u8>,
}

/// Where an invocation's pieces go.
pub struct StreamSink {
    left_bytes: u64,
    limit_bytes: u64,
    out: Out,
}

enum Out {
    /// No invocation.
    Nowhere,
    Gather(Option<Gathered>),
    /// The reader hears of the beginning, then gets the pieces.
    Forward {
        begin: Option<oneshot::Sender<String>>,
        pieces: mpsc::Sender<Bytes>,
    },
}

impl Default for StreamSink {
    fn default() -> Self {
        Self { left_bytes: 0, limit_bytes: 0, out: Out::Nowhere }
    }
}

impl StreamSink {
    /// Keeps up to `limit_bytes` until the invocation has ended.
    pub fn gather(limit_bytes: u64) -> Self {
        Self { left_bytes: limit_bytes, limit_bytes, out: Out::Gather(None) }
    }

    /// Tells `begin` the content type once there is one, and hands each piece on.
    pub fn forward(limit_bytes: u64, begin: oneshot::Sender<String>, pieces: mpsc::Sender<Bytes>) -> Self {
        Self { left_bytes: limit_bytes, limit_bytes, out: Out::Forward { begin: Some(begin), pieces } }
    }

    /// What was gathered, if the response was begun.
    pub fn into_gathered(self) -> Option<Gathered> {
        match self.out {
            Out::Gather(gathered) => gathered,
            Out::Nowhere | Out::Forward { .. } => None,
        }
    }

    /// Whether a reader gets the pieces as they come.
    pub fn is_forwarding(&self) -> bool {
        matches!(self.out, Out::Forward { .. })
    }

    /// Whether a reader has heard of the beginning.
    pub fn has_begun(&self) -> bool {
        matches!(self.out, Out::Forward { begin: None, .. } | Out::Gather(Some(_)))
    }

    pub(super) fn begin(&mut self, content_type: String) -> Result<(), StreamError> {
        if http::HeaderValue::try_from(content_type.as_str()).is_err() || content_type.is_empty() {
            return Err(StreamError::InvalidContentType);
        }
        match &mut self.out {
            Out::Nowhere => Err(StreamError::Closed),
            Out::Gather(Some(_)) | Out::Forward { begin: None, .. } => Err(StreamError::Begun),
            Out::Gather(gathered) => {
                *gathered = Some(Gathered { content_type, bytes: Vec::new() });
                Ok(())
            }
            Out::Forward { begin, .. } => match begin.take().map(|begin| begin.send(content_type)) {
                Some(Ok(())) => Ok(()),
                Some(Err(_)) | None => Err(StreamError::Closed),
            },
        }
    }

    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> Result<Result<(), StreamError>, StreamTooLarge> {
        match self.begin(DEFAULT_CONTENT_TYPE.to_owned()) {
            Ok(()) | Err(StreamError::Begun) => {}
            Err(error) => return Ok(Err(error)),
        }
        let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Some(left_bytes) = self.left_bytes.checked_sub(size_bytes) else {
            return Err(StreamTooLarge { limit_bytes: self.limit_bytes });
        };
        self.left_bytes = left_bytes;
        match &mut self.out {
            Out::Gather(Some(gathered)) => gathered.bytes.extend_from_slice(&bytes),
            Out::Forward { pieces, .. } => {
                let mut rest = Bytes::from(bytes);
                while !rest.is_empty() {
                    let piece = rest.split_to(rest.len().min(PIECE_BYTES));
                    if pieces.send(piece).await.is_err() {
                        return Ok(Err(StreamError::Closed));
                    }
                }
            }
            Out::Nowhere | Out::Gather(None) => return Ok(Err(StreamError::Closed)),
        }
        Ok(Ok(()))
    }
}

impl Host for State {
    async fn begin(&mut self, content_type: String) -> wasmtime::Result<Result<(), StreamError>> {
        Ok(self.stream.begin(content_type))
    }

    async fn write(&mut self, bytes: Vec<u8>) -> wasmtime::Result<Result<(), StreamError>> {
        self.stream.write(bytes).await.map_err(wasmtime::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_are_gathered_up_to_the_limit() {
        let mut sink = StreamSink::gather(5);
        assert_eq!(sink.begin("text/plain".into()), Ok(()));
        assert_eq!(sink.begin("text/plain".into()), Err(StreamError::Begun));
        assert_eq!(sink.write(b"abc".to_vec()).await, Ok(Ok(())));
        assert_eq!(sink.write(b"de".to_vec()).await, Ok(Ok(())));
        assert_eq!(sink.write(b"f".to_vec()).await, Err(StreamTooLarge { limit_bytes: 5 }));
        let gathered = Gathered { content_type: "text/plain".into(), bytes: b"abcde".to_vec() };
        assert_eq!(sink.into_gathered(), Some(gathered));
        assert_eq!(StreamSink::gather(5).into_gathered(), None);
    }

    #[tokio::test]
    async fn a_piece_begins_a_stream_waits_for_room_and_hears_that_nobody_reads() {
        let (begin, mut begun) = oneshot::channel();
        let (pieces, mut reader) = mpsc::channel(1);
        let mut sink = StreamSink::forward(1 << 20, begin, pieces);
        assert_eq!(sink.write(b"a".to_vec()).await, Ok(Ok(())));
        assert_eq!(begun.try_recv(), Ok(Some(DEFAULT_CONTENT_TYPE.to_owned())));
        {
            let mut waiting = std::pin::pin!(sink.write(b"b".to_vec()));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            assert_eq!(reader.recv().await, Some(Bytes::from_static(b"a")));
            assert_eq!(waiting.await, Ok(Ok(())));
        }
        drop(reader);
        assert_eq!(sink.write(b"c".to_vec()).await, Ok(Err(StreamError::Closed)));
    }

    #[tokio::test]
    async fn outside_of_an_invocation_and_with_bad_names_nothing_is_taken() {
        let mut sink = StreamSink::default();
        assert_eq!(sink.write(b"a".to_vec()).await, Ok(Err(StreamError::Closed)));
        assert_eq!(sink.begin("a\nb".into()), Err(StreamError::InvalidContentType));
        assert_eq!(sink.begin(String::new()), Err(StreamError::InvalidContentType));
    }
}
