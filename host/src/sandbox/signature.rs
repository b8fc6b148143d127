//! Signatures of deployment packages: who vouches for the code in a zip.
//!
//! A signed package holds one entry more, [`SIGNATURE_ENTRY`]: JSON with an ed25519 public key and a signature by it. What is signed
//! is [`CONTEXT`] and the SHA-256 of all other entries: in order of names, the length of the name, the name, the length of the content and
//! its SHA-256, lengths as 64-bit little-endian numbers. Order, compression and times of a zip's entries may change, names and contents
//! may not. Directories do not count. Bare wasm or wat has no place for a signature: it is unsigned.
//!
//! Bounds are those of packages ([`super::package`]); a signature entry is at most 4 kB. A key in the package is trusted only
//! if the daemon's configuration names it.

use super::package::{PackageError, UNPACKED_LIMIT_BYTES};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

/// The entry that holds the signature.
pub const SIGNATURE_ENTRY: &str = ".lamina-signature";

/// What every signed message begins with, so that no other use of a key can be taken for this one.
const CONTEXT: &[u8] = b"lamina package signature v1\n";

const ENTRY_LIMIT_BYTES: u64 = 4096;

/// A key whose signatures count, as `[[signing_keys]]` of the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// For people.
    pub name: String,
    /// 32 bytes in base64, as `lamina sign --new-key` prints it.
    pub public_key: String,
    /// The signing profile version that code signing configurations trust it as.
    pub profile_version_arn: String,
}

impl SigningKey {
    /// The key itself; `None` where it is not 32 bytes of base64.
    pub fn bytes(&self) -> Option<[u8; 32]> {
        BASE64_STANDARD.decode(&self.public_key).ok()?.try_into().ok()
    }
}

/// What a package says about who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// Nothing.
    No,
    /// There is a signature, and it is not one of this content.
    Broken(String),
    /// This key vouches for the content.
    By([u8; 32]),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    algorithm: String,
    public_key: String,
    signature: String,
}

/// Why a package could not be signed. The signer's fault.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Not a private key.
    #[error("the key is not an ed25519 private key in PKCS #8 (PEM)")]
    Key,
    /// No randomness for a new key.
    #[error("no key could be made")]
    Random,
    /// Not a zip, or one that no function could be made of.
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// A private key.
pub struct PrivateKey(Ed25519KeyPair);

impl PrivateKey {
    /// A new key, as PEM; `openssl genpkey -algorithm ed25519` makes the same.
    pub fn generate() -> Result<String, SignError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).map_err(|_| SignError::Random)?;
        let text = BASE64_STANDARD.encode(pkcs8.as_ref());
        let lines: Vec<String> =
            text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
    }

    /// Reads PEM.
    pub fn from_pem(pem: &str) -> Result<Self, SignError> {
        let inside = pem
            .split_once("-----BEGIN PRIVATE KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"))
            .ok_or(SignError::Key)?;
        let text: String = inside.0.split_whitespace().collect();
        let der = BASE64_STANDARD.decode(text).map_err(|_| SignError::Key)?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Self).map_err(|_| SignError::Key)
    }

    /// The public half, in base64.
    pub fn public(&self) -> String {
        BASE64_STANDARD.encode(self.0.public_key().as_ref())
    }

    /// The package with a signature by this key, in the place of any it had.
    pub fn sign(&self, package: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut zip = open(package)?;
        let (message, _) = message(&mut zip)?;
        let entry = Entry {
            algorithm: "ed25519".into(),
            public_key: self.public(),
            signature: BASE64_STANDARD.encode(self.0.sign(&message)),
        };
        let text = serde_json::to_vec(&entry).map_err(|error| PackageError::Damaged(error.to_string()))?;
        let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..zip.len() {
            let file = zip.by_index_raw(index).map_err(damaged)?;
            if file.name() != SIGNATURE_ENTRY {
                out.raw_copy_file(file).map_err(damaged)?;
            }
        }
        out.start_file(SIGNATURE_ENTRY, zip::write::SimpleFileOptions::default()).map_err(damaged)?;
        out.write_all(&text).map_err(|error| PackageError::Damaged(error.to_string()))?;
        Ok(out.finish().map_err(damaged)?.into_inner())
    }
}

/// Who vouches for a package. Reads all of it; takes a while where it is large.
pub fn check(package: &[u8]) -> Result<Signed, PackageError> {
    if !package.starts_with(b"PK") {
        return Ok(Signed::No);
    }
    let mut zip = open(package)?;
    let (message, entry) = message(&mut zip)?;
    let Some(entry) = entry else { return Ok(Signed::No) };
    let broken = |why: &str| Ok(Signed::Broken(why.to_owned()));
    let Ok(entry) = serde_json::from_slice::<Entry>(&entry) else { return broken("it is not in Lamina's form") };
    if entry.algorithm != "ed25519" {
        return broken("its algorithm is not ed25519");
    }
    let key = BASE64_STANDARD.decode(&entry.public_key).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    let (Some(key), Ok(signature)) = (key, BASE64_STANDARD.decode(&entry.signature)) else {
        return broken("it is not in Lamina's form");
    };
    match UnparsedPublicKey::new(&ED25519, key).verify(&message, &signature) {
        Ok(()) => Ok(Signed::By(key)),
        Err(_) => broken("it does not belong to this content"),
    }
}

fn damaged(error: zip::result::ZipError) -> PackageError {
    PackageError::Damaged(error.to_string())
}

fn open(package: &[u8]) -> Result<zip::ZipArchive<Cursor<&[u8]>>, PackageError> {
    zip::ZipArchive::new(Cursor::new(package)).map_err(damaged)
}

/// What is signed, and the signature entry where there is one.
fn message(zip: &mut zip::ZipArchive<Cursor<&[u8]>>) -> Result<(Vec<u8>, Option<Vec<u8>>), PackageError> {
    let mut entry = None;
    let mut files: BTreeMap<Vec<u8>, (u64, [u8; 32])> = BTreeMap::new();
    let mut left_bytes = UNPACKED_LIMIT_BYTES;
    for index in 0..zip.len() {
        let file = zip.by_index(index).map_err(damaged)?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().as_bytes().to_vec();
        if name == SIGNATURE_ENTRY.as_bytes() {
            let mut text = Vec::new();
            file.take(ENTRY_LIMIT_BYTES)
                .read_to_end(&mut text)
                .map_err(|error| PackageError::Damaged(error.to_string()))?;
            entry = Some(text);
            continue;
        }
        let mut hash = Hashing { hash: Sha256::new(), size_bytes: 0 };
        // Declared sizes are the archive's word.
        let mut bounded = file.take(left_bytes.saturating_add(1));
        std::io::copy(&mut bounded, &mut hash).map_err(|error| PackageError::Damaged(error.to_string()))?;
        left_bytes = left_bytes.checked_sub(hash.size_bytes).ok_or(PackageError::TooLarge)?;
        files.insert(name, (hash.size_bytes, hash.hash.finalize().into()));
    }
    let mut all = Sha256::new();
    for (name, (size_bytes, hash)) in &files {
        all.update((name.len() as u64).to_le_bytes());
        all.update(name);
        all.update(size_bytes.to_le_bytes());
        all.update(hash);
    }
    let mut message = CONTEXT.to_vec();
    message.extend_from_slice(&all.finalize());
    Ok((message, entry))
}

struct Hashing {
    hash: Sha256,
    size_bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hash.update(bytes);
        self.size_bytes = self.size_bytes.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn key() -> PrivateKey {
        PrivateKey::from_pem(&PrivateKey::generate().unwrap()).unwrap()
    }

    fn public(key: &PrivateKey) -> [u8; 32] {
        BASE64_STANDARD.decode(key.public()).unwrap().try_into().unwrap()
    }

    /// The entries of a zip, its signature included.
    fn entries(package: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut zip = open(package).unwrap();
        let read = |index| {
            let mut file = zip.by_index(index).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().to_owned(), bytes)
        };
        (0..open(package).unwrap().len()).map(read).collect()
    }

    fn rebuilt(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
        zip_of(&entries.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>())
    }

    #[test]
    fn a_signature_holds_for_its_content_alone() {
        let key = key();
        let signed = key.sign(&zip_of(&[("bootstrap.wat", b"(module)"), ("a/b.txt", b"x")])).unwrap();
        assert_eq!(check(&signed).unwrap(), Signed::By(public(&key)));
        // Another order is the same content.
        let mut files = entries(&signed);
        files.reverse();
        assert_eq!(check(&rebuilt(&files)).unwrap(), Signed::By(public(&key)));
        for change in [
            |files: &mut Vec<(String, Vec<u8>)>| files[1].1.push(b'x'),
            |files: &mut Vec<(String, Vec<u8>)>| files[1].0.push('x'),
            |files: &mut Vec<(String, Vec<u8>)>| files.push(("more".into(), Vec::new())),
            |files: &mut Vec<(String, Vec<u8>)>| drop(files.remove(1)),
        ] {
            let mut changed = entries(&signed);
            change(&mut changed);
            assert!(matches!(check(&rebuilt(&changed)).unwrap(), Signed::Broken(_)));
        }
    }

    #[test]
    fn what_carries_no_signature_is_unsigned_and_nonsense_is_broken() {
        assert_eq!(check(b"(module)").unwrap(), Signed::No);
        assert_eq!(check(&zip_of(&[("bootstrap.wat", b"(module)")])).unwrap(), Signed::No);
        let nonsense = zip_of(&[("bootstrap.wat", b"(module)"), (SIGNATURE_ENTRY, b"{}")]);
        assert!(matches!(check(&nonsense).unwrap(), Signed::Broken(_)));
        assert!(matches!(check(b"PK damaged"), Err(PackageError::Damaged(_))));
    }

    #[test]
    fn signing_again_takes_the_place_of_the_first_signature() {
        let (first, second) = (key(), key());
        let once = first.sign(&zip_of(&[("bootstrap.wat", b"(module)")])).unwrap();
        let twice = second.sign(&once).unwrap();
        assert_eq!(check(&twice).unwrap(), Signed::By(public(&second)));
        assert_eq!(entries(&twice).len(), 2);
    }

    #[test]
    fn a_key_of_openssl_is_read_and_other_text_is_not() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        assert_eq!(PrivateKey::from_pem(pem).unwrap().public(), "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        for text in ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            assert!(matches!(PrivateKey::from_pem(text), Err(SignError::Key)), "{text}");
        }
    }
}
