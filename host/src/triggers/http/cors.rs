//! Cross-origin resource sharing of function URLs: preflights answered, headers added.
//!
//! As Lambda documents it (<https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors>): a URL with CORS settings answers
//! preflights itself, and its headers take the place of those that the function sets. A request of an origin that is not
//! allowed is served all the same, without the headers: it is the browser that refuses. Pure functions.

use crate::storage::functions::Cors;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Method, request::Parts};

const ANY: &str = "*";

/// What a response may already hold of these headers is the function's, and goes.
const OURS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// Whether a browser asks what it may do, before it does it.
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Puts the headers of an ordinary answer into `headers`.
pub(super) fn apply(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    OURS.iter().for_each(|name| drop(headers.remove(name)));
    if origin_headers(cors, origin, headers) {
        set_list(ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose_headers.as_deref(), headers);
    }
}

/// The headers of a preflight's answer.
pub(super) fn preflight(cors: &Cors, request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !origin_headers(cors, request.get(ORIGIN), &mut headers) {
        return headers;
    }
    let mut allowed = |name, list: Option<&[String]>, asked: Option<&HeaderValue>| match asked {
        // With credentials a star is a plain name to the browser, so what it asks for is named.
        Some(asked) if cors.allow_credentials == Some(true) && has_any(list) => {
            drop(headers.insert(name, asked.clone()))
        }
        _ => set_list(name, list, &mut headers),
    };
    let methods = cors.allow_methods.as_deref();
    allowed(ACCESS_CONTROL_ALLOW_METHODS, methods, request.get(ACCESS_CONTROL_REQUEST_METHOD));
    let names = cors.allow_headers.as_deref();
    allowed(ACCESS_CONTROL_ALLOW_HEADERS, names, request.get(ACCESS_CONTROL_REQUEST_HEADERS));
    if let Some(max_age) = cors.max_age {
        headers.insert(ACCESS_CONTROL_MAX_AGE, max_age.into());
    }
    headers
}

/// Names the origin, where it is allowed; answers whether it is.
fn origin_headers(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
    let origins = cors.allow_origins.as_deref();
    let credentials = cors.allow_credentials == Some(true);
    let is_any = has_any(origins);
    if !is_any || credentials {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(origin) = origin else { return false };
    let is_listed =
        || origins.unwrap_or_default().iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
    if !is_any && !is_listed() {
        return false;
    }
    let named = if is_any && !credentials { HeaderValue::from_static(ANY) } else { origin.clone() };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, named);
    if credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn has_any(list: Option<&[String]>) -> bool {
    list.unwrap_or_default().iter().any(|item| item == ANY)
}

fn set_list(name: HeaderName, list: Option<&[String]>, headers: &mut HeaderMap) {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return };
    // Checked when it was configured.
    if let Ok(value) = HeaderValue::try_from(list.join(",")) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn list(items: &[&str]) -> Option<Vec<String>> {
        Some(items.iter().map(|item| (*item).to_owned()).collect())
    }

    fn asked(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("x-a"));
        headers
    }

    #[test]
    fn a_listed_origin_is_named_and_others_get_nothing() {
        let cors = Cors {
            allow_origins: list(&["https://a.example", "https://b.example"]),
            allow_methods: list(&["GET", "PUT"]),
            max_age: Some(60),
            ..Cors::default()
        };
        let answer = preflight(&cors, &asked("https://b.example"));
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://b.example");
        assert_eq!(
            (&answer[ACCESS_CONTROL_ALLOW_METHODS], &answer[ACCESS_CONTROL_MAX_AGE]),
            (&HeaderValue::from_static("GET,PUT"), &HeaderValue::from_static("60"))
        );
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
        let answer = preflight(&cors, &asked("https://c.example"));
        assert_eq!(answer.keys().collect::<Vec<_>>(), [VARY]);
    }

    #[test]
    fn a_star_is_named_as_such_only_without_credentials() {
        let open = Cors { allow_origins: list(&["*"]), allow_headers: list(&["*"]), ..Cors::default() };
        let answer = preflight(&open, &asked("https://a.example"));
        assert_eq!(
            (&answer[ACCESS_CONTROL_ALLOW_ORIGIN], &answer[ACCESS_CONTROL_ALLOW_HEADERS]),
            (&HeaderValue::from_static("*"), &HeaderValue::from_static("*"))
        );
        assert!(!answer.contains_key(VARY));
        let answer = preflight(&Cors { allow_credentials: Some(true), ..open }, &asked("https://a.example"));
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "x-a");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    }

    #[test]
    fn settings_take_the_place_of_what_the_function_says() {
        let cors =
            Cors { allow_origins: list(&["https://a.example"]), expose_headers: list(&["x-b"]), ..Cors::default() };
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://evil.example"));
        apply(&cors, Some(&HeaderValue::from_static("https://evil.example")), &mut headers);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        apply(&cors, Some(&HeaderValue::from_static("https://a.example")), &mut headers);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "x-b");
    }
}
