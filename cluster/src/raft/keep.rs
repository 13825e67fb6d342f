//! Where applied state is kept between starts, and where the rows are whose values are not in memory.
//!
//! What the rows mean is left to `replica`; how they stand on disk, to `store`.

use std::io;
use std::sync::Arc;

use super::replica::{RowChange, Rows, row_hash};
use crate::envelope::wire::StateHeadV1;

/// Whether the value of the row with this stored key is kept on disk only. In memory stands its [stub](stub) instead.
pub type OnDisk = fn(&[u8]) -> bool;

/// Values that do not change while this lives, whatever is applied meanwhile.
pub trait Values: Send + Sync {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> io::Result<Option<Arc<[u8]>>>;
}

/// Where applied state is kept. It may lose anything when the node crashes: the log and the snapshots rebuild it.
pub trait AppliedStore: Send + Sync + 'static {
    /// Takes changes. They may reach the disk some time later; reads see them at once.
    fn apply(&self, changes: Vec<RowChange>);
    /// Begins to take another state, beside the one in use.
    fn begin(&self) -> io::Result<Box<dyn Replacement>>;
    /// The value at `key` now.
    fn value(&self, key: &[u8]) -> io::Result<Option<Arc<[u8]>>>;
    /// All values as they are now.
    fn freeze(&self) -> Arc<dyn Values>;
    /// Everything is applied: writes what is not written yet and marks a clean stop.
    fn close(&self, head: &StateHeadV1) -> io::Result<()>;
}

/// A state that is being taken, row by row.
pub trait Replacement: Send {
    /// The next row.
    fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()>;
    /// Puts it in place of the one in use.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A whole state that does not change: what a snapshot is made of.
#[derive(Clone)]
pub struct Frozen {
    /// Where in the log it stands.
    pub head: StateHeadV1,
    /// Its rows, with stubs for the values that are on disk.
    pub rows: Rows,
    /// The values of those.
    pub values: Arc<dyn Values>,
    /// Which those are.
    pub on_disk: OnDisk,
}

impl Frozen {
    /// Goes through all rows in key order, with one value at a time in memory.
    pub fn each(&self, mut row: impl FnMut(&[u8], &[u8]) -> io::Result<()>) -> io::Result<()> {
        for (key, value) in &self.rows {
            if !(self.on_disk)(key) {
                row(key, value)?;
                continue;
            }
            let found = self.values.get(key)?;
            let found = found.filter(|found| **value == stub(key, found));
            let found = found.ok_or_else(|| io::Error::other("a row that was kept on disk is gone or damaged"))?;
            row(key, &found)?;
        }
        Ok(())
    }
}

/// What stands in memory for a value that is on disk: its part of the state hash.
pub fn stub(key: &[u8], value: &[u8]) -> [u8; 16] {
    row_hash(key, value).to_be_bytes()
}

/// What stands in memory for a row.
pub fn in_memory(on_disk: OnDisk, key: &[u8], value: &[u8]) -> Arc<[u8]> {
    if on_disk(key) {
        Arc::from(stub(key, value).as_slice())
    } else {
        Arc::from(value)
    }
}
