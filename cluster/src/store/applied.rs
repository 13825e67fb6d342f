//! Applied state in sled. It may lose anything: it is used at start only after a clean stop, when the state hash of
//! its rows fits; else it is moved aside and the state is rebuilt from the newest snapshot and the log.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::envelope::wire::{Framed, StateHeadV1};
use crate::limits::{APPLIED_BAD_KEPT, APPLIED_BATCH_ROWS, APPLIED_LOCK_MAX};
use crate::raft::{AppliedStore, Recovered, RowChange, Rows, hash_of};

/// The head's key; no row has an empty key.
const HEAD: &[u8] = b"";

/// The applied state of one node in sled.
pub struct SledStore {
    tree: sled::Tree,
    database: sled::Db,
    marker: PathBuf,
}

impl SledStore {
    /// Opens `folder/state`. Gives the state to start from: sled's own where it can be trusted and is not behind
    /// `snapshot`, else `snapshot`, else nothing.
    pub fn open(folder: &Path, snapshot: Option<Recovered>) -> io::Result<(Self, Recovered)> {
        let path = folder.join("state");
        let marker = folder.join("state.clean");
        let clean = take_marker(folder, &marker)?;
        if clean {
            match guard(|| Self::load(&path, &marker)) {
                Ok((store, found))
                    if snapshot
                        .as_ref()
                        .is_none_or(|snapshot| snapshot.head.last <= found.head.last) =>
                {
                    return Ok((store, found));
                }
                Ok(_) => tracing::info!("the applied state is older than the newest snapshot, which is used"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) => tracing::warn!(%error, "the applied state cannot be used; it is rebuilt"),
            }
        } else if path.exists() {
            tracing::info!("no clean stop: the applied state is rebuilt from snapshot and log");
        }
        move_aside(folder, &path)?;
        let found = snapshot.unwrap_or_default();
        let mut store = guard(|| Self::create(&path, &marker))?;
        store.replace(&found.head, &found.rows)?;
        Ok((store, found))
    }

    fn create(path: &Path, marker: &Path) -> io::Result<Self> {
        let database = open_database(path)?;
        Ok(Self {
            tree: database.open_tree("state")?,
            database,
            marker: marker.to_owned(),
        })
    }

    fn load(path: &Path, marker: &Path) -> io::Result<(Self, Recovered)> {
        let store = Self::create(path, marker)?;
        let wrong = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
        let mut head = None;
        let mut rows = Rows::new();
        for row in &store.tree {
            let (key, value) = row?;
            if &*key == HEAD {
                let stored = StateHeadV1::decode(&Bytes::copy_from_slice(&value));
                head = Some(stored.map_err(|error| wrong(&error.to_string()))?);
            } else {
                rows.insert(Arc::from(&*key), Arc::from(&*value));
            }
        }
        let head: StateHeadV1 = head.ok_or_else(|| wrong("it has no head"))?;
        if head.rows != rows.len() as u64 || head.state_hash != hash_of(&rows).to_be_bytes() {
            return Err(wrong("its rows do not give the state hash that it names"));
        }
        Ok((store, Recovered { head, rows }))
    }
}

impl AppliedStore for SledStore {
    fn apply(&mut self, head: &StateHeadV1, changes: &[RowChange]) -> io::Result<()> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match &change.value {
                Some(value) => batch.insert(&*change.key, &**value),
                None => batch.remove(&*change.key),
            }
        }
        batch.insert(HEAD, &*head.encode());
        guard(|| Ok(self.tree.apply_batch(batch)?))
    }

    /// Not one step, and need not be: without a clean stop afterwards nothing of it is used.
    fn replace(&mut self, head: &StateHeadV1, rows: &Rows) -> io::Result<()> {
        guard(|| {
            self.tree.clear()?;
            let mut batch = sled::Batch::default();
            for (number, (key, value)) in rows.iter().enumerate() {
                batch.insert(&**key, &**value);
                if number % APPLIED_BATCH_ROWS == APPLIED_BATCH_ROWS - 1 {
                    self.tree.apply_batch(std::mem::take(&mut batch))?;
                }
            }
            batch.insert(HEAD, &*head.encode());
            Ok(self.tree.apply_batch(batch)?)
        })
    }

    fn close(&mut self, head: &StateHeadV1) -> io::Result<()> {
        self.apply(head, &[])?;
        guard(|| Ok(self.database.flush().map(drop)?))?;
        File::create(&self.marker)?.sync_all()?;
        self.marker.parent().map_or(Ok(()), sync_folder)
    }
}

/// Opens sled. A store that was just closed in this process holds its lock a moment longer; another process that
/// holds it is an error, and nothing is moved aside.
fn open_database(path: &Path) -> io::Result<sled::Db> {
    let until = Instant::now() + APPLIED_LOCK_MAX;
    loop {
        let opened = sled::Config::new().path(path).flush_every_ms(Some(500)).open();
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
fn guard<T>(step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
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

    fn head(index: u64, rows: &Rows) -> StateHeadV1 {
        StateHeadV1 {
            last: Some(LogIdV1 {
                term: 1,
                node: 1,
                index,
            }),
            rows: rows.len() as u64,
            state_hash: hash_of(rows).to_be_bytes(),
            ..StateHeadV1::default()
        }
    }

    fn fill(store: &mut SledStore, index: u64) -> (StateHeadV1, Rows) {
        let change = RowChange {
            key: Arc::from(b"mkey".as_slice()),
            value: Some(Arc::from(index.to_be_bytes().as_slice())),
        };
        let rows: Rows = [(change.key.clone(), change.value.clone().unwrap())]
            .into_iter()
            .collect();
        let head = head(index, &rows);
        store.apply(&head, &[change]).unwrap();
        (head, rows)
    }

    #[test]
    fn state_is_used_after_a_clean_stop_only() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, found) = SledStore::open(folder.path(), None).unwrap();
        assert_eq!(found.head, StateHeadV1::default());
        let (head, rows) = fill(&mut store, 9);
        store.close(&head).unwrap();
        drop(store);

        let (store, found) = SledStore::open(folder.path(), None).unwrap();
        assert_eq!((&found.head, &found.rows), (&head, &rows));
        drop(store);

        let (_store, found) = SledStore::open(folder.path(), None).unwrap();
        assert_eq!(found.head, StateHeadV1::default(), "the second stop was not clean");
        assert!(folder.path().join("state.bad-1").exists());
    }

    #[test]
    fn state_whose_hash_does_not_fit_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = SledStore::open(folder.path(), None).unwrap();
        let (head, _) = fill(&mut store, 9);
        store.tree.insert(b"mkey", b"another value").unwrap();
        store.close(&head).unwrap();
        drop(store);
        let (_store, found) = SledStore::open(folder.path(), None).unwrap();
        assert_eq!(found.head, StateHeadV1::default());
    }

    #[test]
    fn a_newer_snapshot_wins_over_older_state() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = SledStore::open(folder.path(), None).unwrap();
        let (head_9, rows) = fill(&mut store, 9);
        store.close(&head_9).unwrap();
        drop(store);
        let snapshot = Recovered {
            head: head(12, &rows),
            rows,
        };
        let (_store, found) = SledStore::open(folder.path(), Some(snapshot)).unwrap();
        assert_eq!(found.head.last.unwrap().index, 12);
    }

    #[test]
    fn files_that_are_no_database_are_moved_aside_and_two_bad_copies_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..4 {
            let (mut store, _) = SledStore::open(folder.path(), None).unwrap();
            let (head, _) = fill(&mut store, 9);
            store.close(&head).unwrap();
            drop(store);
            fs::write(folder.path().join("state/conf"), b"no configuration of sled").unwrap();
            fs::write(folder.path().join("state/db"), vec![0xa5; 70_000]).unwrap();
        }
        let (_store, found) = SledStore::open(folder.path(), None).unwrap();
        assert_eq!(found.head, StateHeadV1::default());
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
