//! Security Token Service's query protocol: who calls. A file an operation
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/Welcome.html>).
//!
//! A call names its operation in `Action`, in a form in the body or in the query. Temporary credentials are given to functions and to nobody
//! who asks, so every operation but `GetCallerIdentity` is refused by name. Answers are XML, or JSON for clients that accept JSON.

mod get_caller_identity;

use super::codec::{Answer, Request, percent_decode};
use super::error::WireError;
use crate::ids::Home;
use http::{Method, header};

/// The signing name.
pub(super) const SERVICE: &str = "sts";

/// The version of the API.
const VERSION: &str = "2011-06-15";

/// The form of a call in the query protocol, of whatever service.
struct Call {
    action: String,
    version: String,
}

/// Whether a request speaks the query protocol, as far as its head tells.
pub(super) fn is_query_protocol(parts: &http::request::Parts) -> bool {
    let has_form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let names_action =
        || parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("Action=")));
    parts.uri.path() == "/" && ((parts.method == Method::POST && has_form) || names_action())
}

impl Call {
    /// Reads a call; what stands in the query counts before the body.
    fn of(request: &Request) -> Self {
        let form = String::from_utf8_lossy(&request.body);
        let has_form =
            request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let pairs = || form.split('&').filter(|_| has_form).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let value = |name: &str| {
            let in_body =
                || pairs().find(|(key, _)| percent_decode(key) == name).map(|(_, value)| percent_decode(value));
            request.query(name).or_else(in_body).unwrap_or_default()
        };
        Self { action: value("Action"), version: value("Version") }
    }

    /// Whether it is one for this service.
    fn is_ours(&self) -> bool {
        self.version == VERSION
    }
}

/// Whether a request, body and all, is a call of this service.
pub(super) fn is_call(request: &Request) -> bool {
    is_query_protocol(&request.parts) && Call::of(request).is_ours()
}

/// Answers one call.
///
/// # Errors
/// Whatever is not offered.
pub(super) fn handle(home: &Home, request: &Request) -> Result<Answer, WireError> {
    let call = Call::of(request);
    let shown: String = call.action.chars().take(128).collect();
    match call.action.as_str() {
        "" => Err(WireError::bad_request("MissingAction", "The request must contain the parameter Action.")),
        _ if !call.is_ours() => Err(WireError::bad_request(
            "InvalidAction",
            format!("{shown} of version {:?} is not supported by Lamina: of the query protocol it speaks STS's.", {
                call.version.chars().take(32).collect::<String>()
            }),
        )),
        "GetCallerIdentity" => get_caller_identity::handle(home, request),
        "AssumeRole"
        | "AssumeRoleWithSAML"
        | "AssumeRoleWithWebIdentity"
        | "AssumeRoot"
        | "DecodeAuthorizationMessage"
        | "GetAccessKeyInfo"
        | "GetDelegatedAccessToken"
        | "GetFederationToken"
        | "GetSessionToken"
        | "GetWebIdentityToken" => Err(WireError::bad_request(
            "UnsupportedOperation",
            format!("{shown} is not supported by Lamina: it gives temporary credentials to functions only."),
        )),
        _ => Err(WireError::bad_request(
            "InvalidAction",
            format!("Could not find operation {shown} for version {VERSION}"),
        )),
    }
}
