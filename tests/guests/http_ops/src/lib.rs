//! A wasi:http 0.2 component that does what its path says. See `respond` for the paths.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::Duration;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};

wasip2::http::proxy::export!(Ops);

struct Ops;

impl wasip2::exports::http::incoming_handler::Guest for Ops {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        respond(&request, path, query, out);
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

fn number(query: &str, name: &str) -> usize {
    parameter(query, name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn respond(request: &IncomingRequest, path: &str, query: &str, out: ResponseOutparam) {
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        // What arrived, as JSON.
        "echo" => {
            let headers: Vec<Value> = request
                .headers()
                .entries()
                .into_iter()
                .map(|(name, value)| json!([name, String::from_utf8_lossy(&value)]))
                .collect();
            let seen = json!({
                "method": method(&request.method()), "path": path, "query": query,
                "authority": request.authority(), "headers": headers,
            });
            whole(out, 200, &[("content-type", "application/json")], seen.to_string().as_bytes());
        }
        // The request's body, streamed back as it comes.
        "body" => {
            let (response, body) = open(200, &[("content-type", "application/octet-stream")]);
            ResponseOutparam::set(out, Ok(response));
            {
                let mut sink = body.write().expect("a new body can be written");
                let source = request.consume().expect("a new request can be consumed");
                let source = source.stream().expect("a new body has a stream");
                while let Ok(block) = source.blocking_read(1 << 16) {
                    sink.write_all(&block).expect("the client listens");
                    sink.flush().expect("the client listens");
                }
            }
            let _ = OutgoingBody::finish(body, None);
        }
        // `chunks` times `size` bytes with `ms` between.
        "stream" => {
            let (response, body) = open(200, &[]);
            ResponseOutparam::set(out, Ok(response));
            {
                let mut sink = body.write().expect("a new body can be written");
                for _ in 0..number(query, "chunks") {
                    sink.write_all(&vec![b'c'; number(query, "size").max(1)]).expect("the client listens");
                    sink.flush().expect("the client listens");
                    std::thread::sleep(Duration::from_millis(number(query, "ms") as u64));
                }
            }
            let _ = OutgoingBody::finish(body, None);
        }
        "status" => whole(out, number(query, "code") as u16, &[], b""),
        "cookies" => whole(out, 200, &[("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2")], b"two"),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(number(query, "ms") as u64));
            whole(out, 200, &[], b"slept");
        }
        "env" => {
            let all: serde_json::Map<String, Value> =
                std::env::vars().map(|(name, value)| (name, value.into())).collect();
            whole(out, 200, &[], Value::Object(all).to_string().as_bytes());
        }
        "trap" => panic!("before the head"),
        // The head and a part of the body, then a trap.
        "trap-later" => {
            let (response, body) = open(200, &[]);
            ResponseOutparam::set(out, Ok(response));
            let mut sink = body.write().expect("a new body can be written");
            sink.write_all(b"half of it").expect("the client listens");
            sink.flush().expect("the client listens");
            panic!("after the head");
        }
        // Ends without an answer.
        "nothing" => drop(out),
        // An outbound request to `http://{authority}{path}`: its status, or what stood against it.
        "fetch" => {
            let answer =
                fetch(parameter(query, "authority").unwrap_or_default(), parameter(query, "path").unwrap_or("/"));
            whole(out, 200, &[("content-type", "application/json")], answer.to_string().as_bytes());
        }
        _ => whole(out, 404, &[], b"no such path"),
    }
}

fn method(method: &Method) -> String {
    match method {
        Method::Get => "GET".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Head => "HEAD".into(),
        Method::Options => "OPTIONS".into(),
        Method::Patch => "PATCH".into(),
        Method::Connect => "CONNECT".into(),
        Method::Trace => "TRACE".into(),
        Method::Other(name) => name.clone(),
    }
}

fn open(status: u16, headers: &[(&str, &str)]) -> (OutgoingResponse, OutgoingBody) {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("a header of ours is valid");
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("a status of ours is valid");
    let body = response.body().expect("a new response has a body");
    (response, body)
}

fn whole(out: ResponseOutparam, status: u16, headers: &[(&str, &str)], content: &[u8]) {
    let (response, body) = open(status, headers);
    ResponseOutparam::set(out, Ok(response));
    {
        let mut sink = body.write().expect("a new body can be written");
        sink.write_all(content).expect("the client listens");
        sink.flush().expect("the client listens");
    }
    let _ = OutgoingBody::finish(body, None);
}

fn fetch(authority: &str, path: &str) -> Value {
    let request = OutgoingRequest::new(Fields::new());
    let set = request
        .set_scheme(Some(&Scheme::Http))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    if set.is_err() {
        return json!({ "error": "invalid request" });
    }
    let pending = match outgoing_handler::handle(request, None) {
        Ok(pending) => pending,
        Err(code) => return json!({ "error": format!("{code:?}") }),
    };
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) => {
            let mut text = String::new();
            let status = response.status();
            if let Ok(body) = response.consume() {
                if let Ok(mut stream) = body.stream() {
                    let _ = stream.read_to_string(&mut text);
                }
            }
            json!({ "status": status, "body": text })
        }
        Some(Ok(Err(code))) => json!({ "error": format!("{code:?}") }),
        other => json!({ "error": format!("{other:?}") }),
    }
}
