//! `lamina credentials role`: what functions with a role may do.

use super::{May, Place, failed};
use crate::cli::Failure;
use crate::cli::output::table;
use crate::credentials::roles::RoleRecord;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Arguments of `credentials role`.
#[derive(Debug, Args)]
pub(super) struct Role {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say what a role may do, in the place of what was said before
    Set(Set),
    /// List the roles that may do anything
    List(Place),
    /// Take away all that a role may do
    Delete(Delete),
}

#[derive(Debug, Args)]
struct Set {
    /// The role, as it ends the ARN in the functions' Role
    name: String,
    #[command(flatten)]
    may: May,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Delete {
    /// The role
    name: String,
    #[command(flatten)]
    place: Place,
}

impl Role {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.what {
            What::Set(set) => set.run(),
            What::List(place) => list(&place),
            What::Delete(delete) => delete.run(),
        }
    }
}

impl Set {
    fn run(self) -> Result<(), Failure> {
        let (config, store) = self.place.open()?;
        let role = RoleRecord { name: self.name, policy: self.may.policy(&config)? };
        let (answer, name) = (described(&role), role.name.clone());
        store.set_role(role).map_err(failed)?;
        let arn = format!("arn:aws:iam::{}:role/{name}", config.home.account);
        self.place.output.open().show(&answer, || format!("functions with the role {arn} may now do that\n"))
    }
}

fn list(place: &Place) -> Result<(), Failure> {
    let (_, store) = place.open()?;
    let roles = store.roles().map_err(failed)?;
    let described: Vec<Value> = roles.iter().map(described).collect();
    place.output.open().show(&json!({ "Roles": described }), || {
        let actions = |role: &RoleRecord| {
            let actions = role.policy.statement.iter().flat_map(|statement| &statement.action);
            actions.map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        let rows = roles.iter().map(|role| vec![role.name.clone(), actions(role)]).collect();
        table(&["name", "actions"], rows, "There are no roles.")
    })
}

impl Delete {
    fn run(self) -> Result<(), Failure> {
        let (_, store) = self.place.open()?;
        match store.delete_role(&self.name).map_err(failed)? {
            Some(role) => {
                self.place.output.open().show(&described(&role), || format!("deleted the role {}\n", role.name))
            }
            None => Err(Failure::usage(format!("there is no role {:?} in {}", self.name, store.path.display()))
                .hint("lamina credentials role list shows them")),
        }
    }
}

fn described(role: &RoleRecord) -> Value {
    json!({ "RoleName": role.name, "Policy": role.policy })
}
