//! The group: mounts and grants that its members inherit.
//!
//! Who is a member, the member says; what the grants come to, is left to `access`.

use super::account::{Grant, Mount};
use crate::ids::Name;

/// What many accounts have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// For people.
    pub description: String,
    /// Groups that this one is itself a member of; never in a circle.
    pub groups: Vec<Name>,
    /// Roles whose grants the members have.
    pub roles: Vec<Name>,
    /// Mounts that the members see, unless their own stands at the same place.
    pub mounts: Vec<Mount>,
    /// Grants over whatever mounts the members see.
    pub grants: Vec<Grant>,
}
