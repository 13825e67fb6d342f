//! Changes of who learns, votes and leads, as the leader makes them.
//!
//! When and why is left to `node`.

use std::collections::BTreeSet;

use openraft::{AsyncRuntime, ChangeMembers};

use super::core::{Core, write_error};
use super::types::NodeRecord;
use super::{CoreError, Role};
use crate::{NodeId, StateMachine};

impl<RT: AsyncRuntime, M: StateMachine> Core<RT, M> {
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
}
