//! The operations in process: a real catalog over storage in memory, and an `Invoke` that answers as it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::*;
use crate::catalog::{self, Parts};
use crate::clock::{SharedClock, SystemClock};
use crate::credentials::{self, Sessions};
use crate::ids::{Home, Version};
use crate::images::Images;
use crate::invocation::{
    FunctionError, Invocation, InvokeError, Outcome, PAYLOAD_LIMIT_BYTES, Payload, Response, StartKind, ThrottleReason,
};
use crate::sandbox::calls::outbound_http::OwnPort;
use crate::sandbox::compile::Compiler;
use crate::sandbox::{Config, Host};
use crate::storage::Storage;
use crate::telemetry::metrics::{self, Metrics};
use crate::triggers::asynchronous;
use crate::triggers::queue;
use crate::wire::error::Shape;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::time::Duration;

const ROLE: &str = "arn:aws:iam::000000000000:role/r";
const FUNCTIONS: &str = "/2015-03-31/functions";

/// A command module; `mark` makes its code differ.
fn package(mark: u32) -> String {
    BASE64_STANDARD.encode(format!(
        r#"(module (memory (export "memory") 1) (global i32 (i32.const {mark})) (func (export "_start")))"#
    ))
}

type Answering = Box<dyn Fn(&Invocation) -> Result<Outcome, InvokeError> + Send + Sync>;

/// Answers as told, and keeps what it was asked.
struct Recorder {
    seen: Mutex<Vec<Invocation>>,
    answer: Mutex<Answering>,
}

impl Invoke for Recorder {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        let answer = (self.answer.lock())(&invocation);
        self.seen.lock().push(invocation);
        Box::pin(async move { answer })
    }
}

/// What mappings are told that there is.
struct NoFunctions;

impl queue::FunctionDirectory for NoFunctions {
    fn exists(&self, _: &crate::ids::FunctionRef) -> bool {
        false
    }

    fn stops(&self, _: &crate::ids::FunctionRef, _: &crate::invocation::lineage::Lineage) -> bool {
        false
    }
}

fn outcome(result: Result<Response, FunctionError>) -> Outcome {
    Outcome {
        executed_version: Version::Number(7),
        result,
        start: StartKind::Warm,
        duration: Duration::ZERO,
        init_duration: None,
        log_tail: Some(b"END".to_vec()),
    }
}

/// Asynchronous events are treated as Lambda does by default, and nobody is told.
struct Defaults;

impl asynchronous::FunctionSettings for Defaults {
    fn settings(&self, _target: &crate::ids::FunctionRef) -> asynchronous::Settings {
        asynchronous::Settings::default()
    }
}

impl asynchronous::AsyncObserver for Defaults {
    fn received(&self, _function: &crate::ids::FunctionName, _events: usize) {}
    fn started(&self, _function: &crate::ids::FunctionName, _age: Duration) {}
    fn dropped(&self, _function: &crate::ids::FunctionName, _why: asynchronous::Dropped) {}
    fn undeliverable(&self, _function: &crate::ids::FunctionName) {}
}

struct World {
    api: LambdaApi,
    recorder: Arc<Recorder>,
    _dir: tempfile::TempDir,
}

struct Got {
    status: u16,
    headers: http::HeaderMap,
    bytes: Bytes,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    #[track_caller]
    fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:?}", self.bytes);
        self.json()
    }

    #[track_caller]
    fn refused(self, status: u16, code: &str) -> String {
        assert_eq!((self.status, self.header("x-amzn-errortype")), (status, Some(code)), "{:?}", self.bytes);
        self.json()["message"].as_str().unwrap().to_owned()
    }
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let config = Config { max_environments: 8, ..Config::default() };
        let parts = Parts {
            home: Home::default(),
            storage: Storage::memory().unwrap(),
            host: Host::start(config, dir.path(), Compiler::InProcess, Arc::clone(&clock)).unwrap(),
            metrics: Arc::new(Metrics::new(&metrics::Config::default(), "test", "test").unwrap()),
            clock,
            log_limits: Default::default(),
            images: Images::new(Default::default()).unwrap(),
            signing_keys: Vec::new(),
            own_port: OwnPort::new("127.0.0.1:4566".parse().unwrap(), false),
            sessions: Arc::new(Sessions::open(credentials::Config::default().store(dir.path())).unwrap()),
        };
        let catalog = Catalog::open(parts, &catalog::Config::default()).await.unwrap();
        let answer: Answering = Box::new(|_| Ok(outcome(Ok(Response::Event(Bytes::from_static(b"1"))))));
        let recorder = Arc::new(Recorder { seen: Mutex::default(), answer: Mutex::new(answer) });
        let invoke: Arc<dyn Invoke> = Arc::clone(&recorder) as _;
        let urls = Addresses::new(&crate::triggers::http::urls::Config::default(), "us-east-1", 8080);
        let parts = asynchronous::Parts {
            events: Arc::clone(&catalog.parts.storage.async_events),
            queues: Arc::clone(&catalog.parts.storage.queues),
            invoker: Arc::clone(&invoke),
            functions: Arc::new(Defaults),
            observer: Arc::new(Defaults),
            clock: Arc::clone(&catalog.parts.clock),
            home: Home::default(),
        };
        let shutdown = Shutdown::new();
        let asynchronous = AsyncInvocations::start(parts, Default::default(), shutdown.clone()).await.unwrap();
        let mappings = queue::Parts {
            mappings: Storage::memory().unwrap().mappings,
            queues: Storage::memory().unwrap().queues,
            invoker: Arc::clone(&invoke),
            functions: Arc::new(NoFunctions),
            observer: Arc::new(()),
            clock: Arc::new(SystemClock),
            home: Home::default(),
        };
        let mappings = EventSourceMappings::start(mappings, queue::Options::default(), shutdown.clone()).await.unwrap();
        Self { api: LambdaApi { catalog, invoke, urls, asynchronous, mappings, shutdown }, recorder, _dir: dir }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Got {
        let mut builder = http::Request::builder().method(method).uri(path).header("host", "localhost:4566");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let answer = handle(&self.api, &Request { parts, body: body.into() }).await.expect("a path of Lambda's");
        let response = answer.unwrap_or_else(|error| error.into_response(Shape::RestJson));
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Got { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[], body).await
    }

    async fn get(&self, path: &str) -> Got {
        self.call("GET", path, Value::Null).await
    }

    async fn create(&self, name: &str, more: Value) -> Got {
        let mut body = json!({
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": ROLE,
            "Code": { "ZipFile": package(0) },
        });
        for (member, value) in more.as_object().unwrap() {
            body[member] = value.clone();
        }
        self.call("POST", FUNCTIONS, body).await
    }

    /// Gives `$LATEST` other code and publishes it.
    async fn publish(&self, name: &str, mark: u32) -> String {
        let body = json!({ "ZipFile": package(mark), "Publish": true });
        let answer = self.call("PUT", &format!("{FUNCTIONS}/{name}/code"), body).await.ok(200);
        answer["Version"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_function_is_created_read_and_deleted() {
    let world = World::new().await;
    let more = json!({
        "Timeout": 7, "MemorySize": 256, "Description": "d", "Environment": { "Variables": { "AA": "1" } },
        "Tags": { "team": "blue" }, "Architectures": ["arm64"], "TracingConfig": { "Mode": "Active" },
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": "/aws/lambda/f" }, "VpcConfig": { "SubnetIds": [] },
    });
    let got = world.create("f", more).await;
    assert!(got.header("x-amzn-requestid").is_some_and(|id| Uuid::parse_str(id).is_ok()));
    let created = got.ok(201);
    let package = BASE64_STANDARD.decode(package(0)).unwrap();
    for (member, value) in [
        ("FunctionArn", json!("arn:aws:lambda:us-east-1:000000000000:function:f")),
        ("CodeSize", json!(package.len())),
        ("CodeSha256", json!(BASE64_STANDARD.encode(<sha2::Sha256 as sha2::Digest>::digest(&package)))),
        ("Version", json!("$LATEST")),
        ("Timeout", json!(7)),
        ("EphemeralStorage", json!({ "Size": 512 })),
        ("Environment", json!({ "Variables": { "AA": "1" } })),
        ("Architectures", json!(["arm64"])),
        ("TracingConfig", json!({ "Mode": "Active" })),
        ("State", json!("Active")),
        ("LastUpdateStatus", json!("Successful")),
        ("SnapStart", json!({ "ApplyOn": "None", "OptimizationStatus": "Off" })),
    ] {
        assert_eq!(created[member], value, "{member}");
    }
    let modified = created["LastModified"].as_str().unwrap();
    assert!(modified.len() == 28 && modified.ends_with("+0000"), "{modified}");

    let read =
        world.get("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/").await.ok(200);
    assert_eq!((&read["Configuration"], &read["Tags"]), (&created, &json!({ "team": "blue" })));
    let location = read["Code"]["Location"].as_str().unwrap();
    let fetched = world.get(location.strip_prefix("http://localhost:4566").unwrap()).await;
    assert_eq!((fetched.status, &fetched.bytes[..]), (200, &package[..]));
    world.get(&format!("/lamina/packages/{}", "0".repeat(64))).await.refused(404, "ResourceNotFoundException");

    world.create("f", json!({})).await.refused(409, "ResourceConflictException");
    assert_eq!(world.call("DELETE", "/2015-03-31/functions/f", Value::Null).await.status, 204);
    let message = world.get("/2015-03-31/functions/f").await.refused(404, "ResourceNotFoundException");
    assert_eq!(message, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f");
}

#[tokio::test]
async fn what_the_model_or_lamina_does_not_allow_is_refused() {
    let world = World::new().await;
    let (invalid, validation) = ("InvalidParameterValueException", "ValidationException");
    for (more, code, says) in [
        (json!({ "FunctionName": "a b" }), validation, "'functionName'"),
        (json!({ "FunctionName": "f:1" }), invalid, "qualifier"),
        (json!({ "Timeout": 0 }), validation, "Value '0' at 'timeout'"),
        (json!({ "Timeout": 901 }), validation, "less than or equal to 900"),
        (json!({ "Timeout": "3" }), invalid, "Could not parse request body into json"),
        (json!({ "MemorySize": 127 }), validation, "'memorySize'"),
        (json!({ "EphemeralStorage": { "Size": 10_241 } }), validation, "'ephemeralStorage.size'"),
        (json!({ "Description": "x".repeat(257) }), validation, "'description'"),
        (json!({ "Handler": "a b" }), validation, "'handler'"),
        (json!({ "Role": "me" }), validation, "'role'"),
        (json!({ "Role": null }), validation, "'role'"),
        (json!({ "Runtime": "java21" }), invalid, "enum value set: [provided.al2023, provided.al2, nodejs16.x"),
        (json!({ "Runtime": null }), invalid, "Runtime and Handler are mandatory"),
        (json!({ "Code": { "S3Bucket": "b", "S3Key": "k" } }), invalid, "ZipFile"),
        (json!({ "Code": { "ImageUri": "i" } }), invalid, "ImageUri"),
        (json!({ "Code": {} }), invalid, "source for function code"),
        (json!({ "Code": { "ZipFile": "%" } }), "SerializationException", "base64"),
        (json!({ "Code": { "ZipFile": "aGVsbG8=" } }), invalid, "Could not unzip uploaded file"),
        (
            json!({ "Environment": { "Variables": { "AWS_REGION": "x" } } }),
            invalid,
            "Reserved keys used in this request: AWS_REGION",
        ),
        (json!({ "Environment": { "Variables": { "1A": "x" } } }), validation, "environment.variables"),
        (json!({ "Environment": { "Variables": { "AB": "x".repeat(4096) } } }), invalid, "4KB"),
        (json!({ "Environment": { "Variables": { "LAMINA_SANDBOX": "x" } } }), invalid, "LAMINA_SANDBOX"),
        (json!({ "PackageType": "Image" }), invalid, "PackageType"),
        (json!({ "Layers": ["l"] }), validation, "'layers'"),
        (json!({ "FileSystemConfigs": [{}] }), invalid, "FileSystemConfigs"),
        (json!({ "VpcConfig": { "SubnetIds": ["s"] } }), invalid, "VpcConfig"),
        (json!({ "SnapStart": { "ApplyOn": "PublishedVersions" } }), invalid, "SnapStart"),
        (json!({ "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:::q" } }), invalid, "DeadLetterConfig"),
        (json!({ "LoggingConfig": { "LogFormat": "XML" } }), validation, "'loggingConfig.logFormat'"),
        (json!({ "LoggingConfig": { "LogGroup": "a b" } }), validation, "'loggingConfig.logGroup'"),
        (json!({ "Architectures": ["x86_64", "arm64"] }), validation, "'architectures'"),
        (json!({ "TracingConfig": { "Mode": "x" } }), validation, "'tracingConfig.mode'"),
        (json!({ "Tags": { "aws:x": "y" } }), invalid, "aws:"),
        (json!({ "KMSKeyArn": "key" }), validation, "'kMSKeyArn'"),
    ] {
        let message = world.create("f", more.clone()).await.refused(400, code);
        assert!(message.contains(says), "{more}: {message}");
    }
    assert!(world.api.catalog.list().is_empty());
}

#[tokio::test]
async fn a_name_has_many_forms_and_its_qualifiers_agree() {
    let world = World::new().await;
    world.create("f", json!({ "Publish": true })).await.ok(201);
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    for (path, version) in [
        ("f", "$LATEST"),
        ("f?Qualifier=1", "1"),
        ("f:1", "1"),
        ("f%3A1?Qualifier=1", "1"),
        ("f%3A%24LATEST", "$LATEST"),
        ("000000000000:function:f:1", "1"),
    ] {
        let read = world.get(&format!("{FUNCTIONS}/{path}")).await.ok(200);
        assert_eq!(read["Configuration"]["Version"], version, "{path}");
    }
    let read = world.get(&format!("{FUNCTIONS}/f/configuration?Qualifier=1")).await.ok(200);
    assert_eq!(read["FunctionArn"], format!("{arn}:1"));
    for (path, status, code, says) in [
        ("f:1?Qualifier=2", 400, "InvalidParameterValueException", "does not match the specified qualifier"),
        ("f?Qualifier=a%20b", 400, "ValidationException", "'qualifier'"),
        ("f?Qualifier=9", 404, "ResourceNotFoundException", "function:f:9"),
        (
            "arn:aws:lambda:eu-west-1:000000000000:function:f",
            404,
            "ResourceNotFoundException",
            "not reachable in this region",
        ),
        ("arn:aws:lambda:us-east-1:111111111111:function:f", 404, "ResourceNotFoundException", "111111111111"),
        ("111111111111:function:f", 404, "ResourceNotFoundException", "Function not found"),
        ("a%2Fb", 400, "ValidationException", "'functionName'"),
    ] {
        let message = world.get(&format!("{FUNCTIONS}/{path}")).await.refused(status, code);
        assert!(message.contains(says), "{path}: {message}");
    }
    let message = world
        .call("PUT", &format!("{FUNCTIONS}/f:1/configuration"), json!({}))
        .await
        .refused(400, "InvalidParameterValueException");
    assert!(message.contains("qualifier"), "{message}");
}

#[tokio::test]
async fn updates_change_what_they_name_and_watch_the_revision() {
    let world = World::new().await;
    let created = world.create("f", json!({ "Description": "one", "KMSKeyArn": "arn:aws:kms:::key/1" })).await.ok(201);
    let path = format!("{FUNCTIONS}/f/configuration");
    let body = json!({ "Timeout": 9, "KMSKeyArn": "", "RevisionId": created["RevisionId"], "FromTheFuture": 1 });
    let changed = world.call("PUT", &path, body.clone()).await.ok(200);
    assert_eq!((&changed["Timeout"], &changed["Description"]), (&json!(9), &json!("one")));
    assert_eq!(changed.get("KMSKeyArn"), None);
    world.call("PUT", &path, body).await.refused(412, "PreconditionFailedException");

    let code = format!("{FUNCTIONS}/f/code");
    let dry = world.call("PUT", &code, json!({ "ZipFile": package(1), "DryRun": true })).await.ok(200);
    assert_ne!(dry["CodeSha256"], changed["CodeSha256"]);
    assert_eq!(world.get(&path).await.ok(200), changed);
    let body = json!({ "ZipFile": package(1), "Architectures": ["arm64"], "RevisionId": changed["RevisionId"] });
    let updated = world.call("PUT", &code, body.clone()).await.ok(200);
    assert_eq!((&updated["CodeSha256"], &updated["Architectures"]), (&dry["CodeSha256"], &json!(["arm64"])));
    world.call("PUT", &code, body).await.refused(412, "PreconditionFailedException");

    let versions = format!("{FUNCTIONS}/f/versions");
    world.call("POST", &versions, json!({ "CodeSha256": "bm8=" })).await.refused(400, "InvalidParameterValueException");
    let body = json!({ "CodeSha256": updated["CodeSha256"], "Description": "v" });
    let published = world.call("POST", &versions, body).await.ok(201);
    assert_eq!((&published["Version"], &published["Description"]), (&json!("1"), &json!("v")));
    assert!(published["FunctionArn"].as_str().unwrap().ends_with(":f:1"));
    world
        .call("DELETE", "/2015-03-31/functions/f?Qualifier=live", Value::Null)
        .await
        .refused(400, "InvalidParameterValueException");
    assert_eq!(world.call("DELETE", "/2015-03-31/functions/f?Qualifier=1", Value::Null).await.status, 204);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::new().await;
    // In this order, which is not that of the names with something behind them.
    for name in ["a", "a-b", "ab"] {
        world.create(name, json!({ "Publish": true })).await.ok(201);
    }
    for (path, member, shown, expected) in [
        ("functions?", "Functions", "FunctionName", vec!["a", "a-b", "ab"]),
        (
            "functions?FunctionVersion=ALL&",
            "Functions",
            "Version",
            vec!["$LATEST", "1", "$LATEST", "1", "$LATEST", "1"],
        ),
        ("functions/a/versions?", "Versions", "Version", vec!["$LATEST", "1"]),
    ] {
        let mut seen = Vec::new();
        let mut marker = String::new();
        loop {
            let page = world.get(&format!("/2015-03-31/{path}MaxItems=1&Marker={marker}")).await.ok(200);
            let [item] = page[member].as_array().unwrap().as_slice() else { panic!("{page}") };
            seen.push(item[shown].as_str().unwrap().to_owned());
            match page["NextMarker"].as_str() {
                Some(next) => marker = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{path}");
    }
    world.get(&format!("{FUNCTIONS}?Marker=x%00")).await.refused(400, "InvalidParameterValueException");
    world.get(&format!("{FUNCTIONS}?MaxItems=0")).await.refused(400, "ValidationException");
    world.get(&format!("{FUNCTIONS}?MaxItems=x")).await.refused(400, "InvalidParameterValueException");
    world.get(&format!("{FUNCTIONS}?FunctionVersion=1")).await.refused(400, "ValidationException");
    let settings = world.get("/2016-08-19/account-settings/").await.ok(200);
    assert_eq!(
        (&settings["AccountUsage"]["FunctionCount"], &settings["AccountLimit"]["ConcurrentExecutions"]),
        (&json!(3), &json!(1000))
    );
}

#[tokio::test]
async fn an_alias_is_split_over_any_number_of_versions_and_sticky() {
    let world = World::new().await;
    world.create("f", json!({})).await.ok(201);
    for mark in 1..=3 {
        assert_eq!(world.publish("f", mark).await, mark.to_string());
    }
    let all = format!("{FUNCTIONS}/f/aliases");
    let one = format!("{all}/live");
    let routing = json!({ "AdditionalVersionWeights": { "2": 0.3, "3": 0.2 }, "Sticky": { "Header": "x-user" } });
    let created = world
        .call("POST", &all, json!({ "Name": "live", "FunctionVersion": "1", "RoutingConfig": routing }))
        .await
        .ok(201);
    assert_eq!(created["AliasArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:live");
    assert_eq!(created["RoutingConfig"], routing);
    assert_eq!(world.get(&one).await.ok(200), created);

    // A client that knows nothing of Sticky shifts weights without losing it.
    let body =
        json!({ "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.5 } }, "RevisionId": created["RevisionId"] });
    let shifted = world.call("PUT", &one, body.clone()).await.ok(200);
    assert_eq!(
        shifted["RoutingConfig"],
        json!({ "AdditionalVersionWeights": { "2": 0.5 }, "Sticky": { "Header": "x-user" } })
    );
    world.call("PUT", &one, body).await.refused(412, "PreconditionFailedException");
    let unstuck = world.call("PUT", &one, json!({ "RoutingConfig": { "Sticky": null } })).await.ok(200);
    assert_eq!(unstuck["RoutingConfig"], json!({ "AdditionalVersionWeights": { "2": 0.5 } }));
    for sticky in [json!({ "Header": "" }), json!({ "Cookie": "a b" }), json!({ "Query": "q" }), json!("x")] {
        let body = json!({ "RoutingConfig": { "Sticky": sticky } });
        world.call("PUT", &one, body).await.refused(400, "InvalidParameterValueException");
    }

    world.call("POST", &all, json!({ "Name": "other", "FunctionVersion": "3" })).await.ok(201);
    for (version, names) in [("2", vec!["live"]), ("3", vec!["other"])] {
        let list = world.get(&format!("{all}?FunctionVersion={version}")).await.ok(200);
        let found: Vec<_> = list["Aliases"].as_array().unwrap().iter().map(|alias| alias["Name"].clone()).collect();
        assert_eq!(found, names);
    }
    let cleared = world.call("PUT", &one, json!({ "RoutingConfig": {} })).await.ok(200);
    assert_eq!(cleared.get("RoutingConfig"), None);
    for (body, status, code) in [
        (json!({ "Name": "live", "FunctionVersion": "1" }), 409, "ResourceConflictException"),
        (json!({ "Name": "1", "FunctionVersion": "1" }), 400, "ValidationException"),
        (json!({ "Name": "x" }), 400, "ValidationException"),
        (json!({ "Name": "x", "FunctionVersion": "one" }), 400, "ValidationException"),
        (json!({ "Name": "x", "FunctionVersion": "9" }), 404, "ResourceNotFoundException"),
    ] {
        world.call("POST", &all, body).await.refused(status, code);
    }
    assert_eq!(world.call("DELETE", &one, Value::Null).await.status, 204);
    let message = world.get(&one).await.refused(404, "ResourceNotFoundException");
    assert!(message.starts_with("Cannot find alias arn"), "{message}");
}

#[tokio::test]
async fn concurrency_is_reserved_and_provisioned() {
    let world = World::new().await;
    world.create("f", json!({ "Publish": true })).await.ok(201);
    let (put, get) = ("/2017-10-31/functions/f/concurrency", "/2019-09-30/functions/f/concurrency");
    assert_eq!(world.get(get).await.ok(200), json!({}));
    let reserved = json!({ "ReservedConcurrentExecutions": 5 });
    assert_eq!(world.call("PUT", put, reserved.clone()).await.ok(200), reserved);
    assert_eq!(world.get(get).await.ok(200), reserved);
    assert_eq!(world.get(&format!("{FUNCTIONS}/f")).await.ok(200)["Concurrency"], reserved);
    world.call("PUT", put, json!({})).await.refused(400, "ValidationException");
    world.call("PUT", put, json!({ "ReservedConcurrentExecutions": -1 })).await.refused(400, "ValidationException");
    world
        .call("PUT", put, json!({ "ReservedConcurrentExecutions": 901 }))
        .await
        .refused(400, "InvalidParameterValueException");

    let path = "/2019-09-30/functions/f/provisioned-concurrency";
    let body = json!({ "ProvisionedConcurrentExecutions": 2 });
    world.call("PUT", path, body.clone()).await.refused(400, "ValidationException");
    world.get(&format!("{path}?Qualifier=1")).await.refused(404, "ProvisionedConcurrencyConfigNotFoundException");
    // Nobody provisions in this test.
    let answer = world.call("PUT", &format!("{path}?Qualifier=1"), body).await.ok(202);
    assert_eq!(answer["RequestedProvisionedConcurrentExecutions"], 2);
    assert_eq!(
        (&answer["AllocatedProvisionedConcurrentExecutions"], &answer["Status"]),
        (&json!(0), &json!("IN_PROGRESS"))
    );
    assert_eq!(world.get(&format!("{path}?Qualifier=1")).await.ok(200), answer);
    let list = world.get(&format!("{path}?List=ALL")).await.ok(200);
    assert!(
        list["ProvisionedConcurrencyConfigs"][0]["FunctionArn"].as_str().unwrap().ends_with("function:f:1"),
        "{list}"
    );
    assert_eq!(world.call("DELETE", &format!("{path}?Qualifier=1"), Value::Null).await.status, 204);
    assert_eq!(world.call("DELETE", put, Value::Null).await.status, 204);
    assert_eq!(world.get(get).await.ok(200), json!({}));
}

#[tokio::test]
async fn an_invocation_carries_what_the_request_says() {
    let world = World::new().await;
    world.create("f", json!({})).await.ok(201);
    let path = format!("{FUNCTIONS}/f:$LATEST/invocations");
    let context = BASE64_STANDARD.encode(r#"{"custom":{"a":"b"}}"#);
    let headers = [("x-amz-log-type", "Tail"), ("x-amz-client-context", &context), ("x-amzn-trace-id", "Root=1-a")];
    let got = world.send("POST", &path, &headers, "[1]").await;
    assert_eq!((got.status, &got.bytes[..]), (200, &b"1"[..]));
    assert_eq!(got.header("x-amz-executed-version"), Some("7"));
    assert_eq!(got.header("x-amz-log-result"), Some("RU5E"));
    assert_eq!(got.header("x-amzn-trace-id"), Some("Root=1-a"));
    assert_eq!(got.header("x-amz-function-error"), None);
    let invocation = world.recorder.seen.lock().pop().unwrap();
    assert_eq!(got.header("x-amzn-requestid"), Some(invocation.request_id.to_string().as_str()));
    assert!(invocation.tail_log && matches!(invocation.payload, Payload::Event(event) if event == "[1]"));
    assert_eq!(invocation.client_context.as_deref(), Some(r#"{"custom":{"a":"b"}}"#));
    assert_eq!(invocation.trace_id.as_deref(), Some("Root=1-a"));
    assert_eq!(invocation.target.qualifier.unwrap().to_string(), "$LATEST");

    world.send("POST", &path, &[], "").await;
    let invocation = world.recorder.seen.lock().pop().unwrap();
    assert!(matches!(invocation.payload, Payload::Event(event) if event == "{}") && !invocation.tail_log);

    let dry = world.send("POST", &path, &[("x-amz-invocation-type", "DryRun")], "{}").await;
    assert_eq!((dry.status, world.recorder.seen.lock().len()), (204, 0));
    let too_long = "A".repeat(3584);
    let large = vec![b' '; PAYLOAD_LIMIT_BYTES + 1];
    for (headers, body, status, code) in [
        (("x-amz-invocation-type", "Sideways"), &b"{}"[..], 400, "ValidationException"),
        (("x-amz-log-type", "All"), b"{}", 400, "ValidationException"),
        (("x-amz-client-context", "%"), b"{}", 400, "InvalidRequestContentException"),
        (("x-amz-client-context", &too_long), b"{}", 400, "InvalidRequestContentException"),
        (("x-a", "1"), b"{", 400, "InvalidRequestContentException"),
        (("x-a", "1"), b"\"\xff\"", 400, "InvalidRequestContentException"),
        (("x-a", "1"), &large, 413, "RequestTooLargeException"),
    ] {
        world.send("POST", &path, &[headers], body.to_vec()).await.refused(status, code);
    }
    assert!(world.recorder.seen.lock().is_empty());
}

#[tokio::test]
async fn failures_of_functions_are_answers_and_those_of_the_platform_are_not() {
    let world = World::new().await;
    let path = format!("{FUNCTIONS}/f/invocations");
    *world.recorder.answer.lock() = Box::new(|_| {
        let (error_type, error_message) = ("Sandbox.Timedout".to_owned(), "late".to_owned());
        Ok(outcome(Err(FunctionError {
            handled: false,
            error_type,
            error_message,
            stack_trace: Vec::new(),
            document: None,
        })))
    });
    let got = world.send("POST", &path, &[], "{}").await;
    assert_eq!(got.header("x-amz-function-error"), Some("Unhandled"));
    assert_eq!(got.ok(200), json!({ "errorType": "Sandbox.Timedout", "errorMessage": "late" }));

    let reserved = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
    for (error, status, code, reason) in [
        (InvokeError::FunctionNotFound { arn: "a".into() }, 404, "ResourceNotFoundException", None),
        (
            InvokeError::Throttled(reserved),
            429,
            "TooManyRequestsException",
            Some("ReservedFunctionConcurrentInvocationLimitExceeded"),
        ),
        (
            InvokeError::Throttled(ThrottleReason::HostCapacity),
            429,
            "TooManyRequestsException",
            Some("ConcurrentInvocationLimitExceeded"),
        ),
        (
            InvokeError::Throttled(ThrottleReason::Overload),
            429,
            "TooManyRequestsException",
            Some("ConcurrentInvocationLimitExceeded"),
        ),
        (InvokeError::InvalidPayload("p".into()), 400, "InvalidRequestContentException", None),
        (InvokeError::ShuttingDown, 503, "ServiceException", None),
        (InvokeError::Platform("p".into()), 500, "ServiceException", None),
    ] {
        let told = error.clone();
        *world.recorder.answer.lock() = Box::new(move |_| Err(told.clone()));
        let got = world.send("POST", &path, &[], "{}").await;
        assert_eq!(got.json()["Reason"].as_str(), reason, "{error}");
        let retry = matches!(error, InvokeError::Throttled(_) | InvokeError::ShuttingDown);
        assert_eq!(got.header("retry-after").is_some(), retry, "{error}");
        got.refused(status, code);
    }
}

#[test]
fn paths_belong_to_an_operation_or_to_somebody_else() {
    let of = |method: &str, path: &str| Route::of(&method.parse().unwrap(), path);
    for (method, path, named) in [
        ("PATCH", "/2015-03-31/functions", "PATCH /2015-03-31/functions"),
        ("GET", "/2025-11-30/capacity-providers", "ListCapacityProviders"),
        ("GET", "/2025-12-01/durable-executions/a/history", "GetDurableExecutionHistory"),
    ] {
        assert_eq!(of(method, path), Some(Route::Unsupported(named.to_owned())));
    }
    for path in ["/", "", "/2015-03-31/event-source-mappings/", "/2015-03-31/nothing", "/schedules", "/functions/f"] {
        assert_eq!(of("GET", path), None, "{path}");
    }
    assert_eq!(of("GET", "/2015-03-31/functions/"), Some(Route::ListFunctions));
    assert_eq!(of("GET", "/2015-03-31/functions//aliases"), Some(Route::ListAliases(String::new())));
    let limit = |method: &str, path: &str| body_limit_bytes(&method.parse().unwrap(), path);
    assert!(limit("POST", "/2015-03-31/functions") > 70_000_000);
    assert!(limit("POST", "/2015-03-31/functions/f/invocations") < 8_000_000);
}

#[tokio::test]
async fn a_change_goes_on_when_its_client_leaves() {
    let world = World::new().await;
    let body = json!({
        "FunctionName": "f", "Runtime": "provided.al2", "Handler": "h", "Role": ROLE, "Code": { "ZipFile": package(0) },
    });
    let creating = world.call("POST", FUNCTIONS, body);
    assert!(futures_util::FutureExt::now_or_never(creating).is_none());
    let limits = crate::shutdown::Limits { drain: Duration::from_secs(60), flush: Duration::from_secs(1) };
    assert_eq!(world.api.shutdown.drain(limits).await, crate::shutdown::Ending::Drained);
    assert_eq!(world.api.catalog.list().len(), 1);
}

#[tokio::test]
async fn services_may_invoke_what_a_policy_lets_them() {
    let world = World::new().await;
    world.create("f", json!({})).await.ok(201);
    let version = world.publish("f", 1).await;
    let function = |text: &str| crate::ids::FunctionRef::parse(text).unwrap();
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/g:*";
    let may = |service: &str, source: &str, target: &str| {
        world.api.catalog.may_service_invoke(service, source, &function(target))
    };
    assert!(!may("logs.amazonaws.com", group, "f") && !may("logs.amazonaws.com", group, "none"));
    for (sid, path, more) in [
        ("plain", "f", json!({ "Principal": "logs.us-east-1.amazonaws.com", "SourceArn": group })),
        ("events", "f", json!({ "Principal": "events.amazonaws.com", "SourceAccount": "111111111111" })),
        ("version", &format!("f?Qualifier={version}"), json!({ "Principal": "s3.amazonaws.com" })),
    ] {
        let mut body = json!({ "StatementId": sid, "Action": "lambda:InvokeFunction" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (name, query) = path.split_once('?').map_or((path, ""), |(name, query)| (name, query));
        world.call("POST", &format!("{FUNCTIONS}/{name}/policy?{query}"), body).await.ok(201);
    }
    assert!(may("logs.amazonaws.com", group, "f"));
    assert!(!may("logs.amazonaws.com", "arn:aws:logs:us-east-1:000000000000:log-group:other:*", "f"));
    assert!(!may("events.amazonaws.com", "arn:aws:events:us-east-1:000000000000:rule/r", "f"));
    assert!(may("s3.amazonaws.com", "arn:aws:s3:::b", &format!("f:{version}")));
    assert!(!may("s3.amazonaws.com", "arn:aws:s3:::b", "f"));
}
