//! What a runtime answers: a place in its memory, whose first byte says what the rest is.

use crate::sandbox::Failure;
use crate::sandbox::failure::ErrorDocument;

/// A response as the contract has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The response, or nothing.
    Done(Vec<u8>),
    /// The response went out in pieces.
    Streamed,
}

const SUCCESS: u8 = 0;
const FUNCTION_ERROR: u8 = 1;
const FATAL_ERROR: u8 = 2;
const STREAMED: u8 = 3;

/// Reads the frame that `place` (pointer in the upper half, length in the lower) leads to; its body has at most `limit_bytes`.
pub(super) fn read(memory: &[u8], place: u64, limit_bytes: usize) -> Result<Frame, Failure> {
    let broken = |message: &str| Failure::Trapped { message: message.to_owned(), frames: Vec::new() };
    if place == 0 {
        return Err(broken("the runtime failed"));
    }
    let half = |half: u64| usize::try_from(half & u64::from(u32::MAX)).unwrap_or(usize::MAX);
    let (start, len) = (half(place >> 32), half(place));
    let frame = start.checked_add(len).and_then(|end| memory.get(start..end));
    let Some((tag, body)) = frame.and_then(<[u8]>::split_first) else {
        return Err(broken("the runtime answered what is not in its memory"));
    };
    if body.len() > limit_bytes {
        return Err(Failure::ResponseTooLarge { size_bytes: body.len() });
    }
    let error = |keeps_environment| match ErrorDocument::parse(body) {
        Some(document) => Failure::Documented { document: Box::new(document), keeps_environment },
        None => broken("the runtime answered an error that is none"),
    };
    match *tag {
        SUCCESS => Ok(Frame::Done(body.to_vec())),
        FUNCTION_ERROR => Err(error(true)),
        FATAL_ERROR => Err(error(false)),
        STREAMED if body.is_empty() => Ok(Frame::Streamed),
        STREAMED => Err(error(true)),
        _ => Err(broken("the runtime answered what the contract does not have")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(start: u64, len: u64) -> u64 {
        start << 32 | len
    }

    #[test]
    fn frames_are_told_by_their_tags() {
        let memory = b"\0{}\x03\x01{\"errorType\":\"E\",\"errorMessage\":\"m\",\"more\":1}";
        let all = memory.len() as u64;
        assert_eq!(read(memory, place(0, 3), 10), Ok(Frame::Done(b"{}".to_vec())));
        assert_eq!(read(memory, place(3, 1), 10), Ok(Frame::Streamed));
        let Err(Failure::Documented { document, keeps_environment: true }) = read(memory, place(4, all - 4), 100)
        else {
            panic!("no document")
        };
        assert_eq!((document.error_type.as_str(), document.message.as_str()), ("E", "m"));
        assert_eq!(document.text.as_bytes(), &memory[5..]);
    }

    #[test]
    fn what_is_no_frame_is_a_failure() {
        let memory = b"\0abc\x07\x01no";
        for (start, len) in [
            (0, 0),
            (8, 1),
            (7, 2),
            (u64::from(u32::MAX), u64::from(u32::MAX)),
            (1, u64::from(u32::MAX)),
            (4, 1),
            (5, 3),
        ] {
            let failure = read(memory, place(start, len), 10).unwrap_err();
            assert!(matches!(failure, Failure::Trapped { .. }), "{start} {len}: {failure:?}");
            assert!(!failure.keeps_environment());
        }
        assert_eq!(read(memory, place(0, 4), 2), Err(Failure::ResponseTooLarge { size_bytes: 3 }));
    }
}
