//! What clients and administrators ask of a simulated node: as in the product a follower forwards, and the caller is
//! told *unknown* where the outcome is not known.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::AsyncRuntime;

use super::member::Member;
use super::scoped::{Scope, Scoped};
use super::world::{World, record};
use crate::envelope::{Answer, AppCommand, ClusterCommand, Envelope};
use crate::planted::{self, Bug};
use crate::raft::{CallError, CoreError, Role};
use crate::{Committed, NodeId, ProposeError, ReadError, RequestId, StateMachine};

/// What a simulated node is and knows at this moment.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Whether it believes to lead.
    pub leads: bool,
    /// The leader that it knows.
    pub leader: Option<u64>,
    /// Its term.
    pub term: u64,
    /// The last index applied and published.
    pub applied: u64,
    /// The term of the entry there.
    pub applied_term: u64,
    /// The last index in its log.
    pub last_log: u64,
    /// The last index that a snapshot contains.
    pub snapshot: u64,
    /// The state hash at `applied`.
    pub state_hash: [u8; 16],
    /// Whether it hears a quorum, or a leader.
    pub quorum: bool,
    /// Whether its state differs and is being mended.
    pub aside: bool,
    /// Who votes, as it knows it.
    pub voters: Vec<u64>,
    /// All members, as it knows them.
    pub members: Vec<u64>,
    /// The agreed feature level.
    pub feature_level: u32,
    /// Why it wants to stop, if it does.
    pub fatal: Option<String>,
}

/// Why there is no answer from the node that was to answer.
enum Unheard {
    /// Nothing was done.
    NotSent(String),
    /// It may have been done.
    Broken(String),
}

impl World {
    /// What this node is now; `None` where it does not run.
    pub fn sight(&self, id: u64) -> Option<Sight> {
        let member = self.net.member(id)?;
        let metrics = member.metrics();
        Some(Sight {
            leads: metrics.role == Role::Leader,
            leader: metrics.leader.map(|leader| leader.0),
            term: metrics.term,
            applied: metrics.applied,
            applied_term: metrics.applied_term,
            last_log: metrics.last_log,
            snapshot: metrics.snapshot,
            state_hash: metrics.state_hash,
            quorum: metrics.quorum,
            aside: metrics.aside,
            voters: metrics.voters.iter().map(|voter| voter.0).collect(),
            members: metrics.members.keys().map(|member| member.0).collect(),
            feature_level: metrics.feature_level,
            fatal: member.fatal(),
        })
    }

    /// What this node has applied, without asking anyone. `None` where it does not run, or has other views.
    pub fn local_view<V: Send + Sync + 'static>(&self, id: u64) -> Option<Arc<V>> {
        self.net.member(id)?.view().downcast().ok()
    }

    /// Asks `via` for a change; it forwards once. Asking again with the same request id is left to the caller.
    ///
    /// # Errors
    /// As the product's own: refused, or unknown.
    pub async fn propose<M: StateMachine>(
        &self,
        via: u64,
        request: RequestId,
        command: &M::Command,
        within: Duration,
    ) -> Result<Committed<M::Outcome>, ProposeError> {
        let command = AppCommand::new(request, Bytes::from(M::encode_command(command)));
        let envelope = Envelope::App(command).encode();
        let unavailable = |reason: String| ProposeError::Unavailable { reason };
        let unknown = |reason: String| match planted::is(Bug::UnknownCalledFailed) {
            true => ProposeError::Unavailable { reason },
            false => ProposeError::OutcomeUnknown { request, reason },
        };
        let asked = self.at_leader(via, within, |leader| leader.propose(envelope)).await;
        let answer = asked.map_err(|unheard| match unheard {
            Unheard::NotSent(reason) => unavailable(reason),
            Unheard::Broken(reason) => unknown(reason),
        })?;
        match answer {
            Ok(Answer::App { revision, outcome }) => match M::decode_outcome(&outcome.0) {
                Ok(outcome) => Ok(Committed { revision, outcome }),
                Err(error) => Err(unknown(error.to_string())),
            },
            Ok(Answer::Reused) => Err(ProposeError::RequestReused { request }),
            Ok(other) => Err(unknown(format!("{other:?}"))),
            Err(error @ (CoreError::Unknown { .. } | CoreError::Stopped { .. })) => Err(unknown(error.to_string())),
            Err(error) => Err(unavailable(error.to_string())),
        }
    }

    /// Reads linearizably at `via`: the leader confirms an index, `via` waits until it has applied that.
    ///
    /// # Errors
    /// The current state cannot be confirmed.
    pub async fn read<V: Send + Sync + 'static>(&self, via: u64, within: Duration) -> Result<Arc<V>, ReadError> {
        let refused = |reason: String| ReadError { reason };
        let asked = self.at_leader(via, within, |leader| leader.read_index()).await;
        let index = match asked {
            Ok(Ok(index)) => index,
            Ok(Err(error)) => return Err(refused(error.to_string())),
            Err(Unheard::NotSent(reason) | Unheard::Broken(reason)) => return Err(refused(reason)),
        };
        let here = |member: Arc<dyn Member>| async move {
            let applied = member.wait_applied(index, within).await;
            (applied, member.view())
        };
        match self.here(via, within, here).await {
            Ok((true, view)) => view.downcast().map_err(|_| refused("another kind of view".to_owned())),
            Ok((false, _)) => Err(refused(format!("node {via} has not yet applied {index}"))),
            Err(Unheard::NotSent(reason) | Unheard::Broken(reason)) => Err(refused(reason)),
        }
    }

    /// Runs `work` as a task of node `via`, as a request of a client does: it ends with the node.
    async fn here<T, F>(
        &self,
        via: u64,
        within: Duration,
        work: impl FnOnce(Arc<dyn Member>) -> F,
    ) -> Result<T, Unheard>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let Some((member, scope)) = self.net.up(via) else {
            return Err(Unheard::NotSent(format!("node {via} is down")));
        };
        run_in(&scope, within, work(member)).await
    }

    async fn at_leader<T: Send + 'static>(
        &self,
        via: u64,
        within: Duration,
        work: impl FnOnce(Arc<dyn Member>) -> futures_util::future::BoxFuture<'static, T> + Send + 'static,
    ) -> Result<T, Unheard> {
        let link = self.net.link(via);
        let asking = move |member: Arc<dyn Member>| async move {
            match member.leads() {
                (true, _) => Ok(work(member).await),
                (false, Some(leader)) if leader.0 != via => match link.ask(leader.0, within, work).await {
                    Ok(answer) => Ok(answer),
                    Err(CallError::Unreachable(reason)) => Err(Unheard::NotSent(reason)),
                    Err(CallError::Broken(reason)) => Err(Unheard::Broken(reason)),
                },
                (false, _) => Err(Unheard::NotSent("no leader is known".to_owned())),
            }
        };
        self.here(via, within, asking).await.flatten()
    }

    /// Makes this node the first of a new cluster.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn found(&self, id: u64) -> Result<(), String> {
        self.change(id, |member| member.found(record(id))).await
    }

    /// On the leader `at`: makes `id` a learner.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn add_learner(&self, at: u64, id: u64) -> Result<(), String> {
        self.change(at, |member| member.add_learner(NodeId(id), record(id)))
            .await
    }

    /// On the leader `at`: gives a learner a vote.
    ///
    /// # Errors
    /// Why it has none.
    pub async fn promote(&self, at: u64, id: u64) -> Result<(), String> {
        self.change(at, |member| member.promote(NodeId(id))).await
    }

    /// On the leader `at`: removes a member.
    ///
    /// # Errors
    /// Why it is not removed.
    pub async fn remove(&self, at: u64, id: u64) -> Result<(), String> {
        self.change(at, |member| member.remove(NodeId(id))).await
    }

    /// On the leader `at`: hands the leadership over.
    ///
    /// # Errors
    /// Why not.
    pub async fn transfer_leadership(&self, at: u64, to: u64) -> Result<(), String> {
        self.change(at, |member| member.transfer_leadership(NodeId(to))).await
    }

    /// Builds a snapshot at `at`.
    ///
    /// # Errors
    /// Why not.
    pub async fn snapshot(&self, at: u64) -> Result<(), String> {
        self.change(at, |member| member.snapshot()).await
    }

    /// On the leader `at`: from now on all nodes use what this feature level brings.
    ///
    /// # Errors
    /// Why not.
    pub async fn raise_feature_level(&self, at: u64, level: u32) -> Result<(), String> {
        let command = Envelope::Cluster(ClusterCommand::SetFeatureLevel { level }).encode();
        let asked = self.change(at, |member| {
            let proposing = member.propose(command);
            Box::pin(async move { proposing.await.map(drop) })
        });
        asked.await
    }

    async fn change(
        &self,
        at: u64,
        work: impl FnOnce(Arc<dyn Member>) -> futures_util::future::BoxFuture<'static, Result<(), CoreError>>,
    ) -> Result<(), String> {
        match self.here(at, Duration::from_secs(10), work).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(Unheard::NotSent(reason) | Unheard::Broken(reason)) => Err(reason),
        }
    }
}

async fn run_in<T: Send + 'static>(
    scope: &Scope,
    within: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Unheard> {
    match Scoped::timeout(within, scope.spawn(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Unheard::Broken("the node was killed".to_owned())),
        Err(_) => Err(Unheard::Broken("no answer in time".to_owned())),
    }
}
