//! What a session may do, told before it tries: so that a page offers nothing that would be refused.
//!
//! The decision is `access`'s; what is tried all the same is decided again.

use super::resolve::{Standing, may, standing};
use crate::access::Access;
use crate::catalog::Operation;
use crate::path::VirtualPath;

/// What a session may do, by one view.
pub struct Permissions(pub(super) Access);

impl Permissions {
    /// Whether `operation` may be done at `path`. Mounts, and folders that lead to them, cannot be moved or removed.
    pub fn allow(&self, operation: Operation, path: &VirtualPath) -> bool {
        let fixed = [Operation::Rename, Operation::Delete, Operation::RemoveFolder].contains(&operation);
        if fixed && standing(&self.0, path) != Standing::Ordinary {
            return false;
        }
        may(&self.0, operation, path).is_ok()
    }
}
