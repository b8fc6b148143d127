//! An event component that does what its event says: `{"op": "sleep", "ms": 10}`.
//!
//! Tests make versions that differ in code by writing over [`CODE_MARK`] in the built file.

use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

wit_bindgen::generate!({ path: "../../../guest-sdk/wit", world: "event-function-with-init" });

struct Ops;

export!(Ops);

/// Found and replaced by tests, same length.
#[used]
static CODE_MARK: [u8; 24] = *b"CODE-MARK:0000000000000.";

thread_local! {
    static INITS: Cell<u64> = const { Cell::new(0) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static INSTANCE: Cell<u64> = const { Cell::new(0) };
}

fn failure(error_type: &str, message: impl Into<String>) -> FunctionError {
    FunctionError { error_type: error_type.to_owned(), error_message: message.into(), stack_trace: Vec::new() }
}

impl Guest for Ops {
    fn init() -> Result<(), FunctionError> {
        INITS.set(INITS.get() + 1);
        INSTANCE.set(random());
        println!("init ran");
        match std::env::var("INIT").unwrap_or_default().as_str() {
            "fail" => Err(failure("Init.Refused", "INIT is fail")),
            "trap" => panic!("INIT is trap"),
            "exit" => std::process::exit(3),
            text => {
                if let Some(ms) = text.strip_prefix("sleep:").and_then(|ms| ms.parse().ok()) {
                    std::thread::sleep(Duration::from_millis(ms));
                }
                Ok(())
            }
        }
    }

    fn handle(event: Vec<u8>, context: Context) -> Result<Vec<u8>, FunctionError> {
        CALLS.set(CALLS.get() + 1);
        let parsed: Value = serde_json::from_slice(&event).unwrap_or(Value::Null);
        let answer = match parsed["op"].as_str() {
            // Behind an HTTP route: the request's body says what to do, `{"respond": …}` what to answer.
            None if parsed["requestContext"].is_object() => {
                let body: Value = serde_json::from_str(text(&parsed, "body")).unwrap_or(Value::Null);
                match (body["op"].as_str(), body.get("respond")) {
                    (_, Some(respond)) => respond.clone(),
                    (Some(op), None) => run(op, &body, &context)?,
                    (None, None) => return Ok(event),
                }
            }
            None if parsed["Records"].is_array() => batch(&parsed, &context)?,
            None => return Ok(event),
            Some("bytes") => return Ok(vec![b'x'; number(&parsed, "size")]),
            Some("text") => return Ok(format!("\"{}\"", "y".repeat(number(&parsed, "size"))).into_bytes()),
            Some(op) => run(op, &parsed, &context)?,
        };
        Ok(answer.to_string().into_bytes())
    }
}

fn number(event: &Value, name: &str) -> usize {
    event[name].as_u64().unwrap_or(0) as usize
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

fn run(op: &str, event: &Value, context: &Context) -> Result<Value, FunctionError> {
    Ok(match op {
        "context" => json!({
            "request_id": context.request_id,
            "function_name": context.function_name,
            "function_version": context.function_version,
            "qualifier": context.qualifier,
            "invoked_function_arn": context.invoked_function_arn,
            "memory_limit_mb": context.memory_limit_mb,
            "deadline_ms": context.deadline_ms,
            "now_ms": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64),
            "log_group": context.log_group,
            "log_stream": context.log_stream,
            "trace_id": context.trace_id,
            "client_context": context.client_context,
        }),
        "count" => json!({ "calls": CALLS.get(), "inits": INITS.get(), "instance": INSTANCE.get().to_string() }),
        "mark" => json!({
            "code": String::from_utf8_lossy(std::hint::black_box(&CODE_MARK)),
            "mark": std::env::var("MARK").ok(),
            "version": context.function_version,
            "after_ms": sleep(number(event, "ms")),
        }),
        "env" => {
            std::env::vars().map(|(name, value)| (name, Value::String(value))).collect::<serde_json::Map<_, _>>().into()
        }
        "sleep" => json!({ "slept_ms": sleep(number(event, "ms")) }),
        "spin" => {
            let start = Instant::now();
            let mut turns = 0u64;
            while start.elapsed() < Duration::from_millis(number(event, "ms") as u64) {
                turns = std::hint::black_box(turns + 1);
            }
            json!({ "turns": turns })
        }
        "fail" => return Err(failure(text(event, "type"), text(event, "message"))),
        "panic" => panic!("{}", text(event, "message")),
        "exit" => std::process::exit(number(event, "code") as i32),
        "log" => {
            for line in 0..number(event, "lines").max(1) {
                println!("{} {line}", text(event, "text"));
            }
            eprintln!("{} on stderr", text(event, "text"));
            Value::Null
        }
        "partial" => {
            print!("{}", text(event, "text"));
            let _ = std::io::stdout().flush();
            Value::Null
        }
        "alloc" => {
            let block = vec![1u8; number(event, "mb") << 20];
            let length = std::hint::black_box(&block).len();
            if event["keep"] == true {
                KEPT.with_borrow_mut(|kept| kept.push(block));
            }
            json!({ "bytes": length })
        }
        "write" => outcome(write(text(event, "path"), number(event, "size")).map(|()| Value::Null)),
        "append" => outcome(
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(text(event, "path"))
                .and_then(|mut file| file.write_all(text(event, "text").as_bytes()))
                .map(|()| Value::Null),
        ),
        "read" => outcome(fs::read(text(event, "path")).map(|bytes| json!(String::from_utf8_lossy(&bytes)))),
        "size" => outcome(fs::metadata(text(event, "path")).map(|file| json!(file.len()))),
        "remove" => outcome(fs::remove_file(text(event, "path")).map(|()| Value::Null)),
        "symlink" => outcome(link(text(event, "to"), text(event, "path"))),
        "rename" => outcome(fs::rename(text(event, "path"), text(event, "to")).map(|()| Value::Null)),
        "list" => outcome(fs::read_dir(text(event, "path")).map(|entries| {
            let mut names: Vec<String> =
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            json!(names)
        })),
        "files" => {
            let mut made = 0u64;
            for index in 0..number(event, "count") {
                if fs::File::create(format!("{}/{index}", text(event, "path"))).is_err() {
                    break;
                }
                made += 1;
            }
            json!({ "made": made })
        }
        "host_calls" => {
            let mut last = 0;
            for _ in 0..number(event, "count") {
                last = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
            }
            json!({ "last": last.to_string() })
        }
        other => return Err(failure("Ops.Unknown", format!("no operation {other}"))),
    })
}

fn sleep(ms: usize) -> u64 {
    let start = Instant::now();
    if ms > 0 {
        std::thread::sleep(Duration::from_millis(ms as u64));
    }
    start.elapsed().as_millis() as u64
}

fn write(path: &str, size: usize) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    let block = vec![b'z'; 1 << 16];
    let mut left = size;
    while left > 0 {
        let part = left.min(block.len());
        file.write_all(&block[..part])?;
        left -= part;
    }
    file.sync_all()
}

#[cfg(target_family = "wasm")]
fn link(to: &str, path: &str) -> std::io::Result<Value> {
    #[expect(deprecated, reason = "the stable way to make a symbolic link on WASI")]
    fs::soft_link(to, path).map(|()| Value::Null)
}

#[cfg(not(target_family = "wasm"))]
fn link(to: &str, path: &str) -> std::io::Result<Value> {
    std::os::unix::fs::symlink(to, path).map(|()| Value::Null)
}

fn outcome(result: std::io::Result<Value>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(error) => {
            json!({ "error": error.to_string(), "os": error.raw_os_error(), "kind": format!("{:?}", error.kind()) })
        }
    }
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// A batch of queue messages. Each is printed; bodies say what to do: `{"do": "fail"}` (this message failed), `"error"`
/// (the whole batch fails), `{"do": "sleep", "ms": 5}`. `ATTEMPTS` as a body's `until` makes it fail before that receive.
fn batch(event: &Value, context: &Context) -> Result<Value, FunctionError> {
    let mut failed = Vec::new();
    let records = event["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
    for record in records {
        let body: Value = serde_json::from_str(text(record, "body")).unwrap_or(Value::Null);
        println!(
            "RECORD {}",
            json!({
                "id": record["messageId"], "body": record["body"], "batch": records.len(),
                "receives": record["attributes"]["ApproximateReceiveCount"], "group": record["attributes"]["MessageGroupId"],
                "source": record["eventSource"], "arn": record["eventSourceARN"], "version": context.function_version,
            })
        );
        let receives: u64 = text(&record["attributes"], "ApproximateReceiveCount").parse().unwrap_or(0);
        match text(&body, "do") {
            "fail" => failed.push(json!({ "itemIdentifier": record["messageId"] })),
            "error" => return Err(failure("Batch.Refused", "a message says error")),
            "until" if receives < number(&body, "receives") as u64 => {
                failed.push(json!({ "itemIdentifier": record["messageId"] }));
            }
            "sleep" => {
                sleep(number(&body, "ms"));
            }
            _ => {}
        }
    }
    Ok(json!({ "batchItemFailures": failed }))
}
