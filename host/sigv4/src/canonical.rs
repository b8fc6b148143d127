//! The canonical request.

use http::request::Parts;
use http::{HeaderMap, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What stands for itself: `A-Z a-z 0-9 - _ . ~`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The canonical request of `parts` over the headers named in `signed`, which are lower-case and sorted.
///
/// `without` names a query parameter to leave out. `None` where a signed header is missing.
pub(crate) fn request(parts: &Parts, signed: &[String], without: Option<&str>, payload_hash: &str) -> Option<String> {
    let mut out = String::with_capacity(512);
    out.push_str(parts.method.as_str());
    out.push('\n');
    out.push_str(&path(parts.uri.path()));
    out.push('\n');
    out.push_str(&query(parts.uri.query().unwrap_or_default(), without));
    out.push('\n');
    for name in signed {
        out.push_str(name);
        out.push(':');
        out.push_str(&value(parts, name)?);
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&signed.join(";"));
    out.push('\n');
    out.push_str(payload_hash);
    Some(out)
}

/// Normalised (RFC 3986, section 6, and no empty segments), and each segment encoded, whether or not it was already.
fn path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len().saturating_add(8));
    for segment in &segments {
        out.push('/');
        out.extend(percent_encode(segment.as_bytes(), ESCAPED));
    }
    let ends_in_slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if segments.is_empty() || ends_in_slash {
        out.push('/');
    }
    out
}

/// The parameters, decoded, encoded in one way, and sorted by name and value. A `+` is a space, as for those who read parameters.
fn query(query: &str, without: Option<&str>) -> String {
    let again = |text: &str| -> String {
        let spaced = text.replace('+', " ");
        percent_encode(&percent_decode_str(&spaced).collect::<Vec<u8>>(), ESCAPED).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (again(name), again(value)))
        .filter(|(name, _)| without != Some(name.as_str()))
        .collect();
    pairs.sort();
    let mut out = String::with_capacity(query.len());
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
    out
}

/// All values of a header: trimmed, runs of spaces made one, joined by commas.
fn value(parts: &Parts, name: &str) -> Option<String> {
    // HTTP/2 has the host in the URI.
    if name == "host" && !parts.headers.contains_key(header::HOST) {
        return Some(parts.uri.authority()?.as_str().to_owned());
    }
    joined(&parts.headers, name)
}

fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        })
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}
