//! Changes of the membership that the leader makes: removal with a new data key, hand-over, promotion.
//!
//! Letting machines in is in `admission`; how a key travels is in `keys`.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::left_over::LeftOvers;
use super::messages::{MembershipAskV1, MembershipReplyV1};
use super::route::Search;
use super::running::Node;
use super::{NodeError, limits, serve};
use crate::envelope::wire::Framed;
use crate::envelope::{Answer, ClusterCommand, Refusal};
use crate::raft::{CoreError, Metrics, Role};
use crate::transport::{CallError, Lane, NOT_A_MEMBER};
use crate::{NodeId, StateMachine};

impl<M: StateMachine> Node<M> {
    /// Brings a change to the leader, wherever that is.
    pub(super) async fn change_membership(self: &Arc<Self>, ask: MembershipAskV1) -> Result<(), NodeError> {
        let tried = match &ask {
            MembershipAskV1::Remove(node) => format!("remove node {node}"),
            MembershipAskV1::Transfer(Some(to)) => format!("hand the leadership to node {to}"),
            MembershipAskV1::Transfer(None) => "hand the leadership over".to_owned(),
        };
        let failed = |why: String| NodeError(format!("cannot {tried}: {why}"));
        let deadline = Instant::now() + limits::MEMBERSHIP_MAX;
        let mut search = Search::default();
        loop {
            let leader = self.find_leader(&mut search, deadline).await.map_err(failed)?;
            search.avoid = Some(leader);
            let reply = if leader == self.id {
                self.change_membership_here(ask.clone()).await
            } else {
                let within = deadline.saturating_duration_since(Instant::now());
                match self
                    .client
                    .call(leader, Lane::Peer, serve::MEMBERSHIP, ask.encode(), within)
                    .await
                {
                    Ok(reply) => MembershipReplyV1::decode(&reply).map_err(|e| failed(e.to_string()))?,
                    Err(CallError::NotSent(_)) => MembershipReplyV1::NotLeader(None),
                    // Who has removed itself is cut off before the answer arrives; the next call says so.
                    Err(_) if ask == MembershipAskV1::Remove(self.id) && self.is_cut_off_by(leader).await => {
                        MembershipReplyV1::Done
                    }
                    Err(error) => return Err(failed(format!("{error}; look at the members before trying again"))),
                }
            };
            match reply {
                MembershipReplyV1::Done => return Ok(()),
                MembershipReplyV1::Failed(why) => return Err(failed(why)),
                MembershipReplyV1::NotLeader(hint) => search.hint = hint,
            }
            if Instant::now() >= deadline {
                return Err(failed("no leader was found in time".into()));
            }
            tokio::time::sleep(limits::LEADER_POLL).await;
        }
    }

    /// Whether `leader` takes this node as removed; the removal may still be under way, so it is asked for a while.
    async fn is_cut_off_by(&self, leader: NodeId) -> bool {
        let until = Instant::now() + limits::CUT_OFF_MAX;
        loop {
            let hello = self.hello(leader, limits::HELLO_MAX).await;
            match hello {
                Err(CallError::Refused {
                    status: NOT_A_MEMBER, ..
                }) => return true,
                _ if Instant::now() >= until => return false,
                _ => tokio::time::sleep(limits::LEADER_POLL).await,
            }
        }
    }

    /// Makes a change, if this node leads; one at a time. Once begun it is brought to its end, whether or not the
    /// asker still waits (a node that asks for its own removal is cut off meanwhile).
    pub(super) async fn change_membership_here(self: &Arc<Self>, ask: MembershipAskV1) -> MembershipReplyV1 {
        let node = self.clone();
        let changing = tokio::spawn(async move {
            let late =
                || MembershipReplyV1::Failed("it was not finished in time; ask again, it goes on from there".into());
            timeout(limits::MEMBERSHIP_MAX, node.make_change(ask))
                .await
                .unwrap_or_else(|_| late())
        });
        changing
            .await
            .unwrap_or_else(|e| MembershipReplyV1::Failed(format!("it was given up: {e}")))
    }

    async fn make_change(&self, ask: MembershipAskV1) -> MembershipReplyV1 {
        let _change = self.changing.lock().await;
        let metrics = self.core.metrics();
        if metrics.role != Role::Leader {
            return MembershipReplyV1::NotLeader(metrics.leader);
        }
        match ask {
            MembershipAskV1::Transfer(to) => self.hand_over(to, &metrics).await,
            // A leader does not remove itself: the next one does.
            MembershipAskV1::Remove(node) if node == self.id => match self.hand_over(None, &metrics).await {
                MembershipReplyV1::Done => MembershipReplyV1::NotLeader(None),
                other => other,
            },
            MembershipAskV1::Remove(node) => match self.remove_here(node, &metrics).await {
                Ok(()) => MembershipReplyV1::Done,
                Err(why) => MembershipReplyV1::Failed(why),
            },
        }
    }

    async fn hand_over(&self, to: Option<NodeId>, metrics: &Metrics) -> MembershipReplyV1 {
        if to == Some(self.id) {
            return MembershipReplyV1::Done;
        }
        if metrics.voters.len() < 2 {
            return MembershipReplyV1::Failed("there is no other voter".into());
        }
        if let Err(error) = self.core.transfer_leadership(to).await {
            return MembershipReplyV1::Failed(error.to_string());
        }
        let deadline = Instant::now() + self.election_max * 4;
        while Instant::now() < deadline {
            let now = self.core.metrics();
            if now.role != Role::Leader && now.leader.is_some_and(|leader| leader != self.id) {
                return MembershipReplyV1::Done;
            }
            tokio::time::sleep(limits::LEADER_POLL).await;
        }
        MembershipReplyV1::Failed("the other voter did not take over in time; this node still leads".into())
    }

    /// The order matters: the new key is with a majority before the node leaves, and is given out to askers only
    /// once it is in force, after the node has left.
    async fn remove_here(&self, node: NodeId, metrics: &Metrics) -> Result<(), String> {
        let named = self.core.cluster_rows().node_name(node.0).is_some();
        if !metrics.members.contains_key(&node) && !named {
            return Err(format!("node {node} is not a member"));
        }
        let stay: Vec<NodeId> = metrics.voters.iter().copied().filter(|voter| *voter != node).collect();
        if stay.is_empty() {
            return Err(format!("node {node} is the only voter"));
        }
        let answering = self.answering(&stay).await;
        if answering < stay.len() / 2 + 1 {
            return Err(format!(
                "without it there would be no quorum: {answering} of the {} voters that stay answer",
                stay.len()
            ));
        }
        let key_id = self
            .spread_new_key(&stay, limits::KEYS_MAX)
            .await
            .map_err(|e| e.to_string())?;
        self.core.remove(node).await.map_err(|e| e.to_string())?;
        self.refresh_peers();
        self.command(ClusterCommand::SetDataKey { key_id }).await?;
        self.command(ClusterCommand::ForgetNode { node: node.0 }).await?;
        tracing::info!(%node, data_key = format!("{key_id:08x}"), "a node was removed, and a new data key is in force");
        Ok(())
    }

    /// How many of `voters` answer, this node among them; asks again for a while as long as that is no majority.
    async fn answering(&self, voters: &[NodeId]) -> usize {
        let until = Instant::now() + limits::ANSWERING_MAX;
        loop {
            let others = voters.iter().filter(|voter| **voter != self.id);
            let hellos = join_all(others.map(|voter| self.hello(*voter, limits::HELLO_MAX))).await;
            let answering = 1 + hellos.iter().filter(|hello| hello.is_ok()).count();
            if answering > voters.len() / 2 || Instant::now() >= until {
                return answering;
            }
            tokio::time::sleep(limits::LEADER_POLL).await;
        }
    }

    async fn command(&self, command: ClusterCommand) -> Result<(), String> {
        match self.core.propose_cluster(command).await {
            Ok(Answer::Done { .. } | Answer::Refused(Refusal::NodeUnknown)) => Ok(()),
            Ok(other) => Err(format!(
                "the cluster answered {other:?}; ask again, it goes on from there"
            )),
            Err(error) => Err(format!("{error}; ask again, it goes on from there")),
        }
    }

    /// On the leader: gives a vote to each learner that has caught up and holds the data key, and raises the
    /// feature level when all voters support a higher one.
    pub(super) async fn reconcile_members(&self) -> Result<(), CoreError> {
        let metrics = self.core.metrics();
        if metrics.role != Role::Leader || !metrics.quorum {
            *self.left_overs.lock().unwrap_or_else(PoisonError::into_inner) = LeftOvers::default();
            return Ok(());
        }
        let Ok(_change) = self.changing.try_lock() else {
            return Ok(());
        };
        self.end_left_over(&metrics, Instant::now()).await;
        for node in metrics.members.keys().filter(|node| !metrics.voters.contains(node)) {
            let held = metrics.replicated.get(node).copied().unwrap_or(0);
            if held == 0 || held + limits::PROMOTION_LAG_MAX < metrics.last_log {
                continue;
            }
            match self.hello(*node, limits::HELLO_MAX).await {
                Ok(hello) if hello.data_key >= Some(metrics.data_key_id) => {
                    self.core.promote(*node).await?;
                    tracing::info!(%node, "a learner has caught up and votes now");
                }
                _ => {}
            }
        }
        if metrics.feature_level < M::FEATURE_LEVEL_MAX && metrics.feature_level > 0 {
            self.raise_feature_level(&metrics).await?;
        }
        Ok(())
    }

    /// Ends a removal or an admission that another leader began and did not end: the node is forgotten, its name is
    /// free, and a new data key is in force. To be called with `changing` held.
    pub(super) async fn end_left_over(&self, metrics: &Metrics, now: Instant) {
        let named = self.core.cluster_rows().nodes().into_keys();
        let left = named.filter(|node| !metrics.members.contains_key(node)).collect();
        let ripe = {
            let mut left_overs = self.left_overs.lock().unwrap_or_else(PoisonError::into_inner);
            left_overs.look(now, &left)
        };
        let Some(node) = ripe else { return };
        match self.remove_here(node, metrics).await {
            Ok(()) => {
                tracing::info!(%node, "a removal or admission that was left half-done has ended: the node is gone")
            }
            Err(error) => tracing::warn!(%node, %error, "cannot forget a node that is no member; trying again later"),
        }
    }

    async fn raise_feature_level(&self, metrics: &Metrics) -> Result<(), CoreError> {
        // Learners count too: they apply as well.
        let others = metrics.members.keys().filter(|node| **node != self.id);
        let hellos = join_all(others.map(|node| self.hello(*node, limits::HELLO_MAX))).await;
        let mut level = M::FEATURE_LEVEL_MAX;
        for hello in hellos {
            let Ok(hello) = hello else { return Ok(()) };
            level = level.min(hello.feature_level_max);
        }
        if level > metrics.feature_level {
            self.core
                .propose_cluster(ClusterCommand::SetFeatureLevel { level })
                .await?;
            tracing::info!(level, "all members support a higher feature level: it is in force now");
        }
        Ok(())
    }
}

/// Keeps the membership as it should be; looks on a timer.
pub(super) async fn keep_reconciling<M: StateMachine>(node: Arc<Node<M>>) {
    loop {
        // A change that cannot be made now is made at a later look.
        match timeout(limits::MEMBERSHIP_MAX, node.reconcile_members()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the membership was not brought up to date; trying again"),
            Err(_) => tracing::debug!("the membership was not brought up to date in time; trying again"),
        }
        tokio::time::sleep(limits::RECONCILE_EVERY).await;
    }
}

/// Hands the leadership away before this node stops, so that nobody waits for an election.
pub(super) async fn hand_over_before_stop<M: StateMachine>(node: &Node<M>, within: Duration) {
    let metrics = node.core.metrics();
    if metrics.role == Role::Leader && metrics.voters.len() > 1 && metrics.quorum {
        let _ = timeout(within, node.hand_over(None, &metrics)).await;
    }
}
