//! The running consensus of one node: what `node` asks of it, and what other nodes ask through `node`.
//!
//! Forwarding, retries and callers' deadlines are left to `node`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::metrics::RaftMetrics;
use openraft::storage::RaftLogStorage;
use openraft::type_config::TypeConfigExt;
use openraft::{AsyncRuntime, ChangeMembers, Instant, Raft, ReadPolicy, ServerState};

use super::fatal::Fatal;
use super::keep::AppliedStore;
use super::machine::{Machine, Published, Recovered, snapshot_of};
use super::mend::Standing;
use super::network::{Network, PeerTransport, Reach, Rpc};
use super::signal::Signal;
use super::snapshot::{SnapshotData, SnapshotReader, SnapshotSink, Snapshots};
use super::types::{NodeRecord, TypeConfig};
use super::{ClusterRows, CoreConfig, CoreError, Glance, Metrics, Role, Rows, convert, setup};
use crate::envelope::wire::{
    AppendV1, Framed, MendAskV1, MendHeadV1, MendReplyV1, SnapshotHeadV1, SnapshotReplyV1, TransferV1, VoteAskV1,
};
use crate::envelope::{Answer, Blob, ClusterCommand, Envelope, newer_format};
use crate::limits::{FOUND_MAX, READ_INDEX_MAX};
use crate::store::format;
use crate::{NodeId, StateMachine};

/// What the core starts from, apart from the log.
pub struct StateParts {
    /// State found at start.
    pub recovered: Recovered,
    /// Where applied state is kept.
    pub applied: Arc<dyn AppliedStore>,
    /// Where snapshots are kept.
    pub snapshots: Arc<dyn Snapshots>,
}

/// A running node's consensus. Clones are handles to the same.
pub struct Core<RT: AsyncRuntime, M: StateMachine> {
    pub(super) inner: Arc<Inner<RT, M>>,
}

impl<RT: AsyncRuntime, M: StateMachine> Clone for Core<RT, M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

pub(super) struct Inner<RT: AsyncRuntime, M: StateMachine> {
    pub(super) raft: Raft<TypeConfig<RT>, Machine<M>>,
    pub(super) config: CoreConfig,
    pub(super) published: Arc<Published<M>>,
    pub(super) snapshots: Arc<dyn Snapshots>,
    applied: Arc<dyn AppliedStore>,
    pub(super) fatal: Fatal,
    stopping: AtomicBool,
    leader_heard: Mutex<Option<RT::Instant>>,
    pub(super) standing: Mutex<Standing>,
    /// The way to the others, beside openraft's.
    pub(super) reach: Box<dyn Reach>,
}

impl<RT: AsyncRuntime, M: StateMachine> Core<RT, M> {
    /// Starts to take part. Must be called on the runtime `RT`, which all its tasks run on. Everything that makes
    /// the node unable to go on raises `fatal`.
    pub async fn start<T, LS>(
        config: CoreConfig,
        transport: T,
        log: LS,
        state: StateParts,
        fatal: Fatal,
    ) -> Result<Self, CoreError>
    where
        T: PeerTransport,
        LS: RaftLogStorage<TypeConfig<RT>>,
    {
        let stopped = |reason: String| CoreError::Stopped { reason };
        let raft_config = setup::raft_config(&config).map_err(|error| stopped(error.to_string()))?;
        let machine = Machine::<M>::new(
            state.recovered,
            state.applied.clone(),
            state.snapshots.clone(),
            fatal.clone(),
        )
        .map_err(|error| stopped(error.to_string()))?;
        let published = machine.published();
        let reach = Box::new(transport.clone());
        let network = Network::<RT, T>::new(transport);
        let raft = Raft::new(config.node.0, Arc::new(raft_config), network, log, machine)
            .await
            .map_err(|error| stopped(error.to_string()))?;
        let core = Self {
            inner: Arc::new(Inner {
                raft,
                config,
                published,
                snapshots: state.snapshots,
                applied: state.applied,
                fatal,
                stopping: AtomicBool::new(false),
                leader_heard: Mutex::new(None),
                standing: Mutex::default(),
                reach,
            }),
        };
        drop(TypeConfig::<RT>::spawn(core.clone().watch_for_end()));
        drop(TypeConfig::<RT>::spawn(core.clone().watch_state()));
        Ok(core)
    }

    /// Raises the latch when consensus ends and nobody asked it to.
    async fn watch_for_end(self) {
        let mut metrics = self.inner.raft.server_metrics();
        loop {
            let state = self.inner.raft.metrics().borrow_watched().running_state.clone();
            let ended = match state {
                Err(error) => Some(error.to_string()),
                Ok(()) => metrics.changed().await.is_err().then(|| "it ended".to_owned()),
            };
            if let Some(reason) = ended {
                if !self.inner.stopping.load(Ordering::SeqCst) {
                    self.inner.fatal.raise(format!(
                        "the consensus of this node has stopped: {reason}; nothing acknowledged is lost: find the \
                         reason above in the journal, mend it, then start the node again"
                    ));
                }
                return;
            }
        }
    }

    /// Makes this node the first and only voter of a new cluster, and commits the first settings. To be called at
    /// each start of the founder until it has succeeded once; harmless afterwards.
    pub async fn found(&self, record: NodeRecord, feature_level: u32, data_key_id: u32) -> Result<(), CoreError> {
        let node = self.inner.config.node.0;
        let initialized = self
            .inner
            .raft
            .is_initialized()
            .await
            .map_err(|error| CoreError::Stopped {
                reason: error.to_string(),
            })?;
        if !initialized {
            let members = BTreeMap::from([(node, record.clone())]);
            if let Err(error) = self.inner.raft.initialize(members).await {
                return Err(CoreError::Unavailable {
                    reason: error.to_string(),
                });
            }
        }
        let found = ClusterCommand::Found {
            name: record.name,
            node,
            feature_level,
            data_key_id,
        };
        let until = TypeConfig::<RT>::now() + FOUND_MAX;
        loop {
            match self.propose_cluster(found.clone()).await {
                Ok(_) => return Ok(()),
                Err(CoreError::NotLeader { .. } | CoreError::Unavailable { .. }) if TypeConfig::<RT>::now() < until => {
                    TypeConfig::<RT>::sleep(self.inner.config.heartbeat).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Proposes an encoded [`Envelope`] here; only the leader can. Resolves once it is applied and published here.
    /// Dropping the future does not take the proposal back.
    ///
    /// A leader that has not heard a quorum for one longest election timeout refuses before it appends.
    ///
    /// While the nodes' states differ, or where there is no room on the disks, the machine's commands are refused; the
    /// cluster's own go on, as they are the way out.
    pub async fn propose(&self, envelope: Bytes) -> Result<Answer, CoreError> {
        if Envelope::is_app(&envelope)
            && let Some(reason) = self.refusal()
        {
            return Err(CoreError::Unavailable { reason });
        }
        match self.inner.raft.client_write(Blob(envelope)).await {
            Ok(response) => Ok(response.data),
            Err(error) => Err(write_error(error)),
        }
    }

    /// Why no change can be made now, if this node leads.
    fn refusal(&self) -> Option<String> {
        if self.standing().is_well() {
            return None;
        }
        let metrics = self.metrics();
        (metrics.role == Role::Leader)
            .then(|| self.standing().refusal(&metrics))
            .flatten()
    }

    /// Whether this node's disk is nearly full: known to the other members soon, and refused for as long as this node
    /// leads.
    pub fn set_low_space(&self, low: bool) {
        self.standing().low_space = low;
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::SeqCst)
    }

    /// Proposes a command of the cluster itself; see [`propose`](Self::propose).
    pub async fn propose_cluster(&self, command: ClusterCommand) -> Result<Answer, CoreError> {
        self.propose(Envelope::Cluster(command).encode()).await
    }

    /// On the leader: the index that a linearizable read must wait for, confirmed by a quorum now (ReadIndex).
    /// Another node asks the leader for it, then waits with [`wait_applied`](Self::wait_applied).
    pub async fn read_index(&self) -> Result<u64, CoreError> {
        let reading = self.inner.raft.get_read_log_id(ReadPolicy::ReadIndex);
        match TypeConfig::<RT>::timeout(READ_INDEX_MAX, reading).await {
            Ok(Ok((read, _))) => Ok(read.index()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)))) => {
                Err(forward_error(&forward))
            }
            Ok(Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(error)))) => {
                Err(CoreError::Unavailable {
                    reason: format!("no quorum: {} voters answer", error.got.len()),
                })
            }
            Ok(Err(RaftError::Fatal(error))) => Err(CoreError::Stopped {
                reason: error.to_string(),
            }),
            Err(_) => Err(CoreError::Unavailable {
                reason: format!("no quorum answered within {READ_INDEX_MAX:?}"),
            }),
        }
    }

    /// Waits until this node has applied and published at least `index`; false when `deadline` passes first.
    pub async fn wait_applied(&self, index: u64, deadline: Duration) -> bool {
        let waiting = self.revision().until(|revision| revision >= index);
        TypeConfig::<RT>::timeout(deadline, waiting).await.is_ok()
    }

    /// The state as this node has applied it.
    pub fn view(&self) -> Arc<M::View> {
        self.inner.published.view()
    }

    /// The last applied and published index.
    pub fn applied(&self) -> u64 {
        self.revision().get()
    }

    /// The last applied and published index: to read, or to wait on from any runtime. A view is in place before its
    /// index is seen here.
    pub fn revision(&self) -> &Signal {
        self.inner.published.revision()
    }

    /// The cluster's own rows as this node has applied them.
    pub fn cluster_rows(&self) -> ClusterRows {
        ClusterRows::new(self.inner.published.picture().rows.clone())
    }

    /// All rows as this node has applied them, with stubs for the values on disk.
    pub fn rows(&self) -> Rows {
        self.inner.published.picture().rows.clone()
    }

    /// Where the values are that are not in memory.
    pub fn applied_store(&self) -> Arc<dyn AppliedStore> {
        self.inner.applied.clone()
    }

    /// On the leader: makes `node` a learner, without waiting until it has caught up. Again is harmless.
    pub async fn add_learner(&self, node: NodeId, record: NodeRecord) -> Result<(), CoreError> {
        let adding = self.inner.raft.add_learner(node.0, record, false).await;
        adding.map(drop).map_err(write_error)
    }

    /// On the leader: gives a learner a vote. Waits until the change is committed.
    pub async fn promote(&self, node: NodeId) -> Result<(), CoreError> {
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([node.0]))).await
    }

    /// On the leader: removes a voter or learner. Waits until the change is committed; a leader that removes itself
    /// hands over soon after. Again is harmless. The last voter is not removed.
    pub async fn remove(&self, node: NodeId) -> Result<(), CoreError> {
        let metrics = self.metrics();
        let ids = BTreeSet::from([node.0]);
        if metrics.voters.contains(&node) {
            if metrics.voters.len() == 1 {
                return Err(CoreError::Membership {
                    reason: format!("node {node} is the only voter"),
                });
            }
            self.change(ChangeMembers::RemoveVoters(ids)).await
        } else if metrics.members.contains_key(&node) {
            self.change(ChangeMembers::RemoveNodes(ids)).await
        } else {
            Ok(())
        }
    }

    async fn change(&self, change: ChangeMembers<u64, NodeRecord>) -> Result<(), CoreError> {
        let changing = self.inner.raft.change_membership(change, false).await;
        changing.map(drop).map_err(write_error)
    }

    /// On the leader: hands the leadership to `to`, or to the voter whose log is longest. Returns once the request
    /// is made; watch [`metrics`](Self::metrics) for the result.
    pub async fn transfer_leadership(&self, to: Option<NodeId>) -> Result<(), CoreError> {
        let metrics = self.metrics();
        if metrics.role != Role::Leader {
            return Err(CoreError::NotLeader { leader: metrics.leader });
        }
        let others = metrics.replicated.iter().filter(|(id, _)| {
            **id != self.inner.config.node && metrics.voters.contains(id) && to.is_none_or(|to| to == **id)
        });
        let Some((to, _)) = others.max_by_key(|(_, index)| **index) else {
            return Err(CoreError::Membership {
                reason: "there is no such other voter to lead".to_owned(),
            });
        };
        let sent = self.inner.raft.trigger().transfer_leader(to.0).await;
        sent.map_err(|error| CoreError::Stopped {
            reason: error.to_string(),
        })
    }

    /// Answers a question of another node. `body` and the answer are what a [`PeerTransport`] carries.
    pub async fn handle(&self, rpc: Rpc, body: Bytes) -> Result<Bytes, CoreError> {
        let raft = &self.inner.raft;
        let unreadable = |error: crate::CodecError| CoreError::Message {
            reason: error.to_string(),
        };
        match rpc {
            Rpc::Append => {
                self.check_format("append", &body)?;
                let request = AppendV1::decode(&body).map_err(unreadable)?;
                for entry in &request.entries {
                    self.check_format("log entry", &entry.envelope.0)?;
                }
                let request = convert::append_in(request).map_err(unreadable)?;
                let reply = convert::append_reply_out(&raft.append_entries(request).await.map_err(stopped_error)?);
                if !matches!(reply, crate::envelope::wire::AppendReplyV1::HigherVote(_)) {
                    self.leader_was_heard();
                }
                Ok(reply.encode())
            }
            Rpc::Vote => {
                let request = VoteAskV1::decode(&body).map_err(unreadable)?;
                let reply = raft.vote(convert::vote_ask_in(&request)).await.map_err(stopped_error)?;
                Ok(convert::vote_reply_out(&reply).encode())
            }
            Rpc::PreVote => {
                let request = VoteAskV1::decode(&body).map_err(unreadable)?;
                let reply = raft
                    .pre_vote(convert::vote_ask_in(&request))
                    .await
                    .map_err(stopped_error)?;
                Ok(convert::vote_reply_out(&reply).encode())
            }
            Rpc::Transfer => {
                let request = TransferV1::decode(&body).map_err(unreadable)?;
                let reply = raft.handle_transfer_leader(convert::transfer_in(&request)).await;
                let reply = reply.map_err(|error| CoreError::Stopped {
                    reason: error.to_string(),
                })?;
                Ok(convert::transfer_reply_out(&reply).encode())
            }
            Rpc::Report => Ok(self.report().encode()),
            Rpc::Mend => {
                let ask = MendAskV1::decode(&body).map_err(unreadable)?;
                Ok(self.give_state(ask).await.encode())
            }
        }
    }

    /// A leader sends what only a newer build understands: this node cannot follow and must not be asked for ever.
    fn check_format(&self, what: &'static str, bytes: &[u8]) -> Result<(), CoreError> {
        let Some(newer) = newer_format(what, bytes) else {
            return Ok(());
        };
        let reason = format!("this node cannot follow the leader: {newer}");
        self.inner.fatal.raise(reason.clone());
        Err(CoreError::Message { reason })
    }

    fn leader_was_heard(&self) {
        *self.inner.leader_heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(TypeConfig::<RT>::now());
    }

    /// Begins to receive a snapshot: the transport writes its bytes into the sink, finishes it and gives the result
    /// to [`receive_snapshot`](Self::receive_snapshot).
    pub fn begin_snapshot(&self) -> Result<Box<dyn SnapshotSink>, CoreError> {
        self.inner.snapshots.receive().map_err(|error| CoreError::Unavailable {
            reason: format!("cannot keep a snapshot from the leader: {error}"),
        })
    }

    /// Installs a snapshot that was received whole. `head` is what [`PeerTransport::send_snapshot`] was given; the
    /// answer goes back to the sender. A snapshot that is broken or of a newer format is refused.
    pub async fn receive_snapshot(&self, head: Bytes, data: SnapshotData) -> Result<Bytes, CoreError> {
        if MendHeadV1::is_in(&head) {
            let (core, taking) = (self.clone(), data);
            let taken: BoxFuture<'static, _> = Box::pin(async move { core.take_state(taking).await });
            taken.await?;
            return Ok(MendReplyV1::Sent.encode());
        }
        let unreadable = |reason: String| CoreError::Message { reason };
        let asked = SnapshotHeadV1::decode(&head).map_err(|error| unreadable(error.to_string()))?;
        let reader = SnapshotReader::new(data.clone());
        let verified = match &data {
            // On a thread of its own: heartbeats do not wait until a large file is read.
            SnapshotData::File { .. } => RT::spawn_blocking(move || format::verify(reader)).await.flatten(),
            SnapshotData::Memory(_) => format::verify(reader),
        };
        let state = verified.map_err(|error| unreadable(error.to_string()))?;
        let snapshot = snapshot_of(&state, data).map_err(|error| unreadable(error.to_string()))?;
        let (raft, vote) = (self.inner.raft.clone(), convert::vote_in(&asked.vote));
        let installing: BoxFuture<'static, _> =
            Box::pin(async move { raft.install_full_snapshot(vote, snapshot).await });
        let reply = installing.await;
        let reply = reply.map_err(|error| CoreError::Stopped {
            reason: error.to_string(),
        })?;
        self.leader_was_heard();
        let vote = convert::vote_out(&reply.vote);
        Ok(SnapshotReplyV1 { vote }.encode())
    }

    /// The part of [`metrics`](Self::metrics) that each proposal needs, without the rest.
    pub fn glance(&self) -> Glance {
        let watched = self.inner.raft.metrics();
        let raft = watched.borrow_watched();
        let role = role_of(&raft);
        Glance {
            role,
            leader: raft.current_leader.map(NodeId),
            quorum: self.has_quorum(role, &raft),
            voters: raft.membership_config.membership().voter_ids().map(NodeId).collect(),
        }
    }

    fn has_quorum(&self, role: Role, raft: &RaftMetrics<TypeConfig<RT>>) -> bool {
        let lease = self.inner.config.election_max();
        match role {
            Role::Leader => {
                let mut voters = raft.membership_config.membership().voter_ids();
                let alone = voters.next() == Some(self.inner.config.node.0) && voters.next().is_none();
                alone
                    || raft
                        .last_quorum_acked
                        .as_ref()
                        .is_some_and(|acked| acked.elapsed() < lease)
            }
            Role::Stopped => false,
            _ => {
                let heard = *self.inner.leader_heard.lock().unwrap_or_else(PoisonError::into_inner);
                raft.current_leader.is_some() && heard.is_some_and(|heard| heard.elapsed() < lease)
            }
        }
    }

    /// What this node knows of the consensus now. Cheap; never waits.
    pub fn metrics(&self) -> Metrics {
        let raft = self.inner.raft.metrics().borrow_watched().clone();
        let picture = self.inner.published.picture();
        let rows = ClusterRows::new(picture.rows.clone());
        let membership = raft.membership_config.membership();
        let voters: BTreeSet<NodeId> = membership.voter_ids().map(NodeId).collect();
        let role = role_of(&raft);
        let quorum = self.has_quorum(role, &raft);
        let replicated = raft.replication.unwrap_or_default();
        let (verdict, aside, low_space) = {
            let standing = self.standing();
            (standing.verdict.clone(), standing.aside, standing.low_space)
        };
        let sets = raft.committed_membership_config.membership().get_joint_config();
        let settled = sets.iter().take(1).flatten();
        Metrics {
            role,
            leader: raft.current_leader.map(NodeId),
            term: raft.current_term,
            committed: index(&raft.cluster_committed),
            applied: picture.head.last.map_or(0, |id| id.index),
            last_log: raft.last_log_index.unwrap_or(0),
            snapshot: index(&raft.snapshot),
            purged: index(&raft.purged),
            quorum,
            replicated: replicated
                .into_iter()
                .map(|(id, at)| (NodeId(id), index(&at)))
                .collect(),
            members: membership
                .nodes()
                .map(|(id, record)| (NodeId(*id), record.clone()))
                .collect(),
            voters,
            settled_voters: settled
                .filter(|id| sets.iter().all(|set| set.contains(id)))
                .copied()
                .map(NodeId)
                .collect(),
            state_hash: picture.head.state_hash,
            verdict,
            aside,
            low_space,
            feature_level: rows.feature_level(),
            data_key_id: rows.data_key_id(),
        }
    }

    /// Builds a snapshot now, in the background.
    #[cfg(test)]
    pub async fn snapshot(&self) -> Result<(), CoreError> {
        self.inner
            .raft
            .trigger()
            .snapshot()
            .await
            .map_err(|error| CoreError::Stopped {
                reason: error.to_string(),
            })
    }

    /// The latch that says this node must stop.
    pub fn fatal(&self) -> &Fatal {
        &self.inner.fatal
    }

    /// Ends in good order: takes no part any more, stores what was applied, marks a clean stop.
    pub async fn stop(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        let closing = self
            .inner
            .raft
            .with_state_machine(|machine: &mut Machine<M>| Box::pin(async move { machine.close() }));
        if let Err(error) = closing.await {
            tracing::warn!(%error, "applied state was not closed; the next start rebuilds it from snapshot and log");
        }
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(?error, "consensus did not end in good order");
        }
    }
}

fn role_of<RT: AsyncRuntime>(raft: &RaftMetrics<TypeConfig<RT>>) -> Role {
    match (&raft.running_state, raft.state) {
        (Err(_), _) | (_, ServerState::Shutdown) => Role::Stopped,
        (_, ServerState::Leader) => Role::Leader,
        (_, ServerState::Follower) => Role::Follower,
        (_, ServerState::Candidate) => Role::Candidate,
        (_, ServerState::Learner) => Role::Learner,
    }
}

fn index(id: &Option<super::types::LogId>) -> u64 {
    id.as_ref().map_or(0, |id| id.index)
}

fn forward_error<RT: AsyncRuntime>(forward: &ForwardToLeader<TypeConfig<RT>>) -> CoreError {
    match forward.reason {
        ForwardReason::LeaseExpired => CoreError::Unavailable {
            reason: "no quorum: this node leads and has not heard a majority for one election timeout".to_owned(),
        },
        ForwardReason::NotLeader | ForwardReason::LeadershipTransfer => CoreError::NotLeader {
            leader: forward.leader_id.map(NodeId),
        },
    }
}

fn write_error<RT: AsyncRuntime>(error: RaftError<TypeConfig<RT>, ClientWriteError<TypeConfig<RT>>>) -> CoreError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => forward_error(&forward),
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => CoreError::Unknown {
            reason: "the leader changed before it was confirmed".to_owned(),
        },
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => CoreError::Membership {
            reason: error.to_string(),
        },
        RaftError::APIError(ClientWriteError::PreconditionFailed(error)) => CoreError::Unavailable {
            reason: error.to_string(),
        },
        RaftError::Fatal(error) => CoreError::Stopped {
            reason: error.to_string(),
        },
    }
}

fn stopped_error<RT: AsyncRuntime>(error: RaftError<TypeConfig<RT>>) -> CoreError {
    CoreError::Stopped {
        reason: error.to_string(),
    }
}
