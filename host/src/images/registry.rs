//! Images in registries: the distribution protocol, by `oci-client`, through the pull's [`Gateway`].

use super::artifact::{Layer, MANIFEST_LIMIT_BYTES, MANIFEST_MEDIA_TYPES};
use super::error::Fault;
use super::gateway::Gateway;
use super::reference::Digest;
use bytes::Bytes;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

/// A registry, as one pull sees it.
pub(super) struct Registry {
    client: Client,
    gateway: Gateway,
    reference: Reference,
    auth: RegistryAuth,
}

impl Registry {
    pub(super) async fn new(gateway: Gateway, reference: Reference, auth: RegistryAuth) -> Result<Self, Fault> {
        let config = ClientConfig {
            // What is spoken beyond the gateway is the gateway's to know.
            protocol: ClientProtocol::Http,
            http_proxy: Some(gateway.proxy()),
            user_agent: concat!("lamina/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        // It reads the machine's certificate authorities, which it has no use for here, and panics where there are none.
        let client = tokio::task::spawn_blocking(move || Client::try_from(config)).await;
        let client = client.map_err(|_| Fault::Unreachable("this machine has no certificate authorities".into()))?;
        let client = client.map_err(|error| Fault::Unreachable(error.to_string()))?;
        Ok(Self { client, gateway, reference, auth })
    }

    /// The bytes of a manifest: of the one with this digest, or of the one that the reference names. A digest is compared.
    pub(super) async fn manifest(&self, digest: Option<&Digest>) -> Result<Bytes, Fault> {
        self.gateway.expect_at_most(MANIFEST_LIMIT_BYTES);
        let reference = match digest {
            Some(digest) => self.reference.clone_with_digest(digest.to_string()),
            None => self.reference.clone(),
        };
        let pulled = self.client.pull_manifest_raw(&reference, &self.auth, &MANIFEST_MEDIA_TYPES).await;
        pulled.map(|(bytes, _)| bytes).map_err(|error| self.fault(error))
    }

    /// The bytes of a layer, compared with its digest.
    pub(super) async fn layer(&self, layer: &Layer) -> Result<Bytes, Fault> {
        // A challenge in between may be longer than a small layer.
        self.gateway.expect_at_most(layer.size_bytes.max(64 << 10));
        let mut bytes = Vec::new();
        let pulled = self.client.pull_blob(&self.reference, layer.digest.as_str(), &mut bytes).await;
        pulled.map(|()| bytes.into()).map_err(|error| self.fault(error))
    }

    fn fault(&self, error: OciDistributionError) -> Fault {
        tracing::debug!(image = %self.reference, %error, "an image could not be pulled");
        // The gateway's reason is the cause of what the client tells.
        self.gateway.refusal().unwrap_or_else(|| told(error))
    }
}

fn told(error: OciDistributionError) -> Fault {
    use OciDistributionError as E;
    match error {
        E::UnauthorizedError { .. } | E::AuthenticationFailure(_) => Fault::AccessDenied,
        E::ImageManifestNotFoundError(_) => Fault::NotFound,
        E::RegistryError { envelope, .. } => match envelope.errors.first().map(|error| &error.code) {
            Some(OciErrorCode::Denied | OciErrorCode::Unauthorized) => Fault::AccessDenied,
            Some(
                OciErrorCode::ManifestUnknown
                | OciErrorCode::NameUnknown
                | OciErrorCode::NotFound
                | OciErrorCode::BlobUnknown,
            ) => Fault::NotFound,
            Some(OciErrorCode::Toomanyrequests) => Fault::Unreachable("its registry has had too many requests".into()),
            Some(code) => Fault::Invalid(format!("its registry answers {code:?}")),
            None => Fault::Invalid("its registry answers with an error".into()),
        },
        E::ServerError { code: 404, .. } => Fault::NotFound,
        E::ServerError { code: 401 | 403, .. } => Fault::AccessDenied,
        E::ServerError { code, .. } => Fault::Unreachable(format!("its registry answers with status {code}")),
        E::DigestError(error) => Fault::Invalid(format!("what its registry sends is not what it says: {error}")),
        E::RequestError(_) | E::IoError(_) => Fault::Unreachable("its registry broke off".into()),
        error => Fault::Invalid(shown(&error.to_string())),
    }
}

/// Text from outside as an error may repeat it.
fn shown(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
