//! Credentials of functions: temporary ones, as AWS has them, that nobody keeps.
//!
//! A token names whose they are: role, function, when that was created, version. Id and secret are derived from the token with a key of
//! this daemon, itself derived from the one that seals secrets. So the same version has the same credentials for as long as it exists,
//! after a restart and in an image of its memory too, and there is nothing to store, renew or expire. What ends them is that the version
//! is gone or changed ([`Holders`]), or another sealing key.

use super::Error;
use super::file::{Store, id};
use super::roles::RoleArn;
use crate::ids::{FunctionName, Version};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use std::sync::OnceLock;

/// What tells keys derived for sessions from others.
const LABEL: &str = "lamina: sessions of functions, 1";

/// What a token begins with, before it is encoded.
const FORM: &str = "1";

/// Characters of a token; those made here are shorter.
const MAX_TOKEN_CHARS: usize = 4_096;

/// Bytes of a secret, so that it is as long as AWS's.
const SECRET_BYTES: usize = 30;

/// Whose credentials are: a version of a function, with the role that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The role.
    pub role: RoleArn,
    /// The function.
    pub function: FunctionName,
    /// When it was created, in milliseconds since the Unix epoch: another of its name is another.
    pub created_at_ms: i64,
    /// The version.
    pub version: Version,
}

impl Session {
    /// `arn:aws:sts::<account>:assumed-role/<role>/<function>`.
    pub fn arn(&self) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{}", self.role.account(), self.role.name(), self.function)
    }

    /// `AROA…:<function>`.
    pub fn user_id(&self) -> String {
        format!("{}:{}", self.role.id(), self.function)
    }

    fn token(&self) -> String {
        let Self { role, function, created_at_ms, version } = self;
        let text = [FORM, role.as_str(), &function.to_string(), &created_at_ms.to_string(), &version.to_string()];
        BASE64_URL_SAFE_NO_PAD.encode(text.join("\n"))
    }

    /// Whom a token names, if it is one; nothing is proven.
    fn of_token(token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN_CHARS {
            return None;
        }
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut lines = text.split('\n');
        let mut line = || lines.next();
        if line()? != FORM {
            return None;
        }
        let role = RoleArn::parse(line()?)?;
        let function = FunctionName::new(line()?).ok()?;
        let created_at_ms = line()?.parse().ok()?;
        let version = Version::new(line()?).ok()?;
        let session = Self { role, function, created_at_ms, version };
        // One way to write it, and nothing more.
        (session.token() == token).then_some(session)
    }
}

/// Temporary credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// 20 characters.
    pub access_key_id: String,
    /// 40 characters.
    pub secret: String,
    /// What comes with every request.
    pub token: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Who knows which functions there are.
pub trait Holders: Send + Sync {
    /// Whether the version is there, with this role, and is to have credentials.
    fn holds(&self, session: &Session) -> bool;
}

/// Makes credentials and knows them again.
#[derive(Debug)]
pub struct Sessions {
    store: Store,
    /// Once it is needed.
    key: OnceLock<hmac::Key>,
}

impl Sessions {
    /// With what seals the secrets of `store`, where that is there already.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(store: Store) -> Result<Self, Error> {
        let sessions = Self { key: OnceLock::new(), store };
        if let Some(sealing) = sessions.store.sealing_key()? {
            sessions.key.get_or_init(|| sealing.derived(LABEL));
        }
        Ok(sessions)
    }

    /// The credentials of a version. The first call makes the sealing key where there is none.
    ///
    /// # Errors
    /// The sealing key cannot be made.
    pub fn issue(&self, session: &Session) -> Result<Issued, Error> {
        let key = match self.key.get() {
            Some(key) => key,
            None => {
                let sealing = self.store.sealing_key_or_new()?;
                self.key.get_or_init(|| sealing.derived(LABEL))
            }
        };
        Ok(issued(key, session.token()))
    }

    /// Whose a token is, with the credentials that belong to it; `None` for one that is not of here. The id proves nothing yet: who
    /// signs with the secret does.
    pub(super) fn find(&self, token: &str, access_key_id: &str) -> Option<(Session, Issued)> {
        let key = self.key.get()?;
        let session = Session::of_token(token)?;
        let issued = issued(key, token.to_owned());
        (issued.access_key_id == access_key_id).then_some((session, issued))
    }
}

fn issued(key: &hmac::Key, token: String) -> Issued {
    let derived = |what: &str| {
        let mut context = hmac::Context::with_key(key);
        context.update(what.as_bytes());
        context.update(&[0]);
        context.update(token.as_bytes());
        context.sign()
    };
    let (of_id, of_secret) = (derived("id"), derived("secret"));
    Issued {
        access_key_id: id("ASIA", of_id.as_ref().get(..16).unwrap_or_default()),
        secret: BASE64_STANDARD.encode(of_secret.as_ref().get(..SECRET_BYTES).unwrap_or_default()),
        token,
    }
}

#[cfg(test)]
mod tests;
