//! `lamina credentials`: access keys of the AWS APIs, and what functions with a role may do there ([`role`]). Works on the file of both, so
//! it needs no daemon and no key; a running daemon takes up what changed within seconds.

mod role;

use super::output::table;
use super::{Answering, Failure};
use crate::config::{Config, Overrides};
use crate::credentials::file::{Record, Store};
use crate::credentials::{Error, Policy};
use crate::ids::FunctionName;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `credentials`.
#[derive(Debug, Args)]
pub struct Credentials {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an access key and print its secret, which is shown this once
    Create(Create),
    /// List access keys
    List(Place),
    /// Delete an access key
    Delete(Delete),
    /// Say what functions with a role may do
    Role(role::Role),
}

/// Which daemon's keys.
#[derive(Debug, Args)]
struct Place {
    /// The daemon's configuration file
    #[arg(long, env = "LAMINA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    output: Answering,
}

impl Place {
    fn open(&self) -> Result<(Config, Store), Failure> {
        let overrides = Overrides { data_dir: self.data_dir.clone(), ..Overrides::default() };
        let config = Config::load_without_keys(self.config.as_deref(), &overrides)
            .map_err(|error| Failure::usage(format!("bad configuration\n{error}")))?;
        let store = config.credentials.store(&config.storage.data_dir);
        Ok((config, store))
    }
}

#[derive(Debug, Args)]
struct Create {
    /// A name for the key: the user in ARNs and messages
    name: String,
    /// The account that the key belongs to [default: that of the daemon]
    #[arg(long, value_name = "DIGITS")]
    account: Option<String>,
    #[command(flatten)]
    may: May,
    #[command(flatten)]
    place: Place,
}

/// What a key or a role may do; exactly one.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct May {
    /// Everything
    #[arg(long)]
    admin: bool,
    /// To look at everything and to change nothing
    #[arg(long)]
    read_only: bool,
    /// To invoke these functions, in all versions and aliases, and nothing else
    #[arg(long, value_name = "FUNCTION", num_args = 1..)]
    invoke_only: Vec<String>,
    /// What a file with an IAM policy says
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl May {
    fn policy(&self, config: &Config) -> Result<Policy, Failure> {
        if let Some(path) = &self.policy {
            let wrong = |why: String| Failure::usage(format!("{}: {why}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            return Policy::parse(&text).map_err(wrong);
        }
        if self.admin {
            return Ok(Policy::allowing(&["*"], &["*".to_owned()]));
        }
        if self.read_only {
            let actions = [
                "lambda:Get*",
                "lambda:List*",
                "sqs:Get*",
                "sqs:List*",
                "scheduler:Get*",
                "scheduler:List*",
                "logs:Get*",
                "logs:List*",
                "logs:Describe*",
                "logs:FilterLogEvents",
                "logs:StartLiveTail",
            ];
            return Ok(Policy::allowing(&actions, &["*".to_owned()]));
        }
        let mut resources = Vec::new();
        for name in &self.invoke_only {
            let name = FunctionName::new(name).map_err(|error| Failure::usage(error.to_string()))?;
            let arn = config.home().function_arn(&name, None);
            resources.extend([format!("{arn}:*"), arn]);
        }
        Ok(Policy::allowing(&["lambda:InvokeFunction", "lambda:InvokeAsync", "lambda:InvokeFunctionUrl"], &resources))
    }
}

#[derive(Debug, Args)]
struct Delete {
    /// The key's id or name
    key: String,
    #[command(flatten)]
    place: Place,
}

impl Credentials {
    /// Runs the command.
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.what {
            What::Create(create) => create.run(),
            What::List(place) => list(&place),
            What::Delete(delete) => delete.run(),
            What::Role(role) => role.run(),
        }
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let (config, store) = self.place.open()?;
        let policy = self.may.policy(&config)?;
        let account = self.account.as_deref().unwrap_or(&config.home.account);
        let created = store.create(&self.name, account, policy, jiff::Timestamp::now()).map_err(failed)?;
        let id = created.record.access_key_id.as_str();
        let answer =
            json!({ "AccessKeyId": id, "SecretAccessKey": created.secret, "UserName": self.name, "Account": account });
        self.place.output.open().show(&answer, || {
            format!(
                "AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={}\nAWS_REGION={}\n",
                created.secret, config.home.region
            )
        })
    }
}

fn list(place: &Place) -> Result<(), Failure> {
    let (_, store) = place.open()?;
    let records = store.list().map_err(failed)?;
    let keys: Vec<Value> = records.iter().map(described).collect();
    place.output.open().show(&json!({ "AccessKeys": keys }), || {
        let row = |record: &Record| {
            vec![
                record.name.clone(),
                record.access_key_id.clone(),
                record.account.clone(),
                record.created_at.to_string(),
            ]
        };
        let rows = records.iter().map(row).collect();
        table(&["name", "access key id", "account", "created"], rows, "There are no access keys.")
    })
}

impl Delete {
    fn run(self) -> Result<(), Failure> {
        let (_, store) = self.place.open()?;
        match store.delete(&self.key).map_err(failed)? {
            Some(record) => self
                .place
                .output
                .open()
                .show(&described(&record), || format!("deleted {} ({})\n", record.access_key_id, record.name)),
            None => Err(Failure::usage(format!("there is no key {:?} in {}", self.key, store.path.display()))
                .hint("lamina credentials list shows them")),
        }
    }
}

fn described(record: &Record) -> Value {
    json!({
        "AccessKeyId": record.access_key_id,
        "UserName": record.name,
        "Account": record.account,
        "CreateDate": record.created_at.to_string(),
        "Policy": record.policy,
    })
}

fn failed(error: Error) -> Failure {
    match error {
        Error::Invalid(_) => Failure::usage(error.to_string()),
        _ => Failure::local(error.to_string()),
    }
}
