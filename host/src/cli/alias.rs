//! `lamina alias`: create, update, weights, delete, list.

use super::api::{escape, function_path};
use super::output::{table, text};
use super::{Failure, Remote, output};
use clap::Subcommand;
use http::Method;
use serde_json::{Map, Value, json};

/// Arguments of `alias`.
#[derive(Debug, clap::Args)]
pub struct Alias {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create an alias
    Create(Set),
    /// Change what an alias points to; what is not given stays
    Update(Set),
    /// Split an alias's traffic: the rest stays with the version it points to
    Weights(Weights),
    /// Delete an alias
    Delete(Named),
    /// List the aliases of a function
    List(Of),
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The function
    name: String,
    /// The alias
    alias: String,
    /// The version it points to
    #[arg(long)]
    version: Option<String>,
    /// Gives another version a share of the traffic
    #[arg(long = "weight", value_name = "VERSION=SHARE", value_parser = weight)]
    weights: Vec<(String, f64)>,
    #[command(flatten)]
    sticky: Sticky,
    /// What the alias is for
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct Weights {
    /// The function
    name: String,
    /// The alias
    alias: String,
    /// Versions with their shares, 0 to 1, such as 2=0.1; none sends all to the version it points to
    #[arg(value_name = "VERSION=SHARE", value_parser = weight)]
    weights: Vec<(String, f64)>,
    #[command(flatten)]
    sticky: Sticky,
    #[command(flatten)]
    remote: Remote,
}

/// How the split is made; as it is where nothing is said.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Sticky {
    /// Requests with the same value of this header go to the same version
    #[arg(long, value_name = "HEADER")]
    sticky_header: Option<String>,
    /// Requests with the same value of this cookie go to the same version
    #[arg(long, value_name = "COOKIE")]
    sticky_cookie: Option<String>,
    /// Split at random
    #[arg(long)]
    random: bool,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The function
    name: String,
    /// The alias
    alias: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The function
    name: String,
    #[command(flatten)]
    remote: Remote,
}

fn weight(text: &str) -> Result<(String, f64), String> {
    let (version, share) = text.split_once('=').ok_or("must be VERSION=SHARE")?;
    match share.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok((version.to_owned(), share)),
        _ => Err("a share is from 0 to 1".to_owned()),
    }
}

impl Sticky {
    fn value(&self) -> Option<Value> {
        match (&self.sticky_header, &self.sticky_cookie, self.random) {
            (Some(header), _, _) => Some(json!({ "Header": header })),
            (None, Some(cookie), _) => Some(json!({ "Cookie": cookie })),
            (None, None, true) => Some(Value::Null),
            (None, None, false) => None,
        }
    }

    /// `RoutingConfig`; `None` where nothing is to be said of it.
    fn routing(&self, weights: Option<&[(String, f64)]>) -> Option<Value> {
        let sticky = self.value();
        if weights.is_none() && sticky.is_none() {
            return None;
        }
        let mut routing = Map::new();
        if let Some(weights) = weights {
            let weights: Map<String, Value> = weights.iter().map(|(v, share)| (v.clone(), json!(share))).collect();
            routing.insert("AdditionalVersionWeights".into(), weights.into());
        }
        if let Some(sticky) = sticky {
            routing.insert("Sticky".into(), sticky);
        }
        Some(routing.into())
    }
}

impl Set {
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        if let Some(version) = &self.version {
            body.insert("FunctionVersion".into(), version.clone().into());
        }
        if let Some(description) = &self.description {
            body.insert("Description".into(), description.clone().into());
        }
        let weights = (!self.weights.is_empty()).then_some(self.weights.as_slice());
        if let Some(routing) = self.sticky.routing(weights) {
            body.insert("RoutingConfig".into(), routing);
        }
        body
    }
}

fn path(name: &str, alias: &str) -> String {
    function_path(name, &format!("/aliases/{}", escape(alias)))
}

impl Alias {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create(set) => {
                let (api, output) = set.remote.open()?;
                let mut body = set.body();
                if set.version.is_none() {
                    return Err(Failure::usage("an alias has to point to a version").hint("--version 1"));
                }
                body.insert("Name".into(), set.alias.clone().into());
                let made = api.lambda(Method::POST, &function_path(&set.name, "/aliases"), &body.into()).await?;
                output.show(&made, || shown(std::slice::from_ref(&made)))
            }
            Action::Update(set) => {
                let (api, output) = set.remote.open()?;
                let body = set.body();
                if body.is_empty() {
                    return Err(
                        Failure::usage("nothing to change was given").hint("--version, --weight, --description")
                    );
                }
                let changed = api.lambda(Method::PUT, &path(&set.name, &set.alias), &body.into()).await?;
                output.show(&changed, || shown(std::slice::from_ref(&changed)))
            }
            Action::Weights(to) => {
                let (api, output) = to.remote.open()?;
                let body = json!({ "RoutingConfig": to.sticky.routing(Some(&to.weights)) });
                let changed = api.lambda(Method::PUT, &path(&to.name, &to.alias), &body).await?;
                output.show(&changed, || shown(std::slice::from_ref(&changed)))
            }
            Action::Delete(named) => {
                let (api, output) = named.remote.open()?;
                api.lambda(Method::DELETE, &path(&named.name, &named.alias), &Value::Null).await?;
                let answer = json!({ "Deleted": format!("{}:{}", named.name, named.alias) });
                output.show(&answer, || format!("{}:{} is deleted", named.name, named.alias))
            }
            Action::List(of) => {
                let (api, output) = of.remote.open()?;
                let aliases = api.pages(&function_path(&of.name, "/aliases"), "Aliases").await?;
                output.show(&aliases, || shown(&aliases))
            }
        }
    }
}

/// Aliases as a table.
pub(super) fn shown(aliases: &[Value]) -> String {
    let rows = aliases.iter().map(|alias| {
        let weights = alias.pointer("/RoutingConfig/AdditionalVersionWeights").and_then(Value::as_object);
        let shares: Vec<(String, f64)> = weights
            .map(|weights| weights.iter().map(|(v, share)| (v.clone(), share.as_f64().unwrap_or(0.0))).collect())
            .unwrap_or_default();
        let rest = (1.0 - shares.iter().map(|(_, share)| share).sum::<f64>()).max(0.0);
        let version = output::text(alias, "/FunctionVersion");
        let split = match shares.is_empty() {
            true => version,
            false => std::iter::once((version, rest))
                .chain(shares)
                .map(|(version, share)| format!("{version}: {:.4}%", share * 100.0).replace(".0000", ""))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let sticky = match (text(alias, "/RoutingConfig/Sticky/Header"), text(alias, "/RoutingConfig/Sticky/Cookie")) {
            (header, _) if !header.is_empty() => format!("header {header}"),
            (_, cookie) if !cookie.is_empty() => format!("cookie {cookie}"),
            _ => String::new(),
        };
        vec![text(alias, "/Name"), split, sticky, text(alias, "/Description")]
    });
    table(&["alias", "version", "sticky", "description"], rows.collect(), "No aliases. Next: lamina alias create")
}
