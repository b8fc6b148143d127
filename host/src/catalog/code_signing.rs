//! Code signing: whose packages a function takes
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html>).
//!
//! A package is checked when it is deployed to a function that has a code signing configuration, and then only. A signature that does
//! not belong to its content is refused whatever the policy says; a package that is unsigned or signed by someone else is refused
//! under `Enforce`, and deployed and counted under `Warn`.

use super::code::NO_SIGNED_IMAGES;
use super::{Catalog, Error, Result};
use crate::ids::{FunctionName, Version};
use crate::sandbox::DeployError;
use crate::sandbox::signature::{self, Signed, SigningKey};
use crate::storage::code_signing::{CodeSigningConfigRecord, UntrustedArtifact};
use crate::storage::functions::{Change, ConfigurationRecord, FunctionRecord};
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// All code signing configurations, and the keys that are known.
pub(super) struct CodeSigning {
    configs: RwLock<BTreeMap<String, CodeSigningConfigRecord>>,
    /// Public key to the ARNs of the signing profile versions that it signs for.
    keys: BTreeMap<[u8; 32], Vec<String>>,
    /// Held from checking to storing a change, of a function's configuration too.
    changes: Mutex<()>,
}

impl CodeSigning {
    pub(super) fn new(configs: Vec<CodeSigningConfigRecord>, keys: &[SigningKey]) -> Self {
        let mut known: BTreeMap<[u8; 32], Vec<String>> = BTreeMap::new();
        for key in keys {
            match key.bytes() {
                Some(bytes) => known.entry(bytes).or_default().push(key.profile_version_arn.clone()),
                None => tracing::error!(key = key.name, "a signing key is not 32 bytes of base64"),
            }
        }
        let configs = configs.into_iter().map(|config| (config.id.clone(), config)).collect();
        Self { configs: RwLock::new(configs), keys: known, changes: Mutex::default() }
    }
}

impl Catalog {
    /// All code signing configurations, in order of their ids.
    pub fn code_signing_configs(&self) -> Vec<CodeSigningConfigRecord> {
        self.code_signing.configs.read().values().cloned().collect()
    }

    /// One code signing configuration.
    pub fn code_signing_config(&self, id: &str) -> Result<CodeSigningConfigRecord> {
        let found = self.code_signing.configs.read().get(id).cloned();
        found.ok_or_else(|| Error::NotFound(format!("The code signing configuration cannot be found: {id}")))
    }

    /// Stores a new code signing configuration.
    pub async fn create_code_signing_config(&self, config: CodeSigningConfigRecord) -> Result<CodeSigningConfigRecord> {
        let _changing = self.code_signing.changes.lock().await;
        self.put_code_signing_config(config).await
    }

    /// Changes a code signing configuration; `edit` may refuse.
    pub async fn update_code_signing_config(
        &self,
        id: &str,
        edit: impl FnOnce(&mut CodeSigningConfigRecord) -> Result<()>,
    ) -> Result<CodeSigningConfigRecord> {
        let _changing = self.code_signing.changes.lock().await;
        let mut config = self.code_signing_config(id)?;
        edit(&mut config)?;
        config.modified_at_ms = self.now_ms();
        self.put_code_signing_config(config).await
    }

    /// Deletes a code signing configuration that no function has.
    pub async fn delete_code_signing_config(&self, id: &str) -> Result<()> {
        let _changing = self.code_signing.changes.lock().await;
        self.code_signing_config(id)?;
        if !self.functions_of_code_signing_config(id).is_empty() {
            return Err(Error::Conflict(
                "The code signing configuration cannot be deleted because it is used by at least one function.".into(),
            ));
        }
        self.parts.storage.code_signing.delete(id.to_owned()).await?;
        self.code_signing.configs.write().remove(id);
        Ok(())
    }

    /// Functions that have this code signing configuration, by name.
    pub fn functions_of_code_signing_config(&self, id: &str) -> Vec<FunctionName> {
        let has = |function: &FunctionRecord| function.code_signing_config.as_deref() == Some(id);
        let functions = self.list();
        functions.iter().filter(|held| has(&held.view().records.function)).map(|held| held.name.clone()).collect()
    }

    /// Gives a function a code signing configuration, or (`None`) takes it away. Code that is deployed stays.
    pub async fn set_code_signing_config(&self, name: &FunctionName, id: Option<&str>) -> Result<()> {
        let _changing = self.code_signing.changes.lock().await;
        let function = self.function(name)?;
        if let Some(id) = id {
            self.check_code_signing_config(id)?;
        }
        self.change(&function, |view| {
            let latest = view.records.versions.get(&Version::Latest).map(|latest| &latest.configuration);
            let latest = latest.or(view.deployment().map(|deployment| &deployment.configuration));
            if id.is_some() && latest.is_some_and(ConfigurationRecord::is_image) {
                return Err(Error::Invalid(NO_SIGNED_IMAGES.into()));
            }
            let record = FunctionRecord { code_signing_config: id.map(str::to_owned), ..view.records.function.clone() };
            Ok((vec![Change::PutFunction(record)], ()))
        })
        .await
    }

    /// Keeps code signing configurations as they are for as long as the answer lives.
    pub(super) async fn hold_code_signing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.code_signing.changes.lock().await
    }

    /// Whether a function may have this code signing configuration.
    pub(super) fn check_code_signing_config(&self, id: &str) -> Result<()> {
        match self.code_signing.configs.read().contains_key(id) {
            true => Ok(()),
            false => Err(Error::CodeSigningConfigNotFound {
                arn: self.home().arn("lambda", &format!("code-signing-config:{id}")),
            }),
        }
    }

    /// Checks a package against a function's code signing configuration; answers the ARN of the signing profile it is trusted by.
    pub(super) async fn check_signature(&self, package: Bytes, config: Option<&str>) -> Result<Option<String>> {
        let Some(id) = config else { return Ok(None) };
        self.check_code_signing_config(id)?;
        let config = self.code_signing_config(id)?;
        let signed = tokio::task::spawn_blocking(move || signature::check(&package)).await;
        let signed = match signed {
            Ok(signed) => signed.map_err(DeployError::Package)?,
            Err(error) => {
                return Err(crate::storage::Error::Backend(format!("a signature was not checked: {error}")).into());
            }
        };
        let untrusted = match signed {
            Signed::Broken(why) => {
                return Err(Error::InvalidCodeSignature(format!(
                    "The code signature failed the integrity check: {why}."
                )));
            }
            Signed::By(key) => {
                let profiles = self.code_signing.keys.get(&key);
                let trusted = profiles.and_then(|arns| arns.iter().find(|arn| config.allowed_publishers.contains(arn)));
                if let Some(arn) = trusted {
                    return Ok(Some(arn.clone()));
                }
                "The package is signed by a key that the code signing configuration does not allow."
            }
            Signed::No => "The package is not signed.",
        };
        match config.untrusted_artifact {
            UntrustedArtifact::Enforce => Err(Error::CodeUnverified(format!(
                "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client \
                 is not configured to accept. Check the provided signature for {id}. {untrusted}"
            ))),
            UntrustedArtifact::Warn => {
                tracing::warn!(code_signing_config = id, untrusted, "untrusted code is deployed");
                self.parts.metrics.sandbox.signature_validation_errors.inc();
                Ok(None)
            }
        }
    }

    async fn put_code_signing_config(&self, config: CodeSigningConfigRecord) -> Result<CodeSigningConfigRecord> {
        self.parts.storage.code_signing.put(config.clone()).await?;
        self.code_signing.configs.write().insert(config.id.clone(), config.clone());
        Ok(config)
    }
}
