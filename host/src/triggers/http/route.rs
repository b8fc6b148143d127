//! Which function a request is for.
//!
//! Routes are those of an API Gateway HTTP API
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>): a method or `ANY`, and a
//! path whose segments are literal, a parameter `{id}`, or, at the end, a greedy parameter `{proxy+}`; and `$default` for
//! what nothing else matches. A route may be bound to a host, `api.example.com` or `*.example.com`.
//!
//! The most specific route wins: first by host (exact, then the longest wildcard, then none), then a full match before a
//! greedy one before `$default`; among these, from left to right, a literal segment before a parameter before a greedy
//! one; then the method before `ANY`. A route whose method does not fit is no match, so a less specific one may be.
//! A parameter stands for one segment that is not empty, a greedy one for at least one byte. A trailing slash counts.
//!
//! Paths are compared segment by segment after percent-decoding, so `%2F` never separates. Dot segments are not resolved.
//! Bounds: [`MAX_ROUTES`], [`MAX_PATTERN_BYTES`], [`MAX_SEGMENTS`]; a search visits no node twice. Refused at parse: two
//! routes that would match the same requests with the same rank, and every malformed pattern, by name.

use crate::ids::{FunctionName, FunctionRef, Qualifier};
use arc_swap::ArcSwap;
use http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Routes of one daemon.
pub const MAX_ROUTES: usize = 10_000;
/// Bytes of a path pattern.
pub const MAX_PATTERN_BYTES: usize = 1_024;
/// Segments of a path pattern.
pub const MAX_SEGMENTS: usize = 64;

/// The path of a catch-all route, and its route key.
const DEFAULT: &str = "$default";
const ANY: &str = "ANY";

/// One route, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// `/users/{id}`, `/files/{proxy+}`, or `$default` for what no other route matches. Written decoded: no `%`.
    pub path: String,
    /// An HTTP method in capitals, or `ANY` (the default). `$default` takes only `ANY`.
    #[serde(default = "any_method")]
    pub method: String,
    /// The function to invoke.
    pub function: FunctionName,
    /// A version or an alias of it; `$LATEST` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Qualifier>,
    /// Only requests to this host, `api.example.com` or `*.example.com`; without it, to any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

fn any_method() -> String {
    ANY.to_owned()
}

/// A set of routes that cannot be served. The configuration's fault; the routes in use stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// One route is malformed.
    #[error("route {route:?}: {fault}")]
    Invalid {
        /// Method and path as configured.
        route: String,
        /// What is wrong with it, in words.
        fault: String,
    },
    /// Two routes match the same requests, and neither is more specific.
    #[error("routes {first:?} and {second:?} match the same requests")]
    Ambiguous {
        /// The one that came first.
        first: String,
        /// The other one.
        second: String,
    },
    /// There are more than [`MAX_ROUTES`].
    #[error("{count} routes are more than {MAX_ROUTES}")]
    TooMany {
        /// How many were given.
        count: usize,
    },
}

/// A request path that is not UTF-8 once percent-decoded. The client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path is not UTF-8")]
pub struct InvalidPath;

/// A route, compiled.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET /users/{id}` or `$default`: the event's `routeKey` and a metrics label.
    pub key: Arc<str>,
    /// What it invokes.
    pub target: FunctionRef,
    /// Names of its parameters, left to right.
    parameters: Vec<String>,
    host: Option<String>,
}

impl Route {
    fn describe(&self) -> String {
        match &self.host {
            Some(host) => format!("{} on {host}", self.key),
            None => self.key.to_string(),
        }
    }
}

/// A route that fits a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteMatch {
    /// The route.
    pub route: Arc<Route>,
    /// Its parameters' values, percent-decoded.
    pub parameters: BTreeMap<String, String>,
}

/// The routes in use. Readers never wait; [`Router::replace`] swaps all routes at once.
#[derive(Debug)]
pub struct Router {
    table: ArcSwap<Table>,
}

impl Router {
    /// Compiles `routes`; all of them or none.
    pub fn new(routes: &[RouteConfig]) -> Result<Self, RouteError> {
        Ok(Self { table: ArcSwap::from_pointee(Table::compile(routes)?) })
    }

    /// Puts `routes` in the place of those in use; on an error those stay. Requests already routed are not touched.
    pub fn replace(&self, routes: &[RouteConfig]) -> Result<(), RouteError> {
        self.table.store(Arc::new(Table::compile(routes)?));
        Ok(())
    }

    /// The route for a request to `host` (a port is ignored) and `path` (as received), if there is one.
    pub fn find(&self, method: &Method, host: &str, path: &str) -> Result<Option<RouteMatch>, InvalidPath> {
        let Some(path) = path.strip_prefix('/') else { return Ok(None) };
        let segments = path
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8().map_err(|_| InvalidPath))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(self.table.load().find(method, host, &segments))
    }
}

#[derive(Debug, Default)]
struct Table {
    exact: HashMap<String, Tree>,
    /// `.example.com`, longest first.
    wildcard: Vec<(String, Tree)>,
    any: Tree,
}

/// The routes of one host pattern.
#[derive(Debug, Default)]
struct Tree {
    root: Node,
    default: Option<Arc<Route>>,
}

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<String, Node>,
    parameter: Option<Box<Node>>,
    /// Routes that end here.
    full: Methods,
    /// Routes that take the rest of the path from here.
    greedy: Methods,
}

#[derive(Debug, Default)]
struct Methods {
    exact: Vec<(Method, Arc<Route>)>,
    any: Option<Arc<Route>>,
}

impl Methods {
    fn get(&self, method: &Method) -> Option<&Arc<Route>> {
        self.exact.iter().find(|(exact, _)| exact == method).map(|(_, route)| route).or(self.any.as_ref())
    }

    fn insert(&mut self, method: Option<Method>, route: Arc<Route>) -> Result<(), RouteError> {
        let taken = match &method {
            Some(method) => self.exact.iter().find(|(exact, _)| exact == method).map(|(_, route)| route),
            None => self.any.as_ref(),
        };
        if let Some(first) = taken {
            return Err(RouteError::Ambiguous { first: first.describe(), second: route.describe() });
        }
        match method {
            Some(method) => self.exact.push((method, route)),
            None => self.any = Some(route),
        }
        Ok(())
    }
}

impl Table {
    fn compile(routes: &[RouteConfig]) -> Result<Self, RouteError> {
        if routes.len() > MAX_ROUTES {
            return Err(RouteError::TooMany { count: routes.len() });
        }
        let mut table = Self::default();
        for config in routes {
            table.add(config).map_err(|error| match error {
                AddError::Fault(fault) => {
                    RouteError::Invalid { route: format!("{} {}", config.method, config.path), fault }
                }
                AddError::Whole(error) => error,
            })?;
        }
        table.wildcard.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        Ok(table)
    }

    fn add(&mut self, config: &RouteConfig) -> Result<(), AddError> {
        let method = parse_method(&config.method)?;
        let pattern = Pattern::parse(&config.path)?;
        let host = config.host.as_deref().map(parse_host).transpose()?;
        let route = Arc::new(Route {
            key: match pattern {
                Pattern::Default => DEFAULT.into(),
                Pattern::Path(_) => format!("{} {}", config.method, config.path).into(),
            },
            target: FunctionRef { name: config.function.clone(), qualifier: config.qualifier.clone() },
            parameters: pattern.parameters()?,
            host: host.clone(),
        });
        let tree = match host {
            None => &mut self.any,
            Some(host) => match host.strip_prefix('*') {
                None => self.exact.entry(host).or_default(),
                Some(suffix) => {
                    let at = self.wildcard.iter().position(|(known, _)| known == suffix);
                    let at = at.unwrap_or_else(|| {
                        self.wildcard.push((suffix.to_owned(), Tree::default()));
                        self.wildcard.len().saturating_sub(1)
                    });
                    match self.wildcard.get_mut(at) {
                        Some((_, tree)) => tree,
                        None => return Err(AddError::Fault("the host has no place in the table".to_owned())),
                    }
                }
            },
        };
        match pattern {
            Pattern::Default if method.is_some() => {
                Err(AddError::Fault("$default takes every method: leave the method out".to_owned()))
            }
            Pattern::Default => match tree.default.replace(Arc::clone(&route)) {
                Some(first) => Err(RouteError::Ambiguous { first: first.describe(), second: route.describe() }.into()),
                None => Ok(()),
            },
            Pattern::Path(segments) => {
                let mut node = &mut tree.root;
                for segment in segments {
                    node = match segment {
                        Segment::Literal(text) => node.literal.entry(text).or_default(),
                        Segment::Parameter(_) => node.parameter.get_or_insert_default(),
                        Segment::Greedy(_) => return Ok(node.greedy.insert(method, route)?),
                    };
                }
                Ok(node.full.insert(method, route)?)
            }
        }
    }

    fn find(&self, method: &Method, host: &str, segments: &[Cow<'_, str>]) -> Option<RouteMatch> {
        if !self.exact.is_empty() || !self.wildcard.is_empty() {
            let host = normal_host(host);
            let of_host = self.exact.get(host.as_ref()).and_then(|tree| tree.find(method, segments)).or_else(|| {
                self.wildcard
                    .iter()
                    .filter(|(suffix, _)| host.len() > suffix.len() && host.ends_with(suffix.as_str()))
                    .find_map(|(_, tree)| tree.find(method, segments))
            });
            if of_host.is_some() {
                return of_host;
            }
        }
        self.any.find(method, segments)
    }
}

impl Tree {
    fn find(&self, method: &Method, segments: &[Cow<'_, str>]) -> Option<RouteMatch> {
        let mut captured = Vec::new();
        if let Some(route) = self.root.find_full(method, segments, &mut captured) {
            let parameters = route.parameters.iter().cloned().zip(captured.into_iter().map(str::to_owned)).collect();
            return Some(RouteMatch { route: Arc::clone(route), parameters });
        }
        captured.clear();
        if let Some((route, rest)) = self.root.find_greedy(method, segments, &mut captured) {
            let values = captured.into_iter().map(str::to_owned).chain([rest.join("/")]);
            let parameters = route.parameters.iter().cloned().zip(values).collect();
            return Some(RouteMatch { route: Arc::clone(route), parameters });
        }
        let route = Arc::clone(self.default.as_ref()?);
        Some(RouteMatch { route, parameters: BTreeMap::new() })
    }
}

impl Node {
    /// Depth-first, the more specific child first. Recursion ends at the depth of the longest pattern.
    fn find_full<'t, 's>(
        &'t self,
        method: &Method,
        segments: &'s [Cow<'_, str>],
        captured: &mut Vec<&'s str>,
    ) -> Option<&'t Arc<Route>> {
        let Some((segment, rest)) = segments.split_first() else { return self.full.get(method) };
        if let Some(node) = self.literal.get(segment.as_ref())
            && let Some(route) = node.find_full(method, rest, captured)
        {
            return Some(route);
        }
        let node = self.parameter.as_deref().filter(|_| !segment.is_empty())?;
        captured.push(segment.as_ref());
        let found = node.find_full(method, rest, captured);
        if found.is_none() {
            captured.pop();
        }
        found
    }

    /// As [`Node::find_full`], for routes that take the rest; answers that rest too.
    fn find_greedy<'t, 's, 'p>(
        &'t self,
        method: &Method,
        segments: &'s [Cow<'p, str>],
        captured: &mut Vec<&'s str>,
    ) -> Option<(&'t Arc<Route>, &'s [Cow<'p, str>])> {
        let (segment, rest) = segments.split_first()?;
        if let Some(node) = self.literal.get(segment.as_ref())
            && let Some(found) = node.find_greedy(method, rest, captured)
        {
            return Some(found);
        }
        if let Some(node) = self.parameter.as_deref().filter(|_| !segment.is_empty()) {
            captured.push(segment.as_ref());
            if let Some(found) = node.find_greedy(method, rest, captured) {
                return Some(found);
            }
            captured.pop();
        }
        if segment.is_empty() && rest.is_empty() {
            return None;
        }
        self.greedy.get(method).map(|route| (route, segments))
    }
}

enum AddError {
    Fault(String),
    Whole(RouteError),
}

impl From<RouteError> for AddError {
    fn from(error: RouteError) -> Self {
        Self::Whole(error)
    }
}

impl From<String> for AddError {
    fn from(fault: String) -> Self {
        Self::Fault(fault)
    }
}

enum Pattern {
    Default,
    Path(Vec<Segment>),
}

enum Segment {
    Literal(String),
    Parameter(String),
    Greedy(String),
}

impl Pattern {
    fn parse(path: &str) -> Result<Self, String> {
        if path == DEFAULT {
            return Ok(Self::Default);
        }
        if path.len() > MAX_PATTERN_BYTES {
            return Err(format!("the path is longer than {MAX_PATTERN_BYTES} bytes"));
        }
        let Some(path) = path.strip_prefix('/') else {
            return Err("the path must begin with a slash or be $default".to_owned());
        };
        let texts: Vec<_> = path.split('/').collect();
        if texts.len() > MAX_SEGMENTS {
            return Err(format!("the path has more than {MAX_SEGMENTS} segments"));
        }
        let last = texts.len().saturating_sub(1);
        let segments = texts
            .into_iter()
            .enumerate()
            .map(|(at, text)| match Segment::parse(text)? {
                Segment::Literal(text) if text.is_empty() && at < last => Err("a segment is empty".to_owned()),
                Segment::Greedy(name) if at < last => Err(format!("{{{name}+}} must be the last segment")),
                segment => Ok(segment),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self::Path(segments))
    }

    fn parameters(&self) -> Result<Vec<String>, String> {
        let mut names: Vec<String> = Vec::new();
        let Self::Path(segments) = self else { return Ok(names) };
        for segment in segments {
            if let Segment::Parameter(name) | Segment::Greedy(name) = segment {
                if names.contains(name) {
                    return Err(format!("the parameter {name:?} appears twice"));
                }
                names.push(name.clone());
            }
        }
        Ok(names)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let (name, greedy) = match inner.strip_suffix('+') {
                Some(name) => (name, true),
                None => (inner, false),
            };
            let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
            if name.is_empty() || !name.bytes().all(allowed) {
                return Err(format!(
                    "{text:?} is no parameter: {{name}} or {{name+}} of letters, digits, '_', '-', '.'"
                ));
            }
            let name = name.to_owned();
            return Ok(if greedy { Self::Greedy(name) } else { Self::Parameter(name) });
        }
        match text.chars().find(|c| matches!(c, '{' | '}' | '%' | '?' | '#') || c.is_whitespace() || c.is_control()) {
            Some(bad @ ('{' | '}')) => Err(format!("{bad:?} in {text:?}: a parameter is a whole segment")),
            Some(bad) => Err(format!("{bad:?} in {text:?} is not allowed; paths are written decoded")),
            None => Ok(Self::Literal(text.to_owned())),
        }
    }
}

/// `None` for `ANY`.
fn parse_method(text: &str) -> Result<Option<Method>, String> {
    match text {
        ANY => Ok(None),
        "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT" => {
            Method::from_bytes(text.as_bytes()).map(Some).map_err(|error| error.to_string())
        }
        other => Err(format!("method {other:?} is none of ANY, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")),
    }
}

fn parse_host(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let is_name = !name.is_empty() && name.len() <= 253 && name.bytes().all(allowed) && !name.starts_with('.');
    let is_ipv6 = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    if is_name || is_ipv6 {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("host {text:?} is neither a name nor *.name (without a port)"))
    }
}

/// A request's host as the table has it: lower case, no port, no trailing dot.
fn normal_host(host: &str) -> Cow<'_, str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|b| b.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn route(text: &str) -> RouteConfig {
        let mut words = text.split(' ');
        let (method, path) = match (words.next().unwrap(), words.next()) {
            (path, None) => (ANY, path),
            (method, Some(path)) => (method, path),
        };
        RouteConfig {
            path: path.to_owned(),
            method: method.to_owned(),
            function: FunctionName::new("f").unwrap(),
            qualifier: None,
            host: words.next().map(str::to_owned),
        }
    }

    fn router(routes: &[&str]) -> Result<Router, RouteError> {
        Router::new(&routes.iter().map(|text| route(text)).collect::<Vec<_>>())
    }

    fn key(router: &Router, request: &str) -> Option<String> {
        let mut words = request.split(' ');
        let method = Method::from_bytes(words.next().unwrap().as_bytes()).unwrap();
        let path = words.next().unwrap();
        let found = router.find(&method, words.next().unwrap_or_default(), path).unwrap()?;
        let parameters: Vec<_> = found.parameters.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        Some(found.route.key.to_string() + &parameters.concat())
    }

    #[test]
    fn the_example_of_the_aws_page_holds() {
        let router =
            router(&["$default", "ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}", "GET /pets/dog/1"])
                .unwrap();
        for (request, expected) in [
            ("GET /pets/dog/1", "GET /pets/dog/1"),
            ("GET /pets/dog/2", "GET /pets/dog/{id} id=2"),
            ("GET /pets/cat/1", "GET /pets/{proxy+} proxy=cat/1"),
            ("POST /test/5", "ANY /{proxy+} proxy=test/5"),
            ("POST /pets/dog/1", "ANY /{proxy+} proxy=pets/dog/1"),
            ("GET /", "$default"),
        ] {
            assert_eq!(key(&router, request).as_deref(), Some(expected), "{request}");
        }
    }

    #[test]
    fn the_most_specific_route_wins_whatever_the_order() {
        let routes = [
            "GET /a/{x}",
            "GET /{y}/b",
            "ANY /a/{x}/c",
            "GET /a/{rest+}",
            "GET /{x}/b/{rest+}",
            "ANY /list",
            "GET /{id}",
            "GET /list/",
            "GET /",
        ];
        let mut reversed = routes;
        reversed.reverse();
        for routes in [routes, reversed] {
            let router = router(&routes).unwrap();
            for (request, expected) in [
                ("GET /a/b", Some("GET /a/{x} x=b")),
                ("GET /z/b", Some("GET /{y}/b y=z")),
                ("POST /a/1/c", Some("ANY /a/{x}/c x=1")),
                ("GET /a/b/d", Some("GET /a/{rest+} rest=b/d")),
                ("GET /q/b/d", Some("GET /{x}/b/{rest+} rest=d x=q")),
                ("GET /list", Some("ANY /list")),
                ("GET /list/", Some("GET /list/")),
                ("GET /other", Some("GET /{id} id=other")),
                ("GET /other/", None),
                ("HEAD /other", None),
                ("POST /", None),
                ("GET /", Some("GET /")),
                ("GET //", None),
                ("GET /a/", None),
                ("GET /a//", Some("GET /a/{rest+} rest=/")),
                ("GET *", None),
            ] {
                assert_eq!(key(&router, request).as_deref(), expected, "{request}");
            }
        }
    }

    #[test]
    fn a_method_beats_any_and_a_dead_end_is_left_again() {
        let router = router(&["ANY /x/{a}", "GET /x/{b}", "GET /x/y/z", "GET /{p}/y/w"]).unwrap();
        assert_eq!(key(&router, "GET /x/1").as_deref(), Some("GET /x/{b} b=1"));
        assert_eq!(key(&router, "PUT /x/1").as_deref(), Some("ANY /x/{a} a=1"));
        assert_eq!(key(&router, "GET /x/y/w").as_deref(), Some("GET /{p}/y/w p=x"));
    }

    #[test]
    fn parameters_are_decoded_after_splitting() {
        let router = router(&["GET /f/{name}", "GET /g/{rest+}", "GET /ä/{x}"]).unwrap();
        assert_eq!(key(&router, "GET /f/a%2Fb%20c").as_deref(), Some("GET /f/{name} name=a/b c"));
        assert_eq!(key(&router, "GET /g/a%2Fb/%C3%A4").as_deref(), Some("GET /g/{rest+} rest=a/b/ä"));
        assert_eq!(key(&router, "GET /%C3%a4/1").as_deref(), Some("GET /ä/{x} x=1"));
        assert_eq!(key(&router, "GET /f/50%").as_deref(), Some("GET /f/{name} name=50%"));
        assert_eq!(router.find(&Method::GET, "", "/f/%FF"), Err(InvalidPath));
    }

    #[test]
    fn hosts_go_from_exact_to_none() {
        let router = router(&[
            "GET /x api.example.com",
            "GET /x *.example.com",
            "GET /y *.b.example.com",
            "GET /x",
            "GET /z",
            "$default",
        ])
        .unwrap();
        let host_of = |request: &str, host: &str| {
            let found = router.find(&Method::GET, host, request).unwrap().unwrap();
            (found.route.host.clone().unwrap_or_default(), found.route.key.clone())
        };
        for (path, host, expected_host, expected_key) in [
            ("/x", "API.example.com:8080", "api.example.com", "GET /x"),
            ("/x", "a.b.example.com", "*.example.com", "GET /x"),
            ("/y", "a.b.example.com.", "*.b.example.com", "GET /y"),
            ("/x", "example.com", "", "GET /x"),
            ("/x", "evilexample.com", "", "GET /x"),
            ("/z", "api.example.com", "", "GET /z"),
            ("/x", "[::1]:80", "", "GET /x"),
            ("/q", "api.example.com", "", "$default"),
        ] {
            assert_eq!(host_of(path, host), (expected_host.to_owned(), expected_key.into()), "{host}{path}");
        }
    }

    #[test]
    fn ambiguous_routes_are_refused() {
        for routes in [
            &["GET /a", "GET /a"][..],
            &["GET /u/{id}", "GET /u/{name}"],
            &["/u/{id}", "ANY /u/{name}"],
            &["GET /f/{a+}", "GET /f/{b+}"],
            &["$default", "$default"],
            &["GET /a h.test", "GET /a H.test"],
        ] {
            assert!(matches!(router(routes), Err(RouteError::Ambiguous { .. })), "{routes:?}");
        }
        let error = router(&["GET /u/{id}", "GET /u/{name}"]).unwrap_err().to_string();
        assert_eq!(error, r#"routes "GET /u/{id}" and "GET /u/{name}" match the same requests"#);
        assert!(router(&["GET /u/{id}", "POST /u/{name}", "GET /u/{x} h.test", "ANY /u/{y}"]).is_ok());
    }

    #[test]
    fn malformed_routes_are_refused_by_name() {
        let long = format!("GET /{}", "a".repeat(MAX_PATTERN_BYTES));
        let deep = format!("GET {}", "/a".repeat(MAX_SEGMENTS + 1));
        for (text, fault) in [
            ("GET users", "begin with a slash"),
            ("GET ", "begin with a slash"),
            ("GET $defaults", "begin with a slash"),
            ("GET $default", "every method"),
            ("get /a", "method"),
            ("CONNECT /a", "method"),
            ("GET /{proxy+}/a", "last segment"),
            ("GET /{}", "no parameter"),
            ("GET /{+}", "no parameter"),
            ("GET /{a/b}", "whole segment"),
            ("GET /{a b}", "no parameter"),
            ("GET /a{b}", "whole segment"),
            ("GET /{a}{b}", "no parameter"),
            ("GET /{a}/{a}", "twice"),
            ("GET /a//b", "empty"),
            ("GET /a%20b", "decoded"),
            ("GET /a?b", "decoded"),
            ("GET /a *", "host"),
            ("GET /a h:80", "host"),
            ("GET /a *.", "host"),
            (&long, "longer than"),
            (&deep, "segments"),
        ] {
            let mut config = route(text);
            if text == "GET /{a b}" {
                config = RouteConfig { path: "/{a b}".to_owned(), host: None, ..config };
            }
            match Router::new(&[config]) {
                Err(RouteError::Invalid { fault: found, .. }) => assert!(found.contains(fault), "{text}: {found}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let many = vec![route("/a"); MAX_ROUTES + 1];
        assert!(matches!(Router::new(&many), Err(RouteError::TooMany { .. })));
    }

    #[test]
    fn a_bad_reload_changes_nothing_and_a_good_one_everything() {
        let router = router(&["GET /a"]).unwrap();
        assert!(router.replace(&[route("GET /b"), route("GET b")]).is_err());
        assert!(key(&router, "GET /a").is_some());
        router.replace(&[route("GET /b")]).unwrap();
        assert!(key(&router, "GET /a").is_none());
        assert!(key(&router, "GET /b").is_some());
    }

    #[test]
    fn a_search_is_not_exponential() {
        // Every level branches into a literal and a parameter, and no path of this method ends.
        let routes: Vec<_> = (0..1024u32)
            .map(|bits| {
                let path: String =
                    (0..10).map(|at| if bits >> at & 1 == 0 { "/a".into() } else { format!("/{{p{at}}}") }).collect();
                RouteConfig { path, ..route("POST /") }
            })
            .collect();
        let router = Router::new(&routes).unwrap();
        let path = "/a".repeat(5_000);
        assert_eq!(router.find(&Method::GET, "", &path).unwrap(), None);
    }

    #[test]
    fn configuration_is_strict() {
        let config: RouteConfig = serde_json::from_str(r#"{"path":"/a","function":"f","qualifier":"live"}"#).unwrap();
        assert_eq!(config.method, ANY);
        for bad in [r#"{"path":"/a"}"#, r#"{"path":"/a","function":"f","x":1}"#, r#"{"path":"/a","function":"f f"}"#] {
            assert!(serde_json::from_str::<RouteConfig>(bad).is_err(), "{bad}");
        }
    }
}
