//! Carries forwarded proposals to the leader, those that come while others are under way together in one message.
//!
//! Retries, deadlines and what an answer means are left to `forward`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::forward::Attempt;
use super::messages::{ForwardRepliesV1, ForwardReplyV1, ForwardsV1};
use super::running::Node;
use super::{limits, serve};
use crate::envelope::Blob;
use crate::envelope::wire::Framed;
use crate::transport::{CallError, Lane, NOT_A_MEMBER, Refusal};
use crate::{NodeId, StateMachine};

/// Proposals on their way, by leader.
pub(super) type Forwards = BTreeMap<NodeId, Queue>;

/// Proposals to one leader.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Forward>,
    /// How many messages are under way.
    under_way: usize,
}

struct Forward {
    envelope: Bytes,
    done: oneshot::Sender<Attempt>,
}

impl Queue {
    /// What goes into the next message.
    fn next(&mut self) -> Vec<Forward> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(forward) = self.waiting.front() {
            bytes += forward.envelope.len();
            if taken.len() >= limits::FORWARDS_TOGETHER_MAX || (bytes > limits::FORWARD_BYTES && !taken.is_empty()) {
                break;
            }
            let Some(forward) = self.waiting.pop_front() else { break };
            // Who does not wait any more is not served.
            if !forward.done.is_closed() {
                taken.push(forward);
            }
        }
        taken
    }
}

impl<M: StateMachine> Node<M> {
    /// Sends a proposal to the leader; the outcome comes through `done`. How many wait is bounded by their askers: each
    /// waits for its own.
    pub(super) fn forward(self: &Arc<Self>, leader: NodeId, envelope: Bytes, done: oneshot::Sender<Attempt>) {
        let mut forwards = self.forwards();
        let queue = forwards.entry(leader).or_default();
        queue.waiting.push_back(Forward { envelope, done });
        if queue.under_way >= limits::FORWARDS_UNDER_WAY_MAX {
            return;
        }
        queue.under_way += 1;
        let first = queue.next();
        drop(forwards);
        let carrier = Carrier {
            node: self.clone(),
            leader,
        };
        self.runtime.spawn(carrier.carry(first));
    }

    fn forwards(&self) -> MutexGuard<'_, Forwards> {
        self.forwards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Proposes what another member forwarded; answers in the same order.
    pub(super) async fn propose_forwarded(&self, body: &Bytes) -> Result<ForwardRepliesV1, Refusal> {
        let forwards = ForwardsV1::decode(body).map_err(|e| Refusal::new(400, e.to_string()))?;
        if forwards.0.len() > limits::FORWARDS_TOGETHER_MAX {
            return Err(Refusal::new(413, "too many proposals in one message"));
        }
        for envelope in &forwards.0 {
            serve::check_forwarded(&envelope.0)?;
        }
        let proposed = forwards.0.into_iter().map(|envelope| self.propose_here(envelope.0));
        Ok(ForwardRepliesV1(join_all(proposed).await))
    }
}

/// Carries one message after the other until nothing waits.
struct Carrier<M: StateMachine> {
    node: Arc<Node<M>>,
    leader: NodeId,
}

impl<M: StateMachine> Carrier<M> {
    async fn carry(self, mut batch: Vec<Forward>) {
        loop {
            self.send(batch).await;
            let mut forwards = self.node.forwards();
            let Some(queue) = forwards.get_mut(&self.leader) else {
                return;
            };
            batch = queue.next();
            if batch.is_empty() {
                queue.under_way -= 1;
                if queue.under_way == 0 {
                    forwards.remove(&self.leader);
                }
                return;
            }
        }
    }

    async fn send(&self, batch: Vec<Forward>) {
        let envelopes = batch.iter().map(|forward| Blob(forward.envelope.clone())).collect();
        let message = ForwardsV1(envelopes).encode();
        let call = self
            .node
            .client
            .call(self.leader, Lane::Peer, serve::PROPOSE, message, limits::FORWARD_MAX);
        let unknown = |why: String| Attempt::Replied(ForwardReplyV1::Unknown(why));
        match call.await.map(|answer| ForwardRepliesV1::decode(&answer)) {
            Ok(Ok(replies)) if replies.0.len() == batch.len() => {
                for (forward, reply) in batch.into_iter().zip(replies.0) {
                    drop(forward.done.send(Attempt::Replied(reply)));
                }
            }
            Ok(Ok(_)) => tell_all(batch, || unknown("answers are missing".into())),
            Ok(Err(error)) => tell_all(batch, || unknown(error.to_string())),
            Err(
                CallError::NotSent(reason)
                | CallError::Refused {
                    status: NOT_A_MEMBER,
                    text: reason,
                },
            ) => tell_all(batch, || Attempt::NotSent(reason.clone())),
            Err(error) => {
                let why = format!("node {}: {error}", self.leader);
                tell_all(batch, || unknown(why.clone()));
            }
        }
    }
}

fn tell_all(batch: Vec<Forward>, attempt: impl Fn() -> Attempt) {
    for forward in batch {
        drop(forward.done.send(attempt()));
    }
}
