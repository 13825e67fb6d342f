//! What a node keeps on disk apart from its log: applied state in sled, which may be lost, and snapshot files, which
//! may not.
//!
//! The log is in `raft::log`; what the rows mean is in `raft::replica`.

mod applied;
pub mod format;
mod layers;
mod snapshots;

use std::path::Path;
use std::sync::Arc;

pub use applied::SledStore;
pub use snapshots::SnapshotFolder;

use crate::NodeError;
use crate::raft::log::DiskLog;
use crate::raft::{Fatal, OnDisk, Room, StateParts};

/// Everything that a node keeps of the consensus, opened.
pub struct Storage {
    /// The log and the vote.
    pub log: DiskLog,
    /// The room on the disk for it.
    pub room: Arc<Room>,
    /// State found at start, and where it is kept from now on.
    pub state: StateParts,
}

/// Opens (or makes) the folders `log`, `state` and `snapshots` beneath `folder`. Applied state that cannot be trusted
/// is moved aside and rebuilt. `on_disk` says which values stay there. Errors of the log raise `fatal` later on.
pub fn open(folder: &Path, on_disk: OnDisk, fatal: &Fatal) -> Result<Storage, NodeError> {
    let refused = |what: &str, error: &dyn std::fmt::Display| {
        NodeError(format!("cannot open the {what} in {}: {error}", folder.display()))
    };
    let room = Arc::new(Room::new(folder.join("log"), folder.join("reserve")));
    room.give_way().map_err(|error| refused("log", &error))?;
    let snapshots = SnapshotFolder::open(&folder.join("snapshots")).map_err(|error| refused("snapshots", &error))?;
    let newest = snapshots
        .find_newest()
        .map_err(|error| refused("newest snapshot", &error))?;
    let at_least = newest.and_then(|head| head.last).map(|last| last.index);
    let opened = SledStore::open(folder, at_least, on_disk, fatal.clone());
    let (applied, found) = opened.map_err(|error| refused("applied state", &error))?;
    let found = match found {
        Some(found) => found,
        None => snapshots
            .restore(&applied, on_disk)
            .map_err(|error| refused("newest snapshot", &error))?,
    };
    let log =
        DiskLog::open(&folder.join("log"), room.clone(), fatal.clone()).map_err(|error| refused("log", &error))?;
    let have = found.head.last.map(|id| id.index);
    if have < log.purged() {
        return Err(NodeError(format!(
            "the log in {} begins after entry {}, and no whole snapshot or state holds what came before (the newest \
             holds up to entry {}): this node cannot come back by itself. Remove it from the cluster and join a new \
             one, or restore a backup",
            folder.display(),
            log.purged().unwrap_or(0),
            have.unwrap_or(0),
        )));
    }
    Ok(Storage {
        log,
        room,
        state: StateParts {
            recovered: found,
            applied: Arc::new(applied),
            snapshots: Arc::new(snapshots),
        },
    })
}
