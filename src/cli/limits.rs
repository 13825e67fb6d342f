//! Every bound of the command line, with its unit.

use std::time::Duration;

/// How long a connection to a node may take, the TLS handshake included.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The same where another server can be asked instead.
pub const CONNECT_DEADLINE_OF_SEVERAL: Duration = Duration::from_secs(2);
/// How long an answer may take; longer than the longest wait that can be asked for.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(130);
/// How long a change of unknown outcome is asked for again, with the same request id.
pub const RETRY_MAX: Duration = Duration::from_secs(20);
/// Pause between two rounds of that.
pub const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Servers of one profile.
pub const SERVERS_MAX: usize = 16;
/// The largest answer, in bytes.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The longest event of a stream, in bytes.
pub const STREAM_EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a stream may be silent; the node sends something more often than that.
pub const STREAM_SILENCE_MAX: Duration = Duration::from_secs(60);

/// How often a change is repeated that somebody else's change came before.
pub const STALE_TRIES_MAX: usize = 5;
/// Objects asked for at a time.
pub const PAGE: usize = 1_000;
/// Objects of one revision asked for at a time: each comes before and after.
pub const HISTORY_PAGE: usize = 200;
/// Objects that `apply --in-parts` sends at a time.
pub const PART: usize = 500;
/// Pages of one list.
pub const PAGES_MAX: usize = 10_000;

/// The most that is read of a file or of standard input, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The most that is read of a file of objects, in bytes.
pub const OBJECTS_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Objects of one change that are named one by one when it is told.
pub const NAMED_MAX: usize = 8;
/// The narrowest that a column is made to fit a terminal, in characters.
pub const COLUMN_MIN: usize = 8;
