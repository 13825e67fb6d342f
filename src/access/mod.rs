//! MAY: the one decision that every protocol asks for. Pure; silence means deny; deny beats allow.
//!
//! Who somebody is, is left to `auth`; where a path leads, to `vfs`.
//!
//! # Precedence
//!
//! Grants stand in three tiers. The first tier in which a grant speaks of the operation at the path decides; within a
//! tier one denial beats every allowance; where all tiers are silent the answer is no.
//!
//! 1. **The account's own**: the grants of the mount, if it is the account's, the account's `grants`, and those of its
//!    roles with the roles that they include.
//! 2. **Its groups'**, directly and through other groups, all alike: the grants of their mounts, their `grants`, and
//!    those of their roles.
//! 3. **The home's default**: an account's home that has no list of grants allows everything.
//!
//! So what is said to the account itself wins over what is said to its groups, for better or worse; of two groups the
//! stricter denial wins, and without one a member of both has what either gives.
//!
//! # Mounts
//!
//! Of the mounts that hold a path the one with the longest `at` counts; at the same `at` the account's own, then its
//! groups' in the order in which the account names them, then the groups of those, breadth first. A mount's grants
//! reach no further than the mount. Where several groups mount the same folder at the same place it is one mount,
//! and the grants of all of them count in tier 2; one that puts another folder there is hidden, with its grants.

mod carry;
mod guard;
pub mod limits;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::sync::Arc;

use crate::catalog::{AccessRole, Account, Grant, Group, Mount, Object, Operation, View, inherit};
use crate::path::VirtualPath;

pub use guard::may_move_folder;

/// Whether an operation may be done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not, though the path lies in a mount.
    Deny,
    /// No mount holds the path. Folders that only lead to mounts can be listed, nothing else.
    NoMount,
}

/// The decision for one operation of `account` on one path. Who asks more than once takes [`Access::of`].
pub fn decide(view: &Arc<View>, account: &Arc<Object<Account>>, operation: Operation, path: &VirtualPath) -> Decision {
    Access::of(view.clone(), account.clone()).decide(operation, path)
}

/// What an account has in one view: its own and all that it inherits. Cheap to make for who is in few groups, and
/// bounded: who would inherit from more than [`INHERITED_MAX`](crate::catalog::limits::INHERITED_MAX) may do nothing,
/// since a denial could be among what was left out.
#[derive(Debug, Clone)]
pub struct Access {
    view: Arc<View>,
    account: Arc<Object<Account>>,
    groups: Vec<Arc<Object<Group>>>,
    roles: Vec<Arc<Object<AccessRole>>>,
    group_roles: Vec<Arc<Object<AccessRole>>>,
    whole: bool,
}

/// A mount as an account has it.
#[derive(Clone, Copy)]
struct Seat<'a> {
    mount: &'a Mount,
    whose: Whose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Home,
    Own,
    Group,
}

impl Access {
    /// What `account`, an account of `view`, has in it.
    pub fn of(view: Arc<View>, account: Arc<Object<Account>>) -> Self {
        let groups = inherit::groups(&view, &account.spec);
        let roles = inherit::roles(&view, account.spec.roles.iter());
        let named = groups.iter().flatten().flat_map(|group| &group.spec.roles);
        let group_roles = inherit::roles(&view, named);
        let whole = groups.is_ok() && roles.is_ok() && group_roles.is_ok();
        let groups = groups.unwrap_or_default().into_iter().cloned().collect();
        let roles = roles.unwrap_or_default().into_iter().cloned().collect();
        let group_roles = group_roles.unwrap_or_default().into_iter().cloned().collect();
        Self {
            view,
            account,
            groups,
            roles,
            group_roles,
            whole,
        }
    }

    /// The view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account.spec
    }

    /// All mounts, those that hide others at the same place first.
    pub fn mounts(&self) -> impl Iterator<Item = &Mount> {
        self.seats().map(|seat| seat.mount)
    }

    /// The mount that holds `path`.
    pub fn mount_of(&self, path: &VirtualPath) -> Option<&Mount> {
        self.seat_of(path).map(|seat| seat.mount)
    }

    /// The decision for one operation on one path.
    pub fn decide(&self, operation: Operation, path: &VirtualPath) -> Decision {
        let Some(seat) = self.seat_of(path) else {
            return Decision::NoMount;
        };
        if !self.whole {
            return Decision::Deny;
        }
        let said = said(self.own_grants(seat), operation, path)
            .or_else(|| said(self.group_grants(seat), operation, path))
            .unwrap_or(seat.whose == Whose::Home && seat.mount.grants.is_none());
        if said { Decision::Allow } else { Decision::Deny }
    }

    fn seats(&self) -> impl Iterator<Item = Seat<'_>> {
        let seat = |whose: Whose| move |mount| Seat { mount, whose };
        let account = &self.account.spec;
        let of_groups = self.groups.iter().flat_map(|group| &group.spec.mounts);
        account
            .home
            .iter()
            .map(seat(Whose::Home))
            .chain(account.mounts.iter().map(seat(Whose::Own)))
            .chain(of_groups.map(seat(Whose::Group)))
    }

    fn seat_of(&self, path: &VirtualPath) -> Option<Seat<'_>> {
        let mut best: Option<Seat<'_>> = None;
        for seat in self.seats().filter(|seat| path.is_within(&seat.mount.at)) {
            let length = seat.mount.at.as_bytes().len();
            if best.is_none_or(|best| best.mount.at.as_bytes().len() < length) {
                best = Some(seat);
            }
        }
        best
    }

    /// Tier 1.
    fn own_grants<'a>(&'a self, seat: Seat<'a>) -> impl Iterator<Item = &'a Grant> {
        let of_mount = seat
            .mount
            .grants
            .iter()
            .filter(move |_| seat.whose != Whose::Group)
            .flatten();
        of_mount.chain(self.own_everywhere())
    }

    fn own_everywhere(&self) -> impl Iterator<Item = &Grant> {
        let of_roles = self.roles.iter().flat_map(|role| &role.spec.grants);
        self.account.spec.grants.iter().chain(of_roles)
    }

    /// Tier 2.
    fn group_grants<'a>(&'a self, seat: Seat<'a>) -> impl Iterator<Item = &'a Grant> {
        let mounts = self.groups.iter().flat_map(|group| &group.spec.mounts);
        let of_mount = mounts
            .filter(move |mount| same(mount, seat.mount))
            .filter_map(|mount| mount.grants.as_ref())
            .flatten();
        of_mount.chain(self.group_everywhere())
    }

    fn group_everywhere(&self) -> impl Iterator<Item = &Grant> {
        let of_groups = self.groups.iter().flat_map(|group| &group.spec.grants);
        let of_roles = self.group_roles.iter().flat_map(|role| &role.spec.grants);
        of_groups.chain(of_roles)
    }
}

/// Whether two mounts put the same folder at the same place.
fn same(one: &Mount, other: &Mount) -> bool {
    one.at == other.at && one.storage == other.storage && one.folder == other.folder
}

/// What one tier says: a denial, else an allowance, else nothing.
fn said<'a>(grants: impl Iterator<Item = &'a Grant>, operation: Operation, path: &VirtualPath) -> Option<bool> {
    let mut said = None;
    for grant in grants {
        let (allows, denies) = (grant.allow.contains(operation), grant.deny.contains(operation));
        // What changes nothing is not matched: patterns cost more than bits.
        if !(denies || allows && said.is_none()) || !grant.reach.holds_at(path) {
            continue;
        }
        if denies {
            return Some(false);
        }
        said = Some(true);
    }
    said
}
