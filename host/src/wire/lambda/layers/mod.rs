//! Layers: versions published, read, listed, deleted, and their policies; a file an operation.
//!
//! Layers are this home's: an ARN of another region or account names nothing. A policy is kept and given back; with one
//! account on a host there is nobody to refuse.

mod delete;
mod get;
mod list;
mod name;
mod policy;
mod publish;
mod runtimes;
mod view;

pub(in crate::wire) use name::version_arn;

use super::LambdaApi;
use crate::wire::codec::{Answer, Request};
use crate::wire::error::WireError;

/// An operation with what its path names, still percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    ListLayers,
    ListLayerVersions(String),
    PublishLayerVersion(String),
    GetLayerVersion(String, String),
    DeleteLayerVersion(String, String),
    GetLayerVersionPolicy(String, String),
    AddLayerVersionPermission(String, String),
    RemoveLayerVersionPermission(String, String, String),
}

impl Operation {
    /// The operation behind `/2018-10-31/layers`.
    pub(super) fn of(method: &str, rest: &[&str]) -> Option<Self> {
        let own = |text: &&str| (*text).to_owned();
        Some(match (method, rest) {
            // `find=LayerVersion` in the query makes it another operation.
            ("GET", []) => Self::ListLayers,
            ("GET", [name, "versions"]) => Self::ListLayerVersions(own(name)),
            ("POST", [name, "versions"]) => Self::PublishLayerVersion(own(name)),
            ("GET", [name, "versions", version]) => Self::GetLayerVersion(own(name), own(version)),
            ("DELETE", [name, "versions", version]) => Self::DeleteLayerVersion(own(name), own(version)),
            ("GET", [name, "versions", version, "policy"]) => Self::GetLayerVersionPolicy(own(name), own(version)),
            ("POST", [name, "versions", version, "policy"]) => Self::AddLayerVersionPermission(own(name), own(version)),
            ("DELETE", [name, "versions", version, "policy", statement]) => {
                Self::RemoveLayerVersionPermission(own(name), own(version), own(statement))
            }
            _ => return None,
        })
    }

    /// Whether the operation changes anything.
    pub(super) fn changes(&self) -> bool {
        matches!(
            self,
            Self::PublishLayerVersion(_)
                | Self::DeleteLayerVersion(..)
                | Self::AddLayerVersionPermission(..)
                | Self::RemoveLayerVersionPermission(..)
        )
    }

    /// Runs the operation.
    pub(super) async fn run(&self, api: &LambdaApi, request: &Request) -> Result<Answer, WireError> {
        match self {
            Self::ListLayers if request.query("find").is_some() => get::by_arn(api, request),
            Self::ListLayers => list::layers(api, request),
            Self::ListLayerVersions(name) => list::versions(api, request, name),
            Self::PublishLayerVersion(name) => publish::handle(api, request, name).await,
            Self::GetLayerVersion(name, version) => get::handle(api, request, name, version),
            Self::DeleteLayerVersion(name, version) => delete::handle(api, name, version).await,
            Self::GetLayerVersionPolicy(name, version) => policy::get(api, name, version),
            Self::AddLayerVersionPermission(name, version) => policy::add(api, request, name, version).await,
            Self::RemoveLayerVersionPermission(name, version, statement) => {
                policy::remove(api, request, name, version, statement).await
            }
        }
    }
}
