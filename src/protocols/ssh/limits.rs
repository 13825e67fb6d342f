//! Bounds of an SSH connection.

use std::time::Duration;

/// Channels open at one time in one connection.
pub const CHANNELS_MAX: usize = 10;
/// Bytes of the largest SSH packet that we take (russh's own maximum).
pub const PACKET_BYTES: u32 = 65_535;
/// Messages to russh's loop that wait; each is at most one reply.
pub const MESSAGES_MAX: usize = 4;
/// Bytes handed to russh that have not reached the socket.
pub const UNSENT_BYTES_MAX: u64 = 1024 * 1024;
/// The longest wait for the socket before a further reply is handed over all the same (its queue is bounded too).
pub const UNSENT_WAIT: Duration = Duration::from_secs(1);
/// How long a peer may take nothing of what it asked for.
pub const STALL_MAX: Duration = Duration::from_secs(600);
/// From the decision to end a connection to its cut.
pub const GOODBYE: Duration = Duration::from_millis(200);
/// From the cut to giving up on the task that served it.
pub const CUT_WAIT: Duration = Duration::from_secs(1);
/// The pause between reads of a strained connection.
pub const SLOW_READ: Duration = Duration::from_millis(2);
/// Answers of a keyboard-interactive step that are looked at; more are never asked for.
pub const ANSWERS_MAX: usize = 3;
/// How often a new password is asked for, within the tries of one connection.
pub const CHANGE_ROUNDS_MAX: u32 = 3;
/// Orders from the handler to the connection.
pub const ORDERS_MAX: usize = 8;
/// Keepalives without an answer.
pub const KEEPALIVES_MAX: usize = 3;
/// Bytes of a text to the peer's terminal.
pub const TEXT_BYTES_MAX: usize = 512;
/// A session in which nothing has moved for this long has nothing under way, and ends as soon as its service closes.
pub const DRAIN_QUIET: Duration = Duration::from_secs(2);
/// Bytes under one set of keys, at most (RFC 4253, 9; russh asserts it).
pub const REKEY_BYTES_MAX: u64 = 1 << 30;
/// Bytes that are gathered of what a program's channel received, before the next piece is begun.
pub const PIECE_BYTES: usize = 256 * 1024;
/// The same where they begin with so few.
pub const PIECE_BYTES_SMALL: usize = 4 * 1024;
