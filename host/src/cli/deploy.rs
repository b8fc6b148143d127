//! `lamina deploy`: create a function, or bring it to what is given.

use super::api::{Api, escape, function_path};
use super::output::{size, text};
use super::progress::Spinner;
use super::{Failure, Remote, package};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `deploy`. What is not given stays as it is, or is Lambda's default for a new function.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// The function; created if it does not exist
    name: String,
    /// The package: a .wasm or .wat, a zip, or a directory to be zipped
    #[arg(required_unless_present = "image", conflicts_with = "image")]
    path: Option<PathBuf>,
    /// A wasm image that the daemon pulls: host/repository:tag, host/repository@sha256:…, or oci:/directory:tag on its machine
    #[arg(long, value_name = "REFERENCE", conflicts_with = "handler")]
    image: Option<String>,
    /// What runs the code, by AWS's name: python3.13 … [default: provided.al2023]
    #[arg(long, conflicts_with = "image")]
    runtime: Option<String>,
    /// The function in the code, module.function, or the wasm file in a zip: <HANDLER>.wasm
    /// [default: the runtime's usual one, or bootstrap]
    #[arg(long)]
    handler: Option<String>,
    /// MB of memory, 128 to 10240 [default: 128]
    #[arg(long, value_name = "MB")]
    memory: Option<u32>,
    /// Seconds of one invocation, 1 to 900 [default: 3]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// MB of /tmp, 512 to 10240 [default: 512]
    #[arg(long, value_name = "MB")]
    tmp: Option<u32>,
    /// Sets an environment variable; others stay
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Whether environments are used again, or each invocation gets a new sandbox [default: reuse]
    #[arg(long, value_enum)]
    sandbox: Option<Sandbox>,
    /// The role whose policy says what the function itself may call: its ARN, or its name in the account 000000000000 [default: lamina]
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// What the function is for
    #[arg(long)]
    description: Option<String>,
    /// Publish a version
    #[arg(long)]
    publish: bool,
    /// Publish a version and point this alias to it
    #[arg(long, value_name = "ALIAS")]
    alias: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// Where the code is.
enum Code {
    /// Here.
    Package(Vec<u8>),
    /// Where the daemon finds it.
    Image(String),
}

impl Code {
    /// The members of the API that carry it.
    fn members(&self) -> Value {
        match self {
            Self::Package(package) => json!({ "ZipFile": BASE64_STANDARD.encode(package) }),
            Self::Image(image) => json!({ "ImageUri": image }),
        }
    }

    fn doing(&self, name: &str) -> String {
        match self {
            Self::Package(_) => format!("uploading {name}"),
            Self::Image(image) => format!("{name} from {image}"),
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Sandbox {
    /// As Lambda does it
    Reuse,
    /// A new sandbox for every invocation
    Fresh,
}

/// What AWS's console calls the handler of a new function.
fn usual_handler(runtime: &str) -> &'static str {
    match runtime {
        _ if runtime.starts_with("python") => "lambda_function.lambda_handler",
        _ if runtime.starts_with("provided") => "bootstrap",
        _ => "index.handler",
    }
}

/// The ARN of a role that may be given by its name.
fn role_arn(role: &str) -> String {
    if role.starts_with("arn:") { role.to_owned() } else { format!("arn:aws:iam::000000000000:role/{role}") }
}

/// How often a function that is being compiled is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Whether the daemon still compiles what was deployed.
fn is_under_way(function: &Value) -> bool {
    text(function, "/State") == "Pending" || text(function, "/LastUpdateStatus") == "InProgress"
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be KEY=VALUE".to_owned()),
    }
}

impl Deploy {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, output) = self.remote.open()?;
        let code = self.code()?;
        let before = match api.lambda(Method::GET, &function_path(&self.name, "/configuration"), &Value::Null).await {
            Ok(configuration) => Some(configuration),
            Err(failure) if failure.is_not_found() => None,
            Err(failure) => return Err(failure),
        };
        let (what, mut function) = match &before {
            None => ("created", self.create(&api, &code).await?),
            Some(before) => self.update(&api, before, &code).await?,
        };
        if is_under_way(&function) {
            function = self.compiled(&api).await?;
        }
        if self.publish || self.alias.is_some() {
            function = api.lambda(Method::POST, &function_path(&self.name, "/versions"), &json!({})).await?;
        }
        let version = text(&function, "/Version");
        let alias = match &self.alias {
            None => None,
            Some(alias) => Some(self.point(&api, alias, &version).await?),
        };
        let answer = json!({ "Result": what, "Function": function, "Alias": alias });
        output.show(&answer, || {
            let source = match &code {
                Code::Package(package) => size(u64::try_from(package.len()).unwrap_or(u64::MAX)),
                Code::Image(image) => image.clone(),
            };
            let mut lines =
                format!("{} {what}: {source}, {} MB, version {version}", self.name, text(&function, "/MemorySize"));
            let mut next = format!("lamina invoke {}", self.name);
            if let Some(alias) = &self.alias {
                lines.push_str(&format!(", alias {alias}"));
                next.push_str(&format!(" --qualifier {alias}"));
            }
            format!("{lines}\nNext: {next}")
        })
    }

    /// The function once its code is compiled.
    async fn compiled(&self, api: &Api) -> Result<Value, Failure> {
        let _spinner = Spinner::new(format!("compiling {} …", self.name));
        loop {
            let path = function_path(&self.name, "/configuration");
            let function = api.lambda(Method::GET, &path, &Value::Null).await?;
            if is_under_way(&function) {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            for (member, reason) in [("/State", "/StateReason"), ("/LastUpdateStatus", "/LastUpdateStatusReason")] {
                if text(&function, member) == "Failed" {
                    return Err(Failure::remote(text(&function, reason)));
                }
            }
            return Ok(function);
        }
    }

    fn code(&self) -> Result<Code, Failure> {
        match (&self.image, &self.path) {
            (Some(image), _) => Ok(Code::Image(image.clone())),
            (None, Some(path)) => package::read(path).map(Code::Package),
            (None, None) => Err(Failure::usage("a package or an image is needed".to_owned())),
        }
    }

    async fn create(&self, api: &Api, code: &Code) -> Result<Value, Failure> {
        let mut body = self.configuration(&Value::Null);
        body.insert("FunctionName".into(), self.name.clone().into());
        body.entry("Role").or_insert_with(|| role_arn("lamina").into());
        match code {
            Code::Image(_) => drop(body.insert("PackageType".into(), "Image".into())),
            Code::Package(_) => {
                let runtime = self.runtime.as_deref().unwrap_or("provided.al2023");
                body.insert("Runtime".into(), runtime.into());
                body.entry("Handler").or_insert_with(|| usual_handler(runtime).into());
            }
        }
        body.insert("Code".into(), code.members());
        let path = "/2015-03-31/functions";
        api.upload(Method::POST, path, &body.into(), code.doing(&self.name)).await
    }

    async fn update(&self, api: &Api, before: &Value, code: &Code) -> Result<(&'static str, Value), Failure> {
        let mut function = before.clone();
        let mut what = "unchanged";
        // The configuration first: the handler finds the guest in the package.
        let configuration = self.configuration(before);
        if configuration.iter().any(|(name, value)| before.get(name) != Some(value)) {
            let path = function_path(&self.name, "/configuration");
            function = api.lambda(Method::PUT, &path, &configuration.into()).await?;
            what = "updated";
        }
        let same = match code {
            Code::Package(package) => {
                let hash = BASE64_STANDARD.encode(Sha256::digest(package));
                text(before, "/CodeSha256") == hash && !(self.handler.is_some() && what == "updated")
            }
            // What the tag means now is for the daemon to find out.
            Code::Image(_) => false,
        };
        if !same {
            let path = function_path(&self.name, "/code");
            function = api.upload(Method::PUT, &path, &code.members(), code.doing(&self.name)).await?;
            if matches!(code, Code::Package(_)) || text(before, "/CodeSha256") != text(&function, "/CodeSha256") {
                what = "updated";
            }
        }
        Ok((what, function))
    }

    /// The members that flags set; variables are added to those there are.
    fn configuration(&self, before: &Value) -> Map<String, Value> {
        let mut body = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        set("Runtime", self.runtime.clone().map(Value::from));
        set("Role", self.role.as_deref().map(|role| role_arn(role).into()));
        set("Handler", self.handler.clone().map(Value::from));
        set("Description", self.description.clone().map(Value::from));
        set("MemorySize", self.memory.map(Value::from));
        set("Timeout", self.timeout.map(Value::from));
        set("EphemeralStorage", self.tmp.map(|size| json!({ "Size": size })));
        let mut variables: BTreeMap<String, Value> = BTreeMap::new();
        if let Some(Value::Object(known)) = before.pointer("/Environment/Variables") {
            variables.extend(known.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let known = variables.clone();
        variables.extend(self.env.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))));
        match self.sandbox {
            Some(Sandbox::Fresh) => drop(variables.insert("LAMINA_SANDBOX".into(), "fresh".into())),
            Some(Sandbox::Reuse) => drop(variables.remove("LAMINA_SANDBOX")),
            None => {}
        }
        if variables != known {
            set("Environment", Some(json!({ "Variables": variables })));
        }
        body
    }

    async fn point(&self, api: &Api, alias: &str, version: &str) -> Result<Value, Failure> {
        let path = function_path(&self.name, &format!("/aliases/{}", escape(alias)));
        let body = json!({ "FunctionVersion": version, "RoutingConfig": { "AdditionalVersionWeights": {} } });
        match api.lambda(Method::PUT, &path, &body).await {
            Err(failure) if failure.is_not_found() => {
                let body = json!({ "Name": alias, "FunctionVersion": version });
                api.lambda(Method::POST, &function_path(&self.name, "/aliases"), &body).await
            }
            answer => answer,
        }
    }
}
