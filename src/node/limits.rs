//! Bounds of starting and stopping a node.

use std::time::Duration;

/// Each step of an orderly stop takes at most this long.
pub const STOP_STEP_MAX: Duration = Duration::from_secs(5);
/// How often the end of sessions is looked for.
pub const STOP_LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often staged uploads of nodes that have left are looked for.
pub const CLEAN_STAGED_EVERY: Duration = Duration::from_secs(3600);
/// A node that finds no leader for this long after its start serves from what it has.
pub const ALONE_AFTER: Duration = Duration::from_secs(5);
/// The pause between two questions for the current state.
pub const FIRST_STATE_PAUSE: Duration = Duration::from_millis(50);
/// The pause between two tries to get a certificate for the admin port.
pub const CERTIFICATE_PAUSE: Duration = Duration::from_millis(200);
/// How long the services wait at start for leftovers on the storages to be put in order.
pub const CLEAN_AT_START_MAX: Duration = Duration::from_secs(3);
/// How often the leader looks for secrets under an older data key.
pub const RESEAL_EVERY: Duration = Duration::from_secs(5);
/// How long sealing one of them anew may take.
pub const RESEAL_CHANGE_MAX: Duration = Duration::from_secs(5);
/// How long the stop waits for ports to close and connections to end by themselves.
pub const STOP_PORTS_MAX: Duration = Duration::from_secs(16);
/// The longest that the leader takes to count a failed login and to make a ban for it.
pub const TALLY_DEADLINE: Duration = Duration::from_millis(900);
/// Between two looks of the leader for bans that have ended.
pub const BANS_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bans that are removed by one change.
pub const BANS_REMOVED_AT_ONCE: usize = 500;
/// How often it is reported which accounts were used here.
pub const SEEN_EVERY: Duration = Duration::from_secs(180);
/// How long one such report may take.
pub const SEEN_REPORT_MAX: Duration = Duration::from_secs(10);
/// How long the change of an account's own password may take.
pub const OWN_PASSWORD_MAX: Duration = Duration::from_secs(10);
