//! Bounds of an scp or hash command.

/// Bytes of a command line.
pub const COMMAND_BYTES_MAX: usize = 32 * 1024;
/// Words of a command line.
pub const WORDS_MAX: usize = 1_000;
/// Bytes of a record or of an answer, with its line end.
pub const LINE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a text to the peer.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// The latest time that a client may set, in seconds since 1970: the end of the year 9999.
pub const TIME_SECONDS_MAX: u64 = 253_402_300_799;
/// Folders within folders of one copy.
pub const DEPTH_MAX: usize = 128;
/// Entries of a folder that are read at one time and wait to be sent, for each folder on the way down.
pub const ENTRIES_PER_BATCH: usize = 64;
/// Bytes of one read.
pub const READ_BYTES: usize = 256 * 1024;
/// Bytes of one read while the node is crowded.
pub const READ_BYTES_CROWDED: usize = 32 * 1024;
/// Writes of one upload that wait for the storage.
pub const WRITES_MAX: usize = 4;
/// Bytes of a file that are taken and thrown away, or sent as zeros, so that a copy goes on after a file that failed;
/// with more to come the copy ends.
pub const SKIPPED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Paths that the patterns of one command may stand for.
pub const MATCHES_MAX: usize = 10_000;
/// Entries of folders that are held against the patterns of one command.
pub const LOOKED_AT_MAX: usize = 200_000;
/// Bytes of the standard input that a hash command takes.
pub const INPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;
