//! Which `Runtime` a function may name, and what it is then run by.
//!
//! Everything that asks what can run here asks this module. Packages of [`PROVIDED`] bring all of their code as WebAssembly; other runtimes
//! interpret what is in the package, and are there where this host has them (`sandbox/runtime/`).

use super::{Catalog, Error, Result};
use crate::sandbox::runtime::Runtime;
use crate::storage::functions::{CodeRecord, ConfigurationRecord};
use std::sync::Arc;

/// Runtimes of packages that bring all of their code as WebAssembly.
pub const PROVIDED: [&str; 2] = ["provided.al2023", "provided.al2"];

/// Families of AWS's runtimes, by how their names begin.
const FAMILIES: [&str; 8] = ["nodejs", "java", "python", "dotnet", "go1.x", "ruby", "provided", "custom"];

/// Whether AWS has such a runtime, as far as its name tells.
pub fn is_aws(runtime: &str) -> bool {
    FAMILIES.iter().any(|family| runtime.starts_with(family))
}

/// Whether a configuration's code is interpreted.
pub(super) fn is_interpreted(configuration: &ConfigurationRecord) -> bool {
    !configuration.is_image() && !PROVIDED.contains(&configuration.runtime.as_str())
}

impl Catalog {
    /// All values of `Runtime` that functions can have.
    pub fn installed_runtimes(&self) -> Vec<&str> {
        PROVIDED.into_iter().chain(self.parts.host.runtimes().names()).collect()
    }

    /// Checks that functions of this runtime can be created.
    pub fn check_runtime(&self, runtime: &str) -> Result<()> {
        if PROVIDED.contains(&runtime) || self.parts.host.runtimes().serving(runtime).is_some() {
            return Ok(());
        }
        let shown: String = runtime.chars().take(64).collect();
        let known = if is_aws(runtime) { "is a runtime of AWS that is not installed here" } else { "is no runtime" };
        Err(Error::Invalid(format!(
            "Value {shown} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}]. {shown} {known}.",
            self.installed_runtimes().join(", ")
        )))
    }

    /// What interprets the code of new functions with this configuration; `None` where it brings its own.
    pub(super) fn interpreter(&self, configuration: &ConfigurationRecord) -> Result<Option<&Arc<Runtime>>> {
        if !is_interpreted(configuration) {
            return Ok(None);
        }
        self.check_runtime(&configuration.runtime)?;
        Ok(self.parts.host.runtimes().serving(&configuration.runtime))
    }

    /// What really runs code with this configuration: `code` says what it was made for, where it is there already.
    pub fn runtime_of(&self, code: Option<&CodeRecord>, configuration: &ConfigurationRecord) -> Option<&Arc<Runtime>> {
        if !is_interpreted(configuration) {
            return None;
        }
        let runtimes = self.parts.host.runtimes();
        match code.and_then(|code| code.runtime.as_deref()) {
            Some(name) => runtimes.get(name),
            None => runtimes.serving(&configuration.runtime),
        }
    }

    /// The ARN of what really runs code with this configuration.
    pub fn runtime_version_arn(&self, code: Option<&CodeRecord>, configuration: &ConfigurationRecord) -> String {
        let suffix = match self.runtime_of(code, configuration) {
            Some(runtime) => runtime.arn_suffix(),
            None => format!("lamina-{}", env!("CARGO_PKG_VERSION")),
        };
        format!("arn:aws:lambda:{}::runtime:{suffix}", self.home().region)
    }
}
