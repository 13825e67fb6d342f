//! What a snapshot is to consensus: something that can be written, read by position, received and adopted.
//!
//! The file format and the files are left to `store`; memory stands in for them in simulation.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::replica::Rows;
use crate::envelope::wire::StateHeadV1;

/// The bytes of one whole snapshot. Clones are handles to the same bytes; an open handle outlives the file's name.
#[derive(Debug, Clone)]
pub enum SnapshotData {
    /// A file, open for reading.
    File {
        /// The open file.
        file: Arc<std::fs::File>,
        /// Its name at the time.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
    /// Memory, in simulation.
    #[cfg_attr(not(test), expect(dead_code, reason = "the simulation keeps snapshots in memory"))]
    Memory(Bytes),
}

impl SnapshotData {
    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::File { bytes, .. } => *bytes,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Up to `max` bytes from `offset`; empty at the end. Reads the disk: short, but blocking.
    pub fn chunk(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let size = left.min(max);
        match self {
            Self::File { file, .. } => {
                let mut buffer = vec![0; size];
                file.read_exact_at(&mut buffer, offset)?;
                Ok(buffer.into())
            }
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..start + size))
            }
        }
    }
}

/// Reads snapshot bytes in order.
pub struct SnapshotReader {
    data: SnapshotData,
    offset: u64,
}

impl SnapshotReader {
    /// From the start.
    pub fn new(data: SnapshotData) -> Self {
        Self { data, offset: 0 }
    }
}

impl io::Read for SnapshotReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.data.chunk(self.offset, buffer.len())?;
        buffer[..chunk.len()].copy_from_slice(&chunk);
        self.offset += chunk.len() as u64;
        Ok(chunk.len())
    }
}

/// A snapshot that is being received.
pub trait SnapshotSink: Send {
    /// Takes the next bytes, in order.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// All bytes are here: makes them durable and gives a handle. Not yet the newest snapshot; see
    /// [`Snapshots::adopt`].
    fn finish(self: Box<Self>) -> io::Result<SnapshotData>;
}

/// The future of a snapshot that is being written.
pub type Writing = Pin<Box<dyn Future<Output = io::Result<SnapshotData>> + Send>>;

/// Where snapshots are kept.
pub trait Snapshots: Send + Sync + 'static {
    /// Writes `rows` and makes them durable, as the newest snapshot. Must not block the caller's thread for long.
    fn write(&self, head: StateHeadV1, rows: Rows) -> Writing;
    /// The newest whole snapshot. Broken ones are skipped.
    fn newest(&self) -> io::Result<Option<(StateHeadV1, SnapshotData)>>;
    /// Begins to receive a snapshot from the leader.
    fn receive(&self) -> io::Result<Box<dyn SnapshotSink>>;
    /// Makes a received snapshot the newest one; durable on return.
    fn adopt(&self, head: &StateHeadV1, data: &SnapshotData) -> io::Result<()>;
}
