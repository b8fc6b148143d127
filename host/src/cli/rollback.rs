//! `lamina rollback`.

use super::api::{escape, function_path};
use super::list::versions_and_aliases;
use super::output::text;
use super::{Failure, Remote};
use http::Method;
use serde_json::json;

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// The function
    name: String,
    /// The alias
    alias: String,
    /// The version to point to; the one published before the current one where absent
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    #[command(flatten)]
    remote: Remote,
}

impl Rollback {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, output) = self.remote.open()?;
        let (versions, aliases) = versions_and_aliases(&api, &self.name).await?;
        let Some(alias) = aliases.iter().find(|alias| text(alias, "/Name") == self.alias) else {
            return Err(Failure::remote(format!("the function {} has no alias {}", self.name, self.alias))
                .hint(format!("lamina alias list {}", self.name)));
        };
        let from = text(alias, "/FunctionVersion");
        let to = match (self.to, from.parse::<u64>()) {
            (Some(to), _) => to,
            (None, Err(_)) => {
                return Err(Failure::usage(format!(
                    "the alias {} points to {from}, which has nothing before it",
                    self.alias
                ))
                .hint("name a version with --to"));
            }
            (None, Ok(current)) => {
                let numbers = versions.iter().filter_map(|version| text(version, "/Version").parse::<u64>().ok());
                numbers.filter(|number| *number < current).max().ok_or_else(|| {
                    Failure::usage(format!("there is no version before {current}")).hint("name a version with --to")
                })?
            }
        };
        // All traffic goes back; the revision makes sure that it is the alias seen above.
        let body = json!({
            "FunctionVersion": to.to_string(),
            "RoutingConfig": { "AdditionalVersionWeights": {} },
            "RevisionId": alias.get("RevisionId"),
        });
        let path = function_path(&self.name, &format!("/aliases/{}", escape(&self.alias)));
        let updated = api.lambda(Method::PUT, &path, &body).await?;
        output.show(&updated, || {
            format!(
                "{}:{} points to version {to} again (was {from})\nNext: lamina invoke {0} --qualifier {1}",
                self.name, self.alias
            )
        })
    }
}
