//! `lamina list`.

use super::api::{Api, function_path};
use super::output::{size, table, text};
use super::{Failure, Remote, alias};
use serde_json::{Value, json};

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// A function, to list its versions and aliases
    name: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl List {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, output) = self.remote.open()?;
        let Some(name) = &self.name else {
            let functions = api.pages("/2015-03-31/functions", "Functions").await?;
            return output.show(&functions, || {
                let rows = functions.iter().map(|function| {
                    let mut row = vec![text(function, "/FunctionName")];
                    row.extend(columns(function));
                    row
                });
                let header = ["function", "memory", "timeout", "size", "modified", "description"];
                table(&header, rows.collect(), "No functions yet. Next: lamina deploy NAME PATH")
            });
        };
        let (versions, aliases) = versions_and_aliases(&api, name).await?;
        output.show(&json!({ "Versions": versions, "Aliases": aliases }), || {
            let rows = versions.iter().map(|version| {
                let number = text(version, "/Version");
                let names = aliases.iter().filter(|alias| text(alias, "/FunctionVersion") == number);
                let names: Vec<String> = names.map(|alias| text(alias, "/Name")).collect();
                let mut row = vec![number, names.join(", ")];
                row.extend(columns(version));
                row
            });
            let header = ["version", "aliases", "memory", "timeout", "size", "modified", "description"];
            let versions = table(&header, rows.collect(), "No versions.");
            match aliases.is_empty() {
                true => versions,
                false => format!("{versions}\n{}", alias::shown(&aliases)),
            }
        })
    }
}

/// What a function's versions have in common.
fn columns(function: &Value) -> [String; 5] {
    let modified = text(function, "/LastModified");
    [
        format!("{} MB", text(function, "/MemorySize")),
        format!("{} s", text(function, "/Timeout")),
        size(function.get("CodeSize").and_then(Value::as_u64).unwrap_or(0)),
        modified.get(..19).unwrap_or(&modified).replace('T', " "),
        text(function, "/Description"),
    ]
}

/// All versions, `$LATEST` first, and all aliases of a function.
pub(super) async fn versions_and_aliases(api: &Api, name: &str) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let versions = api.pages(&function_path(name, "/versions"), "Versions").await?;
    let aliases = api.pages(&function_path(name, "/aliases"), "Aliases").await?;
    Ok((versions, aliases))
}
