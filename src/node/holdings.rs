//! Takes and gives back what accounts hold in the whole cluster for a while: locks, and the ends of web sessions.
//!
//! Whether a lock is in the way is judged in apply; what it forbids, by the protocol.

use std::sync::Arc;

use argosy_cluster::{Cluster, ProposeError, RequestId};
use futures_util::future::BoxFuture;

use super::limits;
use crate::catalog::{
    Actor, Catalog, Command, Holding, Lock, Outcome, Place, Refusal, SignedOut, Transaction, ViewSource,
};
use crate::clock::{Clock, UnixMillis};
use crate::ids::Name;
use crate::protocols::held::{EndedWebSessions, Locks, NotLocked};

/// The way from a client's wish into what the cluster holds.
pub struct Holdings {
    /// Where changes are proposed.
    pub cluster: Cluster<Catalog>,
    /// What is held, as far as this node knows.
    pub views: ViewSource,
    /// Dates changes.
    pub clock: Clock,
}

impl Holdings {
    async fn change(&self, holding: Holding) -> Result<(), NotLocked> {
        let command = Command {
            actor: Actor::Account {
                name: holding.account().clone(),
            },
            from: None,
            at: self.clock.now(),
            transaction: Transaction {
                held: vec![holding],
                ..Transaction::default()
            },
        };
        let random = crate::admin::border::random::<16>().map_err(NotLocked::Unavailable)?;
        let proposed = self.cluster.propose(RequestId(random), command, limits::HOLDING_MAX);
        let committed = proposed
            .await
            .map_err(|error: ProposeError| NotLocked::Unavailable(error.to_string()))?;
        // What follows on this node sees it.
        let applied = self.cluster.applied(committed.revision, limits::HOLDING_MAX).await;
        applied.map_err(|error| NotLocked::Unavailable(error.to_string()))?;
        match committed.outcome {
            Outcome::Applied => Ok(()),
            Outcome::Refused(Refusal::Locked { token }) => {
                // It may have been released since it was in the way.
                let other = (self.views)().held.lock(token).cloned();
                Err(other.map_or(NotLocked::Gone, |lock| NotLocked::Held(Box::new(Lock::clone(&lock)))))
            }
            Outcome::Refused(refusal) => Err(NotLocked::Refused(refusal.to_string())),
        }
    }
}

impl Locks for Holdings {
    fn held(&self, place: &Place, below: bool) -> Vec<Arc<Lock>> {
        (self.views)().held.locks_on(place, below, self.clock.now())
    }

    fn take(&self, lock: Lock) -> BoxFuture<'_, Result<(), NotLocked>> {
        Box::pin(self.change(Holding::Take(lock)))
    }

    fn renew(&self, token: u128, account: Name, until: UnixMillis) -> BoxFuture<'_, Result<(), NotLocked>> {
        Box::pin(self.change(Holding::Renew { token, account, until }))
    }

    fn release(&self, token: u128, account: Name) -> BoxFuture<'_, Result<(), NotLocked>> {
        Box::pin(self.change(Holding::Release { token, account }))
    }
}

impl EndedWebSessions for Holdings {
    fn has(&self, session: u128) -> bool {
        (self.views)().held.is_signed_out(session)
    }

    fn end(&self, session: u128, account: Name, until: UnixMillis) -> BoxFuture<'_, Result<(), String>> {
        let ended = SignedOut { account, until };
        Box::pin(async move {
            let done = self.change(Holding::SignOut { session, ended }).await;
            done.map_err(|error| error.to_string())
        })
    }
}
