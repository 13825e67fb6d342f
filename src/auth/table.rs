//! A table that never outgrows its bound and is never searched: the entries written longest ago are forgotten first.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Two halves: once the young one is full it becomes the old one, and the old one is forgotten.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    max: usize,
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// At most `max` entries.
    pub(super) fn new(max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            max,
        }
    }

    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.max / 2 && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Takes an entry out.
    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let young = self.young.remove(key);
        let old = self.old.remove(key);
        young.or(old)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest_first() {
        let mut table = Table::new(10);
        for number in 0..100 {
            table.put(number, number);
            assert!(table.young.len() + table.old.len() <= 10);
        }
        assert!(table.get(&99).is_some() && table.get(&95).is_some() && table.get(&80).is_none());
        assert_eq!(table.remove(&99), Some(99));
        assert!(table.get(&99).is_none());
    }
}
