//! Bounds of reconciling.

use std::time::Duration;

/// A pass is made at least this often: expiry comes with time, not with a change.
pub const PASS_EVERY: Duration = Duration::from_secs(1);
/// A sealed key whose data key is not here yet is waited for this long in a pass, then tried again in the next.
pub const UNSEAL_WAIT: Duration = Duration::from_secs(2);
/// Days that are left when it is told that something ends; 0: at its end.
pub const EXPIRY_DAYS: [u32; 4] = [30, 7, 1, 0];
/// Between two looks for what ends, while nothing changes.
pub const EXPIRY_LOOK_EVERY: Duration = Duration::from_secs(60);
/// The longest time that connections get when the node stops.
pub const STOP_DRAIN_MAX: Duration = Duration::from_secs(10);
/// The pause after a pass: where changes come faster, one pass enforces several. The first after a quiet time does not
/// wait.
pub const PASS_PAUSE: Duration = Duration::from_millis(10);
