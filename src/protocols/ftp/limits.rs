//! Bounds of an FTP session.

use std::time::Duration;

/// Bytes of a command line, its end included: a path of 4096 bytes with every byte doubled would not fit, and no
/// client sends one.
pub const LINE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a line that is too long, read to find its end; with more the connection ends.
pub const LINE_DISCARD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one read of the control connection.
pub const CONTROL_READ_BYTES: usize = 1024;
/// Command lines that wait while a command is being done; then no more are read.
pub const QUEUE_MAX: usize = 32;
/// Lines that were too long or held a NUL, or unknown commands, before the connection ends.
pub const BAD_LINES_MAX: u32 = 100;
/// How long a client may take nothing of a reply.
pub const REPLY_MAX: Duration = Duration::from_secs(30);
/// From AUTH, or from the first byte of an implicit service, to the end of the TLS handshake.
pub const CONTROL_HANDSHAKE_MAX: Duration = Duration::from_secs(15);
/// How long a data connection is waited for, or tried.
pub const DATA_CONNECT_MAX: Duration = Duration::from_secs(20);
/// The TLS handshake of a data connection.
pub const DATA_HANDSHAKE_MAX: Duration = Duration::from_secs(15);
/// The end of a download: from the last byte handed over to the client's own end.
pub const DATA_CLOSE_MAX: Duration = Duration::from_secs(10);
/// Bytes of one read of a file, of one write of an upload, and of one read of a data connection.
pub const TRANSFER_BYTES: usize = 256 * 1024;
/// Reads of a file that run at one time once the storage is seen to wait.
pub const READS_AHEAD: usize = 6;
/// Bytes of an upload that wait to be written.
pub const WRITES_BEHIND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of an upload that are worth a write though more may come at once.
pub const WRITE_EARLY_BYTES: usize = 64 * 1024;
/// How long fewer bytes than that wait for more.
pub const WRITE_EARLY_AFTER: Duration = Duration::from_millis(250);
/// Bytes that TLS may hold before they are sent.
pub const TLS_UNSENT_BYTES_MAX: usize = 512 * 1024;
/// Entries of a folder that are asked for at one time.
pub const ENTRIES_PER_STEP: usize = 256;
/// Bytes of a listing in an answer on the control connection (STAT); what is beyond is cut, and said.
pub const STATUS_BYTES_MAX: usize = 64 * 1024;
/// The seconds over which a transfer's rate is judged.
pub const RATE_SECONDS: u32 = 30;
/// How often a transfer is looked at.
pub const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Data connections of a port that came from a balancer and whose PROXY header is being read.
pub const HEADERS_MAX: usize = 64;
/// A passive port that nobody waits on is closed after this time.
pub const PORT_IDLE: Duration = Duration::from_secs(30);
/// Connections that the kernel holds for a passive port.
pub const DATA_BACKLOG: u32 = 64;
/// The longest look-up of a name that stands as a passive address.
pub const LOOKUP_MAX: Duration = Duration::from_secs(5);
/// Bits of the network that counts as the same, of IPv4.
pub const NETWORK_BITS_V4: u8 = 24;
/// The same of IPv6.
pub const NETWORK_BITS_V6: u8 = 64;
/// Tries at a name for STOU that nothing has.
pub const UNIQUE_TRIES: usize = 8;
/// From the reply 421 to the end of the connection.
pub const GOODBYE: Duration = Duration::from_millis(500);
