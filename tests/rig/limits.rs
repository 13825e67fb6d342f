//! Every bound of the rig: how long it waits and how often it looks.

use std::time::Duration;

/// Between two looks at a condition.
pub const POLL: Duration = Duration::from_millis(20);
/// A node that was started is ready within this time, on a loaded machine and in a debug build.
pub const START: Duration = Duration::from_secs(30);
/// A node that was told to stop has ended within this time.
pub const STOP: Duration = Duration::from_secs(20);
/// Any one client or command ends within this time.
pub const CLIENT: Duration = Duration::from_secs(120);
/// One line of a client that reports as it goes comes within this time.
pub const LINE: Duration = Duration::from_secs(30);
/// A server of somebody else's is built within this time; `tests/run` has built it before.
pub const BUILD: Duration = Duration::from_secs(1_200);
/// One answer of the admin API comes within this time.
pub const ANSWER: Duration = Duration::from_secs(30);
/// A change is enforced on every node within this time. The product promises 250 ms on a quiet machine; this is a
/// debug build that shares its cores with the clients.
pub const ENFORCED: Duration = Duration::from_millis(1_500);
/// Lines of each node's log that a failed test prints.
pub const LOG_LINES: usize = 60;
