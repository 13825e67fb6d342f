//! Whether a folder may be moved as a whole, for what is denied below it.
//!
//! A moved folder takes its content to other paths, where other grants hold; what was denied below the old path must
//! not be had by the way round the new one. Nobody looks at every name in the folder, so the rule is about grants:
//! **neither end may have a denial below it that does not hold at the other end alike.**
//!
//! - A denial below a path (`/in/secret`) is below `/in`, and is not at the other end.
//! - A denial by pattern counts if the pattern can match anything below the folder: `/out/*.pdf` does not hinder a
//!   move of `/in/a`. It holds alike at both ends if it can be continued by the same names there: `/**/*.exe` denies
//!   in `/in/b` what it denied in `/in/a`, and hinders no move between them. Such a pattern must reach both ends:
//!   a mount's pattern does so only within the mount, and a group's only where nothing of the account's own could
//!   allow at the target what the group denies.
//! - A denial that holds at the folder itself and everywhere below is no matter: who may rename there, may take away.
//!
//! Whether the pattern can go on is read off its automaton; where that grows too large the move is refused.

use super::limits::MOVE_PATTERNS_MAX;
use super::{Access, Grant, Seat, Whose};
use crate::catalog::{Operations, Reach};
use crate::path::VirtualPath;

/// Whether nothing that is denied below the folder `from`, or below `to`, is freed by moving the one to the other.
pub fn may_move_folder(access: &Access, from: &VirtualPath, to: &VirtualPath) -> bool {
    let (Some(source), Some(target)) = (access.seat_of(from), access.seat_of(to)) else {
        return false;
    };
    let mut patterns = 0;
    let mut frees = |own: bool, everywhere: bool, grant: &Grant| {
        if grant.deny == Operations::NONE {
            return false;
        }
        let pattern = match &grant.reach {
            Reach::Below(guarded) => return strictly_below(guarded, from) || strictly_below(guarded, to),
            Reach::Matching(pattern) => pattern,
        };
        patterns += 1;
        if patterns > MOVE_PATTERNS_MAX {
            return true;
        }
        let Some([one, other]) = pattern.continued([&below(from), &below(to)]) else {
            return true;
        };
        if one.is_none() && other.is_none() {
            return false;
        }
        let alike = one == other && everywhere && (own || !access.may_own_allow(target, grant.deny, to));
        !alike
    };
    let one_mount = super::same(source.mount, target.mount) && source.whose == target.whose;
    let of_mounts = [source, target].into_iter().any(|seat| {
        let own = seat.whose != Whose::Group;
        let of_seat = seat.mount.grants.iter().filter(|_| own).flatten();
        let of_groups = access.groups.iter().flat_map(|group| &group.spec.mounts);
        let of_groups = of_groups.filter(|mount| super::same(mount, seat.mount));
        let of_groups = of_groups.filter_map(|mount| mount.grants.as_ref()).flatten();
        of_seat.into_iter().any(|grant| frees(true, one_mount, grant))
            || of_groups.into_iter().any(|grant| frees(false, one_mount, grant))
    });
    let freed = of_mounts
        || access.own_everywhere().any(|grant| frees(true, true, grant))
        || access.group_everywhere().any(|grant| frees(false, true, grant));
    access.whole && !freed
}

impl Access {
    /// Whether a grant of the account's own could allow one of `operations` somewhere at or below `path`.
    fn may_own_allow(&self, seat: Seat<'_>, operations: Operations, path: &VirtualPath) -> bool {
        self.own_grants(seat)
            .filter(|grant| operations.iter().any(|operation| grant.allow.contains(operation)))
            .any(|grant| match &grant.reach {
                Reach::Below(granted) => granted.is_within(path) || path.is_within(granted),
                Reach::Matching(pattern) => pattern.continued([&below(path)]) != Some([None]),
            })
    }
}

fn strictly_below(path: &VirtualPath, folder: &VirtualPath) -> bool {
    path != folder && path.is_within(folder)
}

/// How every path below `folder` begins.
fn below(folder: &VirtualPath) -> Vec<u8> {
    let mut prefix = folder.as_bytes().to_vec();
    if !folder.is_root() {
        prefix.push(b'/');
    }
    prefix
}
