//! Finds the leader, and finds out quickly when there can be none.
//!
//! What is asked of the leader is left to `forward`, `read` and `membership`.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::messages::HelloV1;
use super::running::Node;
use super::{limits, serve};
use crate::envelope::wire::Framed;
use crate::raft::Role;
use crate::transport::{CallError, Lane};
use crate::{NodeId, StateMachine};

/// What is known about where the leader is, from one attempt to the next.
#[derive(Default)]
pub(super) struct Search {
    /// A node that another one named as the leader.
    pub(super) hint: Option<NodeId>,
    /// The last node that was asked as the leader and could not be reached, or said that it does not lead.
    pub(super) avoid: Option<NodeId>,
}

impl<M: StateMachine> Node<M> {
    /// The node to ask as the leader. Waits for an election that is under way as long as a majority of the voters
    /// can be reached; otherwise says at once that there is no quorum.
    pub(super) async fn find_leader(&self, search: &mut Search, deadline: Instant) -> Result<NodeId, String> {
        if let Some(hint) = search.hint.take().filter(|hint| Some(*hint) != search.avoid) {
            return Ok(hint);
        }
        let started = Instant::now();
        let mut probed: Option<Instant> = None;
        loop {
            if let Some(reason) = self.core.fatal().reason() {
                return Err(format!("this node has stopped: {reason}"));
            }
            let metrics = self.core.glance();
            if metrics.role == Role::Stopped {
                return Err("this node has stopped".into());
            }
            if let Some(leader) = metrics.leader.filter(|leader| Some(*leader) != search.avoid) {
                return Ok(leader);
            }
            if metrics.voters.is_empty() {
                // It has just started, or has joined and not yet heard of the cluster.
                if started.elapsed() >= limits::UNKNOWN_CLUSTER_MAX {
                    return Err("this node does not know the cluster yet".into());
                }
            } else if probed.is_none_or(|at| at.elapsed() >= limits::HELLO_MAX) {
                probed = Some(Instant::now());
                let voters = metrics.voters.iter().copied().collect();
                let found = self.probe(&voters).await?;
                if let Some(leader) = found {
                    search.avoid = None;
                    return Ok(leader);
                }
            }
            if Instant::now() >= deadline {
                return Err("no leader was found in time".into());
            }
            tokio::time::sleep(limits::LEADER_POLL).await;
        }
    }

    /// Asks all voters for a sign of life. An error says that there is no majority of them; otherwise the leader,
    /// if one that answers is known.
    async fn probe(&self, voters: &BTreeSet<NodeId>) -> Result<Option<NodeId>, String> {
        let majority = voters.len() / 2 + 1;
        let mut answering = BTreeSet::from_iter(voters.contains(&self.id).then_some(self.id));
        let mut named = BTreeSet::from_iter(self.core.metrics().leader);
        let mut asked: FuturesUnordered<_> = voters
            .iter()
            .filter(|voter| **voter != self.id)
            .map(|voter| async move { (*voter, self.hello(*voter, limits::HELLO_MAX).await) })
            .collect();
        while let Some((voter, hello)) = asked.next().await {
            let Ok(hello) = hello else { continue };
            answering.insert(voter);
            named.extend(hello.leader);
            if answering.len() >= majority
                && let Some(leader) = named.intersection(&answering).next()
            {
                return Ok(Some(*leader));
            }
        }
        if answering.len() < majority {
            return Err(format!(
                "no quorum: {} of {} voters answer",
                answering.len(),
                voters.len()
            ));
        }
        Ok(None)
    }

    /// Asks a member for a sign of life.
    pub(super) async fn hello(&self, node: NodeId, deadline: Duration) -> Result<HelloV1, CallError> {
        let answer = self
            .client
            .call(node, Lane::Peer, serve::HELLO, Bytes::new(), deadline)
            .await?;
        HelloV1::decode(&answer).map_err(|e| CallError::Broken(e.to_string()))
    }
}
