//! The consensus side of the way to other nodes: openraft's calls turned into bytes for a [`PeerTransport`].
//!
//! Sockets, TLS, connections and reconnecting are left to the transport; it never opens the bytes.

use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{AsyncRuntime, RaftNetworkFactory, RaftNetworkV2};

use super::convert;
use super::pipeline;
use super::snapshot::SnapshotData;
use super::types::{NodeRecord, RaftSnapshot, RaftVote, TypeConfig};
use crate::NodeId;
use crate::envelope::wire::{AppendReplyV1, Framed, SnapshotHeadV1, SnapshotReplyV1, TransferReplyV1, VoteReplyV1};
use crate::limits::{APPEND_MAX, HEARTBEAT_BYTES_MAX, SNAPSHOT_SEND_MAX};

/// A question of consensus to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rpc {
    /// Entries, or a heartbeat.
    Append,
    /// A vote is asked for.
    Vote,
    /// Whether a vote would be given.
    PreVote,
    /// The leadership is handed over.
    Transfer,
    /// What the node's state is.
    Report,
    /// The node's state is wanted.
    Mend,
}

impl Rpc {
    /// Every question.
    pub const ALL: [Self; 6] = [
        Self::Append,
        Self::Vote,
        Self::PreVote,
        Self::Transfer,
        Self::Report,
        Self::Mend,
    ];

    /// The name of its route.
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Vote => "vote",
            Self::PreVote => "pre-vote",
            Self::Transfer => "transfer",
            Self::Report => "report",
            Self::Mend => "mend",
        }
    }

    /// The reverse of [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rpc| rpc.name() == name)
    }
}

/// The node to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub id: NodeId,
    /// Its address and certificate, as the membership has them.
    pub record: NodeRecord,
}

/// Why a call to another node has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// It cannot be reached: no connection, or it refuses us. Consensus waits a little longer before the next call.
    Unreachable(String),
    /// The call broke or took too long; it may or may not have arrived.
    Broken(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(reason) => write!(f, "unreachable: {reason}"),
            Self::Broken(reason) => write!(f, "broken: {reason}"),
        }
    }
}

impl std::error::Error for CallError {}

/// Appends on their way to one node.
pub type Appends = BoxStream<'static, Bytes>;

/// Their answers, in order.
pub type Replies = BoxStream<'static, Result<Bytes, CallError>>;

/// Carries bytes to other nodes and their answers back. The other side gives them to [`Core::handle`] or
/// [`Core::receive_snapshot`](super::Core::receive_snapshot).
///
/// [`Core::handle`]: super::Core::handle
pub trait PeerTransport: Clone + Send + Sync + 'static {
    /// Asks `peer`; gives up after `timeout`. Called on the consensus runtime; must not block.
    fn call(
        &self,
        peer: &Peer,
        rpc: Rpc,
        body: Bytes,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send;

    /// Sends appends one after the other as they come, and gives the answers in the same order. Ends with the first
    /// error, or when all were answered. The other side gives each to [`Core::handle`], in order; `timeout` is for
    /// one that brings nothing but a sign of life. Dropping the answers stops the sending.
    ///
    /// This default sends one and waits for its answer before it sends the next.
    ///
    /// [`Core::handle`]: super::Core::handle
    fn appends(&self, peer: &Peer, appends: Appends, timeout: Duration) -> Replies {
        let (transport, peer) = (self.clone(), peer.clone());
        let next = move |appends: Option<Appends>| {
            let (transport, peer) = (transport.clone(), peer.clone());
            async move {
                let mut appends = appends?;
                let append = appends.next().await?;
                let patience = patience(append.len(), timeout);
                let reply = PeerTransport::call(&transport, &peer, Rpc::Append, append, patience).await;
                let appends = reply.is_ok().then_some(appends);
                Some((reply, appends))
            }
        };
        Box::pin(futures_util::stream::unfold(Some(appends), next))
    }

    /// Sends a snapshot: `head`, then all bytes of `data`; answers with what the other side's
    /// `receive_snapshot` returned. Dropping the future stops sending.
    fn send_snapshot(
        &self,
        peer: &Peer,
        head: Bytes,
        data: SnapshotData,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send;
}

/// The answer to a call, on its way.
pub(super) type Called = BoxFuture<'static, Result<Bytes, CallError>>;

/// A [`PeerTransport`] whose type does not matter.
pub(super) trait Reach: Send + Sync {
    /// See [`PeerTransport::call`].
    fn call(&self, peer: Peer, rpc: Rpc, body: Bytes, timeout: Duration) -> Called;
    /// See [`PeerTransport::send_snapshot`].
    fn send_snapshot(&self, peer: Peer, head: Bytes, data: SnapshotData, timeout: Duration) -> Called;
}

impl<T: PeerTransport> Reach for T {
    fn call(&self, peer: Peer, rpc: Rpc, body: Bytes, timeout: Duration) -> Called {
        let transport = self.clone();
        Box::pin(async move { PeerTransport::call(&transport, &peer, rpc, body, timeout).await })
    }

    fn send_snapshot(&self, peer: Peer, head: Bytes, data: SnapshotData, timeout: Duration) -> Called {
        let transport = self.clone();
        Box::pin(async move { PeerTransport::send_snapshot(&transport, &peer, head, data, timeout).await })
    }
}

/// Makes one [`Connection`] per member.
pub(super) struct Network<RT, T> {
    transport: T,
    runtime: PhantomData<fn() -> RT>,
}

impl<RT, T> Network<RT, T> {
    pub(super) fn new(transport: T) -> Self {
        Self {
            transport,
            runtime: PhantomData,
        }
    }
}

impl<RT: AsyncRuntime, T: PeerTransport> RaftNetworkFactory<TypeConfig<RT>> for Network<RT, T> {
    type Network = Connection<RT, T>;

    async fn new_client(&mut self, target: u64, node: &NodeRecord) -> Connection<RT, T> {
        Connection {
            transport: self.transport.clone(),
            peer: Peer {
                id: NodeId(target),
                record: node.clone(),
            },
            runtime: PhantomData,
        }
    }
}

/// The way to one member.
pub(super) struct Connection<RT, T> {
    transport: T,
    peer: Peer,
    runtime: PhantomData<fn() -> RT>,
}

impl<RT: AsyncRuntime, T: PeerTransport> Connection<RT, T> {
    async fn ask<Q: Framed, A: Framed>(
        &self,
        rpc: Rpc,
        question: &Q,
        option: &RPCOption,
    ) -> Result<A, RPCError<TypeConfig<RT>>> {
        let question = question.encode();
        let timeout = patience(question.len(), option.hard_ttl());
        let answer = self.transport.call(&self.peer, rpc, question, timeout).await;
        let answer = answer.map_err(rpc_error)?;
        A::decode(&answer).map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }
}

/// How long a question of this size is waited for. Consensus gives a heartbeat one heartbeat's time; three quarters of it,
/// as the library advises, would be less than the way there and back between datacenters that are 40 ms apart, and a
/// leader without load would take itself as cut off.
fn patience(bytes: usize, asked: Duration) -> Duration {
    if bytes > HEARTBEAT_BYTES_MAX {
        asked.max(APPEND_MAX)
    } else {
        asked
    }
}

pub(super) fn rpc_error<RT: AsyncRuntime>(error: CallError) -> RPCError<TypeConfig<RT>> {
    match error {
        CallError::Unreachable(_) => RPCError::Unreachable(Unreachable::new(&error)),
        CallError::Broken(_) => RPCError::Network(NetworkError::new(&error)),
    }
}

impl<RT: AsyncRuntime, T: PeerTransport> RaftNetworkV2<TypeConfig<RT>> for Connection<RT, T> {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig<RT>>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig<RT>>, RPCError<TypeConfig<RT>>> {
        // Its size is bounded where the entries are read: `limited_get_log_entries` of the log gives no more than
        // APPEND_BYTES_MAX at once.
        let reply: AppendReplyV1 = self.ask(Rpc::Append, &convert::append_out(&rpc), &option).await?;
        Ok(convert::append_reply_in(&reply))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<pipeline::Results<'s, RT>, RPCError<TypeConfig<RT>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig<RT>>> + openraft::OptionalSend + Unpin + 'static,
    {
        let (appends, under_way) = pipeline::begin(input);
        let replies = self.transport.appends(&self.peer, appends, option.hard_ttl());
        Box::pin(async move { Ok(pipeline::results(replies, under_way)) })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig<RT>>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig<RT>>, RPCError<TypeConfig<RT>>> {
        let reply: VoteReplyV1 = self.ask(Rpc::Vote, &convert::vote_ask_out(&rpc), &option).await?;
        Ok(convert::vote_reply_in(&reply))
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig<RT>>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig<RT>>, RPCError<TypeConfig<RT>>> {
        let reply: VoteReplyV1 = self.ask(Rpc::PreVote, &convert::vote_ask_out(&rpc), &option).await?;
        Ok(convert::vote_reply_in(&reply))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig<RT>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig<RT>>, RPCError<TypeConfig<RT>>> {
        let reply: TransferReplyV1 = self
            .ask(Rpc::Transfer, &convert::transfer_out(&request), &option)
            .await?;
        Ok(convert::transfer_reply_in(&reply))
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: RaftSnapshot<SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig<RT>>, StreamingError<TypeConfig<RT>>> {
        let head = SnapshotHeadV1 {
            vote: convert::vote_out(&vote),
        };
        let sending = self
            .transport
            .send_snapshot(&self.peer, head.encode(), snapshot.snapshot, SNAPSHOT_SEND_MAX);
        let answer = match RT::select2(cancel, sending).await {
            openraft_rt::Select2::First(closed) => return Err(StreamingError::Closed(closed)),
            openraft_rt::Select2::Second(answer) => answer.map_err(rpc_error)?,
        };
        let reply = SnapshotReplyV1::decode(&answer).map_err(|error| NetworkError::new(&error))?;
        Ok(SnapshotResponse::new(convert::vote_in(&reply.vote)))
    }
}
