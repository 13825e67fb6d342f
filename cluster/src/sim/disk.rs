//! What survives a crash of a simulated node: its log and its snapshots. Applied state is lost each time, so each
//! start rebuilds it from snapshot and log.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::envelope::wire::StateHeadV1;
use crate::raft::memory_log::MemoryLog;
use crate::raft::{
    AppliedStore, Frozen, OnDisk, Recovered, Replacement, RowChange, Rows, Signal, SnapshotData, SnapshotReader,
    SnapshotSink, Snapshots, Values, Writing,
};
use crate::store::format;

/// A node's disk.
#[derive(Clone)]
pub struct Disk {
    pub(crate) log: MemoryLog,
    pub(crate) snapshots: MemorySnapshots,
}

impl Disk {
    pub(crate) fn new(sync_takes: Duration, lies: bool) -> Self {
        Self {
            log: MemoryLog::new(sync_takes, lies),
            snapshots: MemorySnapshots::default(),
        }
    }

    /// From now on a sync of the log takes so long.
    pub fn set_sync_takes(&self, sync_takes: Duration) {
        self.log.set_sync_takes(sync_takes);
    }

    /// Whether the log's disk stands still: no sync ends.
    pub fn set_stalled(&self, stalled: bool) {
        self.log.set_stalled(stalled);
    }

    /// Whether the storage stands still, which is not the log's disk: no snapshot is written.
    pub fn set_storage_stalled(&self, stalled: bool) {
        self.log.set_storage_stalled(stalled);
        self.snapshots.stalled.set(u64::from(stalled));
    }

    /// What a start finds.
    pub(crate) fn recover(&self, store: &MemoryStore, on_disk: OnDisk) -> io::Result<Recovered> {
        let Some((_, data)) = self.snapshots.newest()? else {
            return Ok(Recovered::default());
        };
        let mut other = store.begin()?;
        let reader = SnapshotReader::new(data);
        let (head, rows) = format::read(reader, on_disk, |key, value| other.put(key, value))?;
        other.finish()?;
        Ok(Recovered { head, rows })
    }
}

/// Snapshots in memory; durable at once.
#[derive(Clone, Default)]
pub(crate) struct MemorySnapshots {
    newest: Arc<Mutex<Option<(StateHeadV1, SnapshotData)>>>,
    /// States that differed from the majority's.
    pub different: Arc<Mutex<Vec<StateHeadV1>>>,
    /// Above zero: none is written.
    stalled: Signal,
}

impl MemorySnapshots {
    fn put(&self, head: &StateHeadV1, data: &SnapshotData) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some((head.clone(), data.clone()));
    }
}

impl Snapshots for MemorySnapshots {
    fn write(&self, state: Frozen) -> Writing {
        let disk = self.clone();
        Box::pin(async move {
            disk.stalled.until(|stalled| stalled == 0).await;
            let mut bytes = Vec::new();
            format::write(&mut bytes, &state).map(|()| {
                let data = SnapshotData::Memory(bytes.into());
                disk.put(&state.head, &data);
                data
            })
        })
    }

    fn set_aside(&self, state: Frozen) -> Writing {
        let mut different = self.different.lock().unwrap_or_else(PoisonError::into_inner);
        different.push(state.head);
        Box::pin(std::future::ready(Ok(SnapshotData::Memory(Default::default()))))
    }

    fn newest(&self) -> io::Result<Option<(StateHeadV1, SnapshotData)>> {
        Ok(self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn receive(&self) -> io::Result<Box<dyn SnapshotSink>> {
        Ok(Box::new(Receiving(Vec::new())))
    }

    fn adopt(&self, head: &StateHeadV1, data: &SnapshotData) -> io::Result<()> {
        self.put(head, data);
        Ok(())
    }
}

struct Receiving(Vec<u8>);

impl SnapshotSink for Receiving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<SnapshotData> {
        Ok(SnapshotData::Memory(self.0.into()))
    }
}

/// Values in memory that do not change.
pub(crate) struct MemoryValues(pub Rows);

impl Values for MemoryValues {
    fn get(&self, key: &[u8]) -> io::Result<Option<Arc<[u8]>>> {
        Ok(self.0.get(key).cloned())
    }
}

/// Keeps the values that a node does not keep in memory, and nothing beyond a crash. Clones are the same store.
#[derive(Clone)]
pub(crate) struct MemoryStore {
    values: Arc<Mutex<Rows>>,
    on_disk: OnDisk,
}

impl MemoryStore {
    pub fn new(on_disk: OnDisk) -> Self {
        Self {
            values: Arc::default(),
            on_disk,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AppliedStore for MemoryStore {
    fn apply(&self, changes: Vec<RowChange>) {
        let mut values = self.lock();
        for change in changes.into_iter().filter(|change| (self.on_disk)(&change.key)) {
            match change.value {
                Some(value) => drop(values.insert(change.key, value)),
                None => drop(values.remove(&change.key)),
            }
        }
    }

    fn begin(&self) -> io::Result<Box<dyn Replacement>> {
        Ok(Box::new(Other {
            store: self.clone(),
            values: Rows::new(),
        }))
    }

    fn value(&self, key: &[u8]) -> io::Result<Option<Arc<[u8]>>> {
        Ok(self.lock().get(key).cloned())
    }

    fn freeze(&self) -> Arc<dyn Values> {
        Arc::new(MemoryValues(self.lock().clone()))
    }

    fn close(&self, _head: &StateHeadV1) -> io::Result<()> {
        Ok(())
    }
}

struct Other {
    store: MemoryStore,
    values: Rows,
}

impl Replacement for Other {
    fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if (self.store.on_disk)(key) {
            self.values.insert(Arc::from(key), Arc::from(value));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        *self.store.lock() = self.values;
        Ok(())
    }
}
