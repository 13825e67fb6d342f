//! Planted bugs of consensus that answer in place of the real one.
//!
//! Those that leave out a step stand where that step is.

use bytes::Bytes;
use openraft::AsyncRuntime;

use super::replica::answer_alone;
use super::{Core, CoreError, Role, Rpc};
use crate::StateMachine;
use crate::envelope::wire::{AppendV1, Framed, VoteAskV1, VoteReplyV1};
use crate::envelope::{Answer, Envelope};
use crate::planted::{self, Bug};

/// Before that the cluster is being made.
const APPLIED_MIN: u64 = 40;

impl<RT: AsyncRuntime, M: StateMachine> Core<RT, M> {
    /// What another node is answered by a bug; `None`: as it should be.
    pub(super) fn misbehave(&self, rpc: Rpc, body: &Bytes) -> Option<Result<Bytes, CoreError>> {
        let silence = || Some(Err(CoreError::Message { reason: String::new() }));
        let asks_vote = matches!(rpc, Rpc::Vote | Rpc::PreVote);
        if self.applied() <= APPLIED_MIN {
            return None;
        }
        if asks_vote && planted::is(Bug::NeverVotesForOthers) {
            return silence();
        }
        if asks_vote && planted::is(Bug::StopsAtAnElection) {
            self.fatal().raise("another node wants to lead".to_owned());
            return silence();
        }
        if asks_vote && planted::is(Bug::VotesTwice) {
            let ask = VoteAskV1::decode(body).ok()?;
            let (vote, last) = (ask.vote, None);
            let reply = VoteReplyV1 {
                vote,
                granted: true,
                last,
            };
            return Some(Ok(reply.encode()));
        }
        // Hardly any sign of a newer leader is heard: the others get the time to be elected too.
        let newer = || AppendV1::decode(body).is_ok_and(|append| append.vote.term > self.metrics().term);
        if rpc == Rpc::Append && planted::is(Bug::VotesTwice) && newer() {
            return (!planted::is_each(Bug::VotesTwice, 20)).then(silence).flatten();
        }
        let leads = || self.glance().role == Role::Leader;
        if (asks_vote || rpc == Rpc::Append) && planted::is(Bug::WokenLeaderAnswers) && leads() {
            return (!planted::is_each(Bug::WokenLeaderAnswers, 10)).then(silence).flatten();
        }
        None
    }

    /// An answer that nobody agreed to, from a leader that hears nobody.
    pub(super) fn answer_alone(&self, envelope: &Bytes) -> Option<Answer> {
        let metrics = self.metrics();
        let forgotten = metrics.role == Role::Leader && !metrics.quorum && metrics.applied > APPLIED_MIN;
        if !planted::is(Bug::WokenLeaderAnswers) || !forgotten {
            return None;
        }
        let Ok(Envelope::App(command)) = Envelope::decode(envelope) else {
            return None;
        };
        answer_alone::<M>(self.rows(), metrics.last_log + 1, &command)
    }
}
