//! `RoutingConfig` and `AliasConfiguration`.

use super::constraints::{failed, invalid};
use crate::catalog::AliasChange;
use crate::ids::{Home, Version};
use crate::storage::functions::{AliasRecord, Sticky};
use crate::wire::error::WireError;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The longest name of a header or cookie that makes a split sticky.
const STICKY_NAME_LIMIT_BYTES: usize = 256;

/// How an alias is split over versions.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RoutingConfig {
    additional_version_weights: Option<BTreeMap<String, f64>>,
    /// Lamina's own. Left out, it stays as it is (AWS's clients cannot send it); `null` takes it away.
    #[serde(deserialize_with = "given")]
    sticky: Option<Option<Sticky>>,
}

/// Tells `null` from nothing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Sticky>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl RoutingConfig {
    /// Puts the routing into `change`. As with AWS, a configuration that says nothing takes the weights away.
    pub(super) fn apply(self, change: &mut AliasChange) -> Result<(), WireError> {
        if let Some(Some(sticky)) = &self.sticky {
            check_sticky(sticky)?;
        }
        let parsed = |(number, weight): (String, f64)| Ok::<_, WireError>((version(&number)?, weight));
        change.weights = match (self.additional_version_weights, &self.sticky) {
            (Some(weights), _) => Some(weights.into_iter().map(parsed).collect::<Result<_, _>>()?),
            (None, None) => Some(BTreeMap::new()),
            (None, Some(_)) => None,
        };
        change.sticky = self.sticky;
        Ok(())
    }
}

/// A version in a body.
pub(super) fn version(text: &str) -> Result<Version, WireError> {
    Version::new(text).map_err(|_| {
        failed(text, "functionVersion", "Member must satisfy regular expression pattern: (\\$LATEST|[0-9]+)")
    })
}

fn check_sticky(sticky: &Sticky) -> Result<(), WireError> {
    let (kind, name) = match sticky {
        Sticky::Header(name) => ("Header", name),
        Sticky::Cookie(name) => ("Cookie", name),
    };
    // Both are tokens as HTTP has them.
    if name.len() <= STICKY_NAME_LIMIT_BYTES && http::HeaderName::from_bytes(name.as_bytes()).is_ok() {
        return Ok(());
    }
    let shown: String = name.chars().take(64).collect();
    Err(invalid(format!("RoutingConfig.Sticky.{kind} must be the name of a {}, not {shown:?}", kind.to_lowercase())))
}

/// An alias as it is answered.
pub(super) fn describe(home: &Home, alias: &AliasRecord) -> Value {
    let mut shape = json!({
        "AliasArn": home.function_arn(&alias.function, Some(&alias.name)),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    });
    let mut routing = Map::new();
    if !alias.weights.is_empty() {
        let weights: BTreeMap<String, f64> =
            alias.weights.iter().map(|(version, weight)| (version.to_string(), *weight)).collect();
        routing.insert("AdditionalVersionWeights".into(), json!(weights));
    }
    if let Some(sticky) = &alias.sticky {
        routing.insert("Sticky".into(), json!(sticky));
    }
    if let (false, Some(members)) = (routing.is_empty(), shape.as_object_mut()) {
        members.insert("RoutingConfig".into(), routing.into());
    }
    shape
}
