//! Bounds of the journal.

use std::time::Duration;

/// A file is closed and a new one begun at this size, in bytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A file is closed and a new one begun at this age.
pub const FILE_AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// The oldest files beyond this number are removed.
pub const FILES_MAX: usize = 64;
/// Written events are on stable storage after at most this long.
pub const SYNC_EVERY: Duration = Duration::from_millis(500);
/// A text field (a claimed account name, a reason) is cut at this many bytes.
pub const TEXT_BYTES_MAX: usize = 1024;
