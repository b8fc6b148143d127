//! Access keys and roles: who may call the AWS APIs, and what each may do there.
//!
//! Keys are in one file ([`file`]), each with a name, an account, a policy ([`Policy`]) and a secret. SigV4 needs the secret itself (or what
//! is derived from it and as good), so it cannot be kept as a hash: it is sealed with a key that lies elsewhere ([`seal`]). [`Keys`] is the
//! file as last read; a file that is wrong changes nothing but the log. [`Authenticator`] turns a signed request into a [`Caller`];
//! [`evaluation`] says whether it may do what it asks for, by its own policy and by the resource's.
//!
//! Functions that may call back get temporary credentials ([`sessions`]): derived from a key of the daemon and from what they name, which
//! is the version and its role. What a role may do is in the same file ([`roles`]).
//!
//! Without keys, and where the configuration does not require them, requests are not looked at: [`Authenticator::is_required`]. Once a
//! daemon has seen a key it stays closed to unsigned requests until it ends, so that deleting the last key shuts the door and does not open it.
//!
//! Bounds: [`file::MAX_KEYS`] keys, [`file::MAX_FILE_BYTES`] of file, [`policy::MAX_STATEMENTS`] statements a policy. [`roles::MAX_ROLES`]
//! roles. Refusals: temporary credentials that are not of a function of this daemon (there is no service that makes others), conditions in
//! policies of keys and roles. What requests are answered with is not this module's business.

mod authenticator;
pub mod evaluation;
pub mod file;
mod keys;
pub mod policy;
pub mod roles;
pub mod seal;
pub mod sessions;
#[cfg(test)]
mod tests;

pub(crate) use file::read_private;

pub use authenticator::{Authenticator, Caller, Denied, Signed};
pub use evaluation::{Ask, Context, Principal};
pub use keys::{Keys, Stamp};
pub use policy::{Decision, Policy};
pub use roles::RoleArn;
pub use sessions::{Holders, Session, Sessions};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The `[credentials]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether requests have to be signed even while there are no keys.
    pub required: bool,
    /// The access keys; `credentials.json` in the data directory by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What seals their secrets; `credentials.key` in the data directory by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The sealing key itself, in place of the file: from the environment only.
    #[serde(skip)]
    pub sealing_key: Option<seal::SealingKey>,
}

impl Config {
    /// Where the keys are.
    pub fn store(&self, data_dir: &Path) -> file::Store {
        let within = |given: &Option<PathBuf>, name: &str| given.clone().unwrap_or_else(|| data_dir.join(name));
        file::Store {
            path: within(&self.file, "credentials.json"),
            sealing: match &self.sealing_key {
                Some(key) => file::Sealing::Key(key.clone()),
                None => file::Sealing::File(within(&self.key_file, "credentials.key")),
            },
        }
    }
}

/// Why keys could not be read or written. The operator's fault or the machine's; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// Others than its owner may read a file, or change it.
    #[error("{} is open to others (mode {mode:04o}); it must be 0600: chmod 600 it", path.display())]
    TooOpen {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file belongs to someone else, or is no regular file.
    #[error("{} {why}", path.display())]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// A file's content is not what it has to be.
    #[error("{}: {message}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A key that is asked for is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}
