//! Every bound of this crate, with its unit and its reason.

use std::time::Duration;

/// The largest encoded command, in bytes. An `apply` of some thousand objects fits; a file does not.
pub const COMMAND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many request ids the state remembers.
pub const REQUEST_IDS_MAX: u64 = 1_000_000;
/// How long a request is retried by ourselves before it is answered as unknown.
pub const RETRY_MAX: Duration = Duration::from_secs(60);
/// How many applied entries are stored, published and answered together.
pub const APPLY_CHUNK_MAX: usize = 256;
/// How many join tokens the state keeps; the one that ends first makes room.
pub const JOIN_TOKENS_MAX: usize = 1_000;
/// How long a snapshot may take on its way to one member.
pub const SNAPSHOT_SEND_MAX: Duration = Duration::from_secs(600);
/// How long the first start of a new cluster may take.
pub const FOUND_MAX: Duration = Duration::from_secs(10);
/// How long one confirmation of the leadership (for a read) may take inside the core.
pub const READ_INDEX_MAX: Duration = Duration::from_secs(5);
/// Log entries in one message to a follower.
pub const APPEND_ENTRIES_MAX: u64 = 64;
