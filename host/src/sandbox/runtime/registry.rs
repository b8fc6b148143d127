//! Which runtimes this host has, and which names of AWS's they answer to.
//!
//! Runtimes are compiled in ([`BUILT_IN`]) or lie in a directory of the operator's, each in a directory of its own. A name
//! of AWS's is served where the configuration's table says by what; a runtime of the operator's is served under its own name as well.

use super::manifest::{Manifest, ManifestError};
use crate::sandbox::loaded::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The `[runtimes]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Runtimes beside those compiled in: a directory with one for each.
    pub dir: Option<PathBuf>,
    /// Whether published versions start from images of their memory.
    pub images: bool,
    /// AWS's runtimes, and what runs functions that name them.
    pub names: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        // A manifest that is not one is found out when the registry is opened.
        let manifests = BUILT_IN.iter().filter_map(|built_in| Manifest::parse(built_in.manifest).ok());
        let names = manifests.flat_map(|Manifest { name, aws, .. }| aws.into_iter().map(move |of| (of, name.clone())));
        Self { dir: None, names: names.collect(), images: true }
    }
}

/// Why the runtimes of a host cannot be used. The operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A directory or a file of it cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why it failed.
        error: std::io::Error,
    },
    /// A manifest says what cannot be.
    #[error("{path}: {error}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        error: ManifestError,
    },
    /// A runtime's files are not those that it was built with.
    #[error("{path}: {file} is not the one of SHA256SUMS")]
    Damaged {
        /// The runtime.
        path: PathBuf,
        /// The file.
        file: &'static str,
    },
    /// Two runtimes of one name.
    #[error("there are two runtimes of the name {0}")]
    Twice(String),
    /// A name that leads nowhere.
    #[error("runtimes.names.{name}: there is no runtime {runtime}")]
    NoRuntime {
        /// AWS's name.
        name: String,
        /// What it is to be served by.
        runtime: String,
    },
    /// A name that a runtime does not stand for.
    #[error("runtimes.names.{name}: the runtime {runtime} cannot stand for it; it can for: {known}")]
    NotItsName {
        /// AWS's name.
        name: String,
        /// What it is to be served by.
        runtime: String,
        /// What it can stand for.
        known: String,
    },
}

/// A runtime that is compiled in.
struct BuiltIn {
    manifest: &'static str,
    module: &'static [u8],
    library: Option<&'static [u8]>,
}

/// Runtimes that are compiled in.
const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        manifest: include_str!("../../../../runtimes/python3.13/runtime.toml"),
        module: include_bytes!("../../../../runtimes/python3.13/dist/runtime.wasm.gz"),
        library: Some(include_bytes!("../../../../runtimes/python3.13/dist/lib.tar.gz")),
    },
    BuiltIn {
        manifest: include_str!("../../../../runtimes/nodejs-compat/runtime.toml"),
        module: include_bytes!("../../../../runtimes/nodejs-compat/dist/runtime.wasm.gz"),
        library: None,
    },
];

/// The gzipped module.
pub(super) const MODULE: &str = "runtime.wasm.gz";
/// The gzipped tar of what is shown at `/var/runtime`.
pub(super) const LIBRARY: &str = "lib.tar.gz";

/// A file of a runtime's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Artefact {
    /// Compiled in.
    Bytes(&'static [u8]),
    /// On disk.
    File(PathBuf),
}

impl Artefact {
    /// Its bytes.
    pub fn read(&self) -> std::io::Result<Cow<'static, [u8]>> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => std::fs::read(path).map(Cow::Owned),
        }
    }
}

/// A runtime of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 over its files, lower-case hex: names what is made of it.
    pub sha256: String,
    /// `runtime.wasm.gz`.
    pub module: Artefact,
    /// `lib.tar.gz`, where it has one.
    pub library: Option<Artefact>,
    built_in: bool,
}

impl Runtime {
    /// As the first line of a log shows it: `python:3.13.5.lamina.0123456789ab`.
    pub fn version_label(&self) -> String {
        let name = self.manifest.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let name = if name.is_empty() { self.manifest.name.as_str() } else { name };
        format!("{name}:{}.lamina.{}", self.manifest.version, self.short_sha256())
    }

    /// The last part of its ARN: `python3.13-3.13.5-0123456789ab`.
    pub fn arn_suffix(&self) -> String {
        format!("{}-{}-{}", self.manifest.name, self.manifest.version, self.short_sha256())
    }

    /// Whether these are its files.
    pub(super) fn is_of(&self, module: &[u8], library: Option<&[u8]>) -> bool {
        sha256_of(module, library) == self.sha256
    }

    fn short_sha256(&self) -> &str {
        self.sha256.get(..12).unwrap_or(&self.sha256)
    }
}

/// All runtimes of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    runtimes: BTreeMap<String, Arc<Runtime>>,
    /// Names that functions may give, and what serves them.
    names: BTreeMap<String, Arc<Runtime>>,
    images: bool,
}

impl Registry {
    /// Reads what is there, and checks that the configuration's names lead somewhere.
    pub fn open(config: &Config) -> Result<Self, RegistryError> {
        let mut registry = Self { images: config.images, ..Self::default() };
        for built_in in BUILT_IN {
            registry.add(built_in_runtime(built_in)?)?;
        }
        if let Some(dir) = &config.dir {
            for path in directories(dir)? {
                registry.add(runtime_at(&path)?)?;
            }
        }
        for (name, target) in &config.names {
            let (name, target) = (name.clone(), target.clone());
            let Some(runtime) = registry.runtimes.get(&target) else {
                return Err(RegistryError::NoRuntime { name, runtime: target });
            };
            if name != runtime.manifest.name && !runtime.manifest.aws.contains(&name) {
                let known = runtime.manifest.aws.join(", ");
                return Err(RegistryError::NotItsName { name, runtime: target, known });
            }
            registry.names.insert(name, Arc::clone(runtime));
        }
        for (name, runtime) in registry.runtimes.iter().filter(|(_, runtime)| !runtime.built_in) {
            registry.names.entry(name.clone()).or_insert_with(|| Arc::clone(runtime));
        }
        Ok(registry)
    }

    fn add(&mut self, runtime: Runtime) -> Result<(), RegistryError> {
        let name = runtime.manifest.name.clone();
        match self.runtimes.insert(name.clone(), Arc::new(runtime)) {
            None => Ok(()),
            Some(_) => Err(RegistryError::Twice(name)),
        }
    }

    /// The runtime of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Runtime>> {
        self.runtimes.get(name)
    }

    /// What serves functions whose `Runtime` is `name`.
    pub fn serving(&self, name: &str) -> Option<&Arc<Runtime>> {
        self.names.get(name)
    }

    /// Whether published versions are to have images.
    pub fn makes_images(&self) -> bool {
        self.images
    }

    /// All values of `Runtime` that are served.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// All runtimes, by name.
    pub fn runtimes(&self) -> impl Iterator<Item = &Arc<Runtime>> {
        self.runtimes.values()
    }
}

fn built_in_runtime(built_in: &BuiltIn) -> Result<Runtime, RegistryError> {
    let manifest = Manifest::parse(built_in.manifest)
        .map_err(|error| RegistryError::Manifest { path: PathBuf::from("(built in)"), error })?;
    Ok(Runtime {
        manifest,
        sha256: sha256_of(built_in.module, built_in.library),
        module: Artefact::Bytes(built_in.module),
        library: built_in.library.map(Artefact::Bytes),
        built_in: true,
    })
}

/// Of the module's hash and the library's: each is hashed apart, so that bytes cannot move from one to the other.
fn sha256_of(module: &[u8], library: Option<&[u8]>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(Sha256::digest(module));
    if let Some(library) = library {
        hasher.update(Sha256::digest(library));
    }
    hex(&hasher.finalize())
}

fn directories(dir: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let failed = |error| RegistryError::Io { path: dir.to_owned(), error };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.join("runtime.toml").is_file() {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A runtime as `runtimes/<name>/` in Lamina's repository has it.
fn runtime_at(path: &Path) -> Result<Runtime, RegistryError> {
    let read = |file: &Path| std::fs::read(file).map_err(|error| RegistryError::Io { path: file.to_owned(), error });
    let manifest_path = path.join("runtime.toml");
    let text = read(&manifest_path)?;
    let manifest = Manifest::parse(&String::from_utf8_lossy(&text))
        .map_err(|error| RegistryError::Manifest { path: manifest_path, error })?;
    let dist = path.join("dist");
    let (module_path, library_path) = (dist.join(MODULE), dist.join(LIBRARY));
    let module = read(&module_path)?;
    let library = if library_path.exists() { Some(read(&library_path)?) } else { None };
    let sums = read(&dist.join("SHA256SUMS"))?;
    let sums = String::from_utf8_lossy(&sums);
    for (file, bytes) in [(MODULE, Some(&module)), (LIBRARY, library.as_ref())] {
        let Some(bytes) = bytes else { continue };
        let line = |line: &str| {
            line.split_once("  ").is_some_and(|(sum, name)| name == file && sum == hex(&Sha256::digest(bytes)))
        };
        if !sums.lines().any(line) {
            return Err(RegistryError::Damaged { path: path.to_owned(), file });
        }
    }
    Ok(Runtime {
        manifest,
        sha256: sha256_of(&module, library.as_deref()),
        module: Artefact::File(module_path),
        library: library.is_some().then_some(Artefact::File(library_path)),
        built_in: false,
    })
}
