//! `lamina invoke`.

use super::api::Answer;
use super::output::{self, note};
use super::{Failure, Remote};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use std::io::Read as _;

/// Arguments of `invoke`. A function that fails is exit code 1; its error is printed as its response.
#[derive(Debug, clap::Args)]
pub struct Invoke {
    /// The function
    name: String,
    /// The event: JSON, @FILE, or - for standard input
    #[arg(long, default_value = "{}", value_name = "JSON")]
    payload: String,
    /// A version or an alias
    #[arg(long)]
    qualifier: Option<String>,
    /// Print the last 4 kB of the invocation's log to standard error
    #[arg(long)]
    tail: bool,
    /// The client's context, JSON
    #[arg(long, value_name = "JSON")]
    client_context: Option<String>,
    /// Check that the function could be invoked, and do not
    #[arg(long)]
    dry_run: bool,
    /// Hand the event over and do not wait: it is delivered behind the answer, and retried if it fails
    #[arg(long = "async", conflicts_with_all = ["tail", "dry_run", "client_context"])]
    asynchronous: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Invoke {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, out) = self.remote.open()?;
        let payload = payload(&self.payload)?;
        let mut headers = HeaderMap::new();
        if self.tail || out.is_json() {
            headers.insert("x-amz-log-type", HeaderValue::from_static("Tail"));
        }
        if self.dry_run {
            headers.insert("x-amz-invocation-type", HeaderValue::from_static("DryRun"));
        }
        if self.asynchronous {
            headers.insert("x-amz-invocation-type", HeaderValue::from_static("Event"));
        }
        if let Some(context) = &self.client_context
            && let Ok(value) = HeaderValue::try_from(BASE64_STANDARD.encode(context))
        {
            headers.insert("x-amz-client-context", value);
        }
        let answer =
            api.invoke(&self.name, self.qualifier.as_deref(), payload, headers).await.map_err(
                |failure| match failure.is_not_found() {
                    true => failure.hint("lamina list shows what there is"),
                    false => failure,
                },
            )?;
        if self.tail
            && let Some(log) = log_tail(&answer)
        {
            note(log.trim_end());
        }
        if out.is_json() {
            out.show(&document(&answer), String::new)?;
        } else if self.asynchronous {
            output::print(&format!("Accepted as {}.", answer.header("x-amzn-requestid").unwrap_or_default()))?;
        } else if self.dry_run {
            output::print("It could be invoked.")?;
        } else {
            output::write(&answer.body)?;
            output::write(b"\n")?;
        }
        match answer.header("x-amz-function-error") {
            None => Ok(()),
            Some(_) => {
                let error = answer.json().unwrap_or_default();
                let kind = output::text(&error, "/errorType");
                let message = output::text(&error, "/errorMessage");
                let failure = Failure::remote(format!("the function failed: {kind}: {message}"));
                Err(if self.tail { failure } else { failure.hint(format!("lamina logs {}", self.name)) })
            }
        }
    }
}

/// The event that an argument names.
pub(super) fn payload(argument: &str) -> Result<Bytes, Failure> {
    let bytes = match argument.strip_prefix('@') {
        Some(path) => std::fs::read(path).map_err(|error| Failure::usage(format!("{path} cannot be read: {error}")))?,
        None if argument == "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
            bytes
        }
        None => argument.as_bytes().to_vec(),
    };
    if !bytes.trim_ascii().is_empty()
        && let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes)
    {
        return Err(Failure::usage(format!("the payload is not JSON: {error}"))
            .hint("a text is JSON in double quotes; @FILE reads a file, - standard input"));
    }
    Ok(bytes.into())
}

/// The log that an answer brings.
pub(super) fn log_tail(answer: &Answer) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(answer.header("x-amz-log-result")?).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn document(answer: &Answer) -> Value {
    let mut document = Map::new();
    document.insert("StatusCode".into(), answer.status.as_u16().into());
    for (member, header) in [
        ("ExecutedVersion", "x-amz-executed-version"),
        ("FunctionError", "x-amz-function-error"),
        ("RequestId", "x-amzn-requestid"),
    ] {
        if let Some(value) = answer.header(header) {
            document.insert(member.into(), value.into());
        }
    }
    if let Some(log) = log_tail(answer) {
        document.insert("LogResult".into(), log.into());
    }
    if answer.body.is_empty() {
        return document.into();
    }
    let payload = serde_json::from_slice(&answer.body);
    document.insert("Payload".into(), payload.unwrap_or_else(|_| json!(String::from_utf8_lossy(&answer.body))));
    document.into()
}
