//! `lamina sign`: puts a signature into a deployment package, or makes a key to sign with. Talks to no daemon.

use super::output::print;
use super::{Failure, package};
use crate::sandbox::signature::PrivateKey;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

/// Arguments of `sign`.
#[derive(Debug, clap::Args)]
pub struct Sign {
    /// The package: a zip, a directory, wasm or wat
    #[arg(required_unless_present = "new_key", conflicts_with = "new_key")]
    path: Option<PathBuf>,
    /// The private key to sign with: ed25519 in PKCS #8, PEM
    #[arg(long, value_name = "FILE", required_unless_present = "new_key", conflicts_with = "new_key")]
    key: Option<PathBuf>,
    /// Where to write the signed package; the package with .signed.zip at its end by default
    #[arg(long, value_name = "FILE", conflicts_with = "new_key")]
    out: Option<PathBuf>,
    /// Write a new private key to this file, which must not exist, and print its public key
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(self) -> Result<(), Failure> {
        match (self.new_key, self.path, self.key) {
            (Some(path), _, _) => new_key(&path),
            (None, Some(path), Some(key)) => sign(&path, &key, self.out),
            _ => Err(Failure::usage("a package and a key are needed")),
        }
    }
}

fn new_key(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let fault =
        |error: &dyn std::fmt::Display| Failure::usage(format!("{} cannot be written: {error}", path.display()));
    let pem = PrivateKey::generate().map_err(|error| Failure::local(error.to_string()))?;
    let public = PrivateKey::from_pem(&pem).map_err(|error| Failure::local(error.to_string()))?.public();
    // Whoever reads it signs in its owner's name; one that is there is never lost.
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| fault(&error))?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| fault(&error))?;
    print(&public)
}

fn sign(path: &Path, key: &Path, out: Option<PathBuf>) -> Result<(), Failure> {
    let pem = std::fs::read_to_string(key)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", key.display())))?;
    let key = PrivateKey::from_pem(&pem).map_err(|error| {
        Failure::usage(format!("{}: {error}", key.display())).hint("make one with lamina sign --new-key FILE")
    })?;
    let signed = key
        .sign(&zipped(package::read(path)?)?)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let out = out.unwrap_or_else(|| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".signed.zip");
        path.with_file_name(name)
    });
    std::fs::write(&out, signed)
        .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", out.display())))?;
    print(&out.display().to_string())
}

/// Bare wasm or wat gets the zip that a signature needs around it.
fn zipped(package: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if package.starts_with(b"PK") {
        return Ok(package);
    }
    let name = if package.starts_with(b"\0asm") { "bootstrap.wasm" } else { "bootstrap.wat" };
    let fault = |error: &dyn std::fmt::Display| Failure::local(format!("the package cannot be made: {error}"));
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default()).map_err(|error| fault(&error))?;
    zip.write_all(&package).map_err(|error| fault(&error))?;
    Ok(zip.finish().map_err(|error| fault(&error))?.into_inner())
}
