//! The doors to what is held by all nodes together for a while: locks, and the ends of web sessions.
//!
//! The node implements them, and so do tests.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::catalog::{Lock, Place};
use crate::clock::UnixMillis;
use crate::ids::Name;

/// Locks that hold on every node.
pub trait Locks: Send + Sync {
    /// The locks that hold now and concern the place itself, a folder above it with everything under it, or, where
    /// `below`, something under it; as far as this node knows.
    fn held(&self, place: &Place, below: bool) -> Vec<Arc<Lock>>;
    /// Takes a lock. Once this answers, every request on this node sees it.
    fn take(&self, lock: Lock) -> BoxFuture<'_, Result<(), NotLocked>>;
    /// Gives a lock another end.
    fn renew(&self, token: u128, account: Name, until: UnixMillis) -> BoxFuture<'_, Result<(), NotLocked>>;
    /// Ends a lock; no error where it has ended.
    fn release(&self, token: u128, account: Name) -> BoxFuture<'_, Result<(), NotLocked>>;
}

/// Why a lock was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotLocked {
    /// This one is in the way.
    Held(Box<Lock>),
    /// One was in the way and is gone by now: try again.
    Gone,
    /// It could not be asked, or it is not known whether it was done.
    Unavailable(String),
    /// It was refused; why.
    Refused(String),
}

impl std::fmt::Display for NotLocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held(lock) => write!(f, "account `{}` holds a lock", lock.account),
            Self::Gone => f.write_str("another lock was in the way; try again"),
            Self::Unavailable(reason) | Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for NotLocked {}

/// Web sessions that were ended by their people before their cookies expired, on any node.
pub trait EndedWebSessions: Send + Sync {
    /// Whether this one was, as far as this node knows.
    fn has(&self, session: u128) -> bool;
    /// Ends it everywhere. `until`: when its cookie expires.
    fn end(&self, session: u128, account: Name, until: UnixMillis) -> BoxFuture<'_, Result<(), String>>;
}

/// What one node holds by itself: for tests, by the same rules.
#[cfg(test)]
pub mod testing {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;
    use crate::catalog::{Held, Holding, Refusal, SignedOut};
    use crate::clock::Clock;

    /// Locks and ended sessions of no cluster.
    pub struct InMemory {
        held: Mutex<Held>,
        clock: Clock,
    }

    impl InMemory {
        /// With none.
        pub fn new(clock: Clock) -> Arc<Self> {
            let held = Mutex::default();
            Arc::new(Self { held, clock })
        }

        fn lock(&self) -> MutexGuard<'_, Held> {
            self.held.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn change(&self, holding: &Holding) -> BoxFuture<'_, Result<(), NotLocked>> {
            let mut held = self.lock();
            let done = match held.change(holding, self.clock.now()) {
                Ok(_) => Ok(()),
                Err(Refusal::Locked { token }) => {
                    let other = held.lock(token).map(|lock| Box::new(Lock::clone(lock)));
                    Err(other.map_or(NotLocked::Gone, NotLocked::Held))
                }
                Err(refusal) => Err(NotLocked::Refused(refusal.to_string())),
            };
            Box::pin(std::future::ready(done))
        }
    }

    impl Locks for InMemory {
        fn held(&self, place: &Place, below: bool) -> Vec<Arc<Lock>> {
            self.lock().locks_on(place, below, self.clock.now())
        }

        fn take(&self, lock: Lock) -> BoxFuture<'_, Result<(), NotLocked>> {
            self.change(&Holding::Take(lock))
        }

        fn renew(&self, token: u128, account: Name, until: UnixMillis) -> BoxFuture<'_, Result<(), NotLocked>> {
            self.change(&Holding::Renew { token, account, until })
        }

        fn release(&self, token: u128, account: Name) -> BoxFuture<'_, Result<(), NotLocked>> {
            self.change(&Holding::Release { token, account })
        }
    }

    impl EndedWebSessions for InMemory {
        fn has(&self, session: u128) -> bool {
            self.lock().is_signed_out(session)
        }

        fn end(&self, session: u128, account: Name, until: UnixMillis) -> BoxFuture<'_, Result<(), String>> {
            let ended = SignedOut { account, until };
            let done = self.change(&Holding::SignOut { session, ended });
            Box::pin(async move { done.await.map_err(|error| error.to_string()) })
        }
    }
}
