//! Every bound of the admin API and of what it accepts, with its unit.
//!
//! Bounds of one object's lists are in [`crate::catalog::limits`].

use std::time::Duration;

use crate::listener::PermitLimits;

/// The largest request body, in bytes; the largest command is as long.
pub const BODY_BYTES_MAX: usize = argosy_cluster::limits::COMMAND_BYTES_MAX;
/// So much of a body that is too long is read before it is refused, in bytes, so that its sender hears why.
pub const BODY_DISCARD_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;
/// How long a request body may take to arrive.
pub const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// How long a whole request may take: the body, the longest proposal and the longest wait.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(120);
/// How long a change may take until it is answered as unknown.
pub const PROPOSE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a read waits for a confirmed state.
pub const READ_DEADLINE: Duration = Duration::from_secs(2);
/// How long another node may take to answer.
pub const PEER_DEADLINE: Duration = Duration::from_secs(2);
/// The longest wait of `wait=enforced`, in seconds.
pub const WAIT_SECONDS_MAX: u64 = 60;
/// The wait of `wait=enforced` when no `timeout` is given, in seconds.
pub const WAIT_SECONDS_DEFAULT: u64 = 5;
/// How often a node looks whether it has enforced a revision that somebody waits for.
pub const ENFORCED_POLL: Duration = Duration::from_millis(10);
/// Pause before a node that could not be reached is asked again.
pub const UNREACHABLE_PAUSE: Duration = Duration::from_millis(200);

/// Connections at one time on the TLS port, in all and from one address.
pub const CONNECTIONS: PermitLimits = PermitLimits {
    all: 512,
    per_address: 64,
};
/// Connections at one time, on the local socket.
pub const SOCKET_CONNECTIONS_MAX: usize = 64;
/// How long a TLS handshake and the first byte after it may take.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long the head of a request may take; also how often an HTTP/2 peer is asked whether it lives.
pub const HEADER_DEADLINE: Duration = Duration::from_secs(30);
/// How long a connection is kept on which no request is in flight.
pub const IDLE_DEADLINE: Duration = Duration::from_secs(90);
/// How often it is looked during that time whether something was asked.
pub const IDLE_LOOKS: u32 = 4;
/// Requests at one time on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 64;
/// Bytes of a request's head.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How long open requests may go on when the node stops.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// Objects of one page when no `limit` is given.
pub const PAGE_DEFAULT: usize = 1_000;
/// Objects of one page at most.
pub const PAGE_MAX: usize = 5_000;
/// Objects that one request for a page looks at; a filter that fits few of many gives short pages.
pub const LIST_LOOKED_AT_MAX: usize = 20_000;
/// Bytes of a name pattern or a filter's value.
pub const FILTER_BYTES_MAX: usize = 256;
/// How often a patch without `If-Match` is tried when others change the object at the same time.
pub const PATCH_TRIES_MAX: u32 = 8;
/// How often a put without `If-Match` is tried where this node was behind, or others change the object meanwhile.
pub const PUT_TRIES_MAX: u32 = 3;
/// A body up to this size, in bytes, is made an object right where it arrives; a larger one off the async threads.
pub const QUICK_BYTES_MAX: usize = 16 * 1024;
/// Fields that differ, told of one object.
pub const DIFFERENCES_MAX: usize = 1_000;
/// Rows of the history in one read.
pub const HISTORY_READ: usize = 500;
/// Rows of the history that one request for a page looks at.
pub const HISTORY_LOOKED_AT_MAX: usize = 5_000;
/// Objects of one revision on a page when no `limit` is given: each is shown before and after.
pub const HISTORY_PAGE_DEFAULT: usize = 500;
/// Bytes of a password's hash that is taken over.
pub const PASSWORD_HASH_BYTES_MAX: usize = 256;
/// The most memory, in KiB, passes and lanes that a hash that is taken over may ask for.
pub const PASSWORD_HASH_COST_MAX: (u32, u32, u32) = (64 * 1024, 10, 4);
/// Sessions that one node lists.
pub const SESSIONS_LISTED_MAX: usize = 10_000;

/// Watches at one time on one node.
pub const WATCHERS_MAX: usize = 128;
/// The pause after a look at what changed: a watcher hears of a change that much later at most.
pub const WATCH_PAUSE: Duration = Duration::from_millis(10);
/// Changed objects that are remembered for watchers; more than two of the largest transactions.
pub const WATCH_CHANGES_MAX: usize = 25_000;
/// Frames that wait for one watcher, the last one included.
pub const WATCH_FRAMES_MAX: usize = 16;
/// Bytes at which a frame is full; the event that fills it goes beyond.
pub const WATCH_FRAME_BYTES: usize = 32 * 1024;
/// How long a watcher may take to read a frame when all its frames are full.
pub const WATCH_SEND_DEADLINE: Duration = Duration::from_secs(20);
/// How often a watcher hears that the watch lives, and its right to it is judged again.
pub const WATCH_HEARTBEAT: Duration = Duration::from_secs(10);

/// Addresses whose failed tokens are remembered.
pub const FAILURES_MAX: usize = 10_000;
/// Failed tokens of an address that are answered without a delay.
pub const FAILURES_FREE: u32 = 3;
/// The first delay after that; it doubles with each further failure.
pub const FAILURE_DELAY: Duration = Duration::from_millis(100);
/// The longest such delay.
pub const FAILURE_DELAY_MAX: Duration = Duration::from_secs(2);
/// Failures are forgotten after this long without another, in milliseconds.
pub const FAILURE_MEMORY_MILLIS: i64 = 15 * 60 * 1000;
/// Refusals that are delayed at one time; further ones are answered 429 at once.
pub const FAILURES_DELAYED_MAX: usize = 64;

/// Passwords and key pairs that one change may bring; each costs a good part of a second of one core.
pub const HASHES_MAX: usize = 100;
/// Changes whose passwords are hashed at one time.
pub const BUILDS_MAX: usize = 2;

/// The shortest password, in bytes.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// The longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// The longest private host key, in bytes of PEM.
pub const PRIVATE_KEY_BYTES_MAX: usize = 32 * 1024;
/// Host keys of a service.
pub const SERVICE_HOST_KEYS_MAX: usize = 16;
/// The largest number of sessions or connections that a limit can name.
pub const SESSIONS_LIMIT_MAX: u32 = 1_000_000;
/// The longest time to sign in, in seconds.
pub const LOGIN_GRACE_SECONDS_MAX: u32 = 3_600;
/// The most tries to sign in on one connection.
pub const LOGIN_ATTEMPTS_MAX: u32 = 100;
/// The longest idle time and keepalive interval, in seconds.
pub const IDLE_SECONDS_MAX: u32 = 7 * 24 * 3_600;
/// The longest time that browsers are told to come by HTTPS alone, in seconds: two years.
pub const HSTS_SECONDS_MAX: u32 = 63_072_000;
/// The longest time that a person stays signed in with a browser, in seconds: thirty days.
pub const WEB_SESSION_SECONDS_MAX: u32 = 30 * 24 * 3_600;
/// Networks with a passive address of their own, of one FTP service.
pub const PASSIVE_NETWORKS_MAX: usize = 50;
/// The highest rate that a transfer may be made to have at least, in bytes a second.
pub const MINIMUM_RATE_MAX: u64 = 1 << 30;
/// The longest login delay, in milliseconds.
pub const LOGIN_DELAY_MILLIS_MAX: u32 = 600_000;
/// The longest memory of failed logins, in seconds.
pub const LOGIN_MEMORY_SECONDS_MAX: u32 = 7 * 24 * 3_600;
/// The shortest age at which staged uploads of a node that has left are removed, in seconds.
pub const STAGED_AGE_SECONDS_MIN: u32 = 3_600;
/// The longest such age, in seconds (ten years).
pub const STAGED_AGE_SECONDS_MAX: u32 = 10 * 365 * 24 * 3_600;
/// The longest validity of a join token, in seconds.
pub const JOIN_TOKEN_SECONDS_MAX: u64 = 7 * 24 * 3_600;
/// The validity of a join token when none is given, in seconds.
pub const JOIN_TOKEN_SECONDS_DEFAULT: u64 = 3_600;
/// The longest path of a storage's root, in bytes.
pub const ROOT_BYTES_MAX: usize = 4_096;

/// The slowest rate that may be set, in bytes a second; below it clients give up.
pub const RATE_MIN: u64 = 1024;
/// Bytes of a certificate principal's name.
pub const PRINCIPAL_BYTES_MAX: usize = 256;
/// The shortest `staleness_max_seconds`: below it every election would shut everybody out.
pub const STALENESS_SECONDS_MIN: u32 = 30;
/// The longest span that is given in days.
pub const DAYS_MAX: u32 = 3_650;
/// The strictest entropy that may be asked of a password, in bits.
pub const ENTROPY_BITS_MAX: u32 = 256;
/// The most failed logins that may be allowed before a ban.
pub const LOGIN_FAILURES_MAX: u32 = 1_000_000;
/// Bytes after which an SSH connection agrees on new keys, at least: each exchange costs a round trip.
pub const REKEY_BYTES_MIN: u64 = 1 << 20;
/// The same, at most (RFC 4253, 9).
pub const REKEY_BYTES_MAX: u64 = 1 << 30;
/// Seconds after which an SSH connection agrees on new keys, at least.
pub const REKEY_SECONDS_MIN: u32 = 10;
/// The same, at most: a day.
pub const REKEY_SECONDS_MAX: u32 = 86_400;
/// Seconds between two fetches of a revocation list, at least.
pub const REVOCATION_EVERY_SECONDS_MIN: u32 = 60;
/// Seconds between two fetches of a revocation list, at most.
pub const REVOCATION_EVERY_SECONDS_MAX: u32 = 7 * 24 * 3600;
