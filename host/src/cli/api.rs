//! The daemon's AWS APIs, as a client sees them.

use super::Failure;
use super::progress::Upload;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use lamina_sigv4::{Signer, sha256};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What stands for itself in a path or a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The largest answer taken: a package of Lambda's largest size, and room.
const ANSWER_LIMIT_BYTES: usize = 300 << 20;

/// A part of a path or query, escaped.
pub(super) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; an empty one is null.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::remote(format!("the daemon's answer is not JSON: {error}")))
    }

    /// The answer, unless it is an AWS error.
    fn accepted(self) -> Result<Self, Failure> {
        if self.status.is_success() {
            return Ok(self);
        }
        let document: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let message = ["message", "Message"].iter().find_map(|key| document.get(key)?.as_str()).unwrap_or_default();
        let named = self.header("x-amzn-errortype").or_else(|| document.get("__type")?.as_str());
        let Some(code) = named.map(|code| code.rsplit('#').next().unwrap_or(code)) else {
            return Err(Failure::remote(format!(
                "the endpoint answered {}, which is no answer of Lamina",
                self.status
            ))
            .hint("--endpoint has to be the address of the AWS APIs, http://127.0.0.1:4566 by default"));
        };
        Err(Failure::refused(code, message))
    }
}

/// What requests are signed with.
pub(super) struct Signing {
    access_key_id: String,
    secret: String,
    region: String,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signing").field(&self.access_key_id).finish()
    }
}

impl Signing {
    /// From the variables that AWS's clients read; `None` where they name no key.
    pub(super) fn from_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        Some(Self {
            access_key_id: variable("AWS_ACCESS_KEY_ID")?,
            secret: variable("AWS_SECRET_ACCESS_KEY")?,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        })
    }
}

/// What is trusted of an https endpoint.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let wrong = |why: String| Failure::usage(format!("{}: {why}", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::local(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A client of one daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Api {
    client: Client<HttpsConnector<HttpConnector>, BoxBody<Bytes, Infallible>>,
    endpoint: String,
    signing: Option<Arc<Signing>>,
}

impl Api {
    /// A client of the daemon at `endpoint`; `ca_file` is trusted beside the public authorities.
    pub(super) fn new(endpoint: &str, ca_file: Option<&Path>, signing: Option<Signing>) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("the endpoint {endpoint:?} {why}")).hint("such as http://127.0.0.1:4566")
        };
        let uri: Uri = endpoint.parse().map_err(|_| wrong("is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
            return Err(wrong("is not an http:// or https:// URL"));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(ca_file)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(4096).build(connector);
        Ok(Self { client, endpoint: endpoint.trim_end_matches('/').to_owned(), signing: signing.map(Arc::new) })
    }

    /// Sends a request and reads the answer, whatever it is.
    pub(super) async fn send(&self, request: Request<BoxBody<Bytes, Infallible>>) -> Result<Answer, Failure> {
        let response = self.client.request(request).await.map_err(|error| self.unreachable(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT_BYTES).collect().await;
        let body = body.map_err(|error| Failure::remote(format!("the daemon's answer broke off: {error}")))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> Failure {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            why = inner.to_string();
            source = inner.source();
        }
        if error.is_connect() {
            return Failure::remote(format!("no daemon answers at {}: {why}", self.endpoint))
                .hint("start one with `lamina serve`, or name its address with --endpoint or LAMINA_ENDPOINT");
        }
        Failure::remote(format!("the connection to {} broke off: {why}", self.endpoint))
    }

    /// A request to a service, signed if there is something to sign with. `payload` is what `body` will send.
    fn request(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: HeaderMap,
        payload: &[u8],
        body: BoxBody<Bytes, Infallible>,
    ) -> Result<Request<BoxBody<Bytes, Infallible>>, Failure> {
        let uri = format!("{}{path}", self.endpoint);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().map_err(|_| Failure::usage(format!("{uri:?} is not a URL")))?;
        *request.headers_mut() = headers;
        let Some(signing) = &self.signing else { return Ok(request) };
        let (mut parts, body) = request.into_parts();
        let Signing { access_key_id, secret, region } = signing.as_ref();
        let signed =
            Signer { access_key_id, secret, region, service }.sign(&mut parts, &sha256(payload), Timestamp::now());
        signed
            .ok_or_else(|| Failure::usage("the request cannot be signed: AWS_ACCESS_KEY_ID or the region is none"))?;
        Ok(Request::from_parts(parts, body))
    }

    /// Calls Lambda's REST API; `body` is JSON, null for none.
    pub(super) async fn lambda(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let boxed = Full::new(body.clone()).boxed();
        let request = self.request("lambda", method, path, json_headers("application/json"), &body, boxed)?;
        self.send(request).await?.accepted()?.json()
    }

    /// As [`Api::lambda`], with the progress of the upload shown.
    pub(super) async fn upload(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        what: String,
    ) -> Result<Value, Failure> {
        let payload = Bytes::from(body.to_string());
        let body = Upload::new(payload.clone(), what, "compiling …");
        let bar = body.bar();
        let headers = json_headers("application/json");
        let request = self.request("lambda", method, path, headers, &payload, body.boxed())?;
        let answer = self.send(request).await;
        bar.finish_and_clear();
        answer?.accepted()?.json()
    }

    /// Calls an API of AWS's JSON 1.1 protocol.
    pub(super) async fn target(&self, target: &'static str, body: &Value) -> Result<Value, Failure> {
        let mut headers = json_headers("application/x-amz-json-1.1");
        headers.insert("x-amz-target", HeaderValue::from_static(target));
        let payload = Bytes::from(body.to_string());
        let body = Full::new(payload.clone()).boxed();
        let service = if target.starts_with("Logs_") { "logs" } else { "sqs" };
        self.send(self.request(service, Method::POST, "/", headers, &payload, body)?).await?.accepted()?.json()
    }

    /// Invokes a function. The answer may be a function error, which is no refusal.
    pub(super) async fn invoke(
        &self,
        name: &str,
        qualifier: Option<&str>,
        payload: Bytes,
        headers: HeaderMap,
    ) -> Result<Answer, Failure> {
        let mut path = function_path(name, "/invocations");
        if let Some(qualifier) = qualifier {
            path.push_str(&format!("?Qualifier={}", escape(qualifier)));
        }
        let body = Full::new(payload.clone()).boxed();
        let request = self.request("lambda", Method::POST, &path, headers, &payload, body)?;
        self.send(request).await?.accepted()
    }

    /// Fetches a URL that the daemon named.
    pub(super) async fn fetch(&self, url: &str) -> Result<Bytes, Failure> {
        let uri: Uri =
            url.parse().map_err(|_| Failure::remote(format!("the daemon named {url:?}, which is no URL")))?;
        // The path alone: the daemon may be reached under another address than the one it knows.
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let request = self.request("lambda", Method::GET, path, HeaderMap::new(), b"", Full::default().boxed())?;
        Ok(self.send(request).await?.accepted()?.body)
    }

    /// All items of a paged list.
    pub(super) async fn pages(&self, path: &str, member: &str) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = match &marker {
                None => path.to_owned(),
                Some(marker) => format!("{path}?Marker={}", escape(marker)),
            };
            let mut answer = self.lambda(Method::GET, &page, &Value::Null).await?;
            if let Some(Value::Array(more)) = answer.get_mut(member).map(Value::take) {
                items.extend(more);
            }
            marker = answer.get("NextMarker").and_then(Value::as_str).map(str::to_owned);
            if marker.is_none() {
                return Ok(items);
            }
        }
    }
}

fn json_headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
}

/// The path of a function's resource.
pub(super) fn function_path(name: &str, rest: &str) -> String {
    format!("/2015-03-31/functions/{}{rest}", escape(name))
}
