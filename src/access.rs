//! MAY: the one decision that every protocol asks for. Pure; silence means deny; deny beats allow.
//!
//! Who somebody is, is left to `auth`; where a path leads, to `vfs`.

use crate::catalog::{Account, Mount, Operation};
use crate::path::VirtualPath;

/// Whether `operation` may be done at `path`, and in which mount it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It may, in this mount.
    Allow(&'a Mount),
    /// It may not, though the path lies in this mount.
    Deny(&'a Mount),
    /// No mount holds the path. Folders that only lead to mounts can be listed, nothing else.
    NoMount,
}

/// The mount that holds `path`: the one with the longest `at`; the home is at `/`.
pub fn mount_of<'a>(account: &'a Account, path: &VirtualPath) -> Option<&'a Mount> {
    account
        .mounts
        .iter()
        .chain(account.home.as_ref())
        .filter(|mount| path.is_within(&mount.at))
        .max_by_key(|mount| mount.at.as_bytes().len())
}

/// The decision for one operation on one path.
pub fn decide<'a>(account: &'a Account, operation: Operation, path: &VirtualPath) -> Decision<'a> {
    let Some(mount) = mount_of(account, path) else {
        return Decision::NoMount;
    };
    let Some(grants) = &mount.grants else {
        return if mount.at.is_root() {
            Decision::Allow(mount)
        } else {
            Decision::Deny(mount)
        };
    };
    let mut allowed = false;
    for grant in grants.iter().filter(|grant| path.is_within(&grant.path)) {
        if grant.deny.contains(operation) {
            return Decision::Deny(mount);
        }
        allowed |= grant.allow.contains(operation);
    }
    if allowed {
        Decision::Allow(mount)
    } else {
        Decision::Deny(mount)
    }
}
