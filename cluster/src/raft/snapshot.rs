//! What a snapshot is to consensus: something that can be written, read by position, received and adopted.
//!
//! The file format and the files are left to `store`; memory stands in for them in simulation.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::keep::Frozen;
use crate::envelope::wire::StateHeadV1;

/// The bytes of one whole snapshot. Clones are handles to the same bytes; an open handle outlives the file's name.
#[derive(Debug, Clone)]
pub enum SnapshotData {
    /// A file, open for reading.
    File {
        /// The open file.
        file: Arc<std::fs::File>,
        /// Its length in bytes.
        bytes: u64,
        /// While it is received and not yet adopted: its name, removed with the last handle.
        unfinished: Option<Arc<Unfinished>>,
    },
    /// Memory, in simulation; empty where none could be written.
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

/// A file that is not a snapshot yet; it is removed when this is dropped, unless it was [adopted](Self::adopted).
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    adopted: AtomicBool,
}

impl Unfinished {
    /// Watches over the file at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            adopted: AtomicBool::new(false),
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file has another name now and stays.
    pub fn adopted(&self) {
        self.adopted.store(true, Ordering::Relaxed);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !*self.adopted.get_mut()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "an unfinished snapshot stays until the next start");
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
    /// Writes a state and makes it durable, as the newest snapshot. Must not block the caller's thread for long.
    fn write(&self, state: Frozen) -> Writing;
    /// Keeps a state that differs from the majority's, for whoever looks for the reason; never used again.
    fn set_aside(&self, state: Frozen) -> Writing;
    /// The newest whole snapshot. Broken ones are skipped.
    fn newest(&self) -> io::Result<Option<(StateHeadV1, SnapshotData)>>;
    /// Begins to receive a snapshot from the leader.
    fn receive(&self) -> io::Result<Box<dyn SnapshotSink>>;
    /// Makes a received snapshot the newest one; durable on return.
    fn adopt(&self, head: &StateHeadV1, data: &SnapshotData) -> io::Result<()>;
}
