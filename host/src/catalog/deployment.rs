//! Code that takes long to compile: accepted and answered as pending, finished behind the answer, taken up again after a restart.
//!
//! What is under way is part of the function's record ([`DeploymentRecord`]). Until it is done `$LATEST` stays what it was, or
//! is not there yet, and no other change of code or configuration is taken. A deployment that fails says why in the same place,
//! until the next one.

use super::code::check_memory;
use super::layers::check_unpacked;
use super::{Catalog, Error, Result, View};
use crate::ids::{FunctionName, Version};
use crate::sandbox::DeployError;
use crate::sandbox::compile::CompileError;
use crate::storage;
use crate::storage::functions::{
    Change, CodeRecord, ConfigurationRecord, DeploymentFailure, DeploymentRecord, FunctionRecord, ImageRecord,
    VersionRecord,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedRwLockReadGuard;

/// How long after storage refused the end of a deployment it is asked again.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How far a deployment is when it is answered.
pub enum Deployment {
    /// All of it is there.
    Done(Box<VersionRecord>),
    /// It is accepted and durable; the code is being compiled.
    UnderWay {
        /// The function, with the deployment.
        function: Box<FunctionRecord>,
        /// What is left, to be driven to its end.
        rest: Rest,
    },
}

/// The rest of a deployment.
pub type Rest = BoxFuture<'static, ()>;

/// Why a version that was accepted cannot be invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// Its code is being compiled.
    Pending,
    /// Its code could not be compiled.
    Failed,
}

impl std::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending => "Pending",
            Self::Failed => "Failed",
        })
    }
}

/// Code on its way.
pub(super) struct Build {
    /// ARN of the signing profile whose key signed the package, where that was checked.
    pub(super) signed_by: Option<String>,
    code: BoxFuture<'static, Result<CodeRecord>>,
    /// Keeps the package and what is made of it until they are referred to.
    blobs: OwnedRwLockReadGuard<()>,
}

impl Build {
    /// The code, and what has to be held until it is referred to.
    pub(super) async fn finish(self) -> (Result<CodeRecord>, OwnedRwLockReadGuard<()>) {
        (self.code.await, self.blobs)
    }
}

impl Deployment {
    pub(super) fn done(record: VersionRecord) -> Self {
        Self::Done(Box::new(record))
    }
}

/// The change that forgets a failed deployment, where there is one.
pub(super) fn forget_failure(view: &View) -> Option<Change> {
    view.deployment()?;
    Some(Change::PutFunction(FunctionRecord { deployment: None, ..view.records.function.clone() }))
}

impl Catalog {
    /// Checks a package's signature where there is a code signing configuration, and begins to make code from it.
    pub(super) async fn build(
        self: &Arc<Self>,
        package: Bytes,
        image: Option<ImageRecord>,
        configuration: ConfigurationRecord,
        code_signing_config: Option<&str>,
    ) -> Result<Build> {
        let blobs = Arc::clone(&self.blobs).read_owned().await;
        let signed_by = self.check_signature(package.clone(), code_signing_config).await?;
        Ok(self.build_checked((package, image), configuration, signed_by, blobs))
    }

    fn build_checked(
        self: &Arc<Self>,
        (package, image): (Bytes, Option<ImageRecord>),
        configuration: ConfigurationRecord,
        signed_by: Option<String>,
        blobs: OwnedRwLockReadGuard<()>,
    ) -> Build {
        let (catalog, arn) = (Arc::clone(self), signed_by.clone());
        let code = Box::pin(async move {
            let code = catalog.store_code(package, &configuration, arn).await?;
            catalog.prepare_layers(&configuration).await?;
            Ok(CodeRecord { image, ..code })
        });
        Build { signed_by, code, blobs }
    }

    /// The code if it is there soon (`sandbox.pending_after_ms`).
    pub(super) async fn soon(&self, build: &mut Build) -> Option<Result<CodeRecord>> {
        let limit = Duration::from_millis(self.parts.host.config().pending_after_ms);
        tokio::select! {
            biased;
            code = &mut build.code => Some(code),
            () = self.parts.clock.sleep(limit) => None,
        }
    }

    /// The answer to a deployment that was stored as under way.
    pub(super) fn under_way(self: &Arc<Self>, function: FunctionRecord, build: Build) -> Deployment {
        let revision_id = function.deployment.as_ref().map(|deployment| deployment.revision_id.clone());
        let (catalog, name) = (Arc::clone(self), function.name.clone());
        let rest = Box::pin(async move {
            let (code, _blobs) = build.finish().await;
            catalog.finish(&name, revision_id.as_deref(), code).await;
        });
        Deployment::UnderWay { function: Box::new(function), rest }
    }

    /// What is left of deployments that were under way when the daemon ended, and runtimes of functions that are to be made ready.
    /// Asked once, after the start.
    pub async fn unfinished_deployments(self: &Arc<Self>) -> Vec<Rest> {
        let mut all: Vec<Rest> = Vec::new();
        let mut runtimes = BTreeSet::new();
        for function in self.list() {
            let view = function.view();
            runtimes.extend(view.records.versions.values().filter_map(|version| version.code.runtime.clone()));
            let record = view.records.function.clone();
            let Some(deployment) = record.deployment.as_ref().filter(|deployment| deployment.is_under_way()) else {
                continue;
            };
            let blobs = Arc::clone(&self.blobs).read_owned().await;
            let (catalog, deployment) = (Arc::clone(self), deployment.clone());
            all.push(Box::pin(async move {
                let found = catalog.parts.storage.blobs.get(deployment.package_sha256).await.map_err(Error::Storage);
                let found = found.and_then(|package| {
                    let gone = || storage::Error::Backend(format!("the package of {} is gone", record.name));
                    package.ok_or_else(|| gone().into())
                });
                let (code, _blobs) = match found {
                    Ok(package) => {
                        let signed_by = deployment.signing_profile_version_arn;
                        let package = (package, deployment.image);
                        catalog.build_checked(package, deployment.configuration, signed_by, blobs).finish().await
                    }
                    Err(error) => (Err(error), blobs),
                };
                catalog.finish(&record.name, Some(&deployment.revision_id), code).await;
            }));
        }
        // After an update of Lamina, functions of a runtime wait for it: not each for its own first call.
        all.extend(runtimes.into_iter().map(|name| -> Rest {
            let catalog = Arc::clone(self);
            Box::pin(async move {
                if let Err(error) = catalog.parts.host.prepare_runtime(&name).await {
                    tracing::error!(runtime = name, %error, "a runtime of functions cannot be used");
                }
            })
        }));
        all
    }

    /// Makes `$LATEST` what was accepted, or says why that cannot be.
    async fn finish(&self, name: &FunctionName, revision_id: Option<&str>, code: Result<CodeRecord>) {
        loop {
            // A function that was deleted needs nothing any more.
            let Ok(function) = self.function(name) else { break };
            let stored = self.change(&function, |view| {
                let deployment = view.deployment().filter(|deployment| Some(&*deployment.revision_id) == revision_id);
                let changes = deployment.map(|deployment| self.ending(view, deployment, code.clone()));
                Ok((changes.unwrap_or_default(), ()))
            });
            match stored.await {
                Ok(()) | Err(Error::FunctionNotFound { .. }) => break,
                Err(error) => tracing::error!(function = %name, %error, "the end of a deployment could not be stored"),
            }
            self.parts.clock.sleep(STORE_AGAIN_AFTER).await;
        }
        self.deployed.notify_waiters();
    }

    /// Waits until nothing is under way for a function.
    pub async fn until_deployed(&self, name: &FunctionName) {
        loop {
            let ended = self.deployed.notified();
            let view = self.function(name).map(|function| function.view());
            if !view.is_ok_and(|view| view.deployment().is_some_and(DeploymentRecord::is_under_way)) {
                return;
            }
            ended.await;
        }
    }

    /// The changes that end a deployment.
    fn ending(&self, view: &View, deployment: &DeploymentRecord, code: Result<CodeRecord>) -> Vec<Change> {
        let function = view.records.function.clone();
        let configuration = &deployment.configuration;
        let checked = code.and_then(|code| {
            check_memory(&code, configuration.memory_size_mb)?;
            check_unpacked(&code, configuration)?;
            Ok(code)
        });
        let code = match checked {
            Ok(code) => code,
            Err(error) => {
                tracing::warn!(function = %function.name, %error, "a deployment failed");
                let failed = DeploymentRecord { failure: Some(failure(&error)), ..deployment.clone() };
                return vec![Change::PutFunction(FunctionRecord { deployment: Some(failed), ..function })];
            }
        };
        let latest = VersionRecord {
            function: function.name.clone(),
            version: Version::Latest,
            code,
            configuration: configuration.clone(),
            revision_id: deployment.revision_id.clone(),
            modified_at_ms: deployment.modified_at_ms,
        };
        let published = deployment.publish.map(|number| Change::PutVersion(self.published(latest.clone(), number)));
        let mut changes = vec![Change::PutFunction(FunctionRecord { deployment: None, ..function })];
        changes.push(Change::PutVersion(latest));
        changes.extend(published);
        changes
    }

    /// `$LATEST` where nothing is under way.
    pub(super) fn settled<'a>(&self, view: &'a View, name: &FunctionName) -> Result<&'a VersionRecord> {
        if view.deployment().is_some_and(DeploymentRecord::is_under_way) {
            return Err(self.deploying(view, name));
        }
        view.records.versions.get(&Version::Latest).ok_or_else(|| self.missing(view, name, None))
    }

    /// Why a function cannot be changed while a deployment is under way.
    pub(super) fn deploying(&self, view: &View, name: &FunctionName) -> Error {
        match view.unfinished(Version::Latest) {
            Some(unfinished) => Error::NotReady(unfinished),
            None => self.update_in_progress(name),
        }
    }
}

/// As AWS has it in `StateReasonCode` and `LastUpdateStatusReasonCode`.
fn failure(error: &Error) -> DeploymentFailure {
    let platform = match error {
        Error::Storage(_) => true,
        Error::Deploy(DeployError::Compile(cause) | DeployError::Extension { error: cause, .. }) => {
            matches!(cause, CompileError::Host(_))
        }
        _ => false,
    };
    let (code, reason) = match platform {
        true => ("InternalError", "The service could not compile the function. Try again later.".to_owned()),
        false => ("FunctionError", error.to_string()),
    };
    DeploymentFailure { code: code.to_owned(), reason }
}
