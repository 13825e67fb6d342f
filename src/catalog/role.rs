//! The role: a named set of grants, given to accounts and groups.
//!
//! Not to be confused with an administrator's role, which says what may be changed in the catalog.

use super::account::Grant;
use crate::ids::Name;

/// Grants under a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRole {
    /// For people.
    pub description: String,
    /// Roles that this one includes; never in a circle.
    pub roles: Vec<Name>,
    /// What it grants, over whatever mounts its holder sees.
    pub grants: Vec<Grant>,
}
