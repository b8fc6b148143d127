//! `cargo xtask run`: a daemon on the repository's `config.toml`, seen at work.
//!
//! One HTTP route, one schedule and one queue of the samples are exercised: once when no environment exists yet, and then
//! again. Times in the table are taken by this client; the REPORT lines below it are what the daemon measured.

use crate::daemon::Daemon;
use crate::http::{self, Answer};
use crate::workspace::Workspace;
use crate::{guests, steps, test};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// How long the daemon may take to be ready: at the first start it compiles the samples.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long one event may take from its acknowledgement to the function's REPORT line.
const EVENT_WITHIN: Duration = Duration::from_secs(20);
/// Warm requests measured.
const WARM_REQUESTS: usize = 200;
/// The sample behind the route, as `config.toml` has it, and a request to it.
const ROUTE: (&str, &str) = ("hello", "/hello/world");
/// The sample that a schedule runs.
const SCHEDULED: &str = "heartbeat";
/// The queue, and the sample that works on it.
const QUEUE: (&str, &str) = ("orders", "order-worker");

/// What `cargo xtask run` takes.
#[derive(clap::Args)]
#[group(skip)]
pub struct Options {
    /// Stop after the demonstration; the exit code tells whether all of it worked
    #[arg(long)]
    once: bool,
    /// Use a debug build: quicker to build, not worth measuring
    #[arg(long)]
    debug: bool,
    /// Let the system choose the ports instead of those in config.toml
    #[arg(long)]
    any_port: bool,
    #[command(flatten)]
    guests: guests::Options,
}

/// Builds, starts, demonstrates, and serves on.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    guests::build(workspace, &options.guests)?;
    let binary = test::daemon(workspace, !options.debug)?;
    steps::heading("daemon: lamina serve --config config.toml --data-dir .lamina");
    let mut serve = Command::new(&binary);
    serve.current_dir(&workspace.root).args(["serve", "--config", "config.toml", "--data-dir", ".lamina"]);
    if options.any_port {
        for listener in ["--api-addr", "--http-addr", "--admin-addr"] {
            serve.args([listener, "127.0.0.1:0"]);
        }
    }
    let spinner = steps::spinner("compiling and deploying the samples");
    let daemon = Daemon::start(&mut serve, READY_WITHIN);
    spinner.finish_and_clear();
    let mut daemon = daemon?;
    daemon.forward_signals()?;
    steps::note(&format!("ready: api {}, routes {}, metrics {}", daemon.api, daemon.http, daemon.admin));

    let demonstration = Demonstration { daemon: &daemon, lamina: &binary };
    demonstration.http()?;
    demonstration.queue()?;
    demonstration.schedule()?;
    if options.once {
        let status = daemon.stop()?;
        if !status.success() {
            bail!("the daemon did not end well: {status}");
        }
        println!("\nAll of it worked; the daemon has drained and ended.");
        return Ok(());
    }
    let bin = binary.strip_prefix(&workspace.root).unwrap_or(&binary).display().to_string();
    println!(
        "\nServing until Ctrl-C. Try:\n\
         \x20 curl -i {http}{path}\n\
         \x20 aws --endpoint-url {api} lambda list-functions\n\
         \x20 aws --endpoint-url {api} lambda invoke --function-name {function} /dev/stdout\n\
         \x20 curl -s {admin}/metrics | grep ^lamina_\n\
         \x20 {bin} logs {function} --follow\n\
         \x20 {bin} bench {function}",
        http = daemon.http,
        path = ROUTE.1,
        api = daemon.api,
        admin = daemon.admin,
        function = ROUTE.0,
    );
    let status = daemon.wait()?;
    if !status.success() {
        bail!("the daemon did not end well: {status}");
    }
    Ok(())
}

struct Demonstration<'a> {
    daemon: &'a Daemon,
    lamina: &'a std::path::Path,
}

impl Demonstration<'_> {
    fn http(&self) -> Result<()> {
        let (function, path) = ROUTE;
        let url = format!("{}{path}", self.daemon.http);
        println!("\nHTTP route: GET {path} → {function}");
        let before = self.report_lines(function)?.len();
        let get = || http::request("GET", &url, &[], "").and_then(|answer| expect(answer, 200));
        let first = get()?;
        println!("    answered      {}", first.body.trim());
        let mut warm = Vec::with_capacity(WARM_REQUESTS);
        for _ in 0..WARM_REQUESTS {
            warm.push(get()?.elapsed);
        }
        warm.sort();
        let at = |percent: usize| warm.get(warm.len() * percent / 100).copied().unwrap_or_default();
        println!("    first request {}", milliseconds(first.elapsed));
        println!(
            "    then          {} median, {} p99 over {WARM_REQUESTS} requests, a connection each",
            milliseconds(at(50)),
            milliseconds(at(99))
        );
        self.reports(function, before, 1 + WARM_REQUESTS, Instant::now() + EVENT_WITHIN).map(print_reports)
    }

    fn queue(&self) -> Result<()> {
        let (queue, function) = QUEUE;
        println!("\nQueue: {queue} → {function}");
        let url = self.sqs("GetQueueUrl", &json!({ "QueueName": queue }))?;
        let url = url["QueueUrl"].as_str().context("GetQueueUrl answered no URL")?.to_owned();
        let before = self.report_lines(function)?.len();
        for (count, kind) in [(1, "first message"), (2, "then")] {
            let order = json!({
                "orderId": format!("demo-{}", Timestamp::now().as_millisecond()),
                "lines": [{ "sku": "tea", "quantity": 2, "priceCents": 450 }],
            });
            let start = Instant::now();
            let sent = self.sqs("SendMessage", &json!({ "QueueUrl": url, "MessageBody": order.to_string() }))?;
            let acknowledged = start.elapsed();
            self.reports(function, before, count, start + EVENT_WITHIN)?;
            let id = sent["MessageId"].as_str().unwrap_or_default();
            println!(
                "    {kind:13} {id} on disk after {}, worked on after {}",
                milliseconds(acknowledged),
                milliseconds(start.elapsed())
            );
        }
        self.reports(function, before, 2, Instant::now()).map(print_reports)
    }

    fn schedule(&self) -> Result<()> {
        println!("\nSchedule: at(…) → {SCHEDULED}");
        let before = self.report_lines(SCHEDULED)?.len();
        for (count, kind) in [(1, "first firing"), (2, "then")] {
            // The form has whole seconds: the second after next is always at least one second away.
            let due = Timestamp::now().as_second() + 2;
            let due = Timestamp::from_second(due)?;
            let name = format!("demo-{}", due.as_second());
            let schedule = json!({
                "ScheduleExpression": format!("at({})", due.strftime("%Y-%m-%dT%H:%M:%S")),
                "FlexibleTimeWindow": { "Mode": "OFF" },
                "ActionAfterCompletion": "DELETE",
                "Target": {
                    "Arn": format!("arn:aws:lambda:us-east-1:000000000000:function:{SCHEDULED}"),
                    "RoleArn": "arn:aws:iam::000000000000:role/demo",
                    "Input": json!({ "demo": name }).to_string(),
                },
            });
            let url = format!("{}/schedules/{name}", self.daemon.api);
            let json_type = [("Content-Type", "application/json")];
            expect(http::request("POST", &url, &json_type, &schedule.to_string())?, 200)?;
            self.reports(SCHEDULED, before, count, Instant::now() + EVENT_WITHIN)?;
            let late = Timestamp::now().since(due)?.total(jiff::Unit::Millisecond)?;
            println!("    {kind:13} due {due}, run and reported {late:.1} ms later");
        }
        self.reports(SCHEDULED, before, 2, Instant::now()).map(print_reports)
    }

    fn sqs(&self, operation: &str, input: &Value) -> Result<Value> {
        let target = format!("AmazonSQS.{operation}");
        let headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", target.as_str())];
        let answer = http::request("POST", &self.daemon.api, &headers, &input.to_string())?;
        serde_json::from_str(&expect(answer, 200)?.body).with_context(|| format!("{operation} answered no JSON"))
    }

    /// REPORT lines of a function after the first `before`, once there are at least `count`.
    fn reports(&self, function: &str, before: usize, count: usize, until: Instant) -> Result<Vec<String>> {
        loop {
            let lines = self.report_lines(function)?.split_off(before);
            if lines.len() >= count {
                return Ok(lines);
            }
            if Instant::now() >= until {
                bail!("{function}: {} REPORT lines, {count} expected", lines.len());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn report_lines(&self, function: &str) -> Result<Vec<String>> {
        let Output { status, stdout, stderr } = Command::new(self.lamina)
            .args(["logs", function, "--endpoint", &self.daemon.api])
            .output()
            .context("cannot run lamina logs")?;
        if !status.success() {
            bail!("lamina logs {function}: {status}: {}", String::from_utf8_lossy(&stderr).trim());
        }
        let text = String::from_utf8_lossy(&stdout);
        Ok(text.lines().filter(|line| line.contains("REPORT RequestId")).map(str::to_owned).collect())
    }
}

fn print_reports(lines: Vec<String>) {
    for line in lines.iter().take(1).chain(lines.last()) {
        let line = line.find("REPORT").and_then(|at| line.get(at..)).unwrap_or(line);
        println!("    | {}", line.replace('\t', "  "));
    }
}

fn expect(answer: Answer, status: u16) -> Result<Answer> {
    if answer.status != status {
        bail!("answered {} where {status} was expected: {}", answer.status, answer.body);
    }
    Ok(answer)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
