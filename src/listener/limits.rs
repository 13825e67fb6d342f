//! Bounds of the accept loop.

use std::time::Duration;

/// Connections that the kernel holds before they are accepted.
pub const BACKLOG: u32 = 1024;
/// The wait after a failed accept (no file descriptors left), so that the loop does not spin.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// From accept to the end of a PROXY header.
pub const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// From accept to the end of the TLS handshake, the header included.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(15);
/// Bytes of a PROXY header of version 1, with its line end (the protocol's own maximum).
pub const PROXY_V1_BYTES_MAX: usize = 107;
/// Bytes of a PROXY header of version 2, with its TLVs.
pub const PROXY_V2_BYTES_MAX: usize = 4096;
/// Bytes read at one time while a header is awaited.
pub const HEADER_READ_BYTES: usize = 256;
/// Refused connections that are recorded one by one in each second; the others of that second are counted, and the
/// next that is recorded tells how many they were.
pub const REFUSALS_RECORDED_PER_SECOND: u32 = 20;
/// What a connection gets to end by itself after the deadline of a drain, before it is dropped.
pub const DRAIN_GRACE: Duration = Duration::from_secs(5);
