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
    for grant in grants.iter().filter(|grant| grant.reach.holds_at(path)) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::catalog::{Grant, Operations, Reach};
    use crate::ids::Name;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    fn mount(at: &str, grants: Option<Vec<Grant>>) -> Mount {
        Mount {
            at: path(at),
            storage: Name::parse("files").unwrap(),
            folder: VirtualPath::root(),
            grants,
        }
    }

    fn grant(at: &str, allow: &[Operation], deny: &[Operation]) -> Grant {
        let set = |list: &[Operation]| list.iter().copied().collect::<Operations>();
        Grant {
            reach: Reach::Below(path(at)),
            allow: set(allow),
            deny: set(deny),
        }
    }

    fn account() -> Account {
        use Operation::{Delete, List, Read, Write};
        let shared = vec![
            grant("/shared", &[Read, List], &[]),
            grant("/shared/in", &[Write, Delete], &[Read]),
        ];
        Account {
            enabled: true,
            expires_at: None,
            password: None,
            keys: Vec::new(),
            home: Some(mount("/", None)),
            mounts: vec![
                mount("/shared", Some(shared)),
                mount("/closed", None),
                mount("/shared/deep", Some(vec![])),
            ],
            sources: Vec::new(),
            sessions_max: None,
            ..Account::default()
        }
    }

    /// The golden table: what one account may do where.
    #[test]
    fn silence_is_deny_and_deny_beats_allow() {
        use Operation::{Delete, List, MakeFolder, Overwrite, Read, Write};
        let account = account();
        for (operation, at, allowed) in [
            (Read, "/", true),
            (Delete, "/any/where", true),
            (Read, "/shared", true),
            (Read, "/shared/a", true),
            (Write, "/shared/a", false),
            (Write, "/shared/in/a", true),
            (List, "/shared/in", true),
            (Read, "/shared/in/a", false),
            (Overwrite, "/shared/in/a", false),
            (Write, "/shared/inside", false),
            (Write, "/sharedx", true),
            (Read, "/closed/a", false),
            (List, "/closed", false),
            (Read, "/shared/deep/a", false),
            (MakeFolder, "/shared", false),
        ] {
            let decision = decide(&account, operation, &path(at));
            assert_eq!(
                matches!(decision, Decision::Allow(_)),
                allowed,
                "{operation:?} at {at}: {decision:?}"
            );
        }
    }

    #[test]
    fn without_a_home_only_mounts_are_there() {
        let account = Account {
            home: None,
            ..account()
        };
        assert_eq!(decide(&account, Operation::List, &path("/")), Decision::NoMount);
        assert!(matches!(
            decide(&account, Operation::Read, &path("/shared/x")),
            Decision::Allow(_)
        ));
    }
}
