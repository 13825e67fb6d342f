//! Bounds of an SFTP channel.

/// Bytes of a packet after its length field, as announced by limits@openssh.com.
pub const PACKET_BYTES: u32 = 256 * 1024;
/// Bytes of a packet that are taken: what is announced, with room for clients that count the header otherwise.
pub const PACKET_BYTES_MAX: usize = PACKET_BYTES as usize + 1024;
/// Bytes of a packet from which on it is taken into a buffer that is used again.
pub const LONG_PACKET_BYTES: usize = 20 * 1024;
/// Bytes of one READ or WRITE.
pub const TRANSFER_BYTES_MAX: u32 = 255 * 1024;
/// Open files and folders of one channel.
pub const HANDLES_MAX: usize = 1_000;
/// Requests of one channel that run at one time.
pub const RUNNING_MAX: usize = 64;
/// Replies that wait for the reply of an earlier request.
pub const EARLY_MAX: usize = 256;
/// Bytes of READs that run at one time in one channel.
pub const READ_AHEAD_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Entries in one reply to READDIR.
pub const ENTRIES_PER_REPLY: usize = 128;
/// Extended attribute pairs that are skipped in one request.
pub const EXTENDED_ATTRIBUTES_MAX: u32 = 64;
/// Numbers of users, and of groups, in one users-groups-by-id@openssh.com.
pub const IDS_MAX: usize = 1_024;
/// Bytes of the hashes in one reply to check-file.
pub const HASHES_BYTES_MAX: usize = 192 * 1024;
/// Bytes of the smallest piece that check-file hashes by itself (the draft's bound).
pub const HASHED_PIECE_BYTES_MIN: u32 = 256;
/// Bytes that the quick check of md5-hash covers (the draft's number).
pub const QUICK_CHECK_BYTES: u64 = 2_048;
/// Bytes of short replies that are gathered into one message.
pub const GATHER_BYTES: usize = 128 * 1024;
/// Bytes that a queued packet costs beyond its own.
pub const QUEUED_OVERHEAD_BYTES: u64 = 128;
