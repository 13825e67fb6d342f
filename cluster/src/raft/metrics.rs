//! What a node knows of the consensus at a moment, from openraft's own metrics and from what is published.
//!
//! What is made of it is left to `node`.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftMetrics;
use openraft::{AsyncRuntime, Instant, ServerState};

use super::core::Core;
use super::types::TypeConfig;
use super::{ClusterRows, Glance, Metrics, Role};
use crate::{NodeId, StateMachine};

impl<RT: AsyncRuntime, M: StateMachine> Core<RT, M> {
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
            applied: picture.revision,
            applied_term: picture.term,
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
            state_hash: picture.hash,
            verdict,
            aside,
            low_space,
            feature_level: rows.feature_level(),
            data_key_id: rows.data_key_id(),
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
