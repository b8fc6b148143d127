//! `lamina events`: events of asynchronous invocations that wait, or died with nowhere to go.

use super::api::{Api, escape};
use super::output::{Output, print, table, text};
use super::{Failure, Remote};
use http::Method;
use serde_json::Value;

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
pub struct Events {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List events, the oldest first
    List {
        /// A function; all where none is named
        function: Option<String>,
        /// Only events that stand so
        #[arg(long, value_enum)]
        state: Option<State>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Print one event with its payload and its last failure
    Show {
        /// The request id that the invocation was answered with
        request_id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Attempt events at once; dead ones get all attempts again
    Redrive {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        remote: Remote,
    },
    /// Remove events, but for those being delivered
    Purge {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        remote: Remote,
    },
}

/// Which events to change.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Chosen {
    /// Those of a function
    #[arg(required_unless_present_any = ["request_id", "all"])]
    function: Option<String>,
    /// One event
    #[arg(long, value_name = "ID", conflicts_with_all = ["function", "all", "state"])]
    request_id: Option<String>,
    /// Those of all functions
    #[arg(long, conflicts_with = "function")]
    all: bool,
    /// Only events that stand so
    #[arg(long, value_enum)]
    state: Option<State>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum State {
    /// To be attempted
    Waiting,
    /// Given up with neither a destination nor a dead-letter queue
    Dead,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Dead => "Dead",
        }
    }
}

impl Events {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::List { function, state, remote } => {
                let (api, output) = remote.open()?;
                list(&api, output, function.as_deref(), state).await
            }
            Command::Show { request_id, remote } => {
                let (api, _) = remote.open()?;
                let path = format!("/lamina/async-events/{}", escape(&request_id));
                let event = api.lambda(Method::GET, &path, &Value::Null).await?;
                print(&serde_json::to_string_pretty(&event).unwrap_or_default())
            }
            Command::Redrive { chosen, remote } => {
                let (api, output) = remote.open()?;
                let answer = chosen.call(&api, Method::POST, "/redrive").await?;
                output.show(&answer, || format!("{} to be attempted now.", count(&answer, "/Redriven")))
            }
            Command::Purge { chosen, remote } => {
                let (api, output) = remote.open()?;
                let answer = chosen.call(&api, Method::DELETE, "").await?;
                output.show(&answer, || format!("{} removed.", count(&answer, "/Purged")))
            }
        }
    }
}

impl Chosen {
    async fn call(&self, api: &Api, method: Method, verb: &str) -> Result<Value, Failure> {
        let path = match &self.request_id {
            Some(id) => format!("/lamina/async-events/{}{verb}", escape(id)),
            None => {
                let mut query = query(self.function.as_deref(), self.state);
                if self.all {
                    query.push("All=true".to_owned());
                }
                format!("/lamina/async-events{verb}?{}", query.join("&"))
            }
        };
        api.lambda(method, &path, &Value::Null).await
    }
}

fn query(function: Option<&str>, state: Option<State>) -> Vec<String> {
    let function = function.map(|name| format!("FunctionName={}", escape(name)));
    function.into_iter().chain(state.map(|state| format!("State={}", state.name()))).collect()
}

async fn list(api: &Api, output: Output, function: Option<&str>, state: Option<State>) -> Result<(), Failure> {
    let mut events: Vec<Value> = Vec::new();
    let mut query = query(function, state);
    query.push("MaxItems=1000".to_owned());
    let mut marker: Option<String> = None;
    loop {
        let mut path = format!("/lamina/async-events?{}", query.join("&"));
        if let Some(marker) = &marker {
            path.push_str(&format!("&Marker={}", escape(marker)));
        }
        let mut answer = api.lambda(Method::GET, &path, &Value::Null).await?;
        if let Some(Value::Array(more)) = answer.get_mut("Events").map(Value::take) {
            events.extend(more);
        }
        marker = answer.get("NextMarker").and_then(Value::as_str).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    output.show(&events, || {
        let time = |event: &Value, pointer| {
            let time = text(event, pointer);
            time.get(..19).unwrap_or(&time).replace('T', " ")
        };
        let rows = events.iter().map(|event| {
            let arn = text(event, "/FunctionArn");
            vec![
                text(event, "/RequestId"),
                arn.split_once(":function:").map_or(arn.as_str(), |(_, name)| name).to_owned(),
                text(event, "/State"),
                text(event, "/Attempts"),
                time(event, "/AcceptedAt"),
                time(event, "/NextAttemptAt"),
            ]
        });
        let header = ["request id", "function", "state", "attempts", "accepted", "next attempt"];
        table(&header, rows.collect(), "No events wait, and none died.")
    })
}

fn count(answer: &Value, pointer: &str) -> String {
    match text(answer, pointer).as_str() {
        "1" => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}
