//! Functions' code as images: WebAssembly in OCI registries and in OCI image layouts.
//!
//! An image is pulled once, when code is deployed: from then on the wasm is a package like any other, and neither a moved tag nor a
//! registry that is gone changes a function. What it was is kept as the digest of its manifest.
//!
//! - Nothing is pulled from where the configuration does not list: registries by host, layouts by directory. [`gateway`] holds a pull to
//!   it, whatever a registry answers.
//! - Every byte is covered by a digest: the layer by the manifest, the manifest by the digest that is kept; and by an index or the
//!   reference where they name it.
//! - Bounded: pulls at once, the time of one (waiting for its turn included), the sizes of manifest and layer.
//!
//! [`ImageReference`] is what may be named, [`artifact`] what is taken. Nothing here knows AWS error codes or functions.

pub mod artifact;
mod auth;
mod error;
mod gateway;
mod layout;
mod reference;
mod registry;

pub use error::{Fault, ImageError};
pub use reference::{Digest, ImageReference, LayoutImage, LayoutReference};

use crate::sandbox::calls::outbound_http::{AllowList, AllowListError, OutboundClient};
use artifact::{Layer, Manifest};
use bytes::Bytes;
use gateway::{Gateway, Policy};
use layout::Layout;
use oci_client::Reference;
use oci_client::secrets::RegistryAuth;
use registry::Registry;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Connections of all pulls together.
const MAX_CONNECTIONS: usize = 64;

/// What wasm begins with.
const MAGIC: &[u8] = b"\0asm";

/// The `[images]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Registries that images may come from: `host[:port]`, `*.example.com`, an address, or `*`.
    pub registries: Vec<String>,
    /// Registries that images may come from, and that are spoken to over plain HTTP.
    pub insecure_registries: Vec<String>,
    /// Directories below which OCI image layouts may be.
    pub layout_directories: Vec<PathBuf>,
    /// Credentials for registries, as docker's `config.json` has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// Certificate authorities, in PEM, that are trusted beside the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long a pull may take.
    pub pull_timeout_s: u32,
    /// Pulls at once.
    pub max_pulls: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registries: Vec::new(),
            insecure_registries: Vec::new(),
            layout_directories: Vec::new(),
            credentials_file: None,
            ca_file: None,
            pull_timeout_s: 30,
            max_pulls: 4,
        }
    }
}

impl Config {
    fn policy(&self) -> Result<(AllowList, Policy), AllowListError> {
        let with = |scheme: &str, hosts: &[String]| hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        let secure: Vec<String> = with("https", &self.registries);
        let plain: Vec<String> = with("http", &self.insecure_registries);
        let parse = |entries: &[&Vec<String>]| AllowList::parse(entries.iter().copied().flatten().map(String::as_str));
        // Blobs and tokens may come from anywhere in public: registries say where.
        let anywhere = vec!["https://*".to_owned()];
        let policy = Policy { reachable: parse(&[&anywhere, &secure, &plain])?, plain: parse(&[&plain])? };
        Ok((parse(&[&secure, &plain])?, policy))
    }

    /// Whether an entry of `registries` or `insecure_registries` can be read; the error says why not.
    pub fn check_registry(entry: &str) -> Result<(), String> {
        if entry.contains("://") {
            return Err("a registry is a host and perhaps a port, without a scheme".into());
        }
        AllowList::parse([format!("https://{entry}").as_str()]).map(drop).map_err(|error| error.to_string())
    }

    /// Whether an image may come from where `reference` says; the error says which setting has it not.
    pub fn check_place(&self, reference: &ImageReference) -> Result<(), String> {
        match reference {
            ImageReference::Registry(reference) => {
                let (allowed, _) = self.policy().map_err(|error| error.to_string())?;
                check_registry(&allowed, reference)
            }
            ImageReference::Layout(layout) => {
                let below = |allowed: &PathBuf| layout.directory.starts_with(allowed);
                let message = || "it is not below a directory of images.layout_directories".to_owned();
                if self.layout_directories.iter().any(below) { Ok(()) } else { Err(message()) }
            }
        }
    }
}

fn check_registry(allowed: &AllowList, reference: &Reference) -> Result<(), String> {
    let listed = |scheme: &str| {
        format!("{scheme}://{}/", reference.registry()).parse().is_ok_and(|registry| allowed.allows(&registry))
    };
    if listed("https") || listed("http") {
        return Ok(());
    }
    Err(format!("the registry {} is not in images.registries", reference.registry()))
}

/// Why no images can be pulled at all. The operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A registry that cannot be read.
    #[error("images: {0}")]
    Registries(#[from] AllowListError),
    /// TLS.
    #[error("images: {0}")]
    Tls(#[from] crate::sandbox::calls::outbound_http::ClientError),
}

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its wasm: a module or a component.
    pub wasm: Bytes,
    /// Digest of the manifest that has it.
    pub digest: Digest,
    /// Reference to exactly this image.
    pub resolved: String,
}

/// Pulls images.
pub struct Images {
    config: Config,
    registries: AllowList,
    policy: Policy,
    client: Arc<OutboundClient>,
    pulls: Semaphore,
}

impl Images {
    /// Pulls as `config` says.
    ///
    /// # Errors
    /// The certificate authorities cannot be read, or an entry of the registries.
    pub fn new(config: Config) -> Result<Arc<Self>, SetupError> {
        let (registries, policy) = config.policy()?;
        // The registry client has no provider of its own; that there is one already is well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Arc::new(OutboundClient::new(config.ca_file.as_deref(), MAX_CONNECTIONS)?);
        let pulls = Semaphore::new(usize::try_from(config.max_pulls).unwrap_or(1).min(Semaphore::MAX_PERMITS));
        Ok(Arc::new(Self { config, registries, policy, client, pulls }))
    }

    /// Pulls the image that `uri` names.
    pub async fn pull(self: &Arc<Self>, uri: &str) -> Result<Image, ImageError> {
        self.pull_in_time(uri).await.map_err(|fault| ImageError { uri: uri.to_owned(), fault })
    }

    async fn pull_in_time(self: &Arc<Self>, uri: &str) -> Result<Image, Fault> {
        let reference: ImageReference = uri.parse().map_err(Fault::Invalid)?;
        if let ImageReference::Registry(reference) = &reference {
            check_registry(&self.registries, reference).map_err(Fault::Invalid)?;
        }
        let limit_s = self.config.pull_timeout_s;
        let (began, limit) = (Instant::now(), Duration::from_secs(limit_s.into()));
        // Who waits longer for a turn would have too little time left for the pull.
        let Ok(Ok(_turn)) = timeout_at(began + limit / 2, self.pulls.acquire()).await else { return Err(Fault::Busy) };
        let deadline = began + limit;
        // In a task of its own: what a registry sends must not bring down more than its pull.
        let me = Arc::clone(self);
        let mut pulling = tokio::spawn(async move { me.pull_now(&reference).await });
        match timeout_at(deadline, &mut pulling).await {
            Ok(Ok(pulled)) => {
                if let Ok(image) = &pulled {
                    tracing::info!(image = uri, resolved = image.resolved, "an image was pulled");
                }
                pulled
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a pull broke");
                Err(Fault::Invalid("what its registry sends cannot be understood".into()))
            }
            Err(_) => {
                pulling.abort();
                Err(Fault::Unreachable(format!("it did not come within {limit_s} s")))
            }
        }
    }

    async fn pull_now(&self, reference: &ImageReference) -> Result<Image, Fault> {
        match reference {
            ImageReference::Registry(registry) => {
                let auth = self.auth(registry.registry().to_owned()).await?;
                let gateway = Gateway::open(Arc::clone(&self.client), self.policy.clone()).await?;
                let registry = Registry::new(gateway, registry.clone(), auth).await?;
                let manifest = registry.manifest(None).await?;
                let wanted = reference.digest().unwrap_or_else(|| Digest::of(&manifest));
                let (digest, layer) = match checked(wanted, &manifest)? {
                    (digest, Manifest::Artifact(layer)) => (digest, layer),
                    (_, Manifest::Index(digest)) => {
                        let manifest = registry.manifest(Some(&digest)).await?;
                        behind_index(digest, &manifest)?
                    }
                };
                finished(reference, digest, &layer, registry.layer(&layer).await?)
            }
            ImageReference::Layout(layout) => {
                let (directories, layout) = (self.config.layout_directories.clone(), layout.clone());
                let reading = tokio::task::spawn_blocking(move || {
                    let open = Layout::open(&layout, &directories)?;
                    let (digest, manifest) = open.manifest(&layout.image)?;
                    let (digest, layer) = match checked(digest, &manifest)? {
                        (digest, Manifest::Artifact(layer)) => (digest, layer),
                        (_, Manifest::Index(digest)) => {
                            let (digest, manifest) = open.manifest(&LayoutImage::Digest(digest))?;
                            behind_index(digest, &manifest)?
                        }
                    };
                    let wasm = open.layer(&layer)?;
                    Ok((digest, layer, wasm))
                });
                let read = reading.await.map_err(|error| Fault::Invalid(error.to_string()))?;
                let (digest, layer, wasm) = read?;
                finished(reference, digest, &layer, wasm)
            }
        }
    }

    async fn auth(&self, registry: String) -> Result<RegistryAuth, Fault> {
        let Some(file) = self.config.credentials_file.clone() else { return Ok(RegistryAuth::Anonymous) };
        let read = tokio::task::spawn_blocking(move || auth::for_registry(&file, &registry)).await;
        read.unwrap_or_else(|error| Err(error.to_string())).map_err(|reason| {
            tracing::error!(%reason, "the credentials for registries cannot be used");
            Fault::AccessDenied
        })
    }
}

/// A manifest that has the digest that it should have.
fn checked(digest: Digest, manifest: &[u8]) -> Result<(Digest, Manifest), Fault> {
    if Digest::of(manifest) != digest {
        return Err(mismatch("manifest"));
    }
    artifact::read(manifest).map(|read| (digest, read))
}

/// The layer of a manifest that an index led to: an index in an index is not followed.
fn behind_index(digest: Digest, manifest: &[u8]) -> Result<(Digest, Layer), Fault> {
    match checked(digest, manifest)? {
        (digest, Manifest::Artifact(layer)) => Ok((digest, layer)),
        (_, Manifest::Index(_)) => Err(Fault::Unsupported("its index leads to another index".into())),
    }
}

fn finished(reference: &ImageReference, digest: Digest, layer: &Layer, wasm: Bytes) -> Result<Image, Fault> {
    if wasm.len() as u64 != layer.size_bytes || Digest::of(&wasm) != layer.digest {
        return Err(mismatch("layer"));
    }
    if !wasm.starts_with(MAGIC) {
        return Err(Fault::Unsupported("its layer is not WebAssembly".into()));
    }
    let resolved = reference.pinned(&digest);
    Ok(Image { wasm, digest, resolved })
}

fn mismatch(what: &str) -> Fault {
    Fault::Invalid(format!("its {what} does not have the digest and size that it should have"))
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").field("config", &self.config).finish_non_exhaustive()
    }
}
