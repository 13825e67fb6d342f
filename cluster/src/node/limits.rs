//! Every bound of this room, with its unit and its reason.

use std::time::Duration;

/// How long one forwarded proposal may take before it is asked again with the same request id.
pub const FORWARD_MAX: Duration = Duration::from_secs(5);
/// How many proposals go to the leader in one message.
pub const FORWARDS_TOGETHER_MAX: usize = 64;
/// The bytes of proposals in one message; a single larger one still goes alone.
pub const FORWARD_BYTES: usize = 1024 * 1024;
/// How many such messages are under way at once.
pub const FORWARDS_UNDER_WAY_MAX: usize = 2;
/// How long a member may take to say that it is there.
pub const HELLO_MAX: Duration = Duration::from_millis(300);
/// The pause between two looks at who leads.
pub const LEADER_POLL: Duration = Duration::from_millis(20);
/// How long a question about keys may take.
pub const KEYS_MAX: Duration = Duration::from_secs(3);
/// How long a missing data key is looked for before a secret is reported as not openable.
pub const UNSEAL_MAX: Duration = Duration::from_secs(5);
/// How long a change of the membership may take, from the first question to the last commit.
pub const MEMBERSHIP_MAX: Duration = Duration::from_secs(20);
/// How long issuing a join token may take.
pub const TOKEN_MAX: Duration = Duration::from_secs(10);
/// The longest validity of a join token.
pub const TOKEN_VALID_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a joiner tries one address.
pub const JOIN_ADDRESS_MAX: Duration = Duration::from_secs(25);
/// How often a joiner goes through the token's addresses.
pub const JOIN_ROUNDS_MAX: u32 = 3;
/// The pause between those rounds.
pub const JOIN_PAUSE: Duration = Duration::from_millis(500);
/// How often the reconcilers look, signal or not.
pub const RECONCILE_EVERY: Duration = Duration::from_millis(200);
/// How long a node may be known by name and be no member before the leader ends what was begun: its removal, or an
/// admission that it did not live to see.
pub const LEFT_OVER_MAX: Duration = Duration::from_secs(60);
/// How far behind a learner may be when it becomes a voter, in log entries.
pub const PROMOTION_LAG_MAX: u64 = 64;
/// The largest cluster, in members.
pub const MEMBERS_MAX: usize = 32;
/// How many questions of the product run at once for other members.
pub const PEER_CALLS_MAX: usize = 64;
/// How often it is looked whether an append has waited too long for its answer.
pub const APPEND_LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many appends of one conversation are handled at once.
pub const APPENDS_HANDLED_MAX: usize = 8;
/// How much of a snapshot is read at a time, in bytes.
pub const SNAPSHOT_CHUNK_BYTES: usize = 256 * 1024;
/// How long a stopping node waits for its consensus to end in good order.
pub const STOP_MAX: Duration = Duration::from_secs(10);
/// Threads of the consensus runtime.
pub const CONSENSUS_THREADS: usize = 2;
/// How often the table of peers is compared with the membership: a removed node is refused within this.
pub const REFRESH_EVERY: Duration = Duration::from_millis(25);
/// How many log entries stay behind a snapshot at most, for members that lag a little.
pub const KEEP_BEHIND_SNAPSHOT_MAX: u64 = 5_000;
/// How long a stopping leader waits for another voter to take over.
pub const HAND_OVER_MAX: Duration = Duration::from_millis(1_500);
/// How long a majority of the members that a node knows must refuse it before it takes itself as removed.
pub const DISMISSED_AFTER: Duration = Duration::from_secs(3);
/// How long voters may take to answer before a removal is refused for want of a quorum.
pub const ANSWERING_MAX: Duration = Duration::from_secs(2);
/// How long a node that asked for its own removal, and whose answer was lost, asks whether it is removed.
pub const CUT_OFF_MAX: Duration = Duration::from_secs(5);
/// How often a node looks at the room on its disk.
pub const DISK_LOOK_EVERY: Duration = Duration::from_secs(1);
/// At every how many of those looks it writes down when a confirmed leader was last heard.
pub const CONFIRMED_SAVE_LOOKS: u64 = 10;
/// How often a node compares its state with the other members'.
pub const COMPARE_EVERY: Duration = Duration::from_secs(1);
/// How long a node that has just started may take to know its cluster before it says that it does not.
pub const UNKNOWN_CLUSTER_MAX: Duration = Duration::from_secs(1);
