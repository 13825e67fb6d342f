//! Every bound of this room, with its unit and its reason.

use std::time::Duration;

/// The leader is heard this often: a tenth of a second in the product too.
pub const HEARTBEAT: Duration = Duration::from_millis(100);
/// Small, so that snapshots and purges happen all the time.
pub const SNAPSHOT_EVERY: u64 = 150;
/// How many entries stay behind a snapshot.
pub const KEEP_BEHIND: u64 = 20;
/// How often nodes compare their states.
pub const COMPARE_EVERY: Duration = Duration::from_millis(200);
/// How long a sync takes on a healthy disk.
pub const SYNC_TAKES: Duration = Duration::from_millis(2);
/// How long a client waits for one answer.
pub const TRY_MAX: Duration = Duration::from_millis(700);
/// How often it asks, with the same request id.
pub const TRIES_MAX: u32 = 6;
/// How many operations a register gets before the next is used: unknown outcomes make each search longer.
pub const OPERATIONS_PER_KEY: u64 = 120;
/// How often the oracle looks at the nodes.
pub const WATCH_EVERY: Duration = Duration::from_millis(25);
/// How long a change of the membership may take, between faults.
pub const MEMBERSHIP_MAX: Duration = Duration::from_secs(10);
/// How long nodes may take to have the same state, once all is well.
pub const SETTLE_MAX: Duration = Duration::from_secs(10);
/// The longest pause between two operations of a client with which it is seen in time that every node serves.
pub const LIVELY_PAUSE: Duration = Duration::from_millis(150);
