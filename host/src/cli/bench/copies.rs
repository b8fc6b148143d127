//! Temporary copies of the function under test: same code and configuration, other sandbox settings.

use crate::cli::Failure;
use crate::cli::api::{Api, escape, function_path};
use crate::cli::output::text;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// How long provisioned environments may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Copies made so far.
pub(super) struct Copies {
    api: Api,
    /// What the copies' names begin with.
    stem: String,
    configuration: Map<String, Value>,
    variables: Map<String, Value>,
    code: String,
    made: Vec<String>,
}

impl Copies {
    /// Reads the code and configuration of a function.
    pub(super) async fn of(api: Api, name: &str, qualifier: Option<&str>) -> Result<Self, Failure> {
        let query = qualifier.map(|qualifier| format!("?Qualifier={}", escape(qualifier))).unwrap_or_default();
        let found = api.lambda(Method::GET, &function_path(name, &query), &Value::Null).await;
        let found = found.map_err(|failure| match failure.is_not_found() {
            true => failure.hint("lamina list shows what there is"),
            false => failure,
        })?;
        let location = text(&found, "/Code/Location");
        let package = api.fetch(&location).await?;
        let mut configuration = Map::new();
        for member in ["Handler", "Runtime", "Role", "Timeout", "MemorySize", "EphemeralStorage"] {
            if let Some(value) = found.pointer(&format!("/Configuration/{member}")) {
                configuration.insert(member.to_owned(), value.clone());
            }
        }
        let variables = found.pointer("/Configuration/Environment/Variables").and_then(Value::as_object).cloned();
        let mut variables = variables.unwrap_or_default();
        variables.remove("LAMINA_SANDBOX");
        let name: String = text(&found, "/Configuration/FunctionName").chars().take(32).collect();
        // Time and process make it one of a kind.
        let tag = jiff::Timestamp::now().as_millisecond() ^ (i64::from(std::process::id()) << 20);
        Ok(Self {
            api,
            stem: format!("{name}-bench-{tag:x}"),
            configuration,
            variables,
            code: BASE64_STANDARD.encode(package),
            made: Vec::new(),
        })
    }

    /// Makes a copy with further variables; answers its name.
    pub(super) async fn make(&mut self, suffix: &str, variables: &[(&str, &str)]) -> Result<String, Failure> {
        let name = format!("{}-{suffix}", self.stem);
        let mut body = self.configuration.clone();
        body.insert("FunctionName".into(), name.clone().into());
        body.insert("Description".into(), "A temporary copy made by lamina bench".into());
        body.insert("Environment".into(), json!({ "Variables": self.with(variables) }));
        body.insert("Code".into(), json!({ "ZipFile": self.code }));
        // Entered first: even if the answer is lost, it may have been made.
        self.made.push(name.clone());
        self.api.lambda(Method::POST, "/2015-03-31/functions", &body.into()).await?;
        Ok(name)
    }

    fn with(&self, variables: &[(&str, &str)]) -> Map<String, Value> {
        let mut all = self.variables.clone();
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        all
    }

    /// What to send to a copy so that its configuration changes, and with it all its environments go.
    pub(super) fn change(&self, number: u64) -> Value {
        json!({ "Environment": { "Variables": self.with(&[("BENCH_NUMBER", &number.to_string())]) } })
    }

    /// Publishes a copy and provisions environments for the version; answers the version once all are ready.
    pub(super) async fn provision(&self, name: &str, environments: u32) -> Result<String, Failure> {
        let published = self.api.lambda(Method::POST, &function_path(name, "/versions"), &json!({})).await?;
        let version = text(&published, "/Version");
        let path =
            format!("/2019-09-30/functions/{}/provisioned-concurrency?Qualifier={}", escape(name), escape(&version));
        let body = json!({ "ProvisionedConcurrentExecutions": environments });
        self.api.lambda(Method::PUT, &path, &body).await?;
        let started = Instant::now();
        loop {
            let status = self.api.lambda(Method::GET, &path, &Value::Null).await?;
            match text(&status, "/Status").as_str() {
                "READY" => return Ok(version),
                "FAILED" => {
                    let reason = text(&status, "/StatusReason");
                    return Err(Failure::remote(format!("environments cannot be provisioned: {reason}")));
                }
                _ if started.elapsed() > READY_WITHIN => {
                    let seconds = READY_WITHIN.as_secs();
                    return Err(Failure::remote(format!("provisioned environments are not ready after {seconds} s")));
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Deletes all copies; answers those that are still there.
    pub(super) async fn delete(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for name in std::mem::take(&mut self.made) {
            match self.api.lambda(Method::DELETE, &function_path(&name, ""), &Value::Null).await {
                Err(failure) if !failure.is_not_found() => left.push(name),
                _ => {}
            }
        }
        left
    }
}
