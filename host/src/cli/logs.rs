//! `lamina logs`.

use super::api::Api;
use super::output::{self, note, print};
use super::{Failure, Remote};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::time::Duration;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// The function
    name: String,
    /// Go on printing what comes
    #[arg(long, short)]
    follow: bool,
    /// Only what is younger: a time such as 2027-01-31T12:00:00Z, or how long ago, such as 10m or 2h
    #[arg(long, value_parser = since, value_name = "TIME")]
    since: Option<i64>,
    /// Only lines that match: terms in any order, -TERM for not, ?TERM for any of several
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// Only streams whose names start so, such as 2027/01/31/[3]
    #[arg(long, value_name = "PREFIX")]
    stream: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// Milliseconds since the Unix epoch.
fn since(text: &str) -> Result<i64, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let wrong = || "must be a time such as 2027-01-31T12:00:00Z, or how long ago, such as 10m".to_owned();
    let ago = text.parse::<SignedDuration>().map_err(|_| wrong())?;
    Timestamp::now().checked_sub(ago.abs()).map(Timestamp::as_millisecond).map_err(|_| wrong())
}

impl Logs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, out) = self.remote.open()?;
        let mut cursor: Option<String> = None;
        let mut told = false;
        loop {
            let found = self.page(&api, cursor.as_deref()).await;
            let page = match found {
                Ok(page) => page,
                Err(failure) if failure.is_not_found() => {
                    self.check_exists(&api).await?;
                    if !self.follow {
                        note(&format!("{} has no log yet", self.name));
                        return Ok(());
                    }
                    if !told {
                        note(&format!("{} has no log yet; waiting for it", self.name));
                        told = true;
                    }
                    Value::Null
                }
                Err(failure) => return Err(failure),
            };
            let events = page.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for event in events {
                if out.is_json() {
                    print(&event.to_string())?;
                } else {
                    print(&line(event))?;
                }
            }
            // An event's id is a token to go on from, also where there is nothing behind it yet.
            let last = events.last().map(|event| format!("f/{}", output::text(event, "/eventId")));
            let next = page.get("nextToken").and_then(Value::as_str).map(str::to_owned);
            let more = next.is_some();
            cursor = next.or(last).or(cursor);
            if more {
                continue;
            }
            if !self.follow {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }

    async fn page(&self, api: &Api, cursor: Option<&str>) -> Result<Value, Failure> {
        let mut body = Map::new();
        let name = self.name.split(':').next().unwrap_or(&self.name);
        body.insert("logGroupName".into(), format!("/aws/lambda/{name}").into());
        if let Some(since) = self.since {
            body.insert("startTime".into(), since.into());
        }
        if let Some(filter) = &self.filter {
            body.insert("filterPattern".into(), filter.clone().into());
        }
        if let Some(stream) = &self.stream {
            body.insert("logStreamNamePrefix".into(), stream.clone().into());
        }
        if let Some(cursor) = cursor {
            body.insert("nextToken".into(), cursor.into());
        }
        api.target("Logs_20140328.FilterLogEvents", &body.into()).await
    }

    /// A log that is not there may be that of a function that is not there.
    async fn check_exists(&self, api: &Api) -> Result<(), Failure> {
        let path = super::api::function_path(&self.name, "/configuration");
        match api.lambda(http::Method::GET, &path, &Value::Null).await {
            Err(failure) if failure.is_not_found() => Err(failure.hint("lamina list shows what there is")),
            Err(failure) => Err(failure),
            Ok(_) => Ok(()),
        }
    }
}

fn line(event: &Value) -> String {
    let time = event.get("timestamp").and_then(Value::as_i64).and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let time = time.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    format!("{time} {}", output::text(event, "/message").trim_end_matches(['\r', '\n']))
}
