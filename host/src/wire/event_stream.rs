//! Messages of `application/vnd.amazon.eventstream`, as the host sends them
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>).
//!
//! A message is a prelude (its length, the headers' length, their CRC-32), headers, a payload and a CRC-32 of all before it,
//! numbers in network order. Only headers of type string are written: no AWS API sends others from a service. What does not
//! fit the format is cut, not refused, since headers come from this program: names at 255 bytes, values at 65,535.

use bytes::{BufMut, Bytes, BytesMut};

/// What an answer of such messages has as its `Content-Type`.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Type of a header's value: a string.
const STRING: u8 = 7;

/// Prelude, its checksum and that of the message.
const OVERHEAD_BYTES: usize = 16;

/// One message with string headers.
pub fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut written = BytesMut::new();
    for (name, value) in headers {
        let (name, value) = (cut(name, u8::MAX.into()), cut(value, u16::MAX.into()));
        // Both fit after the cut.
        written.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        written.put_slice(name.as_bytes());
        written.put_u8(STRING);
        written.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        written.put_slice(value.as_bytes());
    }
    let total = OVERHEAD_BYTES.saturating_add(written.len()).saturating_add(payload.len());
    let mut out = BytesMut::with_capacity(total);
    out.put_u32(u32::try_from(total).unwrap_or(u32::MAX));
    out.put_u32(u32::try_from(written.len()).unwrap_or(u32::MAX));
    out.put_u32(crc32fast::hash(&out));
    out.put_slice(&written);
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out));
    out.freeze()
}

/// An event of a stream's union, such as `sessionUpdate`.
pub fn event(event_type: &str, content_type: &str, payload: &[u8]) -> Bytes {
    let headers = [(":message-type", "event"), (":event-type", event_type), (":content-type", content_type)];
    message(&headers, payload)
}

/// A modelled exception, which ends the stream; `payload` is its JSON.
pub fn exception(exception_type: &str, content_type: &str, payload: &[u8]) -> Bytes {
    let headers =
        [(":message-type", "exception"), (":exception-type", exception_type), (":content-type", content_type)];
    message(&headers, payload)
}

/// An error that the stream's union does not have, which ends the stream.
pub fn error(code: &str, text: &str) -> Bytes {
    message(&[(":message-type", "error"), (":error-code", code), (":error-message", text)], b"")
}

/// The longest start of `text` within `limit_bytes` that ends with a character.
fn cut(text: &str, limit_bytes: usize) -> &str {
    let mut end = text.len().min(limit_bytes);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the format's own test suite: without anything, and with a header and a payload.
    #[test]
    fn messages_are_as_the_formats_own_vectors() {
        let empty = [0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
        assert_eq!(message(&[], b"")[..], empty);
        let with_payload = message(&[("content-type", "application/json")], b"{'foo':'bar'}");
        assert_eq!(with_payload[..12], [0, 0, 0, 0x3d, 0, 0, 0, 0x20, 0x07, 0xfd, 0x83, 0x96]);
        assert_eq!(with_payload[with_payload.len() - 4..], [0x8d, 0x9c, 0x08, 0xb1]);
    }

    #[test]
    fn headers_that_do_not_fit_are_cut_at_a_character() {
        let long = "é".repeat(40_000);
        let whole = message(&[(&long, &long)], b"x");
        let headers = u32::from_be_bytes(whole[4..8].try_into().unwrap()) as usize;
        assert_eq!(headers, 1 + 254 + 1 + 2 + 65_534);
        assert_eq!(whole.len(), 16 + headers + 1);
    }

    #[test]
    fn kinds_of_messages_say_what_they_are() {
        let has = |message: &Bytes, text: &str| message.windows(text.len()).any(|part| part == text.as_bytes());
        let update = event("sessionUpdate", "application/json", b"{}");
        assert!(has(&update, "event") && has(&update, ":event-type") && has(&update, "sessionUpdate"));
        let timeout = exception("SessionTimeoutException", "application/json", b"{}");
        assert!(has(&timeout, ":exception-type") && has(&timeout, "SessionTimeoutException"));
        let failed = error("InternalFailure", "it broke");
        assert!(has(&failed, ":error-code") && has(&failed, "it broke"));
    }
}
