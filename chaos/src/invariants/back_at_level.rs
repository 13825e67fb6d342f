//! Bounded (promise 10): after the load, memory, file handles and disk are back at their level.
//!
//! Precisely, of the disk: a data folder holds a bounded log and what the operations of the run need, no file that was
//! begun and not finished; the storage holds no upload that is open, and an unfinished one only where an upload failed.

use super::Broken;

/// The promise.
pub const PROMISE: &str = "memory, file handles and disk are back at their level";

/// What a node uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// Open files.
    pub handles: u64,
    /// The Raft log with its reserve, in bytes of disk.
    pub log_bytes: u64,
    /// All else in the data folder, in bytes of disk.
    pub other_bytes: u64,
    /// Files in the data folder that were begun and not finished.
    pub unfinished: Vec<String>,
}

/// What the storage holds besides finished files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Staged {
    /// Uploads of members that count as open, though every client is gone.
    pub open: u64,
    /// Uploads that are kept to be resumed, and those of nodes that have left.
    pub kept: u64,
    /// Uploads that were not acknowledged.
    pub failed: u64,
}

/// How many more handles a node may have: other nodes' connections come and go, and the passive ports of FTP, twelve in
/// these runs, stay open for half a minute.
const HANDLES_MORE: u64 = 36;
/// How much more memory: twice, and what caches may take.
const MEMORY_MORE_BYTES: u64 = 160 * 1024 * 1024;
/// The log: the file that is written with its room, the reserve for the next, and some that no snapshot covers yet.
const LOG_BYTES_MAX: u64 = 6 * 41 * 1024 * 1024;
/// How much more a data folder may hold besides: two snapshots, and what applied state takes until it is packed.
const OTHER_MORE_BYTES: u64 = 96 * 1024 * 1024;
/// And for each operation: its history, its events.
const OPERATION_BYTES: u64 = 8 * 1024;

/// Compares each node before the load with the same after so many operations.
pub fn check(nodes: &[(String, Used, Used)], operations: u64) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (node, before, after) in nodes {
        let other_more = OTHER_MORE_BYTES + operations * OPERATION_BYTES;
        for (what, found, bound) in [
            ("open files", after.handles, before.handles + HANDLES_MORE),
            (
                "bytes in memory",
                after.memory_bytes,
                before.memory_bytes * 2 + MEMORY_MORE_BYTES,
            ),
            ("bytes of log", after.log_bytes, LOG_BYTES_MAX),
            (
                "bytes in the data folder besides the log",
                after.other_bytes,
                before.other_bytes + other_more,
            ),
        ] {
            if found > bound {
                let what = format!("{node}: {found} {what} after the load, more than {bound}");
                broken.push(Broken::new("back-at-level", what));
            }
        }
        if !after.unfinished.is_empty() {
            let what = format!("{node}: begun and not finished: {}", after.unfinished.join(", "));
            broken.push(Broken::new("back-at-level", what));
        }
    }
    broken
}

/// Whether the storage holds more than it has a reason for.
pub fn check_storage(staged: Staged) -> Option<Broken> {
    let Staged { open, kept, failed } = staged;
    let what = format!("the storage: {open} uploads count as open, {kept} are kept, {failed} failed");
    (open > 0 || kept > failed).then(|| Broken::new("back-at-level", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_grows_is_found_by_itself() {
        let before = Used {
            memory_bytes: 100 << 20,
            handles: 60,
            log_bytes: 80 << 20,
            other_bytes: 1 << 20,
            unfinished: Vec::new(),
        };
        let grown = |change: fn(&mut Used)| {
            let mut after = before.clone();
            change(&mut after);
            check(&[("n1".to_owned(), before.clone(), after)], 1_000).len()
        };
        for (expected, change) in [
            (0, (|_| ()) as fn(&mut Used)),
            (0, |used| used.handles += 10),
            (1, |used| used.handles += 100),
            (1, |used| used.memory_bytes *= 5),
            (1, |used| used.log_bytes *= 5),
            (0, |used| used.other_bytes += 20 << 20),
            (1, |used| used.other_bytes += 200 << 20),
            (1, |used| used.unfinished.push("snapshot-1.part".to_owned())),
        ] {
            assert_eq!(grown(change), expected);
        }
    }

    #[test]
    fn an_unfinished_upload_stays_only_where_one_failed() {
        for (open, kept, failed, good) in [(0, 0, 0, true), (0, 2, 2, true), (0, 1, 0, false), (1, 0, 5, false)] {
            assert_eq!(check_storage(Staged { open, kept, failed }).is_none(), good);
        }
    }
}
