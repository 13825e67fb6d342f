//! The running node: what the rest of the product holds of the cluster.
//!
//! Consensus itself is in `raft`, bytes between nodes in `transport`, secrets in `identity`.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Committed, ProposeError, ReadError, RequestId, StateMachine};

/// A node's number; given out once and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the membership knows of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The name its administrator gave it, unique in the cluster.
    pub name: String,
    /// Where other nodes reach it (TCP, mutual TLS).
    pub peer_address: SocketAddr,
    /// SHA-256 of its certificate (DER); a peer that shows another certificate is refused.
    pub fingerprint: [u8; 32],
    /// Votes, or only learns.
    pub voter: bool,
}

/// How to start a node whose data folder was made by [`Cluster::init`] or [`Cluster::join`].
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// The cluster's part of the data folder (identity, log, state, snapshots).
    pub folder: PathBuf,
    /// Where to listen for other nodes.
    pub peer_listen: SocketAddr,
    /// Heartbeat every this often; an election after 3 to 6 times as long. Default 100 ms.
    pub heartbeat: Duration,
    /// How many log entries between snapshots. Default 5,000.
    pub snapshot_every: u64,
}

/// Answers what other nodes ask of this one, outside the log (sessions, enforced revisions).
pub trait PeerService: Send + Sync + 'static {
    /// Answers `request` on `route` from member `from`; an error text is shown to the asker.
    fn call<'a>(
        &'a self,
        from: NodeId,
        route: &'a str,
        request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send + 'a>>;
}

/// Why a question to another node was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerError {
    /// No connection, or none in time.
    Unreachable(String),
    /// It answered with an error.
    Refused(String),
}

/// What this node knows of the consensus at this moment.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterStatus {
    /// The cluster's id, made at `init`, 128 bits as hexadecimal digits.
    pub cluster: String,
    /// This node.
    pub node: NodeId,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`.
    pub role: &'static str,
    /// The leader that this node knows, if any.
    pub leader: Option<NodeId>,
    /// The Raft term.
    pub term: u64,
    /// The last log index that is known as committed.
    pub committed: u64,
    /// The last log index that is applied here.
    pub applied: u64,
    /// The last log index in this node's log.
    pub last_log: u64,
    /// Whether a quorum was heard within one election timeout, as the leader sees it or as its heartbeats say.
    pub quorum: bool,
    /// On the leader: the log index that each member holds.
    pub replicated: BTreeMap<NodeId, u64>,
    /// All members.
    pub members: BTreeMap<NodeId, Member>,
    /// The agreed feature level.
    pub feature_level: u32,
    /// The state hash at `applied`, hexadecimal.
    pub state_hash: String,
    /// Log fsyncs so far and the seconds that they took in all.
    pub log_fsyncs: u64,
    /// See `log_fsyncs`.
    pub log_fsync_seconds: f64,
}

/// A running node of a cluster that replicates `M`. Clones are handles to the same node.
pub struct Cluster<M: StateMachine> {
    inner: Arc<std::marker::PhantomData<fn() -> M>>,
}

impl<M: StateMachine> Clone for Cluster<M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

/// What `init` needs.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// The cluster's part of the data folder; must not exist or be empty.
    pub folder: PathBuf,
    /// This node's name.
    pub name: String,
    /// Where other nodes will reach this one.
    pub peer_address: SocketAddr,
}

/// What `join` needs.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// The cluster's part of the data folder; must not exist or be empty.
    pub folder: PathBuf,
    /// This node's name.
    pub name: String,
    /// Where other nodes will reach this one.
    pub peer_address: SocketAddr,
    /// The token as printed by `token create`: cluster id, CA fingerprint, addresses, one-time secret.
    pub token: String,
}

/// Why a node could not be made, started or changed: what was tried, on what, why, and what to do.
#[derive(Debug)]
pub struct NodeError(pub String);

impl std::fmt::Display for NodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NodeError {}

#[expect(clippy::unimplemented, reason = "the contract, being filled in")]
impl<M: StateMachine> Cluster<M> {
    /// Makes the folder of a new cluster's first node: authority, certificate, data key, empty log with this node
    /// as its only voter. Does not leave anything running.
    pub fn init(_options: &InitOptions) -> Result<(), NodeError> {
        unimplemented!()
    }

    /// Makes the folder of a node that joins: makes the key here, asks a member named in the token (whose authority
    /// is pinned by the token) for a certificate and a node id. The node becomes a learner, then a voter, once it
    /// was started with [`start`](Self::start).
    pub async fn join(_options: &JoinOptions) -> Result<NodeId, NodeError> {
        unimplemented!()
    }

    /// Starts the node: recovers its state, opens the peer listener, takes part. Must be called inside a tokio
    /// runtime; consensus runs on a runtime of its own.
    pub async fn start(_options: StartOptions, _service: Arc<dyn PeerService>) -> Result<Self, NodeError> {
        unimplemented!()
    }

    /// Stops taking part, flushes applied state and marks a clean stop.
    pub async fn stop(&self) {
        unimplemented!()
    }

    /// Resolves when the node had to stop by itself (failed log fsync, unknown command), with the reason.
    pub async fn failed(&self) -> String {
        unimplemented!()
    }

    /// Proposes a command from any node; forwards to the leader. Answers once this node has applied it too.
    pub async fn propose(
        &self,
        _request: RequestId,
        _command: M::Command,
        _deadline: Duration,
    ) -> Result<Committed<M::Outcome>, ProposeError> {
        unimplemented!()
    }

    /// The state as this node has applied it. Never blocks, never fails.
    pub fn view(&self) -> Arc<M::View> {
        unimplemented!()
    }

    /// The applied revision; changes each time a new view is published.
    pub fn revisions(&self) -> tokio::sync::watch::Receiver<u64> {
        unimplemented!()
    }

    /// Waits until this node has applied everything that was committed when the call was made (ReadIndex).
    pub async fn linearize(&self, _deadline: Duration) -> Result<u64, ReadError> {
        unimplemented!()
    }

    /// Waits until this node has applied at least `revision`.
    pub async fn applied(&self, _revision: u64, _deadline: Duration) -> Result<(), ReadError> {
        unimplemented!()
    }

    /// The consensus as this node sees it.
    pub fn status(&self) -> ClusterStatus {
        unimplemented!()
    }

    /// This node's id.
    pub fn id(&self) -> NodeId {
        unimplemented!()
    }

    /// Asks another member (or this node itself) outside the log.
    pub async fn call(
        &self,
        _node: NodeId,
        _route: &str,
        _request: Bytes,
        _deadline: Duration,
    ) -> Result<Bytes, PeerError> {
        unimplemented!()
    }

    /// Issues a one-time join token that ends after `valid`; committed before it is returned.
    pub async fn create_join_token(&self, _valid: Duration) -> Result<String, NodeError> {
        unimplemented!()
    }

    /// Removes a member for good: it is no longer heard, its id is never used again, and a new data key is made.
    /// The caller must then reseal what it has sealed (see [`seal`](Self::seal)).
    pub async fn remove_node(&self, _node: NodeId) -> Result<(), NodeError> {
        unimplemented!()
    }

    /// Hands the leadership to `node`, or to any voter that is up to date.
    pub async fn transfer_leadership(&self, _node: Option<NodeId>) -> Result<(), NodeError> {
        unimplemented!()
    }

    /// Seals a secret with the newest data key, bound to `context` (the row it will stand in). The result names the
    /// key's id in its first 4 bytes (big endian).
    pub fn seal(&self, _context: &[u8], _secret: &[u8]) -> Result<Vec<u8>, NodeError> {
        unimplemented!()
    }

    /// Opens what any member sealed; fetches a missing data key from other members.
    pub async fn unseal(&self, _context: &[u8], _sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, NodeError> {
        unimplemented!()
    }

    /// The id of the newest data key.
    pub fn data_key_id(&self) -> u32 {
        unimplemented!()
    }
}
