//! The file of access keys and roles: JSON, mode 0600, replaced whole.
//!
//! A file that others than its owner may read or change is not read. Secrets in it are sealed; policies are plain and may be edited by hand.
//! Writers take turns by a lock file beside it, so a reader always finds a whole file, the old one or the new one.

use super::Error;
use super::policy::Policy;
use super::roles::{MAX_ROLES, RoleRecord};
use super::seal::{SealingKey, random};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Keys in a file.
pub const MAX_KEYS: usize = 10_000;

/// Bytes of a file.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// What a name may consist of beside letters and digits, as IAM has it for users.
const NAME_MARKS: &str = "+=,.@_-";

/// The file and what its secrets are sealed with.
#[derive(Debug, Clone)]
pub struct Store {
    /// The file of keys.
    pub path: PathBuf,
    /// The sealing key, or where it is.
    pub sealing: Sealing,
}

/// Where the sealing key comes from.
#[derive(Debug, Clone)]
pub enum Sealing {
    /// It is given.
    Key(SealingKey),
    /// It is in a file of mode 0600, as base64.
    File(PathBuf),
}

/// A key as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What requests name it by.
    pub access_key_id: String,
    /// What people name it by: the user in ARNs.
    pub name: String,
    /// Twelve digits.
    pub account: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The secret, sealed.
    pub sealed_secret: String,
    /// What it may do.
    pub policy: Policy,
}

impl Record {
    /// What the sealed secret is bound to: a record under another id or account does not open.
    fn bound_to(&self) -> String {
        format!("{}/{}", self.account, self.access_key_id)
    }
}

/// A new key, with the secret that is shown once.
#[derive(Debug)]
pub struct Created {
    /// The record.
    pub record: Record,
    /// The secret.
    pub secret: String,
}

/// What a file has, with the secrets of its keys.
#[derive(Debug)]
pub struct Opened {
    /// The keys, each with its secret.
    pub keys: Vec<(Record, String)>,
    /// The roles.
    pub roles: Vec<RoleRecord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    version: u32,
    pub(super) keys: Vec<Record>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<RoleRecord>,
}

impl Default for Document {
    fn default() -> Self {
        Self { version: 1, keys: Vec::new(), roles: Vec::new() }
    }
}

impl Store {
    /// The keys; none where there is no file.
    ///
    /// # Errors
    /// Where the file is open to others, or not what it has to be.
    pub fn list(&self) -> Result<Vec<Record>, Error> {
        Ok(self.read()?.keys)
    }

    /// The whole file.
    pub(super) fn read(&self) -> Result<Document, Error> {
        let Some(text) = read_private(&self.path, MAX_FILE_BYTES)? else { return Ok(Document::default()) };
        let document: Document = serde_json::from_str(&text).map_err(|error| self.content(error.to_string()))?;
        if document.version != 1 {
            return Err(self.content(format!("has version {}; this Lamina knows version 1", document.version)));
        }
        if document.keys.len() > MAX_KEYS {
            return Err(self.content(format!("has more than {MAX_KEYS} keys")));
        }
        if document.roles.len() > MAX_ROLES {
            return Err(self.content(format!("has more than {MAX_ROLES} roles")));
        }
        let mut ids = std::collections::HashSet::new();
        for record in &document.keys {
            check_name(&record.name).and_then(|()| check_account(&record.account)).map_err(|e| self.content(e))?;
            record.policy.check().map_err(|error| self.content(format!("key {}: {error}", record.access_key_id)))?;
            if !ids.insert(&record.access_key_id) {
                return Err(self.content(format!("has the key {} twice", record.access_key_id)));
            }
        }
        let mut names = std::collections::HashSet::new();
        for role in &document.roles {
            role.check().map_err(|error| self.content(error))?;
            if !names.insert(&role.name) {
                return Err(self.content(format!("has the role {} twice", role.name)));
            }
        }
        Ok(document)
    }

    /// The keys with their secrets, and the roles.
    ///
    /// # Errors
    /// As [`Store::list`], and where a secret does not open.
    pub fn open(&self) -> Result<Opened, Error> {
        let Document { keys: records, roles, .. } = self.read()?;
        if records.is_empty() {
            return Ok(Opened { keys: Vec::new(), roles });
        }
        let key = self.sealing_key()?.ok_or_else(|| self.unsealable())?;
        let open = |record: Record| match key.open(&record.sealed_secret, &record.bound_to()) {
            Ok(secret) => Ok((record, secret)),
            Err(error) => Err(self.content(format!("the secret of key {} {error}", record.access_key_id))),
        };
        Ok(Opened { keys: records.into_iter().map(open).collect::<Result<_, _>>()?, roles })
    }

    /// Adds a key and returns it with its secret.
    ///
    /// # Errors
    /// Where the name is taken or none, or the file cannot be changed.
    pub fn create(&self, name: &str, account: &str, policy: Policy, now: Timestamp) -> Result<Created, Error> {
        check_name(name).and_then(|()| check_account(account)).map_err(Error::Invalid)?;
        policy.check().map_err(Error::Invalid)?;
        self.change(|Document { keys: records, .. }| {
            if records.iter().any(|record| record.name == name && record.account == account) {
                return Err(Error::Invalid(format!("there is a key named {name:?} already")));
            }
            if records.len() >= MAX_KEYS {
                return Err(Error::Invalid(format!("there are {MAX_KEYS} keys, and no room for more")));
            }
            let key = match self.sealing_key()? {
                Some(key) => key,
                None if records.is_empty() => self.make_sealing_key()?,
                None => return Err(self.unsealable()),
            };
            let secret = BASE64_STANDARD.encode(random::<30>()?);
            let mut record = Record {
                access_key_id: new_id()?,
                name: name.to_owned(),
                account: account.to_owned(),
                created_at: now,
                sealed_secret: String::new(),
                policy,
            };
            record.sealed_secret = key.seal(&secret, &record.bound_to())?;
            records.push(record.clone());
            Ok(Created { record, secret })
        })
    }

    /// Removes the key with this id or name; `None` if there is none.
    ///
    /// # Errors
    /// Where several have the name, or the file cannot be changed.
    pub fn delete(&self, key: &str) -> Result<Option<Record>, Error> {
        self.change(|Document { keys: records, .. }| {
            let found: Vec<usize> = (0..)
                .zip(records.iter())
                .filter(|(_, record)| record.access_key_id == key || record.name == key)
                .map(|(index, _)| index)
                .collect();
            match found.as_slice() {
                [] => Ok(None),
                [index] => Ok(Some(records.remove(*index))),
                _ => Err(Error::Invalid(format!("several keys are named {key:?}: give the id of one"))),
            }
        })
    }

    /// What secrets are sealed with, made where there is none and no secret needs the one that was there.
    ///
    /// # Errors
    /// Where it cannot be read or written, or is missing.
    pub(super) fn sealing_key_or_new(&self) -> Result<SealingKey, Error> {
        if let Some(key) = self.sealing_key()? {
            return Ok(key);
        }
        self.alone(|| match self.sealing_key()? {
            Some(key) => Ok(key),
            None if self.read()?.keys.is_empty() => self.make_sealing_key(),
            None => Err(self.unsealable()),
        })
    }

    /// Reads, changes and writes the file while no one else does.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Document) -> Result<T, Error>) -> Result<T, Error> {
        self.alone(|| {
            let mut document = self.read()?;
            let before = document.clone();
            let answer = change(&mut document)?;
            if document != before {
                let mut text = serde_json::to_vec_pretty(&document).map_err(|error| self.content(error.to_string()))?;
                text.push(b'\n');
                write_private(&self.path, &text)?;
            }
            Ok(answer)
        })
    }

    /// Does what one process at a time may do.
    fn alone<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        make_private_directory(parent(&self.path))?;
        let mut lock_path = self.path.clone().into_os_string();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        // Held until it is closed.
        let lock = lock.map_err(|reason| io(&lock_path, reason))?;
        lock.lock().map_err(|reason| io(&lock_path, reason))?;
        work()
    }

    /// What secrets are sealed with; `None` where there is no file.
    pub(super) fn sealing_key(&self) -> Result<Option<SealingKey>, Error> {
        let path = match &self.sealing {
            Sealing::Key(key) => return Ok(Some(key.clone())),
            Sealing::File(path) => path,
        };
        let Some(text) = read_private(path, 1024)? else { return Ok(None) };
        let content = |error: super::seal::NotAKey| Error::Content { path: path.clone(), message: error.to_string() };
        SealingKey::parse(&text).map(Some).map_err(content)
    }

    fn make_sealing_key(&self) -> Result<SealingKey, Error> {
        let key = SealingKey::generate()?;
        if let Sealing::File(path) = &self.sealing {
            let directory = parent(path);
            make_private_directory(directory)?;
            write_private(path, format!("{}\n", key.to_text()).as_bytes())?;
        }
        Ok(key)
    }

    fn unsealable(&self) -> Error {
        let path = match &self.sealing {
            Sealing::File(path) => path.clone(),
            Sealing::Key(_) => self.path.clone(),
        };
        let message = format!("is missing, and with it what opens the secrets in {}", self.path.display());
        Error::Content { path, message }
    }

    fn content(&self, message: String) -> Error {
        Error::Content { path: self.path.clone(), message }
    }
}

/// 20 characters, as AWS's ids have, but with a prefix that no key of AWS has.
fn new_id() -> Result<String, Error> {
    Ok(id("LKIA", &random::<16>()?))
}

/// An id as AWS's are, with a digit for each byte.
pub(super) fn id(prefix: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = |byte: &u8| DIGITS.get(usize::from(byte % 32)).map_or('A', |&digit| char::from(digit));
    prefix.chars().chain(bytes.iter().map(digit)).collect()
}

/// Whether names of users and roles may have this character.
pub(super) fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || NAME_MARKS.contains(c)
}

pub(super) fn check_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && name.len() <= 64 && name.chars().all(is_of_names) {
        return Ok(());
    }
    Err(format!("{name:?} is no name for a key or a role: 1 to 64 letters, digits and {NAME_MARKS}"))
}

fn check_account(account: &str) -> Result<(), String> {
    if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("{account:?} is no account: twelve digits"))
}

fn io(path: &Path, reason: std::io::Error) -> Error {
    Error::Io { path: path.to_owned(), reason }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a directory that only its owner may enter, where there is none.
fn make_private_directory(path: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|reason| io(path, reason))
}

/// Reads a file that nobody else may read or change; `None` where there is none.
pub(crate) fn read_private(path: &Path, limit_bytes: u64) -> Result<Option<String>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(reason) => return Err(io(path, reason)),
    };
    // Of the file that is open, not of what the path may name by now.
    let metadata = file.metadata().map_err(|reason| io(path, reason))?;
    let not_ours = |why| Error::NotOurs { path: path.to_owned(), why };
    if !metadata.is_file() {
        return Err(not_ours("is not a regular file"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o177 != 0 {
        return Err(Error::TooOpen { path: path.to_owned(), mode });
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me && metadata.uid() != 0 {
        return Err(not_ours("belongs to another user"));
    }
    let mut text = String::new();
    file.take(limit_bytes.saturating_add(1)).read_to_string(&mut text).map_err(|reason| io(path, reason))?;
    if text.len() as u64 > limit_bytes {
        let message = format!("is larger than {limit_bytes} bytes");
        return Err(Error::Content { path: path.to_owned(), message });
    }
    Ok(Some(text))
}

/// Puts a file of mode 0600 in a path's place at once, and on the disk before it returns.
fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    let directory = parent(path);
    let write = || -> std::io::Result<()> {
        // Mode 0600 from the start.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|reason| io(path, reason))
}
