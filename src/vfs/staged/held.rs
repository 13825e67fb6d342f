//! The staged uploads that sessions of this node hold open, by session and target and by the staged file's name.
//!
//! What may be done with them is left to `staged` and the operations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Staged, StagedName, State};
use crate::ids::{Name, SessionId};
use crate::vfs::local::split;

/// The registry; a session's newest upload of a name is the one that it sees.
#[derive(Default)]
pub(in crate::vfs) struct Held(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    by_target: HashMap<(SessionId, Name, Vec<u8>), Arc<Staged>>,
    by_file: HashMap<(Name, Vec<u8>), Weak<Staged>>,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a new upload.
    pub(in crate::vfs) fn insert(&self, staged: &Arc<Staged>) {
        let state = staged.read();
        let file = (staged.storage.clone(), state.name.to_bytes());
        let target = (staged.session, staged.storage.clone(), state.rel.clone());
        let mut shelves = self.lock();
        shelves.by_file.insert(file, Arc::downgrade(staged));
        if staged.steps().is_none() {
            shelves.by_target.insert(target, staged.clone());
        }
    }

    /// Takes an upload out, by the names that `state` gives.
    pub(in crate::vfs) fn remove(&self, staged: &Staged, state: &State) {
        let mut shelves = self.lock();
        shelves.by_file.remove(&(staged.storage.clone(), state.name.to_bytes()));
        let target = (staged.session, staged.storage.clone(), state.rel.clone());
        let same = |held: &Arc<Staged>| std::ptr::eq(&raw const **held, staged);
        if shelves.by_target.get(&target).is_some_and(same) {
            shelves.by_target.remove(&target);
        }
    }

    /// The upload of a session to a target.
    pub(in crate::vfs) fn get(&self, session: SessionId, storage: &Name, rel: &[u8]) -> Option<Arc<Staged>> {
        let target = (session, storage.clone(), rel.to_vec());
        self.lock().by_target.get(&target).cloned()
    }

    /// The upload behind a staged file's name, if it is open on this node.
    pub(in crate::vfs) fn by_file(&self, storage: &Name, name: &StagedName) -> Option<Arc<Staged>> {
        self.lock()
            .by_file
            .get(&(storage.clone(), name.to_bytes()))
            .and_then(Weak::upgrade)
    }

    /// The uploads of a session into one folder of a storage.
    pub(in crate::vfs) fn in_folder(&self, session: SessionId, storage: &Name, folder: &[u8]) -> Vec<Arc<Staged>> {
        let shelves = self.lock();
        shelves
            .by_target
            .iter()
            .filter(|((holder, on, rel), _)| *holder == session && on == storage && split(rel).0 == folder)
            .map(|(_, staged)| staged.clone())
            .collect()
    }
}
