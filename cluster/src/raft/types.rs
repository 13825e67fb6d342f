//! openraft's types, chosen: everything concrete but the runtime.
//!
//! No decision is made here; the stored forms are in `envelope`, the way between the two in `convert`.

use std::fmt::{Debug, Formatter};
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use openraft::impls::{BoxedErrorSource, Entry, EntryPayload, InlineBatch, OneshotResponder, Vote, leader_id_adv};
use openraft::{AsyncRuntime, RaftTypeConfig};
use serde::{Deserialize, Serialize};

use crate::envelope::{Answer, Blob};

/// What the membership keeps of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Where other nodes reach it.
    pub peer_address: SocketAddr,
    /// SHA-256 of its certificate (DER).
    pub fingerprint: [u8; 32],
}

impl Default for NodeRecord {
    fn default() -> Self {
        Self {
            name: String::new(),
            peer_address: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
            fingerprint: [0; 32],
        }
    }
}

/// openraft's type configuration on runtime `RT`. A command is an encoded [`Envelope`](crate::envelope::Envelope),
/// opened only when it is applied.
pub struct TypeConfig<RT>(PhantomData<fn() -> RT>);

/// A leader's id: term and node.
pub type LeaderId = leader_id_adv::LeaderId<u64, u64>;
/// A position in the log.
pub type LogId = openraft::LogId<LeaderId>;
/// Voters and learners.
pub type Membership = openraft::Membership<u64, NodeRecord>;
/// A membership and where it stands in the log.
pub type StoredMembership = openraft::StoredMembership<LeaderId, u64, NodeRecord>;
/// A log entry.
pub type LogEntry = Entry<LeaderId, EntryPayload<Blob, u64, NodeRecord>>;
/// A vote.
pub type RaftVote = Vote<LeaderId>;
/// What a snapshot says of itself, as openraft has it.
pub type SnapshotMeta = openraft::SnapshotMeta<LeaderId, u64, NodeRecord>;
/// A snapshot with its data.
pub type RaftSnapshot<SD> = openraft::Snapshot<LeaderId, u64, NodeRecord, SD>;

impl<RT: AsyncRuntime> RaftTypeConfig for TypeConfig<RT> {
    type D = Blob;
    type R = Answer;
    type NodeId = u64;
    type Node = NodeRecord;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = RaftVote;
    type Payload = EntryPayload<Blob, u64, NodeRecord>;
    type Entry = LogEntry;
    type AsyncRuntime = RT;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

// By hand, because a derive would ask the same of `RT`.
impl<RT> Clone for TypeConfig<RT> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<RT> Copy for TypeConfig<RT> {}
impl<RT> Default for TypeConfig<RT> {
    fn default() -> Self {
        Self(PhantomData)
    }
}
impl<RT> Debug for TypeConfig<RT> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypeConfig")
    }
}
impl<RT> PartialEq for TypeConfig<RT> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}
impl<RT> Eq for TypeConfig<RT> {}
impl<RT> PartialOrd for TypeConfig<RT> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<RT> Ord for TypeConfig<RT> {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}
