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

/// Whether an account inherits from no more than may be. No change that breaks this is applied; who decides refuses all
/// the same where it is broken.
pub fn is_bounded(view: &View, account: &Account) -> bool {
    let Ok(groups) = groups(view, account) else {
        return false;
    };
    let of_groups = groups.iter().flat_map(|group| &group.spec.roles);
    roles(view, account.roles.iter()).is_ok() && roles(view, of_groups).is_ok()
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn view(groups: &[(&str, &[&str])]) -> View {
        let mut view = View::default();
        for (group, of) in groups {
            let spec = Group {
                groups: of.iter().map(|of| name(of)).collect(),
                ..Group::default()
            };
            let object = Object {
                name: name(group),
                spec,
                revision: 1,
                changed_by: String::new(),
                changed_at: UnixMillis(0),
            };
            view.groups.insert(name(group), Arc::new(object));
        }
        view
    }

    fn of(names: &[&str]) -> Account {
        Account {
            groups: names.iter().map(|group| name(group)).collect(),
            ..Account::default()
        }
    }

    #[test]
    fn groups_come_breadth_first_in_the_order_in_which_they_are_named() {
        let view = view(&[
            ("a", &["c", "d"]),
            ("b", &["c", "e"]),
            ("c", &["a"]),
            ("d", &[]),
            ("e", &[]),
        ]);
        let found = groups(&view, &of(&["b", "a"])).unwrap();
        let names: Vec<&str> = found.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["b", "a", "c", "e", "d"]);
        assert!(groups(&view, &of(&[])).unwrap().is_empty());
    }

    #[test]
    fn too_many_are_told_from_as_many_as_may_be() {
        let names: Vec<String> = (0..=INHERITED_MAX).map(|number| format!("g{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rows: Vec<(&str, &[&str])> = names.iter().map(|name| (*name, &[][..])).collect();
        let view = view(&rows);
        assert!(is_bounded(&view, &of(&names[..INHERITED_MAX])));
        assert!(!is_bounded(&view, &of(&names)));
    }
}
