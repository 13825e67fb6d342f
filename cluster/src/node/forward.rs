//! Proposals: here on the leader, forwarded from anywhere else, retried under the same request id.
//!
//! Who leads is found by `route`; what applies is decided by `raft`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::limits;
use super::messages::ForwardReplyV1;
use super::route::Search;
use super::running::Node;
use crate::envelope::{Answer, AppCommand, Blob, ClusterCommand, Envelope};
use crate::limits::{COMMAND_BYTES_MAX, RETRY_MAX};
use crate::planted::{self, Bug};
use crate::raft::{CoreError, Role};
use crate::transport::Lane;
use crate::{Committed, NodeId, ProposeError, RequestId, StateMachine};

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SubmitError {
    /// Nothing was appended anywhere.
    Unavailable(String),
    /// It may or may not be applied.
    Unknown(String),
}

impl std::fmt::Display for SubmitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "refused, nothing was changed: {reason}"),
            Self::Unknown(reason) => write!(f, "it is not known whether it was done: {reason}"),
        }
    }
}

/// What became of one attempt.
pub(super) enum Attempt {
    Replied(ForwardReplyV1),
    /// It never left this node.
    NotSent(String),
}

impl<M: StateMachine> Node<M> {
    /// See [`Cluster::propose`](crate::Cluster::propose) and
    /// [`Cluster::propose_request`](crate::Cluster::propose_request).
    pub(super) async fn propose(
        self: &Arc<Self>,
        request: RequestId,
        body_hash: Option<[u8; 32]>,
        command: &M::Command,
        deadline: Duration,
    ) -> Result<Committed<M::Outcome>, ProposeError> {
        let command = Bytes::from(M::encode_command(command));
        if command.len() > COMMAND_BYTES_MAX {
            return Err(ProposeError::TooLarge { bytes: command.len() });
        }
        let deadline = Instant::now() + deadline.min(RETRY_MAX);
        let unknown = |reason: String| ProposeError::OutcomeUnknown { request, reason };
        let mut command = AppCommand::new(request, command);
        command.body_hash = body_hash.unwrap_or(command.body_hash);
        let envelope = Envelope::App(command);
        let answer = self.submit(envelope, deadline).await.map_err(|error| match error {
            SubmitError::Unavailable(reason) => ProposeError::Unavailable { reason },
            SubmitError::Unknown(reason) => unknown(reason),
        })?;
        match answer {
            Answer::App { revision, outcome } => {
                let outcome = M::decode_outcome(&outcome.0).map_err(|e| unknown(format!("it was applied, but {e}")))?;
                // It is committed in any case; here it is only seen a little later.
                let _ = self.wait_applied(revision, deadline).await;
                Ok(Committed { revision, outcome })
            }
            Answer::Reused => Err(ProposeError::RequestReused { request }),
            other => Err(unknown(format!("the cluster answered with {other:?} to a command"))),
        }
    }

    /// Submits a command of the cluster's own. Those are made so that a repetition does no harm.
    pub(super) async fn submit_own(
        self: &Arc<Self>,
        command: ClusterCommand,
        within: Duration,
    ) -> Result<Answer, SubmitError> {
        self.submit(Envelope::Cluster(command), Instant::now() + within).await
    }

    async fn submit(self: &Arc<Self>, envelope: Envelope, deadline: Instant) -> Result<Answer, SubmitError> {
        let bytes = envelope.encode();
        let mut search = Search::default();
        // Once something may have been appended, no later refusal can make that undone.
        let mut uncertain: Option<String> = None;
        loop {
            let attempt = match self.find_leader(&mut search, deadline).await {
                Ok(leader) => {
                    search.avoid = Some(leader);
                    self.attempt(leader, &bytes, deadline).await
                }
                Err(reason) if uncertain.is_none() => return Err(SubmitError::Unavailable(reason)),
                Err(reason) => Attempt::NotSent(reason),
            };
            let reason = match attempt {
                Attempt::Replied(ForwardReplyV1::Answer(answer)) => {
                    return Answer::decode(&answer.0).map_err(|e| SubmitError::Unknown(e.to_string()));
                }
                Attempt::Replied(ForwardReplyV1::NotLeader(hint)) => {
                    search.hint = hint;
                    "no leader was found in time".to_owned()
                }
                Attempt::Replied(ForwardReplyV1::Unavailable(reason)) => match uncertain {
                    None => return Err(SubmitError::Unavailable(reason)),
                    Some(_) => {
                        search.avoid = None;
                        reason
                    }
                },
                Attempt::Replied(ForwardReplyV1::Unknown(reason)) => {
                    search.avoid = None;
                    uncertain.get_or_insert(reason).clone()
                }
                Attempt::NotSent(reason) => reason,
            };
            if Instant::now() >= deadline {
                return Err(match uncertain {
                    Some(first) => SubmitError::Unknown(first),
                    None => SubmitError::Unavailable(reason),
                });
            }
            tokio::time::sleep(limits::LEADER_POLL).await;
        }
    }

    async fn attempt(self: &Arc<Self>, leader: NodeId, bytes: &Bytes, deadline: Instant) -> Attempt {
        let until = deadline.min(Instant::now() + limits::FORWARD_MAX);
        if leader == self.id {
            let late = || ForwardReplyV1::Unknown("it was not committed in time".into());
            return Attempt::Replied(
                timeout_at(until, self.propose_here(bytes.clone()))
                    .await
                    .unwrap_or_else(|_| late()),
            );
        }
        let (forward, replied) = oneshot::channel();
        self.forward(leader, bytes.clone(), forward);
        match timeout_at(until, replied).await {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(_)) => Attempt::Replied(ForwardReplyV1::Unknown("the forwarding was given up".into())),
            Err(_) => Attempt::Replied(ForwardReplyV1::Unknown(format!("node {leader}: no answer in time"))),
        }
    }

    /// Proposes as the leader; also what a forwarded proposal gets.
    pub(super) async fn propose_here(&self, envelope: Bytes) -> ForwardReplyV1 {
        if let Err(reason) = self.check_quorum_here()
            && !planted::is(Bug::WokenLeaderAnswers)
        {
            return ForwardReplyV1::Unavailable(reason);
        }
        match self.core.propose(envelope).await {
            Ok(answer) => ForwardReplyV1::Answer(Blob(answer.encode())),
            Err(CoreError::NotLeader { leader }) => ForwardReplyV1::NotLeader(leader),
            Err(
                CoreError::Unavailable { reason } | CoreError::Membership { reason } | CoreError::Message { reason },
            ) => ForwardReplyV1::Unavailable(reason),
            Err(CoreError::Unknown { reason } | CoreError::Stopped { reason }) => ForwardReplyV1::Unknown(reason),
        }
    }

    /// On the leader: refuses what could not be committed anyway, before anything is appended. Consensus itself
    /// knows after one election timeout without a quorum; a connection that ended is known at once.
    pub(super) fn check_quorum_here(&self) -> Result<(), String> {
        let metrics = self.core.glance();
        if metrics.role != Role::Leader {
            return Ok(());
        }
        let answering = metrics
            .voters
            .iter()
            .filter(|voter| !self.client.is_down(**voter, Lane::Consensus))
            .count();
        if answering < metrics.voters.len() / 2 + 1 {
            return Err(format!(
                "no quorum: {answering} of {} voters answer",
                metrics.voters.len()
            ));
        }
        if !metrics.quorum {
            return Err("no quorum: no majority has answered this leader for one election timeout".into());
        }
        Ok(())
    }
}
