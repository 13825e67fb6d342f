//! The JSON of a role: `{"description": "", "roles": [], "grants": [{"path": "/", "allow": ["read", "list"]}]}`.

use serde_json::{Value, json};

use super::fields::Fields;
use super::mount;
use crate::admin::problem::Problem;
use crate::catalog::limits::MEMBERSHIPS_MAX;
use crate::catalog::{AccessRole, Spec};

/// The way in.
pub fn build(fields: &mut Fields) -> Result<Spec, Problem> {
    Ok(Spec::Role(AccessRole {
        description: mount::description(fields)?,
        roles: mount::names(fields, "roles", MEMBERSHIPS_MAX)?,
        grants: mount::grants(fields)?,
    }))
}

/// The way out.
pub fn show(role: &AccessRole) -> Value {
    json!({
        "description": role.description,
        "roles": role.roles,
        "grants": mount::show_grants(&role.grants),
    })
}
