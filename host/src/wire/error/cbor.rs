//! Errors in CBOR (RFC 8949): a map of two texts.

/// An error document.
pub(super) fn error(code: &str, message: &str) -> Vec<u8> {
    // A map of two pairs.
    let mut out = vec![0xa2];
    for word in ["__type", code, "message", message] {
        text(&mut out, word);
    }
    out
}

/// A text: major type 3 with its length in bytes.
fn text(out: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length @ 0..24) => out.push(0x60 | length),
        Ok(length) => out.extend([0x78, length]),
        Err(_) => {
            out.push(0x7b);
            out.extend((text.len() as u64).to_be_bytes());
        }
    }
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::error;

    #[test]
    fn lengths_are_written_in_the_width_they_need() {
        assert_eq!(error("C", "m"), b"\xa2\x66__type\x61C\x67message\x61m");
        assert!(error("C", &"m".repeat(24)).windows(3).any(|at| at == [0x78, 24, b'm']));
        assert!(error("C", &"m".repeat(300)).windows(10).any(|at| at == [0x7b, 0, 0, 0, 0, 0, 0, 1, 44, b'm']));
    }
}
