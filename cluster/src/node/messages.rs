//! What nodes say to each other beside consensus: forwarded proposals, reads, joining, keys.
//!
//! Each message has the envelope's format version and a kind of its own.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::NodeId;
use crate::envelope::Blob;
use crate::envelope::wire::framed;
use crate::identity::KnownPeer;

/// The answer to a forwarded proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ForwardReplyV1 {
    /// Applied; the encoded [`Answer`](crate::envelope::Answer).
    Answer(Blob),
    /// The asked node does not lead; nothing was appended.
    NotLeader(Option<NodeId>),
    /// Refused before anything was appended.
    Unavailable(String),
    /// It may or may not be applied.
    Unknown(String),
}

/// Forwarded proposals, as encoded envelopes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForwardsV1(pub(crate) Vec<Blob>);

/// The answers to them, in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForwardRepliesV1(pub(crate) Vec<ForwardReplyV1>);

/// The answer to the question up to where the log is committed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReadReplyV1 {
    /// What was committed when the question came.
    Index(u64),
    /// The asked node does not lead.
    NotLeader(Option<NodeId>),
    /// It cannot be confirmed now.
    Unavailable(String),
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HelloV1 {
    /// The leader that the asked node knows.
    pub(crate) leader: Option<NodeId>,
    /// The highest feature level of its build.
    pub(crate) feature_level_max: u32,
    /// Whether it holds the data key that is in force as it knows it.
    pub(crate) data_key: Option<u32>,
}

/// What a machine that wants to join says. Sent over TLS pinned to the token's authority.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinAskV1 {
    /// The token's public part.
    pub(crate) token: [u8; 16],
    /// The token's secret part.
    pub(crate) secret: [u8; 32],
    /// The name that it wants.
    pub(crate) name: String,
    /// Where other nodes will reach it.
    pub(crate) peer_address: std::net::SocketAddr,
    /// Its certificate request.
    pub(crate) request: Blob,
}

impl Drop for JoinAskV1 {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The answer to a joiner that was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinReplyV1 {
    /// Its node id.
    pub(crate) node: NodeId,
    /// Its certificate.
    pub(crate) certificate: Blob,
    /// The authority's certificate.
    pub(crate) authority: Blob,
    /// The members, so that it knows whom to believe when it starts.
    pub(crate) members: Vec<KnownPeer>,
}

/// A member asks for the data keys that it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeysAskV1 {
    /// The keys that it holds.
    pub(crate) held: Vec<u32>,
    /// Whether it lacks the authority's key, which only a voter is given.
    pub(crate) authority: bool,
}

/// Keys for a member.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeysReplyV1 {
    /// Data keys by id.
    pub(crate) keys: Vec<(u32, [u8; 32])>,
    /// The authority's key, for a voter that asked.
    pub(crate) authority: Option<Vec<u8>>,
    /// The members as the answering node knows them: news for a node that has just joined.
    pub(crate) members: Vec<KnownPeer>,
}

impl Drop for KeysReplyV1 {
    fn drop(&mut self) {
        self.keys.iter_mut().for_each(|(_, key)| key.zeroize());
        self.authority.zeroize();
    }
}

/// A new data key, before it is in force.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyOfferV1 {
    /// Its id.
    pub(crate) id: u32,
    /// Its secret.
    pub(crate) key: [u8; 32],
}

impl Drop for KeyOfferV1 {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// A change of the membership that only the leader can make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MembershipAskV1 {
    /// Removes a member for good.
    Remove(NodeId),
    /// Hands the leadership to this node, or to any voter that is up to date.
    Transfer(Option<NodeId>),
}

/// The answer to [`MembershipAskV1`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MembershipReplyV1 {
    /// Done.
    Done,
    /// The asked node does not lead; nothing was changed by it.
    NotLeader(Option<NodeId>),
    /// Not done, or not known to be done: the text says which.
    Failed(String),
}

framed! {
    80 "forwarded proposals" ForwardsV1,
    91 "answers to forwarded proposals" ForwardRepliesV1,
    81 "read reply" ReadReplyV1,
    82 "hello" HelloV1,
    83 "join request" JoinAskV1,
    84 "join reply" JoinReplyV1,
    85 "keys request" KeysAskV1,
    86 "keys reply" KeysReplyV1,
    87 "key offer" KeyOfferV1,
    88 "membership request" MembershipAskV1,
    89 "membership reply" MembershipReplyV1,
}
