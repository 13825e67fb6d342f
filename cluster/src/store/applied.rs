//! Applied state in sled. It may lose anything: it is used at start only after a clean stop, when the state hash of
//! its rows fits; else it is moved aside and the state is rebuilt from the newest snapshot and the log.
//!
//! Nothing waits for sled: changes are taken into layers in memory, and a thread writes them some time later, the last
//! value of each row once. How the layers work is in `layers`.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::layers::Layers;
use crate::envelope::wire::{Framed, StateHeadV1};
use crate::limits::{APPLIED_BAD_KEPT, APPLIED_BATCH_ROWS, APPLIED_CACHE_BYTES, APPLIED_LOCK_MAX};
use crate::raft::{AppliedStore, Fatal, OnDisk, Recovered, Replacement, RowChange, Rows, Values, in_memory, row_hash};

/// The head's key; no row has an empty key.
const HEAD: &[u8] = b"";
/// Names, in sled's default tree, the tree that holds the state.
const CURRENT: &[u8] = b"current";

/// The applied state of one node in sled.
pub struct SledStore {
    layers: Arc<Layers>,
    database: sled::Db,
    marker: PathBuf,
}

impl SledStore {
    /// Opens `folder/state`. Gives the state of the last clean stop, where it can be trusted and contains at least log
    /// index `at_least`; else the folder is moved aside, and the store begins empty.
    pub fn open(
        folder: &Path,
        at_least: Option<u64>,
        on_disk: OnDisk,
        fatal: Fatal,
    ) -> io::Result<(Self, Option<Recovered>)> {
        let path = folder.join("state");
        let marker = folder.join("state.clean");
        let clean = take_marker(folder, &marker)?;
        if clean {
            match guard(|| Self::load(&path, &marker, on_disk, &fatal)) {
                Ok((store, found)) if at_least <= found.head.last.map(|last| last.index) => {
                    return Ok((store, Some(found)));
                }
                Ok(_) => tracing::info!("the applied state is older than the newest snapshot, which is used"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) => tracing::warn!(%error, "the applied state cannot be used; it is rebuilt"),
            }
        } else if path.exists() {
            tracing::info!("no clean stop: the applied state is rebuilt from snapshot and log");
        }
        move_aside(folder, &path)?;
        let store = guard(|| Self::create(&path, &marker, on_disk, &fatal))?;
        Ok((store, None))
    }

    fn create(path: &Path, marker: &Path, on_disk: OnDisk, fatal: &Fatal) -> io::Result<Self> {
        let database = open_database(path)?;
        let name = database.get(CURRENT)?.unwrap_or_else(|| b"state-0".into());
        let tree = database.open_tree(&name)?;
        Ok(Self {
            layers: Layers::start(tree, on_disk, fatal.clone())?,
            database,
            marker: marker.to_owned(),
        })
    }

    /// Drops what was left of states that were replaced.
    fn drop_others(&self) -> io::Result<()> {
        let (current, default) = (self.layers.tree().name(), (*self.database).name());
        for name in self.database.tree_names() {
            if name != current && name != default {
                self.database.drop_tree(name)?;
            }
        }
        Ok(())
    }

    fn load(path: &Path, marker: &Path, on_disk: OnDisk, fatal: &Fatal) -> io::Result<(Self, Recovered)> {
        let store = Self::create(path, marker, on_disk, fatal)?;
        let wrong = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
        let mut head = None;
        let mut rows = Rows::new();
        let mut hash = 0_u128;
        let tree = store.layers.tree();
        // Row by row, each looked for anew: sled gives up what it has in memory only after many look-ups, and one walk
        // through all would leave all of it there.
        let mut next = tree.first()?;
        while let Some((key, value)) = next {
            next = tree.get_gt(&key)?;
            if &*key == HEAD {
                let stored = StateHeadV1::decode(&Bytes::copy_from_slice(&value));
                head = Some(stored.map_err(|error| wrong(&error.to_string()))?);
            } else {
                hash = hash.wrapping_add(row_hash(&key, &value));
                rows.insert(Arc::from(&*key), in_memory(on_disk, &key, &value));
            }
        }
        let head: StateHeadV1 = head.ok_or_else(|| wrong("it has no head"))?;
        if head.rows != rows.len() as u64 || head.state_hash != hash.to_be_bytes() {
            return Err(wrong("its rows do not give the state hash that it names"));
        }
        store.drop_others()?;
        Ok((store, Recovered { head, rows }))
    }
}

impl AppliedStore for SledStore {
    fn apply(&self, changes: Vec<RowChange>) {
        self.layers.add(changes);
    }

    fn begin(&self) -> io::Result<Box<dyn Replacement>> {
        if self.layers.failed() {
            let reason = "the applied state could not be stored before; start the node again, which builds a new store";
            return Err(io::Error::other(reason));
        }
        let number = self.database.generate_id()?;
        let name = format!("state-{number}-new");
        Ok(Box::new(Other {
            tree: guard(|| Ok(self.database.open_tree(&name)?))?,
            database: self.database.clone(),
            layers: self.layers.clone(),
            batch: sled::Batch::default(),
            pending: 0,
            finished: false,
        }))
    }

    fn value(&self, key: &[u8]) -> io::Result<Option<Arc<[u8]>>> {
        self.layers.value(key)
    }

    fn freeze(&self) -> Arc<dyn Values> {
        self.layers.freeze()
    }

    fn close(&self, head: &StateHeadV1) -> io::Result<()> {
        self.layers.finish()?;
        guard(|| {
            let tree = self.layers.tree();
            tree.insert(HEAD, &*head.encode())?;
            self.database.insert(CURRENT, tree.name())?;
            Ok(self.database.flush().map(drop)?)
        })?;
        File::create(&self.marker)?.sync_all()?;
        self.marker.parent().map_or(Ok(()), sync_folder)
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.layers.abandon();
        if self.layers.failed() {
            // Where a write failed, sled waits for ever in its own drop for what will never be written. It is left to
            // the end of the process, which is the next thing to come.
            std::mem::forget((self.layers.tree(), self.database.clone()));
        }
    }
}

/// Another state, in a tree of its own until it is whole.
struct Other {
    tree: sled::Tree,
    database: sled::Db,
    layers: Arc<Layers>,
    batch: sled::Batch,
    pending: usize,
    finished: bool,
}

impl Replacement for Other {
    fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.batch.insert(key, value);
        self.pending += 1;
        if self.pending >= APPLIED_BATCH_ROWS {
            self.pending = 0;
            let batch = std::mem::take(&mut self.batch);
            guard(|| Ok(self.tree.apply_batch(batch)?))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        guard(|| Ok(self.tree.apply_batch(batch)?))?;
        self.finished = true;
        let old = self.layers.replace(self.tree.clone());
        // What still reads the old one fails and is tried again: a snapshot that was being written.
        drop_tree(&self.database, &old);
        Ok(())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if !self.finished {
            drop_tree(&self.database, &self.tree);
        }
    }
}

fn drop_tree(database: &sled::Db, tree: &sled::Tree) {
    if let Err(error) = guard(|| Ok(database.drop_tree(tree.name())?)) {
        tracing::warn!(%error, "a state that is not used any more stays on disk until the next start");
    }
}

/// Opens sled. A store that was just closed in this process holds its lock a moment longer; another process that
/// holds it is an error, and nothing is moved aside.
fn open_database(path: &Path) -> io::Result<sled::Db> {
    let until = Instant::now() + APPLIED_LOCK_MAX;
    loop {
        let config = sled::Config::new().path(path).flush_every_ms(Some(500));
        let opened = config.cache_capacity(APPLIED_CACHE_BYTES).open();
        let error = match opened {
            Ok(database) => return Ok(database),
            Err(error) => error,
        };
        if !error.to_string().contains("could not acquire lock") {
            return Err(error.into());
        }
        if Instant::now() > until {
            let reason = format!("another process uses {}: is this node running already?", path.display());
            return Err(io::Error::new(io::ErrorKind::WouldBlock, reason));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// sled reports some corruption by a panic: here it becomes an error like the others.
pub(super) fn guard<T>(step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| Err(io::Error::other("sled gave up (it panicked)")))
}

/// Whether the last stop was clean; from now on it is not, and that is on disk before anything is opened.
fn take_marker(folder: &Path, marker: &Path) -> io::Result<bool> {
    match fs::remove_file(marker) {
        Ok(()) => sync_folder(folder).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Moves `path` to the first free `state.bad-N`, the oldest making room.
fn move_aside(folder: &Path, path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let bad = |number: usize| folder.join(format!("state.bad-{number}"));
    let oldest = bad(APPLIED_BAD_KEPT);
    if oldest.exists() {
        fs::remove_dir_all(&oldest)?;
    }
    for number in (1..APPLIED_BAD_KEPT).rev() {
        if bad(number).exists() {
            fs::rename(bad(number), bad(number + 1))?;
        }
    }
    fs::rename(path, bad(1))?;
    sync_folder(folder)
}
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::envelope::LogIdV1;
    use crate::limits::APPLIED_WRITE_BYTES;
    use crate::raft::{Frozen, hash_of};

    fn on_disk(key: &[u8]) -> bool {
        key.starts_with(b"mh")
    }

    fn open(folder: &Path, at_least: Option<u64>) -> (SledStore, Option<Recovered>) {
        SledStore::open(folder, at_least, on_disk, Fatal::default()).unwrap()
    }

    fn change(key: &str, value: Option<&str>) -> RowChange {
        RowChange {
            key: Arc::from(key.as_bytes()),
            value: value.map(|value| Arc::from(value.as_bytes())),
        }
    }

    fn rows_of(rows: &[(&str, &str)]) -> Rows {
        let row = |(key, value): &(&str, &str)| {
            let key: Arc<[u8]> = Arc::from(key.as_bytes());
            (key.clone(), in_memory(on_disk, &key, value.as_bytes()))
        };
        rows.iter().map(row).collect()
    }

    fn head(index: u64, rows: &Rows) -> StateHeadV1 {
        StateHeadV1 {
            last: Some(LogIdV1 {
                term: 1,
                node: 1,
                index,
            }),
            rows: rows.len() as u64,
            state_hash: hash_of(rows, on_disk).to_be_bytes(),
            ..StateHeadV1::default()
        }
    }

    fn fill(store: &SledStore, index: u64) -> (StateHeadV1, Rows) {
        let value = index.to_string();
        let rows = [("mkey", value.as_str()), ("mh1", "a value on disk")];
        store.apply(rows.map(|(key, value)| change(key, Some(value))).into());
        let rows = rows_of(&rows);
        (head(index, &rows), rows)
    }

    fn value(store: &SledStore, key: &str) -> Option<String> {
        let value = store.value(key.as_bytes()).unwrap();
        value.map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    #[test]
    fn state_is_used_after_a_clean_stop_only() {
        let folder = tempfile::tempdir().unwrap();
        let (store, found) = open(folder.path(), None);
        assert!(found.is_none());
        let (head, rows) = fill(&store, 9);
        store.close(&head).unwrap();
        drop(store);

        let (store, found) = open(folder.path(), Some(9));
        let found = found.unwrap();
        assert_eq!((&found.head, &found.rows), (&head, &rows));
        assert_eq!(value(&store, "mh1").as_deref(), Some("a value on disk"));
        drop(store);

        let (_store, found) = open(folder.path(), None);
        assert!(found.is_none(), "the second stop was not clean");
        assert!(folder.path().join("state.bad-1").exists());
    }

    #[test]
    fn state_whose_hash_does_not_fit_or_that_is_older_than_the_snapshot_is_moved_aside() {
        for key in [Some("mkey"), Some("mh1"), None] {
            let folder = tempfile::tempdir().unwrap();
            let (store, _) = open(folder.path(), None);
            let (head, _) = fill(&store, 9);
            if let Some(key) = key {
                store.apply(vec![change(key, Some("another value"))]);
            }
            store.close(&head).unwrap();
            drop(store);
            let (_store, found) = open(folder.path(), Some(if key.is_some() { 9 } else { 10 }));
            assert!(found.is_none());
        }
    }

    #[test]
    fn what_was_frozen_stays_whatever_is_applied_and_replaced_rows_are_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), None);
        let (head, rows) = fill(&store, 9);
        let frozen = Frozen {
            head,
            rows,
            values: store.freeze(),
            on_disk,
        };
        store.apply(vec![change("mh1", None), change("mh2", Some("two"))]);
        assert_eq!(
            (value(&store, "mh1"), value(&store, "mh2").as_deref()),
            (None, Some("two"))
        );
        // Longer than changes wait in memory.
        std::thread::sleep(2 * crate::limits::APPLIED_WRITE_EVERY);
        let mut seen = Vec::new();
        let mut see = |key: &[u8], value: &[u8]| {
            seen.push((
                String::from_utf8_lossy(key).into_owned(),
                String::from_utf8_lossy(value).into_owned(),
            ));
            Ok(())
        };
        frozen.each(&mut see).unwrap();
        let expected = [("mh1", "a value on disk"), ("mkey", "9")];
        assert_eq!(seen, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        drop(frozen);

        let mut other = store.begin().unwrap();
        other.put(b"mh3", b"three").unwrap();
        assert_eq!(value(&store, "mh3"), None);
        drop(other);
        let mut other = store.begin().unwrap();
        other.put(b"mh4", b"four").unwrap();
        other.finish().unwrap();
        assert_eq!(
            (value(&store, "mh2"), value(&store, "mh4").as_deref()),
            (None, Some("four"))
        );
        let rows = rows_of(&[("mh4", "four")]);
        let head = super::tests::head(12, &rows);
        store.close(&head).unwrap();
        drop(store);
        let (store, found) = open(folder.path(), Some(12));
        assert_eq!(found.unwrap().rows, rows);
        assert_eq!(value(&store, "mh4").as_deref(), Some("four"));
    }

    #[test]
    fn much_may_come_while_something_is_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), None);
        fill(&store, 3);
        let frozen = store.freeze();
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let large = "x".repeat(APPLIED_WRITE_BYTES / 4);
            for number in 0..8 {
                store.apply(vec![change(&format!("mkey{number}"), Some(&large))]);
            }
            drop(frozen);
            let (head, _) = fill(&store, 9);
            done.send(store.close(&head)).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
    }

    #[test]
    fn files_that_are_no_database_are_moved_aside_and_two_bad_copies_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..4 {
            let (store, _) = open(folder.path(), None);
            let (head, _) = fill(&store, 9);
            store.close(&head).unwrap();
            drop(store);
            fs::write(folder.path().join("state/conf"), b"no configuration of sled").unwrap();
            fs::write(folder.path().join("state/db"), vec![0xa5; 70_000]).unwrap();
        }
        let (_store, found) = open(folder.path(), None);
        assert!(found.is_none());
        let bad = fs::read_dir(folder.path()).unwrap().filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("state.bad-")
        });
        assert_eq!(bad.count(), APPLIED_BAD_KEPT);
    }
}
