//! Room on the disk for the Raft log: the file that is written has all its blocks from the start, and a reserve of
//! blocks waits for the next one, so that a disk that others fill does not stop consensus.
//!
//! What it guarantees: once a log file is prepared, appends to it need no free space. When the next file finds none,
//! the reserve is given up for it. While there is little room the node says so, and the leader refuses changes, so that
//! little is appended. Between the moment that a file is begun and its preparation lie at most
//! [`LOG_PREPARE_EVERY`](crate::limits::LOG_PREPARE_EVERY) bytes; a disk that fills in just that moment does stop the
//! node, and the next start gives up the reserve.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::limits::{LOG_RESERVE_BYTES, LOG_ROOM_BYTES, SPACE_BACK_BYTES, SPACE_LOW_BYTES};

/// How many bytes are free where a path lies.
type FreeBytes = Box<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;

/// The room of one node's log.
pub struct Room {
    log: PathBuf,
    reserve: PathBuf,
    state: Mutex<State>,
    free: FreeBytes,
}

#[derive(Default)]
struct State {
    /// The log file that has its room.
    prepared: Option<OsString>,
    /// The file system cannot reserve blocks: said once.
    unsupported: bool,
    /// Little room, as it was last seen.
    low: bool,
}

impl Room {
    /// For the log in `log`, with the reserve as the file `reserve` on the same file system.
    pub fn new(log: PathBuf, reserve: PathBuf) -> Self {
        Self {
            log,
            reserve,
            state: Mutex::default(),
            free: Box::new(free_bytes),
        }
    }

    /// Before a start: on a full disk the reserve is given up, so that applied state can be stored.
    pub fn give_way(&self) -> io::Result<()> {
        let full = self.log.exists() && (self.free)(&self.log)? < SPACE_LOW_BYTES;
        if full && self.reserve.exists() {
            tracing::warn!(reserve = %self.reserve.display(), "the disk is nearly full: the reserve is given up");
            fs::remove_file(&self.reserve)?;
        }
        Ok(())
    }

    /// Sees to it that the newest log file has its room. Cheap when it has.
    pub fn prepare(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.prepare_newest(&mut state) {
            tracing::error!(folder = %self.log.display(), %error, "the Raft log has no preallocated room");
            state.low = true;
        }
    }

    /// Looks at the disk: prepares the newest log file, makes the reserve anew where there is room again. Gives
    /// whether there is little room. Blocks for a moment.
    pub fn look(&self) -> io::Result<bool> {
        self.prepare();
        let free = (self.free)(&self.log)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reserved = self.reserve.exists();
        if !reserved && !state.unsupported && free >= LOG_RESERVE_BYTES + SPACE_BACK_BYTES {
            reserved = self.make_reserve(&mut state)?;
        }
        let before = state.low;
        let enough = if before { SPACE_BACK_BYTES } else { SPACE_LOW_BYTES };
        state.low = free < enough || !(reserved || state.unsupported) || (before && state.prepared.is_none());
        if state.low && !before {
            tracing::error!(
                folder = %self.log.display(),
                free_mib = free >> 20,
                "the data folder is nearly full: changes are refused while this node leads; make room on its file system"
            );
        } else if before && !state.low {
            tracing::info!(free_mib = free >> 20, "the data folder has room again");
        }
        Ok(state.low)
    }

    fn prepare_newest(&self, state: &mut State) -> io::Result<()> {
        let mut newest = None;
        for entry in fs::read_dir(&self.log)? {
            let name = entry?.file_name();
            let is_log = Path::new(&name).extension().is_some_and(|suffix| suffix == "wal");
            if is_log && newest.as_ref().is_none_or(|known| *known < name) {
                newest = Some(name);
            }
        }
        let Some(newest) = newest.filter(|newest| state.prepared.as_ref() != Some(newest)) else {
            return Ok(());
        };
        let file = OpenOptions::new().write(true).open(self.log.join(&newest))?;
        let mut reserved = reserve_blocks(&file, LOG_ROOM_BYTES);
        if matches!(reserved, Err(Errno::NOSPC)) && self.reserve.exists() {
            tracing::warn!(reserve = %self.reserve.display(), "the reserve is given up for the Raft log");
            fs::remove_file(&self.reserve)?;
            reserved = reserve_blocks(&file, LOG_ROOM_BYTES);
        }
        match reserved {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.say_unsupported(state),
            Err(error) => return Err(error.into()),
        }
        state.prepared = Some(newest);
        Ok(())
    }

    fn make_reserve(&self, state: &mut State) -> io::Result<bool> {
        let file = File::create(&self.reserve)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, LOG_RESERVE_BYTES) {
            Ok(()) => file.sync_all().map(|()| true),
            Err(error) => {
                fs::remove_file(&self.reserve)?;
                match error {
                    Errno::OPNOTSUPP | Errno::NOSYS => self.say_unsupported(state),
                    Errno::NOSPC => {}
                    error => return Err(error.into()),
                }
                Ok(false)
            }
        }
    }

    fn say_unsupported(&self, state: &mut State) {
        if !std::mem::replace(&mut state.unsupported, true) {
            tracing::warn!(
                folder = %self.log.display(),
                "this file system cannot reserve blocks: a full disk stops this node at once"
            );
        }
    }
}

/// Gives a file its blocks without changing its size.
fn reserve_blocks(file: &File, bytes: u64) -> Result<(), Errno> {
    rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes)
}

fn free_bytes(path: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    const MIB: u64 = 1 << 20;

    fn room(folder: &Path) -> (Room, Arc<AtomicU64>) {
        let log = folder.join("log");
        fs::create_dir(&log).unwrap();
        fs::write(log.join("r-1.wal"), b"entries").unwrap();
        let free = Arc::new(AtomicU64::new(1 << 40));
        let mut room = Room::new(log, folder.join("reserve"));
        let source = free.clone();
        room.free = Box::new(move |_| Ok(source.load(Ordering::Relaxed)));
        (room, free)
    }

    #[test]
    fn each_log_file_gets_its_blocks_and_keeps_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let (room, _) = room(folder.path());
        for name in ["r-1.wal", "r-2.wal"] {
            let path = folder.path().join("log").join(name);
            fs::write(&path, b"entries").unwrap();
            assert!(!room.look().unwrap());
            let found = fs::metadata(&path).unwrap();
            assert_eq!(
                (found.len(), found.blocks() * 512 >= LOG_ROOM_BYTES),
                (7, true),
                "{name}"
            );
        }
        let reserve = fs::metadata(folder.path().join("reserve")).unwrap();
        assert!(reserve.blocks() * 512 >= LOG_RESERVE_BYTES);
    }

    #[test]
    fn little_room_is_said_until_there_is_clearly_more() {
        let folder = tempfile::tempdir().unwrap();
        let (room, free) = room(folder.path());
        for (now, expected) in [
            (1 << 40, false),
            (SPACE_LOW_BYTES + MIB, false),
            (SPACE_LOW_BYTES - MIB, true),
            (SPACE_LOW_BYTES + MIB, true),
            (SPACE_BACK_BYTES + MIB, false),
        ] {
            free.store(now, Ordering::Relaxed);
            assert_eq!(room.look().unwrap(), expected, "{} MiB free", now / MIB);
        }
        // Without the reserve there is little room whatever is free, until it can be made again.
        fs::remove_file(folder.path().join("reserve")).unwrap();
        assert!(room.look().unwrap());
        free.store(1 << 40, Ordering::Relaxed);
        assert!(!room.look().unwrap());
    }
}
