//! `lamina layer`: publish, list.

use super::api::escape;
use super::output::{size, table, text};
use super::{Failure, Remote, package};
use base64::prelude::*;
use clap::Subcommand;
use http::Method;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Arguments of `layer`.
#[derive(Debug, clap::Args)]
pub struct Layer {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Publish a directory or a zip as a layer's next version
    Publish(Publish),
    /// List layers, or the versions of one
    List(List),
}

#[derive(Debug, clap::Args)]
struct Publish {
    /// The layer
    name: String,
    /// A directory, packed without its links, or a zip; functions find its files under /opt
    path: PathBuf,
    /// What is in it
    #[arg(long)]
    description: Option<String>,
    /// Its licence: an SPDX identifier, a URL or the text
    #[arg(long)]
    license_info: Option<String>,
    /// A runtime that it is meant for
    #[arg(long = "runtime", value_name = "RUNTIME")]
    runtimes: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct List {
    /// A layer, to list its versions
    name: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

const LAYERS: &str = "/2018-10-31/layers";

fn versions_path(name: &str) -> String {
    format!("{LAYERS}/{}/versions", escape(name))
}

impl Layer {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Publish(publish) => publish.run().await,
            Action::List(list) => list.run().await,
        }
    }
}

impl Publish {
    async fn run(self) -> Result<(), Failure> {
        let (api, output) = self.remote.open()?;
        let archive = package::read(&self.path)?;
        let mut body = Map::new();
        body.insert("Content".into(), json!({ "ZipFile": BASE64_STANDARD.encode(&archive) }));
        if let Some(description) = self.description {
            body.insert("Description".into(), description.into());
        }
        if let Some(license) = self.license_info {
            body.insert("LicenseInfo".into(), license.into());
        }
        if !self.runtimes.is_empty() {
            body.insert("CompatibleRuntimes".into(), self.runtimes.into());
        }
        let path = versions_path(&self.name);
        let published = api.upload(Method::POST, &path, &body.into(), format!("uploading {}", self.name)).await?;
        output.show(&published, || {
            let archive_size = size(u64::try_from(archive.len()).unwrap_or(u64::MAX));
            format!(
                "{}: {archive_size}, version {}\n{}",
                self.name,
                text(&published, "/Version"),
                text(&published, "/LayerVersionArn")
            )
        })
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let (api, output) = self.remote.open()?;
        let layers = match &self.name {
            None => api.pages(LAYERS, "Layers").await?,
            Some(name) => api.pages(&versions_path(name), "LayerVersions").await?,
        };
        output.show(&layers, || {
            let rows = layers.iter().map(|layer| match &self.name {
                None => {
                    let mut row = vec![text(layer, "/LayerName")];
                    row.extend(columns(layer.get("LatestMatchingVersion").unwrap_or(&Value::Null)));
                    row
                }
                Some(_) => columns(layer).to_vec(),
            });
            let columns = ["version", "created", "runtimes", "description"];
            let header = if self.name.is_none() { [&["layer"], &columns[..]].concat() } else { columns.to_vec() };
            table(&header, rows.collect(), "No layers. Next: lamina layer publish NAME PATH")
        })
    }
}

/// What layers and their versions have in common.
fn columns(version: &Value) -> [String; 4] {
    let created = text(version, "/CreatedDate");
    let runtimes = version.get("CompatibleRuntimes").and_then(Value::as_array);
    let runtimes: Vec<&str> = runtimes.into_iter().flatten().filter_map(Value::as_str).collect();
    [
        text(version, "/Version"),
        created.get(..19).unwrap_or(&created).replace('T', " "),
        runtimes.join(", "),
        text(version, "/Description"),
    ]
}
