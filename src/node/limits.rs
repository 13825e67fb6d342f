//! Bounds of starting and stopping a node.

use std::time::Duration;

/// Each step of an orderly stop takes at most this long.
pub const STOP_STEP_MAX: Duration = Duration::from_secs(5);
/// How often the end of sessions is looked for.
pub const STOP_LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often staged uploads of nodes that have left are looked for.
pub const CLEAN_STAGED_EVERY: Duration = Duration::from_secs(3600);
/// How long the answer to a change of what is held, a lock for instance, is waited for.
pub const HOLDING_MAX: Duration = Duration::from_secs(5);
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
/// Between two looks of the leader for revocation lists that are due to be fetched.
pub const REVOCATIONS_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Lists that are fetched at one time.
pub const REVOCATIONS_AT_ONCE: usize = 4;
/// How long the fetch of a list may take, from the look-up of the host's name to the last byte.
pub const REVOCATION_FETCH_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer: a list at its limit, in PEM.
pub const REVOCATION_ANSWER_BYTES_MAX: usize = crate::x509::limits::REVOCATION_BYTES_MAX * 3 / 2;
/// Redirections of one fetch that are followed.
pub const REVOCATION_REDIRECTS_MAX: usize = 3;
/// A fetch that failed is tried again after this long, or sooner where lists are fetched more often.
pub const REVOCATION_RETRY: Duration = Duration::from_secs(300);
/// How long the change that brings a list may take.
pub const REVOCATION_CHANGE_MAX: Duration = Duration::from_secs(5);
/// How often it is reported which accounts were used here.
pub const SEEN_EVERY: Duration = Duration::from_secs(180);
/// How long one such report may take.
pub const SEEN_REPORT_MAX: Duration = Duration::from_secs(10);
/// How long the change of an account's own password may take.
pub const OWN_PASSWORD_MAX: Duration = Duration::from_secs(10);
