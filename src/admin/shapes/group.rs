//! The JSON of a group.
//!
//! ```json
//! {"description": "", "groups": [], "roles": ["reader"],
//!  "mounts": [{"at": "/shared", "storage": "files", "folder": "/shared"}],
//!  "grants": [{"path": "/shared", "allow": ["read", "list"]}]}
//! ```

use serde_json::{Value, json};

use super::fields::Fields;
use super::mount;
use crate::admin::problem::Problem;
use crate::catalog::limits::MEMBERSHIPS_MAX;
use crate::catalog::{Group, Spec};

/// The way in.
pub fn build(fields: &mut Fields) -> Result<Spec, Problem> {
    Ok(Spec::Group(Group {
        description: mount::description(fields)?,
        groups: mount::names(fields, "groups", MEMBERSHIPS_MAX)?,
        roles: mount::names(fields, "roles", MEMBERSHIPS_MAX)?,
        mounts: mount::mounts(fields)?,
        grants: mount::grants(fields)?,
    }))
}

/// The way out.
pub fn show(group: &Group) -> Value {
    json!({
        "description": group.description,
        "groups": group.groups,
        "roles": group.roles,
        "mounts": group.mounts.iter().map(mount::show_mount).collect::<Vec<_>>(),
        "grants": mount::show_grants(&group.grants),
    })
}
