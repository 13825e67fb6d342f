//! Bounds of the Vfs; each stands here with its unit and its reason.
//!
//! The handles of one protocol session and the sizes of packets are left to the protocols.

use std::time::Duration;

/// Open files and folders of one session, over all protocols.
pub const OPEN_FILES_MAX: usize = 4096;
/// Of the descriptors that the process may have, the part that open files may take, in hundredths: the rest is for
/// connections, the log and the cluster.
pub const OPEN_FILES_PERCENT: u64 = 75;
/// Open files and folders of all sessions, however many descriptors there are.
pub const OPEN_FILES_NODE_MAX: usize = 1_000_000;
/// Threads that one storage may hold in blocking calls. A storage that hangs takes these and no more.
pub const POOL_THREADS_MAX: usize = 16;
/// Jobs of one storage that wait or run; who comes later waits at most [`POOL_WAIT`].
pub const POOL_JOBS_MAX: usize = 4096;
/// How long a call waits for a place in the queue of its storage.
pub const POOL_WAIT: Duration = Duration::from_secs(60);
/// How long a thread without work stays.
pub const POOL_IDLE: Duration = Duration::from_secs(10);
/// Bytes of one read.
pub const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one read that are tried on the caller's own thread, from the page cache alone.
pub const READ_INLINE_BYTES_MAX: usize = 256 * 1024;
/// Sizes of the buffers for bytes of files, in bytes, a power of two and a little for headers, so that at most half of
/// one is unused; what is longer has a buffer made for it.
pub const BUFFER_BYTES: [usize; 4] = [34 * 1024, 66 * 1024, 130 * 1024, 258 * 1024];
/// Bytes of buffers of one size that wait to be used again.
pub const BUFFERS_KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of a header that fit before what was read.
pub const HEAD_BYTES_MAX: usize = 64;
/// Bytes of a file that are hashed or copied in one turn on the pool; between two the right is judged anew.
pub const CONTENT_STEP_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes read at one time to be hashed or copied.
pub const CONTENT_READ_BYTES: usize = 256 * 1024;
/// Bytes of one write.
pub const WRITE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one note; many file systems keep fewer (ext4 about 4,000).
pub const NOTE_BYTES_MAX: usize = 16 * 1024;
/// Entries of one batch of a listing, whatever the caller asks for.
pub const ENTRIES_MAX: usize = 1024;
/// Symbolic links followed in one path, as Linux's own bound.
pub const LINKS_MAX: usize = 40;
/// Staged files of one account on one storage that are looked at; an account with more loses the sight of some.
pub const STAGED_MAX: usize = 10_000;
/// Uploads in steps of one account on one storage that are open at one time.
pub const STEP_UPLOADS_MAX: usize = 1_000;
/// Bytes of what is written down about one.
pub const RECORD_BYTES_MAX: usize = 32 * 1024;
/// An upload that nobody has written to for so long, in milliseconds, is shown to its account as a partial even
/// though its session has not ended (its node may be gone).
pub const QUIET_MILLIS: i64 = 10_000;
/// Pieces of an upload written out of order that are remembered; with more, an interrupted upload is cut shorter.
pub const PIECES_MAX: usize = 1024;
/// After so many bytes an upload looks again at the room left on the storage.
pub const ROOM_CHECK_BYTES: u64 = 16 * 1024 * 1024;
/// Attempts at a staged name or folder that another node changes at the same moment.
pub const ATTEMPTS_MAX: usize = 4;
/// Bytes of one step of the copy of a partial; between two its session and the room left are looked at.
pub const COPY_STEP_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of memory that a copy takes where the kernel cannot copy.
pub const COPY_BUFFER_BYTES: usize = 1024 * 1024;
/// How long a cleaning waits for the storages; one that takes longer goes on by itself.
pub const CLEAN_WAIT: Duration = Duration::from_secs(20);
/// Files looked at by one cleaning of a storage; the next one goes on.
pub const CLEAN_MAX: usize = 1_000_000;
/// Writes to one file that wait for the storage.
pub const WRITES_WAITING_MAX: usize = 4096;
/// Writes that one turn on the pool does for one file before it queues again behind the other files.
pub const WRITES_PER_TURN_MAX: usize = 64;
/// Bytes of a strict upload after which the kernel is asked to begin to store them.
pub const STORE_AHEAD_BYTES: u64 = 8 * 1024 * 1024;
/// The part of a second's bytes that may pass at once where a rate is set, in hundredths.
pub const BURST_PERCENT: u64 = 25;
/// How often one who waits for its turn looks whether the rate has changed.
pub const PACE_STEP: Duration = Duration::from_secs(1);
/// Rates that are kept before those are looked for that nobody uses any more.
pub const PACES_MIN: usize = 64;
