//! The messages of consensus between nodes, in our own form. The transport carries their bytes and never opens them.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Blob, LogIdV1, MembershipV1, VoteV1, open, pack, unpack};
use crate::{CodecError, NodeId};

/// A stored or sent struct with its own kind byte.
pub trait Framed: Serialize + DeserializeOwned {
    /// The kind byte; never used for another struct.
    const KIND: u8;
    /// The name in errors.
    const NAME: &'static str;

    /// The bytes to store or send.
    fn encode(&self) -> Bytes {
        pack(Self::KIND, self)
    }

    /// Whether these bytes are such a struct, in whatever format.
    fn is_in(bytes: &Bytes) -> bool {
        bytes.get(1) == Some(&Self::KIND)
    }

    /// The reverse of [`encode`](Self::encode); another kind or an unknown format is an error.
    fn decode(bytes: &Bytes) -> Result<Self, CodecError> {
        match open(Self::NAME, bytes)? {
            (kind, body) if kind == Self::KIND => unpack(Self::NAME, &body),
            (kind, _) => Err(CodecError {
                what: Self::NAME,
                reason: format!("kind {kind} came instead of {}", Self::KIND),
            }),
        }
    }
}

/// One log entry on its way: its position and its envelope, unopened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryV1 {
    /// The position.
    pub log_id: LogIdV1,
    /// The envelope.
    pub envelope: Blob,
}

/// A leader's entries, or its heartbeat when there are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendV1 {
    /// The leader's vote.
    pub vote: VoteV1,
    /// What comes right before the entries.
    pub previous: Option<LogIdV1>,
    /// The entries.
    pub entries: Vec<EntryV1>,
    /// What the leader knows as committed.
    pub committed: Option<LogIdV1>,
}

/// The follower's answer to entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendReplyV1 {
    /// All are on disk.
    Success,
    /// Those up to here are on disk.
    Partial(Option<LogIdV1>),
    /// What comes before the entries is not in the log.
    Conflict,
    /// A newer leader or candidate is known.
    HigherVote(VoteV1),
}

/// A candidate asks for a vote, or asks whether it would get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteAskV1 {
    /// The vote asked for.
    pub vote: VoteV1,
    /// The end of the candidate's log.
    pub last: Option<LogIdV1>,
    /// The leader itself asked the candidate to take over.
    pub transfer: bool,
}

/// The answer to a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteReplyV1 {
    /// The vote in force at the answering node.
    pub vote: VoteV1,
    /// Granted.
    pub granted: bool,
    /// The end of the answering node's log.
    pub last: Option<LogIdV1>,
}

/// The leader hands its office over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferV1 {
    /// The leader's vote.
    pub from: VoteV1,
    /// Who shall lead.
    pub to: u64,
    /// What the new leader must have on disk first.
    pub last: Option<LogIdV1>,
}

/// The answer to a hand-over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferReplyV1 {
    /// Accepted.
    Accepted,
    /// The vote has changed.
    VoteChanged {
        /// What the leader thought.
        expected: VoteV1,
        /// What is.
        actual: VoteV1,
    },
    /// The log is not on disk up to there yet.
    LogNotFlushed {
        /// What the leader thought.
        expected: Option<LogIdV1>,
        /// What is.
        actual: Option<LogIdV1>,
    },
}

/// What goes before the bytes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeadV1 {
    /// The leader's vote.
    pub vote: VoteV1,
}

/// The answer to a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReplyV1 {
    /// The vote in force at the answering node.
    pub vote: VoteV1,
}

/// What a node tells of its state, to be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReportV1 {
    /// Log indexes that all nodes come by, and the state hash there.
    pub checkpoints: Vec<(u64, [u8; 16])>,
    /// Where it stands, and the state hash there.
    pub now: Option<(u64, [u8; 16])>,
    /// It is being mended.
    pub aside: bool,
    /// Its disk is nearly full.
    pub low_space: bool,
}

/// A node whose state differs from the majority's asks one of the majority for its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MendAskV1 {
    /// Who asks.
    pub node: NodeId,
    /// Where the difference was found.
    pub index: u64,
    /// The state hash there that a majority has.
    pub hash: [u8; 16],
    /// The state must contain all entries up to here.
    pub applied: u64,
}

/// The answer to it, after the state was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MendReplyV1 {
    /// It was sent and taken.
    Sent,
    /// Why not.
    Refused(String),
}

/// What goes before the bytes of a state that a node has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MendHeadV1 {}

/// What a stored state (a snapshot, or the applied state on disk) says about itself, apart from its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHeadV1 {
    /// The last entry that it contains.
    pub last: Option<LogIdV1>,
    /// Where its membership stands in the log.
    pub membership_at: Option<LogIdV1>,
    /// The membership.
    pub membership: MembershipV1,
    /// How many rows it has.
    pub rows: u64,
    /// The state hash of those rows.
    pub state_hash: [u8; 16],
}

/// Gives structs their kind bytes.
macro_rules! framed {
    ($($kind:literal $name:literal $type:ty),+ $(,)?) => {
        $(impl $crate::envelope::wire::Framed for $type {
            const KIND: u8 = $kind;
            const NAME: &'static str = $name;
        })+
    };
}

framed! {
    40 "append" AppendV1,
    41 "append reply" AppendReplyV1,
    42 "vote request" VoteAskV1,
    43 "vote reply" VoteReplyV1,
    44 "hand-over" TransferV1,
    45 "hand-over reply" TransferReplyV1,
    46 "snapshot head" SnapshotHeadV1,
    47 "snapshot reply" SnapshotReplyV1,
    48 "state head" StateHeadV1,
    49 "state report" StateReportV1,
    50 "request for a state" MendAskV1,
    51 "answer to a request for a state" MendReplyV1,
    52 "head of a state" MendHeadV1,
}

pub(crate) use framed;
