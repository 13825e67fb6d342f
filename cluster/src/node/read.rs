//! Reads: what is committed now, waiting until it is applied here, and the node's own status.
//!
//! The view itself is read straight from `raft`.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::messages::ReadReplyV1;
use super::route::Search;
use super::running::Node;
use super::{ClusterStatus, Member, Standing, limits, serve};
use crate::envelope::wire::Framed;
use crate::identity::hex;
use crate::raft::{CoreError, Metrics, Role, Verdict};
use crate::transport::Lane;
use crate::{NodeId, ReadError, StateMachine};

impl<M: StateMachine> Node<M> {
    /// See [`Cluster::linearize`](crate::Cluster::linearize).
    pub(super) async fn linearize(&self, deadline: Duration) -> Result<u64, ReadError> {
        let deadline = Instant::now() + deadline;
        let mut search = Search::default();
        loop {
            let leader = self
                .find_leader(&mut search, deadline)
                .await
                .map_err(|reason| ReadError { reason })?;
            search.avoid = Some(leader);
            let reason = match self.read_index(leader, deadline).await {
                Ok(ReadReplyV1::Index(index)) => {
                    self.wait_applied(index, deadline).await?;
                    return Ok(index);
                }
                Ok(ReadReplyV1::NotLeader(hint)) => {
                    search.hint = hint;
                    "the leader is changing".to_owned()
                }
                Ok(ReadReplyV1::Unavailable(reason)) => return Err(ReadError { reason }),
                Err(reason) => reason,
            };
            if Instant::now() >= deadline {
                return Err(ReadError { reason });
            }
            tokio::time::sleep(limits::LEADER_POLL).await;
        }
    }

    async fn read_index(&self, leader: NodeId, deadline: Instant) -> Result<ReadReplyV1, String> {
        if leader == self.id {
            let late = || ReadReplyV1::Unavailable("no quorum confirmed the leader in time".into());
            return Ok(timeout_at(deadline, self.read_index_here())
                .await
                .unwrap_or_else(|_| late()));
        }
        let within = deadline.saturating_duration_since(Instant::now());
        let answer = self
            .client
            .call(leader, Lane::Peer, serve::READ, Bytes::new(), within)
            .await;
        let answer = answer.map_err(|error| format!("node {leader}: {error}"))?;
        ReadReplyV1::decode(&answer).map_err(|error| error.to_string())
    }

    /// What is committed now, confirmed by a quorum, if this node leads.
    pub(super) async fn read_index_here(&self) -> ReadReplyV1 {
        if let Err(reason) = self.check_quorum_here() {
            return ReadReplyV1::Unavailable(reason);
        }
        match self.core.read_index().await {
            Ok(index) => ReadReplyV1::Index(index),
            Err(CoreError::NotLeader { leader }) => ReadReplyV1::NotLeader(leader),
            Err(error) => ReadReplyV1::Unavailable(error.to_string()),
        }
    }

    /// Waits until this node has applied `revision`.
    pub(super) async fn wait_applied(&self, revision: u64, deadline: Instant) -> Result<(), ReadError> {
        if self
            .core
            .wait_applied(revision, deadline.saturating_duration_since(Instant::now()))
            .await
        {
            return Ok(());
        }
        let applied = self.core.applied();
        Err(ReadError {
            reason: format!("this node has applied revision {applied} and not yet {revision}"),
        })
    }

    fn standing(&self, metrics: &Metrics) -> Standing {
        let not_ready = match &metrics.verdict {
            _ if metrics.aside => Some("the state of this node differs from the majority's and is being mended"),
            Verdict::Minority(_) => Some("the state of this node differs from the majority's"),
            Verdict::Agreed | Verdict::NoMajority { .. } => None,
        };
        Standing {
            not_ready: not_ready.map(str::to_owned),
            no_majority: matches!(metrics.verdict, Verdict::NoMajority { .. }),
            low_space: metrics.low_space,
            confirmed_age_seconds: self.confirmed_before.age().as_secs_f64(),
        }
    }

    /// See [`Cluster::status`](crate::Cluster::status).
    pub(super) fn status(&self) -> ClusterStatus {
        let metrics = self.core.metrics();
        let (log_fsyncs, log_fsync_seconds) = self.log_fsyncs();
        let quorum = match metrics.role {
            Role::Leader => metrics.quorum,
            Role::Stopped => false,
            _ => metrics.quorum && self.heard_confirmed_lately(),
        };
        let members = metrics.members.iter().map(|(id, record)| {
            let member = Member {
                name: record.name.clone(),
                peer_address: record.peer_address,
                fingerprint: record.fingerprint,
                voter: metrics.settled_voters.contains(id),
            };
            (*id, member)
        });
        ClusterStatus {
            cluster: self.identity.cluster.to_string(),
            node: self.id,
            role: metrics.role.as_str(),
            leader: metrics.leader,
            term: metrics.term,
            committed: metrics.committed,
            applied: metrics.applied,
            last_log: metrics.last_log,
            quorum,
            replicated: metrics.replicated.clone(),
            members: members.collect::<BTreeMap<_, _>>(),
            feature_level: metrics.feature_level,
            state_hash: hex(&metrics.state_hash),
            log_fsyncs,
            log_fsync_seconds,
            standing: self.standing(&metrics),
        }
    }
}
