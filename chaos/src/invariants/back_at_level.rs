//! Bounded (promise 10): after the load, memory and file handles are back at their level.

use super::Broken;

/// The promise.
pub const PROMISE: &str = "memory and file handles are back at their level";

/// What a node uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// Open files.
    pub handles: u64,
}

/// How many more handles a node may have: other nodes' connections come and go.
const HANDLES_MORE: u64 = 24;
/// How much more memory: twice, and what caches may take.
const MEMORY_MORE_BYTES: u64 = 160 * 1024 * 1024;

/// Compares each node before the load with the same after it.
pub fn check(nodes: &[(String, Used, Used)]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (node, before, after) in nodes {
        if after.handles > before.handles + HANDLES_MORE {
            let what = format!(
                "{node}: {} open files, {} before the load",
                after.handles, before.handles
            );
            broken.push(Broken::new("back-at-level", what));
        }
        if after.memory_bytes > before.memory_bytes * 2 + MEMORY_MORE_BYTES {
            let what = format!(
                "{node}: {} bytes in memory, {} before",
                after.memory_bytes, before.memory_bytes
            );
            broken.push(Broken::new("back-at-level", what));
        }
    }
    broken
}
