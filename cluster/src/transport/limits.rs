//! Every bound of this room, with its unit and its reason.

use std::time::Duration;

/// How long a TLS and HTTP/2 handshake may take on the listening side.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How long a connection attempt may take: TCP, TLS and HTTP/2 together.
pub const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The wait after the first failed connection attempt; it doubles up to [`BACKOFF_MAX`].
pub const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The longest wait between connection attempts: a node that comes back is heard within this.
pub const BACKOFF_MAX: Duration = Duration::from_millis(250);
/// A silent connection is asked for a sign of life this often.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_millis(300);
/// A connection that gives no sign of life for this long is closed.
pub const KEEP_ALIVE_MAX: Duration = Duration::from_millis(700);

/// How many connections of members are open at once: 64 members with three lanes each.
pub const CONNECTIONS_MAX: usize = 192;
/// How many connections that have not shown a member's certificate are open at once, handshakes included; those from
/// members' addresses are not counted here.
pub const STRANGERS_MAX: usize = 64;
/// How many of them come from one address (of IPv6: one /64) at most.
pub const STRANGERS_PER_ADDRESS_MAX: usize = 8;
/// How many connections from one member's address may wait at once until they are identified: all lanes of ten nodes
/// that share an address.
pub const WAITING_PER_MEMBER_MAX: usize = 32;
/// How long a connection without a member's certificate may last.
pub const STRANGER_LIFE_MAX: Duration = Duration::from_secs(20);
/// How many requests run at once on one connection.
pub const STREAMS_MAX: u32 = 256;
/// The largest set of request headers, in bytes.
pub const HEADER_BYTES_MAX: u32 = 8 * 1024;
/// The longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 256;
/// The largest request or answer between members, in bytes; streams are not bodies.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The largest body of a join request, in bytes.
pub const JOIN_BODY_BYTES_MAX: usize = 16 * 1024;
/// How long a request's body may take to arrive.
pub const BODY_MAX: Duration = Duration::from_secs(10);
/// The largest text of a refusal, in bytes.
pub const REFUSAL_BYTES_MAX: usize = 4 * 1024;
/// The largest head of a stream, in bytes.
pub const STREAM_HEAD_BYTES_MAX: usize = 1024 * 1024;
/// The largest stream, in bytes.
pub const STREAM_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// How long a stream may stand still.
pub const STREAM_IDLE_MAX: Duration = Duration::from_secs(10);
/// How much one stream may have in flight, in bytes.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// How much one connection may have in flight, in bytes.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
