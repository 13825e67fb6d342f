//! The running node: what the rest of the product holds of the cluster.
//!
//! Consensus itself is in `raft`, bytes between nodes in `transport`, secrets in `identity`.

mod admission;
mod appends;
mod carry;
mod confirmed;
mod forward;
mod keys;
mod left_over;
pub(crate) mod limits;
mod link;
mod membership;
mod messages;
mod read;
mod route;
mod rows;
mod running;
mod serve;
mod server_tls;
#[cfg(test)]
mod tests;

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
    /// Its vote is settled: any majority of such members decides. Others learn, or a change is under way.
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

impl StartOptions {
    /// The defaults, for a folder and an address.
    pub fn new(folder: PathBuf, peer_listen: SocketAddr) -> Self {
        Self {
            folder,
            peer_listen,
            heartbeat: Duration::from_millis(100),
            snapshot_every: 5_000,
        }
    }
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

/// One of the machine's rows, as the machine wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Which rows to read.
#[derive(Debug, Clone, Default)]
pub struct RowsAsk {
    /// Only rows whose key begins so.
    pub prefix: Vec<u8>,
    /// Begin at this key, itself included; `None`: at the first, or at the last in reverse.
    pub from: Option<Vec<u8>>,
    /// At most so many, and at most [`limits::ROWS_READ_MAX`](crate::limits::ROWS_READ_MAX).
    pub limit: usize,
    /// From the highest key down.
    pub reverse: bool,
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
    /// How this node stands with the others and with its disk.
    pub standing: Standing,
}

/// How a node stands with the others and with its disk: what a person must look at, or a balancer know.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Standing {
    /// Why this node must not be sent clients, if so: its state differs from the majority's and is being mended.
    pub not_ready: Option<String>,
    /// The nodes' states differ and no majority has the same: changes stop until a person has looked.
    pub no_majority: bool,
    /// The data folder of this node is nearly full.
    pub low_space: bool,
    /// How long ago a leader that a quorum had confirmed was heard, in seconds.
    pub confirmed_age_seconds: f64,
}

/// A running node of a cluster that replicates `M`. Clones are handles to the same node, which ends abruptly with
/// the last of them unless [`stop`](Self::stop) was called before.
pub struct Cluster<M: StateMachine> {
    running: Arc<running::Running<M>>,
}

impl<M: StateMachine> Clone for Cluster<M> {
    fn clone(&self) -> Self {
        Self {
            running: self.running.clone(),
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

impl<M: StateMachine> Cluster<M> {
    /// Makes the folder of a new cluster's first node: authority, certificate, data key. The first start makes the
    /// log with this node as its only voter. Does not leave anything running.
    pub fn init(options: &InitOptions) -> Result<(), NodeError> {
        running::init(options)
    }

    /// Makes the folder of a node that joins: makes the key here, asks a member named in the token (whose authority
    /// is pinned by the token) for a certificate and a node id. The node is a learner from then on, and a voter once
    /// it was started with [`start`](Self::start) and has caught up.
    pub async fn join(options: &JoinOptions) -> Result<NodeId, NodeError> {
        admission::join(options).await
    }

    /// Starts the node: recovers its state, opens the peer listener, takes part. Must be called inside a tokio
    /// runtime; consensus runs on a runtime of its own.
    pub async fn start(options: StartOptions, service: Arc<dyn PeerService>) -> Result<Self, NodeError> {
        let running = Arc::new(running::Running::start(options, service).await?);
        Ok(Self { running })
    }

    /// Stops taking part: hands the leadership over if this node leads, flushes applied state and marks a clean stop.
    pub async fn stop(&self) {
        self.running.stop().await;
    }

    /// Resolves when the node had to stop by itself (failed log fsync, unknown command), with the reason.
    pub async fn failed(&self) -> String {
        self.node().core.fatal().raised().await
    }

    /// Proposes a command from any node; forwards to the leader. Answers once this node has applied it too.
    pub async fn propose(
        &self,
        request: RequestId,
        command: M::Command,
        deadline: Duration,
    ) -> Result<Committed<M::Outcome>, ProposeError> {
        self.node().propose(request, None, &command, deadline).await
    }

    /// [`propose`](Self::propose) for a request that may be repeated from outside: `body_hash` is SHA-256 of what was
    /// asked, so that a repetition is recognised though its command was built anew, with another time and other salts.
    pub async fn propose_request(
        &self,
        request: RequestId,
        body_hash: [u8; 32],
        command: M::Command,
        deadline: Duration,
    ) -> Result<Committed<M::Outcome>, ProposeError> {
        self.node().propose(request, Some(body_hash), &command, deadline).await
    }

    /// The state as this node has applied it. Never blocks, never fails.
    pub fn view(&self) -> Arc<M::View> {
        self.node().core.view()
    }

    /// The applied revision; changes each time a new view is published.
    pub fn revisions(&self) -> tokio::sync::watch::Receiver<u64> {
        self.node().revisions.subscribe()
    }

    /// Waits until this node has applied everything that was committed when the call was made (ReadIndex).
    pub async fn linearize(&self, deadline: Duration) -> Result<u64, ReadError> {
        self.node().linearize(deadline).await
    }

    /// Waits until this node has applied at least `revision`.
    pub async fn applied(&self, revision: u64, deadline: Duration) -> Result<(), ReadError> {
        self.node()
            .wait_applied(revision, tokio::time::Instant::now() + deadline)
            .await
    }

    /// Reads rows of the machine as this node has applied them, those that are [kept on
    /// disk](StateMachine::kept_on_disk) included, all in one picture of the state. Runs off the async threads. What
    /// is answered is bounded in rows and in bytes, so that fewer rows than the limit do not mean the end: go on after
    /// the last one until nothing comes.
    pub async fn rows(&self, ask: RowsAsk) -> Result<Vec<Row>, ReadError> {
        self.node().rows(ask).await
    }

    /// The consensus as this node sees it.
    pub fn status(&self) -> ClusterStatus {
        self.node().status()
    }

    /// How long ago this node has last heard a leader that a quorum had confirmed, or was one. In boot time, which goes
    /// on while the machine sleeps; kept on disk, so that neither a restart nor a reboot makes it shorter.
    pub fn confirmed_age(&self) -> Duration {
        self.node().confirmed_before.age()
    }

    /// This node's id.
    pub fn id(&self) -> NodeId {
        self.node().id
    }

    /// Asks another member (or this node itself) outside the log.
    pub async fn call(
        &self,
        node: NodeId,
        route: &str,
        request: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, PeerError> {
        self.node().call_product(node, route, request, deadline).await
    }

    /// Issues a one-time join token that ends after `valid`; committed before it is returned.
    pub async fn create_join_token(&self, valid: Duration) -> Result<String, NodeError> {
        self.node().create_join_token(valid).await
    }

    /// All nodes that hold a name, as this node has applied it: the members, and those whose removal or admission was
    /// begun and not ended. [`remove_node`](Self::remove_node) takes any of them; the leader ends what was left
    /// half-done by itself, some time later.
    pub fn known_nodes(&self) -> BTreeMap<NodeId, String> {
        self.node().core.cluster_rows().nodes()
    }

    /// Removes a member for good: it is no longer heard, its id is never used again, and a new data key is made.
    /// The caller must then reseal what it has sealed (see [`seal`](Self::seal)).
    pub async fn remove_node(&self, node: NodeId) -> Result<(), NodeError> {
        self.node()
            .change_membership(messages::MembershipAskV1::Remove(node))
            .await
    }

    /// Hands the leadership to `node`, or to any voter that is up to date.
    pub async fn transfer_leadership(&self, node: Option<NodeId>) -> Result<(), NodeError> {
        self.node()
            .change_membership(messages::MembershipAskV1::Transfer(node))
            .await
    }

    /// Seals a secret with the newest data key, bound to `context` (the row it will stand in). The result names the
    /// key's id in its first 4 bytes (big endian).
    pub fn seal(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, NodeError> {
        self.node().vault.ring().seal(self.data_key_id(), context, secret)
    }

    /// A secret that every member derives for `context` from the newest data key, and that changes with it; `None`:
    /// this node does not hold that key yet.
    pub fn derive(&self, context: &[u8]) -> Option<zeroize::Zeroizing<[u8; 32]>> {
        self.node().vault.ring().derive(self.data_key_id(), context)
    }

    /// Opens what any member sealed; fetches a missing data key from other members.
    pub async fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, NodeError> {
        self.node().unseal(context, sealed).await
    }

    /// TLS settings for a server of this node, with a fresh certificate of the cluster's authority for `names` (DNS
    /// names and IP addresses). Without ALPN. Fails until this node holds the authority's key, as every voter does.
    pub fn server_tls(&self, names: Vec<String>) -> Result<Arc<rustls::ServerConfig>, NodeError> {
        self.node().server_tls(names)
    }

    /// The id of the newest data key.
    pub fn data_key_id(&self) -> u32 {
        self.node().core.cluster_rows().data_key_id()
    }

    fn node(&self) -> &Arc<running::Node<M>> {
        &self.running.node
    }
}
