//! Requests as payload-2.0 events and back.

use std::collections::BTreeMap;

/// What the HTTP trigger knows about a request beyond the request itself.
#[derive(Debug, Clone, Default)]
pub struct RouteContext {
    /// The route as configured: `GET /users/{id}`.
    pub route_key: String,
    /// Values of the path's parameters.
    pub path_parameters: BTreeMap<String, String>,
    /// The client's address.
    pub source_ip: String,
}
