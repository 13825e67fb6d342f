//! openraft's state machine round a [`Replica`]: apply in order, store, publish, then answer.
//!
//! What an entry means is in `replica`; where state and snapshots are kept is left to `store`.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use futures_util::{Stream, TryStreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{AsyncRuntime, RaftSnapshotBuilder};

use super::agreement::{Checkpoints, Hash};
use super::aside::Aside;
use super::convert;
use super::fatal::Fatal;
use super::keep::{AppliedStore, Frozen, Replacement};
use super::replica::{Replica, RowChange, Rows, on_disk};
use super::signal::Signal;
use super::snapshot::{SnapshotData, SnapshotReader, Snapshots};
use super::types::{LogId, RaftSnapshot, SnapshotMeta, StoredMembership, TypeConfig};
use crate::envelope::Answer;
use crate::envelope::wire::StateHeadV1;
use crate::limits::{APPLY_CHUNK_MAX, SNAPSHOT_AGAIN_AFTER};
use crate::store::format;
use crate::{CodecError, StateMachine};

/// State found at start.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// Where in the log it stands.
    pub head: StateHeadV1,
    /// Its rows, with stubs for the values that are on disk.
    pub rows: Rows,
}

/// The state as the rest of the node sees it: swapped in one step, read without waiting.
pub(super) struct Published<M: StateMachine> {
    view: ArcSwap<M::View>,
    picture: ArcSwap<Picture>,
    checkpoints: Mutex<Checkpoints>,
    revision: Signal,
}

/// The rows behind a view.
pub(super) struct Picture {
    /// The last applied index; 0 before the first.
    pub(super) revision: u64,
    /// The term of that entry.
    pub(super) term: u64,
    pub(super) hash: Hash,
    pub(super) rows: Rows,
}

impl<M: StateMachine> Published<M> {
    fn new(replica: &Replica<M>) -> Self {
        Self {
            view: ArcSwap::new(Arc::new(replica.view())),
            picture: ArcSwap::new(Arc::new(picture_of(replica))),
            checkpoints: Mutex::default(),
            revision: Signal::new(replica.revision()),
        }
    }

    fn publish(&self, replica: &Replica<M>) {
        self.view.store(Arc::new(replica.view()));
        self.picture.store(Arc::new(picture_of(replica)));
        self.revision.set(replica.revision());
    }

    pub(super) fn view(&self) -> Arc<M::View> {
        self.view.load_full()
    }

    pub(super) fn picture(&self) -> Arc<Picture> {
        self.picture.load_full()
    }

    /// State hashes: at indexes that all nodes come by, and where the state stands.
    pub(super) fn hashes(&self) -> (Vec<(u64, Hash)>, (u64, Hash)) {
        let picture = self.picture();
        let now = (picture.revision, picture.hash);
        (self.checkpoints().all(), now)
    }

    fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn revision(&self) -> &Signal {
        &self.revision
    }
}

fn picture_of<M: StateMachine>(replica: &Replica<M>) -> Picture {
    Picture {
        revision: replica.revision(),
        term: replica.position().0.map_or(0, |last| last.leader_id.term),
        hash: replica.hash(),
        rows: replica.rows(),
    }
}

/// The state machine that openraft drives.
pub(super) struct Machine<M: StateMachine> {
    replica: Mutex<Replica<M>>,
    published: Arc<Published<M>>,
    applied: Arc<dyn AppliedStore>,
    snapshots: Arc<dyn Snapshots>,
    fatal: Fatal,
    /// While this node is being mended: what it was told to apply meanwhile.
    aside: Option<Aside>,
    /// The last index that consensus has given to apply. A mended state may be ahead of it.
    given: u64,
    /// After a snapshot that could not be written: the index from which on the next is tried.
    snapshot_again_at: Arc<AtomicU64>,
}

/// What has been applied and not yet stored, published and answered.
struct Chunk<RT: AsyncRuntime> {
    changes: Vec<RowChange>,
    answers: Vec<(ApplyResponder<TypeConfig<RT>>, Answer)>,
    entries: usize,
}

impl<M: StateMachine> Machine<M> {
    pub(super) fn new(
        recovered: Recovered,
        applied: Arc<dyn AppliedStore>,
        snapshots: Arc<dyn Snapshots>,
        fatal: Fatal,
    ) -> Result<Self, CodecError> {
        let replica = Replica::restore(&recovered.head, recovered.rows)?;
        Ok(Self {
            published: Arc::new(Published::new(&replica)),
            aside: None,
            given: replica.revision(),
            snapshot_again_at: Arc::default(),
            replica: Mutex::new(replica),
            applied,
            snapshots,
            fatal,
        })
    }

    pub(super) fn published(&self) -> Arc<Published<M>> {
        self.published.clone()
    }

    fn replica(&mut self) -> &mut Replica<M> {
        self.replica.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores, publishes, answers: in this order, so that whoever has an answer can read its effect here.
    fn finish<RT: AsyncRuntime>(&mut self, chunk: &mut Chunk<RT>) {
        if chunk.entries == 0 {
            return;
        }
        self.applied.apply(std::mem::take(&mut chunk.changes));
        let published = self.published.clone();
        published.publish(self.replica());
        chunk.entries = 0;
        for (responder, answer) in chunk.answers.drain(..) {
            responder.send(answer);
        }
    }

    /// Ends in good order: everything that was applied is stored.
    pub(super) fn close(&mut self) {
        let head = self.replica().head();
        if let Err(error) = self.applied.close(&head) {
            tracing::warn!(%error, "the applied state is not stored; the next start rebuilds it from snapshot and log");
        }
    }

    /// The state as it is now, whatever is applied later.
    pub(super) fn freeze(&mut self) -> Frozen {
        let values = self.applied.freeze();
        let replica = self.replica();
        Frozen {
            head: replica.head(),
            rows: replica.rows(),
            values,
            on_disk: on_disk::<M>,
        }
    }

    /// The state was replaced as a whole: publishes it.
    fn put_in_place(&mut self) {
        let published = self.published.clone();
        published.checkpoints().forget();
        published.publish(self.replica());
    }

    /// From now on nothing is applied: the state is wrong. Gives it, the first time, so that it can be kept.
    pub(super) fn step_aside(&mut self) -> Option<Frozen> {
        if self.aside.is_some() {
            return None;
        }
        self.aside = Some(Aside::default());
        Some(self.freeze())
    }

    /// Forgets what was remembered so far. Gives the index from which on all is remembered: a state that contains it
    /// can be used.
    pub(super) fn remember_from_here(&mut self) -> u64 {
        if let Some(aside) = &mut self.aside {
            *aside = Aside::default();
        }
        self.given.max(self.replica().revision())
    }

    /// Puts a state that is right in place, and applies what came meanwhile.
    pub(super) fn mend(&mut self, taken: Taken<M>, data: &SnapshotData) -> Result<(), String> {
        let Taken { head, mut right, rows } = taken;
        let Some(aside) = &mut self.aside else {
            return Err("this node is not being mended".to_owned());
        };
        let entries = aside.after(right.revision(), self.given)?;
        let mut changes = Vec::new();
        for entry in &entries {
            let index = entry.log_id.index;
            if let Err(error) = right.apply(entry, &mut changes) {
                return Err(cannot_apply(&self.fatal, index, &error).to_string());
            }
        }
        self.snapshots.adopt(&head, data).map_err(|error| error.to_string())?;
        rows.finish().map_err(|error| error.to_string())?;
        self.applied.apply(changes);
        self.aside = None;
        *self.replica() = right;
        self.put_in_place();
        Ok(())
    }

    /// Plants a difference: a row that no command has written.
    #[cfg(test)]
    pub(super) fn corrupt(&mut self, key: &[u8], value: &[u8]) -> Result<(), CodecError> {
        let (head, mut rows) = (self.replica().head(), self.replica().rows());
        rows.insert(super::rows::machine_key(key).into(), value.into());
        *self.replica() = Replica::restore(&head, rows)?;
        let published = self.published.clone();
        published.publish(self.replica());
        Ok(())
    }
}

/// A whole state that was read and is not in place yet.
pub(super) struct Taken<M> {
    head: StateHeadV1,
    right: Replica<M>,
    rows: Box<dyn Replacement>,
}

impl<M: StateMachine> Taken<M> {
    /// Reads a snapshot into the store, beside the state in use.
    pub(super) fn read(data: &SnapshotData, applied: &dyn AppliedStore) -> io::Result<Self> {
        let mut other = applied.begin()?;
        let reader = SnapshotReader::new(data.clone());
        let (head, rows) = format::read(reader, on_disk::<M>, |key, value| other.put(key, value))?;
        let right = Replica::restore(&head, rows).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Self {
            head,
            right,
            rows: other,
        })
    }
}

impl<RT: AsyncRuntime, M: StateMachine> RaftStateMachine<TypeConfig<RT>> for Machine<M> {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok(self.replica().position())
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig<RT>>, io::Error>> + Unpin + Send,
    {
        let mut chunk = Chunk {
            changes: Vec::new(),
            answers: Vec::new(),
            entries: 0,
        };
        while let Some((entry, responder)) = entries.try_next().await? {
            let index = entry.log_id.index;
            self.given = index;
            if self.replica().contains(index) {
                // A mended state contains it already.
                continue;
            }
            if let Some(aside) = &mut self.aside {
                aside.remember(entry);
                continue;
            }
            let answer = match self.replica().apply(&entry, &mut chunk.changes) {
                Ok(answer) => answer,
                Err(error) => return Err(cannot_apply(&self.fatal, index, &error)),
            };
            let published = self.published.clone();
            published.checkpoints().passed(index, || self.replica().hash());
            chunk.entries += 1;
            chunk.answers.extend(responder.map(|responder| (responder, answer)));
            if chunk.entries >= APPLY_CHUNK_MAX {
                self.finish(&mut chunk);
            }
        }
        self.finish(&mut chunk);
        Ok(())
    }

    /// None while the state is wrong, ahead of what consensus knows, or soon after an attempt that failed.
    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        let revision = self.replica().revision();
        let too_early = revision < self.snapshot_again_at.load(Ordering::Relaxed);
        if self.aside.is_some() || revision > self.given || too_early {
            return None;
        }
        Some(<Self as RaftStateMachine<TypeConfig<RT>>>::get_snapshot_builder(self).await)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let (snapshots, again_at) = (self.snapshots.clone(), self.snapshot_again_at.clone());
        Builder {
            state: Some(self.freeze()),
            snapshots,
            again_at,
        }
    }

    async fn install_snapshot(&mut self, _meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        let taken = Taken::<M>::read(&snapshot, &*self.applied).inspect_err(|error| {
            self.fatal
                .raise(format!("cannot use the snapshot that the leader sent: {error}"));
        })?;
        self.snapshots.adopt(&taken.head, &snapshot)?;
        taken.rows.finish()?;
        *self.replica() = taken.right;
        self.aside = None;
        self.given = self.replica().revision();
        self.put_in_place();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot<SnapshotData>>, io::Error> {
        let Some((head, data)) = self.snapshots.newest()? else {
            return Ok(None);
        };
        snapshot_of(&head, data).map(Some)
    }
}

fn cannot_apply(fatal: &Fatal, index: u64, error: &CodecError) -> io::Error {
    let reason = format!("cannot apply log entry {index}: {error}");
    fatal.raise(reason.clone());
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Builds a snapshot from a picture of the state, while apply goes on.
pub(super) struct Builder {
    state: Option<Frozen>,
    snapshots: Arc<dyn Snapshots>,
    again_at: Arc<AtomicU64>,
}

impl<RT: AsyncRuntime> RaftSnapshotBuilder<TypeConfig<RT>> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<RaftSnapshot<SnapshotData>, io::Error> {
        let state = self.state.take();
        let state = state.ok_or_else(|| io::Error::other("a builder builds one snapshot"))?;
        let head = state.head.clone();
        match self.snapshots.write(state).await {
            Ok(data) => snapshot_of(&head, data),
            // No reason to stop (a full disk, most likely): the log is kept that much longer.
            Err(error) => {
                tracing::error!(%error, "no snapshot could be written; the log grows until one can");
                let revision = head.last.map_or(0, |last| last.index);
                self.again_at.store(revision + SNAPSHOT_AGAIN_AFTER, Ordering::Relaxed);
                let none = SnapshotData::Memory(bytes::Bytes::new());
                snapshot_of(&StateHeadV1::default(), none)
            }
        }
    }
}

/// openraft's snapshot of a head and bytes.
pub(super) fn snapshot_of(head: &StateHeadV1, data: SnapshotData) -> io::Result<RaftSnapshot<SnapshotData>> {
    let (last_log_id, last_membership) =
        convert::head_in(head).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(RaftSnapshot {
        meta: SnapshotMeta {
            last_log_id,
            last_membership,
        },
        snapshot: data,
    })
}
