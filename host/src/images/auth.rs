//! Credentials for registries, out of a file as `docker login` and `oras login` write it.
//!
//! Read anew for every pull, so that what changed counts at once. Only `auths` is read: helpers that would have to be run
//! (`credsStore`, `credHelpers`) are not. The file has to be its owner's alone, mode 0600.

use crate::credentials::read_private;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of the file.
const LIMIT_BYTES: u64 = 1 << 20;

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    auths: BTreeMap<String, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    registrytoken: Option<String>,
}

/// What `file` has for `registry`; anonymous where it has nothing.
///
/// # Errors
/// The file is not there, open to others, or not what it has to be.
pub(super) fn for_registry(file: &Path, registry: &str) -> Result<RegistryAuth, String> {
    let text = read_private(file, LIMIT_BYTES).map_err(|error| error.to_string())?;
    let text = text.ok_or_else(|| format!("{} does not exist", file.display()))?;
    find(&text, registry).map_err(|reason| format!("{}: {reason}", file.display()))
}

fn find(text: &str, registry: &str) -> Result<RegistryAuth, String> {
    // Not serde's words: they could repeat a secret.
    let file: File =
        serde_json::from_str(text).map_err(|error| format!("line {}: not a docker config.json", error.line()))?;
    let Some((_, entry)) = file.auths.into_iter().find(|(key, _)| host(key) == host(registry)) else {
        return Ok(RegistryAuth::Anonymous);
    };
    if let Some(token) = entry.registrytoken {
        return Ok(RegistryAuth::Bearer(token));
    }
    if let (Some(username), Some(password)) = (entry.username, entry.password) {
        return Ok(RegistryAuth::Basic(username, password));
    }
    let Some(auth) = entry.auth.filter(|auth| !auth.is_empty()) else { return Ok(RegistryAuth::Anonymous) };
    let decoded = BASE64_STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        // Docker pads passwords with zeros.
        Some((user, password)) => Ok(RegistryAuth::Basic(user.to_owned(), password.trim_matches('\0').to_owned())),
        None => Err(format!("auth for {registry} is not user:password in base64")),
    }
}

/// Keys are hosts, or URLs as old clients wrote them; Docker Hub has several names.
fn host(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_host() {
        let basic = |user: &str, password: &str| Ok(RegistryAuth::Basic(user.into(), password.into()));
        let text = r#"{"credsStore": "none", "auths": {
            "ghcr.io": {"auth": "YWRhOnB3OjE="},
            "https://index.docker.io/v1/": {"username": "u", "password": "p"},
            "127.0.0.1:5000": {"registrytoken": "t"},
            "empty.example": {}, "broken.example": {"auth": "!!"}
        }}"#;
        assert_eq!(find(text, "ghcr.io"), basic("ada", "pw:1"));
        assert_eq!(find(text, "docker.io"), basic("u", "p"));
        assert_eq!(find(text, "127.0.0.1:5000"), Ok(RegistryAuth::Bearer("t".into())));
        assert_eq!(find(text, "127.0.0.1"), Ok(RegistryAuth::Anonymous));
        assert_eq!(find(text, "empty.example"), Ok(RegistryAuth::Anonymous));
        assert!(find(text, "broken.example").is_err());
        assert_eq!(find("{}", "ghcr.io"), Ok(RegistryAuth::Anonymous));
        let said = find(r#"{"auths": {"a": {"auth": 5, "password": "hunter2"}}}"#, "a").unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }
}
