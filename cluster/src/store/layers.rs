//! Changes on their way into sled: layers in memory, written by a thread, oldest first.
//!
//! A change goes into the newest layer, where a later one of the same row takes its place. Every so often the newest is
//! sealed and written. Freezing seals it too, and holds back everything newer, so that what is frozen stays as it is.
//! When sled fails, only what is nowhere else (values that are kept on disk only) is still taken, up to a bound.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::applied::guard;
use crate::limits::{APPLIED_BATCH_ROWS, APPLIED_PENDING_BYTES_MAX, APPLIED_WRITE_BYTES, APPLIED_WRITE_EVERY};
use crate::raft::{Fatal, OnDisk, RowChange, Values};

type Changes = BTreeMap<Arc<[u8]>, Option<Arc<[u8]>>>;

/// The layers over one tree, and the thread that writes them.
pub(super) struct Layers {
    state: Mutex<State>,
    /// There is something to write, or something to stop for.
    work: Condvar,
    /// Something was written.
    written: Condvar,
    on_disk: OnDisk,
    fatal: Fatal,
}

struct State {
    tree: sled::Tree,
    layers: VecDeque<Layer>,
    /// The number of the next layer.
    next: u64,
    /// How many freezes hold back the layers after this number.
    frozen: BTreeMap<u64, usize>,
    bytes: usize,
    failed: Option<String>,
    ending: Ending,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Not,
    /// Writes all, then ends.
    Finish,
    /// Ends at once.
    Abandon,
    Ended,
}

struct Layer {
    number: u64,
    sealed: bool,
    bytes: usize,
    changes: Arc<Changes>,
}

impl Layers {
    /// Starts the thread.
    pub(super) fn start(tree: sled::Tree, on_disk: OnDisk, fatal: Fatal) -> io::Result<Arc<Self>> {
        let layers = Arc::new(Self {
            state: Mutex::new(State {
                tree,
                layers: VecDeque::new(),
                next: 1,
                frozen: BTreeMap::new(),
                bytes: 0,
                failed: None,
                ending: Ending::Not,
            }),
            work: Condvar::new(),
            written: Condvar::new(),
            on_disk,
            fatal,
        });
        let writing = layers.clone();
        std::thread::Builder::new()
            .name("argosy-applied".to_owned())
            .spawn(move || writing.write_for_ever())?;
        Ok(layers)
    }

    /// The tree in use.
    pub(super) fn tree(&self) -> sled::Tree {
        self.lock().tree.clone()
    }

    /// Whether sled failed: it is written to no more.
    pub(super) fn failed(&self) -> bool {
        self.lock().failed.is_some()
    }

    /// Takes changes. Waits only where far too many are not written yet.
    pub(super) fn add(&self, changes: Vec<RowChange>) {
        let mut state = self.lock();
        let failed = state.failed.is_some();
        let (was_empty, was_small) = (state.layers.is_empty(), state.bytes < APPLIED_WRITE_BYTES);
        let layer = state.newest();
        let before = layer.bytes;
        let into = Arc::make_mut(&mut layer.changes);
        for change in changes {
            if failed && !(self.on_disk)(&change.key) {
                continue;
            }
            layer.bytes += change.key.len() + change.value.as_ref().map_or(0, |value| value.len());
            into.insert(change.key, change.value);
        }
        state.bytes += state.layers.back().map_or(0, |layer| layer.bytes - before);
        // Otherwise the thread waits for time to pass, and is not to be woken for each change.
        if was_empty || (was_small && state.bytes >= APPLIED_WRITE_BYTES) {
            self.work.notify_one();
        }
        if failed && state.bytes > APPLIED_PENDING_BYTES_MAX {
            self.fatal.raise(format!(
                "the applied state cannot be stored: {}. There is no room in memory for more: check the disk and its \
                 free space, then start the node again",
                state.failed.as_deref().unwrap_or_default()
            ));
        }
        while state.bytes > APPLIED_PENDING_BYTES_MAX && state.failed.is_none() && state.ending == Ending::Not {
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The value of a row now.
    pub(super) fn value(&self, key: &[u8]) -> io::Result<Option<Arc<[u8]>>> {
        self.value_upto(key, u64::MAX)
    }

    fn value_upto(&self, key: &[u8], number: u64) -> io::Result<Option<Arc<[u8]>>> {
        let tree = {
            let state = self.lock();
            let layers = state.layers.iter().rev().filter(|layer| layer.number <= number);
            for layer in layers {
                if let Some(value) = layer.changes.get(key) {
                    return Ok(value.clone());
                }
            }
            state.tree.clone()
        };
        guard(|| Ok(tree.get(key)?.map(|value| Arc::from(&*value))))
    }

    /// All values as they are now; they stay so until the result is dropped.
    pub(super) fn freeze(self: &Arc<Self>) -> Arc<Still> {
        let mut state = self.lock();
        if let Some(newest) = state.layers.back_mut() {
            newest.sealed = true;
        }
        let number = state.next - 1;
        *state.frozen.entry(number).or_default() += 1;
        Arc::new(Still {
            layers: self.clone(),
            number,
        })
    }

    /// Puts another tree in place; what was not written yet belonged to the old one, which is given back.
    pub(super) fn replace(&self, tree: sled::Tree) -> sled::Tree {
        let mut state = self.lock();
        state.layers.clear();
        state.bytes = 0;
        self.written.notify_all();
        std::mem::replace(&mut state.tree, tree)
    }

    /// Writes all and ends.
    pub(super) fn finish(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.ending == Ending::Not {
            state.ending = Ending::Finish;
        }
        self.work.notify_one();
        while state.ending == Ending::Finish {
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match &state.failed {
            Some(reason) => Err(io::Error::other(reason.clone())),
            None if !state.layers.is_empty() => Err(io::Error::other("not everything was written")),
            None => Ok(()),
        }
    }

    /// Ends without writing.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        if state.ending != Ending::Ended {
            state.ending = Ending::Abandon;
        }
        self.work.notify_one();
        self.written.notify_all();
    }

    fn write_for_ever(&self) {
        while let Some((tree, number, changes)) = self.next_layer() {
            let written = guard(|| write(&tree, &changes));
            let mut state = self.lock();
            match written {
                // Another tree may have come meanwhile, and the layer gone.
                Ok(()) => {
                    if state.layers.front().is_some_and(|layer| layer.number == number) {
                        let gone = state.layers.pop_front().map_or(0, |layer| layer.bytes);
                        state.bytes -= gone;
                    }
                }
                // The tree was replaced and dropped meanwhile.
                Err(_) if state.tree.name() != tree.name() => {}
                Err(error) => {
                    tracing::warn!(%error, "applied state is no longer stored; the next start rebuilds it");
                    state.failed = Some(error.to_string());
                }
            }
            self.written.notify_all();
        }
        let mut state = self.lock();
        state.ending = Ending::Ended;
        self.written.notify_all();
    }

    /// Waits for a layer that may be written: the oldest, once it is old or large enough, or all shall be written.
    fn next_layer(&self) -> Option<(sled::Tree, u64, Arc<Changes>)> {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if state.ending == Ending::Abandon || state.ending == Ending::Ended {
                return None;
            }
            if state.failed.is_some() {
                if state.ending == Ending::Finish {
                    return None;
                }
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let finish = state.ending == Ending::Finish;
            let (held, large) = (state.is_held(), state.bytes >= APPLIED_WRITE_BYTES);
            let tree = state.tree.clone();
            match state.layers.front_mut() {
                None if finish => return None,
                None => {
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                    waited = false;
                }
                Some(layer) if finish || (!held && (layer.sealed || large || waited)) => {
                    layer.sealed = true;
                    return Some((tree, layer.number, layer.changes.clone()));
                }
                Some(_) => {
                    let (again, timeout) = self
                        .work
                        .wait_timeout_while(state, APPLIED_WRITE_EVERY, |state| {
                            state.ending == Ending::Not && (state.is_held() || state.bytes < APPLIED_WRITE_BYTES)
                        })
                        .unwrap_or_else(PoisonError::into_inner);
                    waited = timeout.timed_out();
                    state = again;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the oldest layer may not be written, because something older is frozen.
    fn is_held(&self) -> bool {
        let frozen = self.frozen.keys().next();
        let oldest = self.layers.front();
        oldest.is_some_and(|oldest| frozen.is_some_and(|frozen| oldest.number > *frozen))
    }

    /// The layer that takes changes.
    fn newest(&mut self) -> &mut Layer {
        if self.layers.back().is_none_or(|layer| layer.sealed) {
            self.layers.push_back(Layer {
                number: self.next,
                sealed: false,
                bytes: 0,
                changes: Arc::default(),
            });
            self.next += 1;
        }
        let last = self.layers.len() - 1;
        &mut self.layers[last]
    }
}

fn write(tree: &sled::Tree, changes: &Changes) -> io::Result<()> {
    let mut batch = sled::Batch::default();
    for (place, (key, value)) in changes.iter().enumerate() {
        match value {
            Some(value) => batch.insert(&**key, &**value),
            None => batch.remove(&**key),
        }
        if place % APPLIED_BATCH_ROWS == APPLIED_BATCH_ROWS - 1 {
            tree.apply_batch(std::mem::take(&mut batch))?;
        }
    }
    Ok(tree.apply_batch(batch)?)
}

/// Values that stay as they were when they were frozen.
pub(super) struct Still {
    layers: Arc<Layers>,
    number: u64,
}

impl Values for Still {
    fn get(&self, key: &[u8]) -> io::Result<Option<Arc<[u8]>>> {
        self.layers.value_upto(key, self.number)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let mut state = self.layers.lock();
        if let Some(count) = state.frozen.get_mut(&self.number) {
            *count -= 1;
            if *count == 0 {
                state.frozen.remove(&self.number);
            }
        }
        self.layers.work.notify_one();
    }
}
