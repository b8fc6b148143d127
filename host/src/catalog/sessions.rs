//! Credentials that functions get for the AWS APIs of this daemon: which have them, and for how long.

use super::{Catalog, Error, Result, Settings};
use crate::credentials::{Holders, RoleArn, Session};
use crate::storage::functions::{FunctionRecord, VersionRecord};
use std::sync::Arc;

impl Catalog {
    /// The variables by which SDKs find the AWS APIs of this daemon and sign for them; none for a function whose list has not the port.
    ///
    /// They hold for all environments of the version, and are the same after a restart, so that an image with them stays good.
    pub(super) fn session_variables(
        &self,
        function: &FunctionRecord,
        record: &VersionRecord,
        settings: &Settings,
    ) -> Result<Vec<(String, String)>> {
        if !settings.outbound.lists_own() {
            return Ok(Vec::new());
        }
        let role = &record.configuration.role;
        let role = RoleArn::parse(role)
            .ok_or_else(|| Error::Invalid(format!("LAMINA_OUTBOUND_HOSTS: lamina needs a role, and {role} is none")))?;
        let session = Session {
            role,
            function: function.name.clone(),
            created_at_ms: function.created_at_ms,
            version: record.version,
        };
        let issued = self.parts.sessions.issue(&session).map_err(|error| Error::Credentials(Arc::new(error)))?;
        let variables = [
            ("AWS_ACCESS_KEY_ID", issued.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", issued.secret),
            ("AWS_SESSION_TOKEN", issued.token),
            ("AWS_ENDPOINT_URL", self.parts.own_port.url()),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

impl Holders for Catalog {
    fn holds(&self, session: &Session) -> bool {
        let Ok(function) = self.function(&session.function) else { return false };
        let view = function.view();
        view.records.function.created_at_ms == session.created_at_ms
            && view.versions.get(&session.version).is_some_and(|version| {
                version.record.configuration.role == session.role.as_str() && version.settings.outbound.lists_own()
            })
    }
}
