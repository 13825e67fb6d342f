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
/// How many messages with entries are under way to one member at once: one is written to its disk while the next
/// travels, and what comes meanwhile goes together.
pub const APPENDS_UNDER_WAY_MAX: usize = 2;
/// The size at which a block of a snapshot is closed, in bytes.
pub const SNAPSHOT_BLOCK_BYTES: usize = 64 * 1024;
/// The largest block of a snapshot, in bytes: one row of the largest command, and what was before it in the block.
pub const SNAPSHOT_BLOCK_BYTES_MAX: usize = 4 * COMMAND_BYTES_MAX;
/// After how many log entries a snapshot is tried again that could not be written.
pub const SNAPSHOT_AGAIN_AFTER: u64 = 500;
/// How many snapshots are kept.
pub const SNAPSHOTS_KEPT: usize = 2;
/// How many copies of applied state that could not be used are kept.
pub const APPLIED_BAD_KEPT: usize = 2;
/// How many rows are put into sled in one batch when all are replaced.
pub const APPLIED_BATCH_ROWS: usize = 1_000;
/// The size at which a file of the Raft log is closed and the next begun, in bytes. The entries of the newest file are
/// in memory.
pub const LOG_CHUNK_BYTES: usize = 8 * 1024 * 1024;
/// The blocks that each file of the log gets at its beginning: its size, and the entry that goes beyond it.
pub const LOG_ROOM_BYTES: u64 = (LOG_CHUNK_BYTES + COMMAND_BYTES_MAX + 1024 * 1024) as u64;
/// The blocks that are kept for the log's next file.
pub const LOG_RESERVE_BYTES: u64 = LOG_ROOM_BYTES + 3 * 1024 * 1024;
/// After how many appended bytes it is made sure that the file of the log has its blocks.
pub const LOG_PREPARE_EVERY: usize = 64 * 1024;
/// With fewer free bytes than this, the data folder is nearly full.
pub const SPACE_LOW_BYTES: u64 = 64 * 1024 * 1024;
/// With as many, it has room again.
pub const SPACE_BACK_BYTES: u64 = 96 * 1024 * 1024;
/// How many bytes of log entries stay in memory.
pub const LOG_CACHE_BYTES: usize = 8 * 1024 * 1024;
/// How many log entries stay in memory.
pub const LOG_CACHE_ENTRIES: usize = 20_000;
/// How long an fsync of the log waits for others to share it. Longer costs a lone writer; zero costs a busy one.
pub const LOG_SYNC_WAIT: Duration = Duration::from_micros(20);
/// How long a commit index waits for entries to be written with. A node that is killed meanwhile and then starts alone
/// begins that much earlier.
pub const LOG_COMMIT_WAIT: Duration = Duration::from_millis(20);
/// The bytes of log entries in one message to a follower; a single larger entry still goes alone.
pub const APPEND_BYTES_MAX: usize = COMMAND_BYTES_MAX;
/// How many rows one read gives at most.
pub const ROWS_READ_MAX: usize = 1_000;
/// How many bytes of keys and values one read gives at most; a single larger row still comes alone.
pub const ROWS_READ_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The state hash is kept for comparison at each index that this divides. All releases must use the same.
pub const CHECKPOINT_EVERY: u64 = 32;
/// How many of those a node keeps: a member that lags by more is compared later.
pub const CHECKPOINTS_KEPT: usize = 256;
/// How long a node waits to come as far as one that wants its state.
pub const MEND_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often a node is mended between two starts before it stops for good.
pub const MENDS_MAX: u32 = 10;
/// How many log entries a node that is being mended remembers until the state comes that they belong to.
pub const MEND_ENTRIES_MAX: usize = 100_000;
/// How many bytes of them.
pub const MEND_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How many states that differed from the majority's are kept.
pub const DIFFERENT_KEPT: usize = 2;
/// How long applied changes wait in memory before they are written, so that a row that changes often is written once.
pub const APPLIED_WRITE_EVERY: Duration = Duration::from_millis(500);
/// With so many bytes waiting they are written at once.
pub const APPLIED_WRITE_BYTES: usize = 8 * 1024 * 1024;
/// With so many bytes waiting, apply itself waits.
pub const APPLIED_PENDING_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How long the start waits for the lock of applied state.
pub const APPLIED_LOCK_MAX: Duration = Duration::from_secs(2);
/// How much of the applied state sled keeps in memory, in bytes: what is read often is in memory anyhow.
pub const APPLIED_CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// How long entries may take to a member, where consensus itself asks for less: its own time-out is made for
/// heartbeats, which have a task of their own. A busy disk must not make the same entries travel again and again; a
/// dead peer is noticed by its connection.
pub const APPEND_MAX: Duration = Duration::from_secs(10);
/// A message up to this size, in bytes, is a heartbeat or a vote, and keeps its time-out.
pub const HEARTBEAT_BYTES_MAX: usize = 256;
