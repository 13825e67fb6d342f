//! The accounts of a view, packed: there may be very many, and few are in use. Each is kept as the row in which it is
//! stored, whose bytes the cluster has in memory anyhow, and is unpacked when somebody asks for it; those that were
//! asked for last are kept unpacked.
//!
//! How a row is written is left to `stored`.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering as Memory};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::limits::{ACCOUNTS_UNPACKED_MAX, ACCOUNTS_UNPACKED_WAYS};
use super::view::{Changed, Object, Shelved, Spec};
use super::{Account, stored};
use crate::ids::Name;

/// All accounts, by name. Cloning is O(1).
#[derive(Clone, Default)]
pub struct Accounts {
    /// With the revision of each.
    rows: OrdMap<Packed, u64>,
    /// Shared by the views that come from one another.
    unpacked: Arc<Unpacked>,
}

impl Accounts {
    /// The account `name`. Unpacked where it was not asked for lately: some microseconds.
    pub fn get(&self, name: &(impl Borrow<str> + ?Sized)) -> Option<Arc<Object<Account>>> {
        let (packed, _) = self.rows.get_key_value(bytes(name))?;
        self.unpacked.get(packed)
    }

    /// The account `name` as an object of any kind, for who asks once.
    pub(super) fn of_any_kind(&self, name: &Name) -> Option<Object<Spec>> {
        let (packed, _) = self.rows.get_key_value(bytes(name))?;
        stored::decode_row(&packed.0).ok()
    }

    /// The revision of the last change of the account `name`.
    pub fn revision_of(&self, name: &Name) -> Option<u64> {
        self.rows.get(bytes(name)).copied()
    }

    /// Whether there is such an account.
    pub fn contains_key(&self, name: &Name) -> bool {
        self.revision_of(name).is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All, in the order of their names, each unpacked for the moment.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Object<Account>>> {
        self.rows.keys().filter_map(Packed::unpack)
    }

    /// Those that may refer to something called `name`, and others that hold this text. Costs little for the rest.
    pub(super) fn naming(&self, name: &Name) -> impl Iterator<Item = Arc<Object<Account>>> {
        let name = stored::name_in_rows(name);
        let rows = self.rows.keys().filter(move |packed| holds(&packed.0, &name));
        rows.filter_map(Packed::unpack)
    }

    /// Of those that name the same groups and roles the first one, and none that names none.
    pub(super) fn one_of_each_membership(&self) -> impl Iterator<Item = Arc<Object<Account>>> {
        let mut known = BTreeSet::new();
        let rows = self.rows.keys().filter(move |packed| {
            let memberships = stored::memberships(&packed.0);
            memberships.is_none_or(|bytes| known.insert(bytes))
        });
        let members = |account: &Arc<Object<Account>>| {
            let spec = &account.spec;
            !spec.groups.is_empty() || !spec.roles.is_empty()
        };
        rows.filter_map(Packed::unpack).filter(members)
    }

    /// Takes an account as its row, which was read or written by `stored`.
    pub(super) fn put(&mut self, revision: u64, row: Arc<[u8]>) {
        self.rows.insert(Packed(row), revision);
    }

    /// Removes the account `name`; whether there was one.
    pub fn remove(&mut self, name: &(impl Borrow<str> + ?Sized)) -> bool {
        self.rows.remove(bytes(name)).is_some()
    }

    /// Packs an account.
    #[cfg(test)]
    pub fn insert(&mut self, name: Name, object: Arc<Object<Account>>) {
        let object = Object::clone(&object).with(Spec::Account);
        assert_eq!(name, object.name);
        self.put(object.revision, stored::encode_row(&object).into());
    }
}

impl PartialEq for Accounts {
    fn eq(&self, other: &Self) -> bool {
        let mut both = self.rows.iter().zip(&other.rows);
        self.len() == other.len() && both.all(|((row, at), (other, other_at))| row.0 == other.0 && at == other_at)
    }
}

impl Eq for Accounts {}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Shelved<Account> for Accounts {
    fn object(&self, name: &Name) -> Option<Arc<Object<Account>>> {
        self.get(name)
    }

    fn behind<'a>(
        &'a self,
        after: Option<&Name>,
        wanted: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a str, Option<Arc<Object<Account>>>)> {
        let from = after.map_or(Bound::Unbounded, |name| Bound::Excluded(bytes(name)));
        let rows = self.rows.range::<_, [u8]>((from, Bound::Unbounded));
        rows.map(move |(packed, _)| {
            let object = wanted(packed.name()).then(|| packed.unpack()).flatten();
            (packed.name(), object)
        })
    }

    fn changed(&self, next: &Self) -> Vec<Changed> {
        let named = |packed: &Packed, revision| Some((Name::parse(packed.name()).ok()?, revision));
        self.rows
            .diff(&next.rows)
            .filter_map(|difference| match difference {
                DiffItem::Add(packed, revision)
                | DiffItem::Update {
                    new: (packed, revision),
                    ..
                } => named(packed, Some(*revision)),
                DiffItem::Remove(packed, _) => named(packed, None),
            })
            .collect()
    }
}

/// A row; compared by the name of its account alone.
#[derive(Clone)]
struct Packed(Arc<[u8]>);

impl Packed {
    /// The name in bytes; none are in a row that cannot be read, and no such row is taken.
    fn key(&self) -> &[u8] {
        stored::row_name(&self.0).unwrap_or_default()
    }

    fn name(&self) -> &str {
        std::str::from_utf8(self.key()).unwrap_or_default()
    }

    /// Never `None`: each row was read once when it was stored, or was written by this build.
    fn unpack(&self) -> Option<Arc<Object<Account>>> {
        stored::decode_account(&self.0).ok().map(Arc::new)
    }
}

impl Borrow<[u8]> for Packed {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Packed {}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

fn bytes(name: &(impl Borrow<str> + ?Sized)) -> &[u8] {
    let text: &str = name.borrow();
    text.as_bytes()
}

/// Whether `part`, which is not empty, stands anywhere in `row`.
fn holds(mut row: &[u8], part: &[u8]) -> bool {
    while let Some(at) = row.iter().position(|byte| part.first() == Some(byte)) {
        row = &row[at..];
        if row.starts_with(part) {
            return true;
        }
        row = &row[1..];
    }
    false
}

/// Accounts that were asked for, in places by their names: some ways for each name, so that those in use do not push
/// one another out.
#[derive(Default)]
struct Unpacked {
    places: OnceLock<Box<[ArcSwapOption<Known>]>>,
    /// Which of a name's places is given up next.
    turn: AtomicUsize,
}

/// An account with the row that it is in: nothing else is ever taken for it.
struct Known {
    row: Arc<[u8]>,
    object: Arc<Object<Account>>,
}

impl Unpacked {
    fn get(&self, packed: &Packed) -> Option<Arc<Object<Account>>> {
        let places = self.places_of(packed.key());
        for place in places {
            if let Some(known) = &*place.load()
                && Arc::ptr_eq(&known.row, &packed.0)
            {
                return Some(known.object.clone());
            }
        }
        let object = packed.unpack()?;
        let free = |place: &&ArcSwapOption<Known>| {
            let known = place.load();
            known.as_ref().is_none_or(|known| known.object.name == object.name)
        };
        let next = self.turn.fetch_add(1, Memory::Relaxed) % ACCOUNTS_UNPACKED_WAYS;
        if let Some(place) = places.iter().find(free).or(places.get(next)) {
            place.store(Some(Arc::new(Known {
                row: packed.0.clone(),
                object: object.clone(),
            })));
        }
        Some(object)
    }

    fn places_of(&self, name: &[u8]) -> &[ArcSwapOption<Known>] {
        let places = self
            .places
            .get_or_init(|| (0..ACCOUNTS_UNPACKED_MAX).map(|_| ArcSwapOption::empty()).collect());
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let set = hasher.finish() as usize % (ACCOUNTS_UNPACKED_MAX / ACCOUNTS_UNPACKED_WAYS);
        &places[set * ACCOUNTS_UNPACKED_WAYS..][..ACCOUNTS_UNPACKED_WAYS]
    }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
