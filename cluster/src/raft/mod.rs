//! Consensus: openraft behind our own types, generic over runtime, transport and log store.
//!
//! `node` sees [`Core`]: propose here, read here, change the membership, answer what other nodes ask. Forwarding,
//! retries, deadlines of callers, certificates and sockets are left to `node` and `transport`; disks to `log` and
//! `store`.
//!
//! # How `node` uses it
//!
//! 1. `store::open` gives a [`Storage`](crate::store::Storage): log, applied state, snapshots.
//! 2. [`Core::start`] with a [`PeerTransport`], on the consensus runtime.
//! 3. The first node of a cluster calls [`Core::found`] until it succeeds; others wait to be called.
//! 4. Requests from peers go to [`Core::handle`] and [`Core::receive_snapshot`]; proposals to [`Core::propose`].
//! 5. [`Core::fatal`] is watched: once it is raised the process ends. [`Core::stop`] ends in good order.

mod agreement;
mod aside;
mod cluster;
mod convert;
mod core;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod disk_tests;
mod fatal;
mod keep;
pub mod log;
mod machine;
mod members;
#[cfg(any(test, feature = "sim"))]
pub mod memory_log;
mod mend;
mod metrics;
mod network;
mod pipeline;
mod replica;
mod room;
mod rows;
mod setup;
mod signal;
mod snapshot;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use self::core::{Core, StateParts};
pub use agreement::Verdict;
pub use fatal::Fatal;
pub use keep::{AppliedStore, Frozen, OnDisk, Replacement, Values, in_memory, stub};
pub use machine::Recovered;
pub use network::{Appends, CallError, Peer, PeerTransport, Replies, Rpc};
#[cfg(test)]
pub use replica::hash_of;
pub use replica::{RowChange, Rows, on_disk, row_hash};
pub use room::Room;
pub use rows::{ClusterRows, MACHINE as MACHINE_ROWS};
#[cfg(any(test, feature = "sim"))]
pub use signal::Signal;

pub use snapshot::{SnapshotData, SnapshotReader, SnapshotSink, Snapshots, Unfinished, Writing};
pub use types::NodeRecord;
#[cfg(test)]
pub use types::TypeConfig;

use crate::NodeId;

/// How the consensus of one node is set up.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// This node.
    pub node: NodeId,
    /// The leader is heard this often. Elections start after 3 to 6 times as long.
    pub heartbeat: Duration,
    /// How many log entries between snapshots; at least 1.
    pub snapshot_every: u64,
    /// How many entries stay in the log behind a snapshot, for members that lag a little.
    pub keep_behind_snapshot: u64,
    /// How often this node compares its state with the others'.
    pub compare_every: Duration,
}

impl CoreConfig {
    /// The shortest election timeout: three heartbeats.
    pub fn election_min(&self) -> Duration {
        self.heartbeat * 3
    }

    /// The longest election timeout, and the leader's lease: six heartbeats.
    pub fn election_max(&self) -> Duration {
        self.heartbeat * 6
    }
}

/// Why the core did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoreError {
    /// This node does not lead; nothing was appended. Ask `leader`, when one is known.
    NotLeader {
        /// The leader, as this node knows it.
        leader: Option<NodeId>,
    },
    /// Refused before anything was appended: a later try is safe.
    Unavailable {
        /// What is missing.
        reason: String,
    },
    /// Appended, then lost sight of: it may or may not be applied.
    Unknown {
        /// What broke the wait.
        reason: String,
    },
    /// The membership cannot be changed like that now; nothing was appended.
    Membership {
        /// Why.
        reason: String,
    },
    /// A message from another node could not be understood.
    Message {
        /// Why.
        reason: String,
    },
    /// The core has stopped. Whether a proposal under way was applied is not known.
    Stopped {
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for CoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotLeader { leader: Some(leader) } => write!(f, "node {leader} leads, not this node"),
            Self::NotLeader { leader: None } => f.write_str("no leader is known"),
            Self::Unavailable { reason } => write!(f, "refused, nothing was changed: {reason}"),
            Self::Unknown { reason } => write!(f, "it is not known whether it was applied: {reason}"),
            Self::Membership { reason } => write!(f, "the membership was not changed: {reason}"),
            Self::Message { reason } => write!(f, "a message from another node cannot be understood: {reason}"),
            Self::Stopped { reason } => write!(f, "the consensus of this node has stopped: {reason}"),
        }
    }
}

impl std::error::Error for CoreError {}

/// What a node is in the consensus at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Decides the order.
    Leader,
    /// Votes and follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Follows without a vote.
    Learner,
    /// Takes no part any more.
    Stopped,
}

impl Role {
    /// The word for it in status answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Stopped => "stopped",
        }
    }
}

/// Who leads and whether a quorum is heard.
#[derive(Debug, Clone)]
pub struct Glance {
    /// What this node is.
    pub role: Role,
    /// The leader that it knows.
    pub leader: Option<NodeId>,
    /// See [`Metrics::quorum`].
    pub quorum: bool,
    /// Those who vote; see [`Metrics::voters`].
    pub voters: Vec<NodeId>,
}

/// What this node knows of the consensus at this moment.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What it is.
    pub role: Role,
    /// The leader that it knows.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// The last index known as committed.
    pub committed: u64,
    /// The last index applied and published here.
    pub applied: u64,
    /// The term of the entry there.
    #[cfg_attr(
        not(any(test, feature = "sim")),
        expect(dead_code, reason = "for tests and debuggers")
    )]
    pub applied_term: u64,
    /// The last index in the log here.
    pub last_log: u64,
    /// The last index that a snapshot here contains.
    #[cfg_attr(
        not(any(test, feature = "sim")),
        expect(dead_code, reason = "for tests and debuggers")
    )]
    pub snapshot: u64,
    /// The last index that was purged from the log here.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests and debuggers"))]
    pub purged: u64,
    /// Leader: a quorum answered within one longest election timeout. Others: the leader was heard within it.
    pub quorum: bool,
    /// Leader: what each member has on disk.
    pub replicated: BTreeMap<NodeId, u64>,
    /// All members.
    pub members: BTreeMap<NodeId, NodeRecord>,
    /// Those who vote; during a change, those of the old and of the new membership.
    pub voters: BTreeSet<NodeId>,
    /// Those whose vote is settled: in every set of the last committed membership. Any majority of them decides.
    pub settled_voters: BTreeSet<NodeId>,
    /// The state hash at `applied`.
    pub state_hash: [u8; 16],
    /// What the others' states say of this one.
    pub verdict: Verdict,
    /// This node is being mended: it does not apply, and serves a state that is wrong.
    pub aside: bool,
    /// The data folder of this node is nearly full.
    pub low_space: bool,
    /// The agreed feature level; 0 before the cluster is founded.
    pub feature_level: u32,
    /// The newest data key; 0 before the cluster is founded.
    pub data_key_id: u32,
}
