//! Bounds of resumption.

/// Seconds for which a session can be resumed: as long as an FTP session of a working day opens data connections.
pub const TICKET_SECONDS: u32 = 12 * 3600;
/// Seconds after which tickets are made with another key; the one before is still read.
pub const TICKET_KEY_SECONDS: u64 = 24 * 3600;
/// Seconds by which another node's clock may be ahead.
pub const TICKET_AHEAD_SECONDS_MAX: u64 = 300;
/// Sessions that a service stores on one node, for clients that know no tickets.
pub const SESSIONS_STORED_MAX: usize = 2_000;
/// Bytes of one of them: the client's certificates are part of it.
pub const SESSION_BYTES_MAX: usize = 32 * 1024;
