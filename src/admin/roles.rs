//! The golden table: which role each route needs. A route that is missing here is refused, and a test fails.
//!
//! Finding out who asks is left to `caller`; the catalog judges each change again when it is applied.

use crate::catalog::Role;
use crate::catalog::Role::{Operator, Owner, Viewer};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody, without a token.
    Nothing,
    /// An administrator with this role or one above it.
    Role(Role),
}

const fn role(role: Role) -> Needs {
    Needs::Role(role)
}

/// Method, path, need; one row a route.
pub const TABLE: &[(&str, &str, Needs)] = &[
    ("GET", "/health/live", Needs::Nothing),
    ("GET", "/health/ready", Needs::Nothing),
    ("GET", "/health/cluster", Needs::Nothing),
    ("GET", "/metrics", Needs::Nothing),
    ("GET", "/api/v1/account", role(Viewer)),
    ("GET", "/api/v1/account/{name}", role(Viewer)),
    ("PUT", "/api/v1/account/{name}", role(Operator)),
    ("PATCH", "/api/v1/account/{name}", role(Operator)),
    ("DELETE", "/api/v1/account/{name}", role(Operator)),
    ("GET", "/api/v1/administrator", role(Viewer)),
    ("GET", "/api/v1/administrator/{name}", role(Viewer)),
    ("PUT", "/api/v1/administrator/{name}", role(Owner)),
    ("PATCH", "/api/v1/administrator/{name}", role(Owner)),
    ("DELETE", "/api/v1/administrator/{name}", role(Owner)),
    ("GET", "/api/v1/api-token", role(Viewer)),
    ("GET", "/api/v1/api-token/{name}", role(Viewer)),
    ("PUT", "/api/v1/api-token/{name}", role(Owner)),
    ("PATCH", "/api/v1/api-token/{name}", role(Owner)),
    ("DELETE", "/api/v1/api-token/{name}", role(Owner)),
    ("GET", "/api/v1/service", role(Viewer)),
    ("GET", "/api/v1/service/{name}", role(Viewer)),
    ("PUT", "/api/v1/service/{name}", role(Owner)),
    ("PATCH", "/api/v1/service/{name}", role(Owner)),
    ("DELETE", "/api/v1/service/{name}", role(Owner)),
    ("GET", "/api/v1/host-key", role(Viewer)),
    ("GET", "/api/v1/host-key/{name}", role(Viewer)),
    ("PUT", "/api/v1/host-key/{name}", role(Owner)),
    ("PATCH", "/api/v1/host-key/{name}", role(Owner)),
    ("DELETE", "/api/v1/host-key/{name}", role(Owner)),
    ("GET", "/api/v1/storage", role(Viewer)),
    ("GET", "/api/v1/storage/{name}", role(Viewer)),
    ("PUT", "/api/v1/storage/{name}", role(Owner)),
    ("PATCH", "/api/v1/storage/{name}", role(Owner)),
    ("DELETE", "/api/v1/storage/{name}", role(Owner)),
    ("GET", "/api/v1/settings", role(Viewer)),
    ("GET", "/api/v1/settings/{name}", role(Viewer)),
    ("PUT", "/api/v1/settings/{name}", role(Owner)),
    ("PATCH", "/api/v1/settings/{name}", role(Owner)),
    ("DELETE", "/api/v1/settings/{name}", role(Owner)),
    ("GET", "/api/v1/group", role(Viewer)),
    ("GET", "/api/v1/group/{name}", role(Viewer)),
    ("PUT", "/api/v1/group/{name}", role(Operator)),
    ("PATCH", "/api/v1/group/{name}", role(Operator)),
    ("DELETE", "/api/v1/group/{name}", role(Operator)),
    ("GET", "/api/v1/role", role(Viewer)),
    ("GET", "/api/v1/role/{name}", role(Viewer)),
    ("PUT", "/api/v1/role/{name}", role(Owner)),
    ("PATCH", "/api/v1/role/{name}", role(Owner)),
    ("DELETE", "/api/v1/role/{name}", role(Owner)),
    ("GET", "/api/v1/authority", role(Viewer)),
    ("GET", "/api/v1/authority/{name}", role(Viewer)),
    ("PUT", "/api/v1/authority/{name}", role(Owner)),
    ("PATCH", "/api/v1/authority/{name}", role(Owner)),
    ("DELETE", "/api/v1/authority/{name}", role(Owner)),
    ("GET", "/api/v1/ban", role(Viewer)),
    ("GET", "/api/v1/ban/{name}", role(Viewer)),
    ("PUT", "/api/v1/ban/{name}", role(Operator)),
    ("PATCH", "/api/v1/ban/{name}", role(Operator)),
    ("DELETE", "/api/v1/ban/{name}", role(Operator)),
    ("GET", "/api/v1/certificate", role(Viewer)),
    ("GET", "/api/v1/certificate/{name}", role(Viewer)),
    ("PUT", "/api/v1/certificate/{name}", role(Owner)),
    ("PATCH", "/api/v1/certificate/{name}", role(Owner)),
    ("DELETE", "/api/v1/certificate/{name}", role(Owner)),
    // Each object in it is judged by its own kind as well.
    ("POST", "/api/v1/apply", role(Operator)),
    ("POST", "/api/v1/rollback", role(Operator)),
    // With credentials, for owners alone.
    ("GET", "/api/v1/export", role(Viewer)),
    ("GET", "/api/v1/history", role(Viewer)),
    ("GET", "/api/v1/history/diff", role(Viewer)),
    ("GET", "/api/v1/history/{revision}", role(Viewer)),
    ("GET", "/api/v1/status", role(Viewer)),
    ("GET", "/api/v1/watch", role(Viewer)),
    ("GET", "/api/v1/openapi.json", role(Viewer)),
    ("GET", "/api/v1/session", role(Viewer)),
    ("POST", "/api/v1/session/{id}/close", role(Operator)),
    ("GET", "/api/v1/node", role(Viewer)),
    ("DELETE", "/api/v1/node/{id}", role(Owner)),
    ("POST", "/api/v1/node/{id}/lead", role(Owner)),
    ("POST", "/api/v1/join-token", role(Owner)),
];

/// What the route `path` (as it was registered) needs for `method`; `None`: there is no such row.
pub fn needs(method: &str, path: &str) -> Option<Needs> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE
        .iter()
        .find(|row| row.0 == method && row.1 == path)
        .map(|row| row.2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::Kind;
    use crate::catalog::command::role_needed;

    #[test]
    fn every_route_has_a_row_and_every_row_a_route() {
        let rows: BTreeSet<_> = TABLE.iter().map(|row| (row.0, row.1.to_owned())).collect();
        assert_eq!(rows.len(), TABLE.len(), "a row stands twice");
        let routes: BTreeSet<_> = crate::admin::routes::all()
            .into_iter()
            .map(|route| (route.method, route.path))
            .collect();
        assert_eq!(routes, rows);
    }

    #[test]
    fn a_write_needs_the_role_that_the_catalog_asks_for() {
        for kind in Kind::ALL {
            let path = format!("/api/v1/{}/{{name}}", kind.word());
            for method in ["PUT", "PATCH", "DELETE"] {
                assert_eq!(needs(method, &path), Some(Needs::Role(role_needed(kind))), "{path}");
            }
        }
    }

    #[test]
    fn only_health_and_metrics_need_no_token() {
        for (method, path, needs) in TABLE {
            let open = path.starts_with("/health/") || *path == "/metrics";
            assert_eq!(*needs == Needs::Nothing, open && *method == "GET", "{method} {path}");
        }
        assert_eq!(needs("PATCH", "/api/v1/account"), None);
    }
}
