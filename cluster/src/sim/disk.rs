//! What survives a crash of a simulated node: its log and its snapshots. Applied state is lost each time, so each
//! start rebuilds it from snapshot and log.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::envelope::wire::StateHeadV1;
use crate::raft::memory_log::MemoryLog;
use crate::raft::{
    AppliedStore, Recovered, RowChange, Rows, SnapshotData, SnapshotReader, SnapshotSink, Snapshots, Writing,
};
use crate::store::format;

/// A node's disk.
#[derive(Clone)]
pub struct Disk {
    pub log: MemoryLog,
    pub snapshots: MemorySnapshots,
}

impl Disk {
    pub fn new(sync_takes: Duration, lies: bool) -> Self {
        Self {
            log: MemoryLog::new(sync_takes, lies),
            snapshots: MemorySnapshots::default(),
        }
    }

    /// What a start finds.
    pub fn recover(&self) -> io::Result<Recovered> {
        let Some((_, data)) = self.snapshots.newest()? else {
            return Ok(Recovered::default());
        };
        let (head, rows) = format::read(SnapshotReader::new(data))?;
        Ok(Recovered { head, rows })
    }
}

/// Snapshots in memory; durable at once.
#[derive(Clone, Default)]
pub struct MemorySnapshots {
    newest: Arc<Mutex<Option<(StateHeadV1, SnapshotData)>>>,
    /// States that differed from the majority's.
    pub different: Arc<Mutex<Vec<StateHeadV1>>>,
}

impl MemorySnapshots {
    fn put(&self, head: &StateHeadV1, data: &SnapshotData) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some((head.clone(), data.clone()));
    }
}

impl Snapshots for MemorySnapshots {
    fn write(&self, head: StateHeadV1, rows: Rows) -> Writing {
        let mut bytes = Vec::new();
        let written = format::write(&mut bytes, &head, &rows).map(|()| {
            let data = SnapshotData::Memory(bytes.into());
            self.put(&head, &data);
            data
        });
        Box::pin(std::future::ready(written))
    }

    fn set_aside(&self, head: StateHeadV1, _rows: Rows) -> Writing {
        let mut different = self.different.lock().unwrap_or_else(PoisonError::into_inner);
        different.push(head);
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

/// Keeps nothing.
pub struct Forgetful;

impl AppliedStore for Forgetful {
    fn apply(&mut self, _head: &StateHeadV1, _changes: &[RowChange]) -> io::Result<()> {
        Ok(())
    }

    fn replace(&mut self, _head: &StateHeadV1, _rows: &Rows) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self, _head: &StateHeadV1) -> io::Result<()> {
        Ok(())
    }
}
