//! `lamina publish`.

use super::api::function_path;
use super::output::text;
use super::{Failure, Remote};
use http::Method;
use serde_json::json;

/// Arguments of `publish`.
#[derive(Debug, clap::Args)]
pub struct Publish {
    /// The function
    name: String,
    /// What is new
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Publish {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, output) = self.remote.open()?;
        let mut body = json!({});
        if let (Some(description), Some(members)) = (self.description, body.as_object_mut()) {
            members.insert("Description".into(), description.into());
        }
        let published = api.lambda(Method::POST, &function_path(&self.name, "/versions"), &body).await?;
        output.show(&published, || {
            let version = text(&published, "/Version");
            format!("{}: version {version}\nNext: lamina alias update {0} live --version {version}", self.name)
        })
    }
}
