//! A command module: the event on standard input says what to do, the response goes to standard output.

use serde_json::{Value, json};
use std::io::{Read, Write};

fn main() {
    let mut event = Vec::new();
    if std::io::stdin().read_to_end(&mut event).is_err() {
        std::process::exit(70);
    }
    let parsed: Value = serde_json::from_slice(&event).unwrap_or(Value::Null);
    let answer = match parsed["op"].as_str() {
        None => event,
        Some("env") => {
            let all: serde_json::Map<String, Value> =
                std::env::vars().map(|(name, value)| (name, value.into())).collect();
            Value::Object(all).to_string().into_bytes()
        }
        Some("exit") => {
            print!("said before leaving");
            let _ = std::io::stdout().flush();
            std::process::exit(parsed["code"].as_i64().unwrap_or(1) as i32);
        }
        Some("panic") => panic!("asked to"),
        Some("stderr") => {
            eprintln!("a line on stderr");
            b"null".to_vec()
        }
        Some("arguments") => json!(std::env::args().collect::<Vec<_>>()).to_string().into_bytes(),
        Some("tmp") => {
            let left = std::fs::read_to_string("/tmp/left").unwrap_or_default();
            let _ = std::fs::write("/tmp/left", "here");
            json!(left).to_string().into_bytes()
        }
        Some(_) => std::process::exit(64),
    };
    if std::io::stdout().write_all(&answer).is_err() {
        std::process::exit(74);
    }
}
