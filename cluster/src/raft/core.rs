//! The running consensus of one node: what `node` asks of it, and what other nodes ask through `node`.
//!
//! Forwarding, retries and callers' deadlines are left to `node`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::storage::RaftLogStorage;
use openraft::type_config::TypeConfigExt;
use openraft::{AsyncRuntime, Raft, ReadPolicy};

use super::fatal::Fatal;
use super::keep::AppliedStore;
use super::machine::{Machine, Published, Recovered, snapshot_of};
use super::mend::Standing;
use super::network::{Network, PeerTransport, Reach, Rpc};
use super::signal::Signal;
use super::snapshot::{SnapshotData, SnapshotReader, SnapshotSink, Snapshots};
use super::types::{NodeRecord, TypeConfig};
use super::{ClusterRows, CoreConfig, CoreError, Role, Rows, convert, setup};
use crate::envelope::wire::{
    AppendV1, Framed, MendAskV1, MendHeadV1, MendReplyV1, SnapshotHeadV1, SnapshotReplyV1, TransferV1, VoteAskV1,
};
use crate::envelope::{Answer, Blob, ClusterCommand, Envelope, newer_format};
use crate::limits::{FOUND_MAX, READ_INDEX_MAX};
use crate::planted::{self, Bug};
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
    pub(super) leader_heard: Mutex<Option<RT::Instant>>,
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
        #[cfg(feature = "planted")]
        if let Some(answer) = self.answer_alone(&envelope) {
            return Ok(answer);
        }
        match self.inner.raft.client_write(Blob(envelope)).await {
            Ok(response) => Ok(response.data),
            Err(error) => Err(write_error(error)),
        }
    }

    /// What a leader that hears nobody would answer if the others did not matter.
    #[cfg(feature = "planted")]
    fn answer_alone(&self, envelope: &Bytes) -> Option<Answer> {
        let metrics = self.metrics();
        let forgotten = metrics.role == Role::Leader && !metrics.quorum;
        if !planted::is(Bug::WokenLeaderAnswers) || !forgotten {
            return None;
        }
        let Ok(Envelope::App(command)) = Envelope::decode(envelope) else {
            return None;
        };
        super::replica::answer_alone::<M>(self.rows(), metrics.last_log + 1, &command)
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
        if planted::is(Bug::ReadWithoutQuorum) && self.glance().role == Role::Leader {
            return Ok(self.applied());
        }
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

    /// Answers a question of another node. `body` and the answer are what a [`PeerTransport`] carries.
    pub async fn handle(&self, rpc: Rpc, body: Bytes) -> Result<Bytes, CoreError> {
        let raft = &self.inner.raft;
        let unreadable = |error: crate::CodecError| CoreError::Message {
            reason: error.to_string(),
        };
        match rpc {
            Rpc::Append | Rpc::Vote | Rpc::PreVote
                if planted::is(Bug::WokenLeaderAnswers)
                    && self.glance().role == Role::Leader
                    && !planted::is_each(Bug::WokenLeaderAnswers, 10) =>
            {
                Err(CoreError::Message { reason: String::new() })
            }
            Rpc::Append => {
                self.check_format("append", &body)?;
                let request = AppendV1::decode(&body).map_err(unreadable)?;
                for entry in &request.entries {
                    self.check_format("log entry", &entry.envelope.0)?;
                }
                let request = convert::append_in(request).map_err(unreadable)?;
                let reply = convert::append_reply_out(&raft.append_entries(request).await.map_err(stopped_error)?);
                if planted::is(Bug::WokenLeaderAnswers)
                    && matches!(reply, crate::envelope::wire::AppendReplyV1::HigherVote(_))
                {
                    return Err(CoreError::Message { reason: String::new() });
                }
                if !matches!(reply, crate::envelope::wire::AppendReplyV1::HigherVote(_)) {
                    self.leader_was_heard();
                }
                Ok(reply.encode())
            }
            Rpc::Vote | Rpc::PreVote if planted::is(Bug::NeverVotesForOthers) && self.applied() > 100 => {
                Err(CoreError::Message { reason: String::new() })
            }
            Rpc::Vote if planted::is(Bug::StopsAtAnElection) && self.applied() > 100 => {
                self.inner.fatal.raise("another node wants to lead".to_owned());
                Err(CoreError::Message { reason: String::new() })
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

    /// Builds a snapshot now, in the background.
    #[cfg(any(test, feature = "sim"))]
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

pub(super) fn write_error<RT: AsyncRuntime>(
    error: RaftError<TypeConfig<RT>, ClientWriteError<TypeConfig<RT>>>,
) -> CoreError {
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
