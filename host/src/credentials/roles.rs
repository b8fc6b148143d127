//! Roles: what a function may do that has one.
//!
//! A function names its role by ARN; the role's policy is in the file of keys, beside them and without a secret. A role that has no policy
//! there may do nothing but what resources' policies let it. Names are looked up without the path, as IAM has them once an account.

use super::Error;
use super::file::{Document, Store, check_name, id, is_of_names};
use super::policy::Policy;
use serde::{Deserialize, Serialize};

/// Roles in a file.
pub const MAX_ROLES: usize = 1_000;

/// Characters of an ARN.
const MAX_ARN_CHARS: usize = 2_048;

/// A role as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRecord {
    /// Its name, without a path.
    pub name: String,
    /// What it may do.
    pub policy: Policy,
}

impl RoleRecord {
    /// Whether a file may have it; the error says why not.
    pub(super) fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        self.policy.check().map_err(|error| format!("role {}: {error}", self.name))
    }
}

impl Store {
    /// The roles; none where there is no file.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub fn roles(&self) -> Result<Vec<RoleRecord>, Error> {
        Ok(self.read()?.roles)
    }

    /// Says what a role may do, in the place of what was said before.
    ///
    /// # Errors
    /// Where the name is none or there are too many, or the file cannot be changed.
    pub fn set_role(&self, role: RoleRecord) -> Result<(), Error> {
        role.check().map_err(Error::Invalid)?;
        self.change(|Document { roles, .. }| {
            let count = roles.len();
            match roles.iter_mut().find(|held| held.name == role.name) {
                Some(held) => *held = role,
                None if count >= MAX_ROLES => {
                    return Err(Error::Invalid(format!("there are {MAX_ROLES} roles, and no room for more")));
                }
                None => roles.push(role),
            }
            Ok(())
        })
    }

    /// Removes a role's policy and returns it; `None` if there is none.
    ///
    /// # Errors
    /// Where the file cannot be changed.
    pub fn delete_role(&self, name: &str) -> Result<Option<RoleRecord>, Error> {
        self.change(|Document { roles, .. }| {
            let found = roles.iter().position(|role| role.name == name);
            Ok(found.map(|index| roles.remove(index)))
        })
    }
}

/// The ARN of a role, taken apart: `arn:aws:iam::<account>:role/[<path>/]<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    text: String,
    account: String,
    name: String,
}

impl RoleArn {
    /// Reads one; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_ARN_CHARS {
            return None;
        }
        let (partition, rest) = text.strip_prefix("arn:")?.split_once(":iam::")?;
        let (account, resource) = rest.split_once(':')?;
        let path = resource.strip_prefix("role/")?;
        let is_partition = partition == "aws"
            || partition.strip_prefix("aws-").is_some_and(|more| {
                more.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            });
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if !is_partition || !is_account || !path.chars().all(|c| c == '/' || is_of_names(c)) {
            return None;
        }
        let name = path.rsplit('/').next()?;
        check_name(name).ok()?;
        Some(Self { text: text.to_owned(), account: account.to_owned(), name: name.to_owned() })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The name, without the path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// 21 characters that stand for the role, as AWS's ids do; always the same for an ARN.
    pub fn id(&self) -> String {
        let digest = lamina_sigv4::sha256(self.text.as_bytes());
        id("AROA", digest.get(..17).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
