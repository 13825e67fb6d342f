//! What an account inherits: its groups and roles, and those that they are in or include, in their order.
//!
//! What may be done with them is left to `access`.

use std::sync::Arc;

use super::limits::INHERITED_MAX;
use super::view::{Object, Shelf, View};
use super::{AccessRole, Account, Group};
use crate::ids::Name;

/// More than [`INHERITED_MAX`] are inherited. Whoever decides must then refuse: among those left out may be the one
/// that denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// The groups that `account` is in: those that it names in their order, then the groups of those, breadth first, each
/// once. No allocation where it names none.
pub fn groups<'a>(view: &'a View, account: &Account) -> Result<Vec<&'a Arc<Object<Group>>>, TooMany> {
    breadth_first(&view.groups, account.groups.iter(), |group| &group.groups)
}

/// The roles `named` with all that they include, breadth first, each once.
pub fn roles<'a, 'n>(
    view: &'a View,
    named: impl Iterator<Item = &'n Name>,
) -> Result<Vec<&'a Arc<Object<AccessRole>>>, TooMany> {
    breadth_first(&view.roles, named, |role| &role.roles)
}

fn breadth_first<'a, 'n, T>(
    shelf: &'a Shelf<T>,
    named: impl Iterator<Item = &'n Name>,
    further: impl Fn(&'a T) -> &'a [Name],
) -> Result<Vec<&'a Arc<Object<T>>>, TooMany> {
    let mut found: Vec<&'a Arc<Object<T>>> = Vec::new();
    let add = |found: &mut Vec<&'a Arc<Object<T>>>, name: &Name| {
        // The catalog keeps references whole: a name that is not there is of an object that was just removed with it.
        let Some(object) = shelf.get(name) else { return Ok(()) };
        if found.iter().any(|known| Arc::ptr_eq(known, object)) {
            return Ok(());
        }
        if found.len() >= INHERITED_MAX {
            return Err(TooMany);
        }
        found.push(object);
        Ok(())
    };
    for name in named {
        add(&mut found, name)?;
    }
    let mut next = 0;
    while let Some(object) = found.get(next).copied() {
        for name in further(&object.spec) {
            add(&mut found, name)?;
        }
        next += 1;
    }
    Ok(found)
}
