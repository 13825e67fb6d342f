//! Compares this node's state with the other members', and mends this node when it is the wrong one: it steps aside,
//! keeps its copy, and takes the state of a member that is right.
//!
//! The verdict is in `agreement`; what the state machine does meanwhile, in `machine`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use openraft::AsyncRuntime;
use openraft::type_config::TypeConfigExt;

use super::agreement::{Minority, Verdict, judge};
use super::core::Core;
use super::machine::{Machine, Taken};
use super::network::{Peer, Rpc};
use super::snapshot::SnapshotData;
use super::types::TypeConfig;
use super::{CoreError, Metrics, Role};
use crate::envelope::wire::{Framed, MendAskV1, MendHeadV1, MendReplyV1, StateReportV1};
use crate::limits::{MEND_WAIT_MAX, MENDS_MAX, SNAPSHOT_SEND_MAX};
use crate::{NodeId, StateMachine};

/// What a node knows of how its state and its disk stand, besides consensus.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The last verdict.
    pub(super) verdict: Verdict,
    /// This node is being mended.
    pub(super) aside: bool,
    /// How often it was mended since the start.
    pub(super) mends: u32,
    /// The disk of this node is nearly full.
    pub(super) low_space: bool,
    /// The other members that said so of theirs when they were last heard.
    pub(super) others_low: BTreeSet<NodeId>,
}

impl Standing {
    /// Nothing speaks against changes.
    pub(super) fn is_well(&self) -> bool {
        self.verdict == Verdict::Agreed && !self.aside && !self.low_space && self.others_low.is_empty()
    }

    /// Why no change may be made through this node as the leader, if so.
    pub(super) fn refusal(&self, metrics: &Metrics) -> Option<String> {
        match &self.verdict {
            Verdict::Agreed if self.aside => {
                return Some("the state of this leader is being mended: another node is to lead".to_owned());
            }
            Verdict::Agreed => {}
            Verdict::Minority(minority) => {
                return Some(format!(
                    "the state of this leader differs from the majority's (at log index {}): another node is to lead",
                    minority.index
                ));
            }
            Verdict::NoMajority { index } => return Some(no_majority(*index)),
        }
        if self.low_space {
            return Some("the data folder of the leader is nearly full: make room on its file system".to_owned());
        }
        let roomy = metrics.voters.difference(&self.others_low).count();
        (roomy < metrics.voters.len() / 2 + 1).then(|| {
            format!(
                "the data folders of {} of {} voters are nearly full: make room on their file systems",
                metrics.voters.len() - roomy,
                metrics.voters.len()
            )
        })
    }
}

/// What to say when nobody knows which state is right.
pub(super) fn no_majority(index: u64) -> String {
    format!(
        "the nodes' states differ at log index {index} and no majority has the same: changes stop, nothing is wiped. \
         Compare the nodes (state_hash in the status), remove those that are wrong and join them anew with an empty \
         folder, or restore a backup"
    )
}

impl<RT: AsyncRuntime, M: StateMachine> Core<RT, M> {
    /// Compares states for as long as this node runs.
    pub(super) async fn watch_state(self) {
        let (watched, every) = (Arc::downgrade(&self.inner), self.inner.config.compare_every);
        drop(self);
        loop {
            TypeConfig::<RT>::sleep(every).await;
            // Between two looks nothing is held, so that a stopped node lets go of its files at once.
            let Some(inner) = watched.upgrade() else { return };
            let core = Self { inner };
            let metrics = core.metrics();
            if metrics.role == Role::Stopped || core.is_stopping() {
                return;
            }
            if core.inner.fatal.reason().is_none() {
                core.compare(&metrics).await;
            }
        }
    }

    /// What this node tells others of its state.
    pub(super) fn report(&self) -> StateReportV1 {
        let (checkpoints, now) = self.inner.published.hashes();
        let standing = self.standing();
        StateReportV1 {
            checkpoints,
            now: Some(now),
            aside: standing.aside,
            low_space: standing.low_space,
        }
    }

    async fn compare(&self, metrics: &Metrics) {
        let me = self.inner.config.node;
        let others = metrics.members.iter().filter(|(id, _)| **id != me);
        let asked = others.map(|(id, record)| async move {
            let peer = Peer {
                id: *id,
                record: record.clone(),
            };
            let within = self.inner.config.election_max();
            let answer = self.inner.reach.call(peer, Rpc::Report, Bytes::new(), within).await;
            Some((*id, StateReportV1::decode(&answer.ok()?).ok()?))
        });
        let mut reports: BTreeMap<_, _> = join_all(asked).await.into_iter().flatten().collect();
        let others_aside: BTreeSet<NodeId> = reports.iter().filter(|(_, r)| r.aside).map(|(id, _)| *id).collect();
        let others_low = reports.iter().filter(|(_, r)| r.low_space).map(|(id, _)| *id).collect();
        let roomy = reports
            .iter()
            .find(|(id, r)| !r.low_space && metrics.voters.contains(id));
        let roomy = roomy.map(|(id, _)| *id);
        reports.insert(me, self.report());
        let verdict = judge(me, &metrics.voters, &reports);
        let low_space = {
            let mut standing = self.standing();
            standing.others_low = others_low;
            let before = std::mem::replace(&mut standing.verdict, verdict.clone());
            report_change(&before, &verdict);
            standing.low_space
        };
        let leads = metrics.role == Role::Leader;
        match verdict {
            // The leadership goes where there is room.
            Verdict::Agreed if leads && low_space && roomy.is_some() => drop(self.transfer_leadership(roomy).await),
            Verdict::Agreed | Verdict::NoMajority { .. } => {}
            Verdict::Minority(minority) if leads => {
                let heir = minority.right.iter().find(|id| metrics.voters.contains(id));
                drop(self.transfer_leadership(heir.copied()).await);
            }
            Verdict::Minority(minority) => {
                // One at a time: the others wait until this one is right again. Two that began at one moment: the
                // first of them.
                let first = match self.standing().aside {
                    true => others_aside.iter().all(|other| *other > me),
                    false => others_aside.is_empty() && minority.wrong.first() == Some(&me),
                };
                if first {
                    self.mend(&minority, metrics).await;
                }
            }
        }
    }

    /// Takes the state of a member that is right. A failed attempt is repeated at the next look; until then this node
    /// stays aside.
    async fn mend(&self, minority: &Minority, metrics: &Metrics) {
        let mends = {
            let mut standing = self.standing();
            let was_aside = std::mem::replace(&mut standing.aside, true);
            standing.mends += u32::from(!was_aside);
            standing.mends
        };
        if mends > MENDS_MAX {
            self.inner.fatal.raise(format!(
                "the state of this node has differed from the majority's {mends} times since its start, each time after \
                 it was mended: this build or this machine's memory is at fault. Install the release that the other \
                 nodes run, check the memory, then start the node again"
            ));
            return;
        }
        if let Err(reason) = self.try_mend(minority, metrics).await {
            tracing::warn!(reason, "this node was not mended yet; trying again");
        }
    }

    async fn try_mend(&self, minority: &Minority, metrics: &Metrics) -> Result<(), String> {
        let bad = self.on_machine(|machine| machine.step_aside()).await?;
        if let Some(bad) = bad {
            let kept = self.inner.snapshots.set_aside(bad).await;
            kept.map_err(|error| format!("the state that differs could not be kept: {error}"))?;
        }
        for right in &minority.right {
            let Some(record) = metrics.members.get(right) else {
                continue;
            };
            let applied = self.on_machine(|machine| machine.remember_from_here()).await?;
            let ask = MendAskV1 {
                node: self.inner.config.node,
                index: minority.index,
                hash: minority.hash,
                applied,
            };
            let peer = Peer {
                id: *right,
                record: record.clone(),
            };
            let asking = self.inner.reach.call(peer, Rpc::Mend, ask.encode(), SNAPSHOT_SEND_MAX);
            let reply = asking.await.map_err(|error| error.to_string());
            let reply = reply.and_then(|reply| MendReplyV1::decode(&reply).map_err(|error| error.to_string()));
            match reply {
                Ok(MendReplyV1::Sent) if !self.standing().aside => return Ok(()),
                Ok(MendReplyV1::Sent) => tracing::warn!(from = %right, "the state that was sent could not be used"),
                Ok(MendReplyV1::Refused(reason)) | Err(reason) => {
                    tracing::warn!(from = %right, reason, "a member did not send its state");
                }
            }
        }
        Err("no member that is right has sent its state".to_owned())
    }

    /// A member whose state differs asks for this node's.
    pub(super) async fn give_state(&self, ask: MendAskV1) -> MendReplyV1 {
        match self.try_give_state(&ask).await {
            Ok(()) => MendReplyV1::Sent,
            Err(reason) => MendReplyV1::Refused(reason),
        }
    }

    async fn try_give_state(&self, ask: &MendAskV1) -> Result<(), String> {
        let (checkpoints, now) = self.inner.published.hashes();
        let right = checkpoints
            .iter()
            .chain([&now])
            .any(|known| *known == (ask.index, ask.hash));
        if !right {
            return Err(format!("this node does not know that state at log index {}", ask.index));
        }
        if !self.wait_applied(ask.applied, MEND_WAIT_MAX).await {
            return Err(format!("this node has not applied log index {} yet", ask.applied));
        }
        let metrics = self.metrics();
        let record = metrics.members.get(&ask.node).cloned();
        let peer = Peer {
            id: ask.node,
            record: record.ok_or_else(|| format!("node {} is not a member", ask.node))?,
        };
        let state = self.on_machine(|machine| machine.freeze()).await?;
        let written = self.inner.snapshots.write(state).await;
        let data = written.map_err(|error| error.to_string())?;
        let head = MendHeadV1 {}.encode();
        let sent = self
            .inner
            .reach
            .send_snapshot(peer, head, data, SNAPSHOT_SEND_MAX)
            .await;
        sent.map(drop).map_err(|error| error.to_string())
    }

    /// The state of a member that is right has come whole.
    pub(super) async fn take_state(&self, data: SnapshotData) -> Result<(), CoreError> {
        let refused = |reason: String| CoreError::Message { reason };
        if !self.standing().aside {
            return Err(refused("this node did not ask for a state".to_owned()));
        }
        let (source, applied) = (data.clone(), self.applied_store());
        let read = move || Taken::<M>::read(&source, &*applied).map_err(|error| error.to_string());
        let taken = match &data {
            SnapshotData::File { .. } => RT::spawn_blocking(read)
                .await
                .unwrap_or_else(|error| Err(error.to_string())),
            SnapshotData::Memory(_) => read(),
        };
        let taken = taken.map_err(refused)?;
        let mended = self.on_machine(move |machine| machine.mend(taken, &data)).await;
        mended.and_then(|mended| mended).map_err(refused)?;
        self.standing().aside = false;
        tracing::info!("this node has the majority's state again");
        Ok(())
    }

    /// Plants a difference in the state of this node.
    #[cfg(test)]
    pub async fn corrupt(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), String> {
        let corrupting = self.on_machine(move |machine| machine.corrupt(&key, &value));
        corrupting.await?.map_err(|error| error.to_string())
    }

    fn on_machine<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Machine<M>) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, String>> {
        let raft = self.inner.raft.clone();
        Box::pin(async move {
            let running = raft.with_state_machine(move |machine: &mut Machine<M>| {
                let done = step(machine);
                Box::pin(async move { done })
            });
            running.await.map_err(|error| error.to_string())
        })
    }

    pub(super) fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.inner.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says once what has changed for the worse or for the better.
fn report_change(before: &Verdict, now: &Verdict) {
    match now {
        Verdict::NoMajority { index } if !matches!(before, Verdict::NoMajority { .. }) => {
            tracing::error!("{}", no_majority(*index));
        }
        Verdict::Minority(minority) if !matches!(before, Verdict::Minority(_)) => tracing::error!(
            index = minority.index,
            right = ?minority.right,
            "the state of this node differs from the majority's: it steps aside and takes theirs; the copy that \
             differs is kept in the folder of snapshots"
        ),
        Verdict::Agreed if *before != Verdict::Agreed => tracing::info!("the nodes' states agree again"),
        _ => {}
    }
}
