//! An event function that streams its response as its event says, with the SDK.
//!
//! `{"steps": [{"begin": "text/plain"}, {"write": "a"}, {"endless": true}, …]}`, directly or as the body of an HTTP event.

use lamina::{Error, ResponseStream};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str()
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

#[lamina::handler]
fn handle(event: Value, mut out: ResponseStream) -> Result<(), Error> {
    let body = text(&event, "body").and_then(|body| serde_json::from_str(body).ok());
    let plan: Value = body.unwrap_or(event);
    for step in plan["steps"].as_array().into_iter().flatten() {
        run(step, &mut out)?;
    }
    Ok(())
}

fn run(step: &Value, out: &mut ResponseStream) -> Result<(), Error> {
    if let Some(content_type) = text(step, "begin") {
        out.begin(content_type)?;
    }
    if let Some(status) = step["head"].as_u64() {
        let headers: Vec<(&str, &str)> = step["headers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)))
            .collect();
        out.with_head(u16::try_from(status).unwrap_or(0), headers)?;
    }
    if let Some(piece) = text(step, "write") {
        out.write_all(piece.as_bytes())?;
        out.flush()?;
    }
    // `times` pieces of `size` bytes; what stands against it is printed.
    if step["times"].is_u64() {
        let piece = vec![b'x'; usize::try_from(count(step, "size")).unwrap_or(0)];
        for written in 0..count(step, "times") {
            if let Err(error) = out.write_all(&piece).and_then(|()| out.flush()) {
                println!("STOPPED after {written}: {:?}", error.kind());
                return Ok(());
            }
        }
        println!("WROTE all {}", count(step, "times"));
    }
    // Pieces without end, until nobody reads.
    if step["endless"] == true {
        loop {
            if let Err(error) = out.write_all(&[b'e'; 1024]).and_then(|()| out.flush()) {
                println!("STOPPED: {:?}", error.kind());
                return Ok(());
            }
        }
    }
    if let Some(ms) = step["sleep"].as_u64() {
        std::thread::sleep(Duration::from_millis(ms));
    }
    if let Some(line) = text(step, "print") {
        println!("{line}");
    }
    if let Some(message) = text(step, "fail") {
        return Err(Error::new("Stream.Refused", message));
    }
    if let Some(message) = text(step, "panic") {
        panic!("{message}");
    }
    Ok(())
}
