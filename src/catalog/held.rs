//! What is held for a while by all nodes together: locks of WebDAV, and the ends of web sessions. It has neither a
//! revision of its own nor a history.
//!
//! What a lock forbids is left to the protocol; giving it to clients, too.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::command::Refusal;
use super::limits::{LOCK_OWNER_BYTES_MAX, LOCKS_MAX, LOCKS_PER_ACCOUNT_MAX, SIGNED_OUT_MAX};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::path::VirtualPath;

/// A place in a storage: two accounts that see one folder by different mounts mean the same by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The storage.
    pub storage: Name,
    /// The path in it.
    pub path: VirtualPath,
}

/// A lock (RFC 4918, 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Names it.
    pub token: u128,
    /// What it is on; it need not exist.
    pub place: Place,
    /// Everything under the place is locked too (`Depth: infinity`).
    pub infinite: bool,
    /// Nobody else may have one; otherwise others may share it.
    pub exclusive: bool,
    /// Whose it is.
    pub account: Name,
    /// What the client said of its owner, as it was sent; at most [`LOCK_OWNER_BYTES_MAX`].
    pub owner: String,
    /// When it ends.
    pub until: UnixMillis,
}

/// A web session that its person has ended. It is remembered until its cookie would have expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOut {
    /// Whose it was.
    pub account: Name,
    /// When its cookie expires.
    pub until: UnixMillis,
}

/// A change of what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// Takes a lock.
    Take(Lock),
    /// Gives a lock another end.
    Renew {
        /// Which.
        token: u128,
        /// Whose.
        account: Name,
        /// When it ends from now on.
        until: UnixMillis,
    },
    /// Ends a lock; no error where it has ended.
    Release {
        /// Which.
        token: u128,
        /// Whose.
        account: Name,
    },
    /// Ends a web session.
    SignOut {
        /// Which.
        session: u128,
        /// Whose, and until when it is to be remembered.
        ended: SignedOut,
    },
}

impl Holding {
    /// In whose name.
    pub fn account(&self) -> &Name {
        match self {
            Self::Take(lock) => &lock.account,
            Self::Renew { account, .. } | Self::Release { account, .. } => account,
            Self::SignOut { ended, .. } => &ended.account,
        }
    }
}

/// Names one thing that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeldKey {
    /// A lock by its token.
    Lock(u128),
    /// A web session that was ended.
    SignedOut(u128),
}

/// Everything that is held. Cloning is O(1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    locks: OrdMap<u128, Arc<Lock>>,
    places: OrdSet<(Place, u128)>,
    signed_out: OrdMap<u128, SignedOut>,
    ends: OrdSet<(UnixMillis, HeldKey)>,
}

impl Held {
    /// The lock `token`, whether or not it has ended.
    pub fn lock(&self, token: u128) -> Option<&Arc<Lock>> {
        self.locks.get(&token)
    }

    /// Whether the web session was ended by its person.
    pub fn is_signed_out(&self, session: u128) -> bool {
        self.signed_out.contains_key(&session)
    }

    /// The locks that hold at `now` and concern `place`: on itself, on a folder above with everything under it, and,
    /// where `below`, on whatever is under it.
    pub fn locks_on(&self, place: &Place, below: bool, now: UnixMillis) -> Vec<Arc<Lock>> {
        let mut found = Vec::new();
        let mut at = Some(place.path.clone());
        while let Some(path) = at {
            at = path.parent();
            let own = path == place.path;
            let here = Place {
                storage: place.storage.clone(),
                path,
            };
            let locks = self.places.range((here.clone(), 0)..=(here, u128::MAX));
            found.extend(locks.filter_map(|(_, token)| self.locks.get(token).filter(|lock| own || lock.infinite)));
        }
        if below {
            let start = Bound::Excluded((place.clone(), u128::MAX));
            // Sorted by bytes, what is under `/a` stands behind `/a` with names such as `/a!` between.
            let under = self.places.range((start, Bound::Unbounded)).take_while(|(one, _)| {
                one.storage == place.storage && one.path.as_bytes().starts_with(place.path.as_bytes())
            });
            let under = under.filter(|(one, _)| one.path.is_within(&place.path));
            found.extend(under.filter_map(|(_, token)| self.locks.get(token)));
        }
        found.into_iter().filter(|lock| now < lock.until).cloned().collect()
    }

    /// Makes one change at the moment `now`; gives what it touched.
    ///
    /// # Errors
    /// Another lock is in the way, the one that is meant is gone, or there are too many.
    pub(crate) fn change(&mut self, change: &Holding, now: UnixMillis) -> Result<Vec<HeldKey>, Refusal> {
        let invalid = |reason: String| Err(Refusal::Invalid { reason });
        match change {
            Holding::Take(lock) => {
                if lock.owner.len() > LOCK_OWNER_BYTES_MAX {
                    return invalid(format!("a lock's owner has more than {LOCK_OWNER_BYTES_MAX} bytes"));
                }
                if self.locks.contains_key(&lock.token) {
                    return invalid("there is a lock with this token already".to_owned());
                }
                let others = self.locks_on(&lock.place, lock.infinite, now);
                if let Some(other) = others.iter().find(|other| lock.exclusive || other.exclusive) {
                    return Err(Refusal::Locked { token: other.token });
                }
                let own = self.locks.values().filter(|other| other.account == lock.account);
                if self.locks.len() >= LOCKS_MAX || own.count() >= LOCKS_PER_ACCOUNT_MAX {
                    return invalid(format!(
                        "there are too many locks ({LOCKS_PER_ACCOUNT_MAX} of an account, {LOCKS_MAX} of all); release \
                         some or wait for their end"
                    ));
                }
                self.insert(Arc::new(lock.clone()));
                Ok(vec![HeldKey::Lock(lock.token)])
            }
            Holding::Renew { token, account, until } => {
                let present = self.locks.get(token);
                let Some(lock) = present.filter(|lock| lock.account == *account && now < lock.until) else {
                    return invalid("the lock has ended".to_owned());
                };
                let renewed = Lock {
                    until: *until,
                    ..Lock::clone(lock)
                };
                self.remove(HeldKey::Lock(*token));
                self.insert(Arc::new(renewed));
                Ok(vec![HeldKey::Lock(*token)])
            }
            Holding::Release { token, account } => {
                if self.locks.get(token).is_none_or(|lock| lock.account != *account) {
                    return Ok(Vec::new());
                }
                self.remove(HeldKey::Lock(*token));
                Ok(vec![HeldKey::Lock(*token)])
            }
            Holding::SignOut { session, ended } => {
                if self.signed_out.len() >= SIGNED_OUT_MAX {
                    return invalid("too many web sessions were ended; change the password to end this one".to_owned());
                }
                self.sign_out(*session, ended.clone());
                Ok(vec![HeldKey::SignedOut(*session)])
            }
        }
    }

    /// Forgets what has ended by `now`, at most `max`; gives what it was.
    pub(super) fn forget(&mut self, now: UnixMillis, max: usize) -> Vec<HeldKey> {
        let ended = self.ends.iter().take_while(|(until, _)| *until <= now);
        let ended: Vec<HeldKey> = ended.take(max).map(|(_, key)| *key).collect();
        for key in &ended {
            self.remove(*key);
        }
        ended
    }

    /// Releases all locks of `account`, which is gone.
    pub(super) fn release_all(&mut self, account: &Name) -> Vec<HeldKey> {
        let own = self.locks.values().filter(|lock| lock.account == *account);
        let own: Vec<HeldKey> = own.map(|lock| HeldKey::Lock(lock.token)).collect();
        for key in &own {
            self.remove(*key);
        }
        own
    }

    pub(super) fn insert(&mut self, lock: Arc<Lock>) {
        self.places.insert((lock.place.clone(), lock.token));
        self.ends.insert((lock.until, HeldKey::Lock(lock.token)));
        self.locks.insert(lock.token, lock);
    }

    pub(super) fn sign_out(&mut self, session: u128, ended: SignedOut) {
        self.remove(HeldKey::SignedOut(session));
        self.ends.insert((ended.until, HeldKey::SignedOut(session)));
        self.signed_out.insert(session, ended);
    }

    pub(super) fn signed_out(&self, session: u128) -> Option<&SignedOut> {
        self.signed_out.get(&session)
    }

    fn remove(&mut self, key: HeldKey) {
        let until = match key {
            HeldKey::Lock(token) => self.locks.remove(&token).map(|lock| {
                self.places.remove(&(lock.place.clone(), token));
                lock.until
            }),
            HeldKey::SignedOut(session) => self.signed_out.remove(&session).map(|ended| ended.until),
        };
        if let Some(until) = until {
            self.ends.remove(&(until, key));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        Place {
            storage: Name::parse("files").unwrap(),
            path: VirtualPath::parse(path.as_bytes()).unwrap(),
        }
    }

    fn lock(token: u128, path: &str, infinite: bool, exclusive: bool) -> Lock {
        Lock {
            token,
            place: place(path),
            infinite,
            exclusive,
            account: Name::parse("alice").unwrap(),
            owner: String::new(),
            until: UnixMillis(100),
        }
    }

    #[test]
    fn a_lock_is_refused_where_another_is_in_the_way_and_nowhere_else() {
        // Held, then asked for: path, infinite, exclusive; whether it is in the way.
        for (held, asked, in_the_way) in [
            (("/a", false, true), ("/a", false, true), true),
            (("/a", false, true), ("/a", false, false), true),
            (("/a", false, false), ("/a", false, true), true),
            (("/a", false, false), ("/a", false, false), false),
            (("/a", false, true), ("/a/b", false, true), false),
            (("/a", true, true), ("/a/b", false, true), true),
            (("/", true, true), ("/a/b", false, true), true),
            (("/a/b", false, true), ("/a", false, true), false),
            (("/a/b", false, true), ("/a", true, true), true),
            (("/a/b", false, true), ("/", true, false), true),
            (("/ab", true, true), ("/a", true, true), false),
            (("/a!/b", true, true), ("/a", true, true), false),
            (("/a", true, true), ("/a!", true, true), false),
        ] {
            let mut all = Held::default();
            let take = |token, (path, infinite, exclusive)| Holding::Take(lock(token, path, infinite, exclusive));
            all.change(&take(1, held), UnixMillis(1)).unwrap();
            let taken = all.change(&take(2, asked), UnixMillis(1));
            assert_eq!(taken.is_err(), in_the_way, "{held:?}, then {asked:?}: {taken:?}");
            // What has ended is in nobody's way, even before it is forgotten.
            let mut later = Held::default();
            later.change(&take(1, held), UnixMillis(1)).unwrap();
            later.change(&take(2, asked), UnixMillis(100)).unwrap();
        }
    }

    #[test]
    fn what_has_ended_is_forgotten_step_by_step() {
        let mut all = Held::default();
        for token in 0..10 {
            let path = format!("/{token}");
            all.change(&Holding::Take(lock(token, &path, false, true)), UnixMillis(1))
                .unwrap();
        }
        let account = Name::parse("alice").unwrap();
        let until = UnixMillis(200);
        let renew = |token, account: &Name| Holding::Renew {
            token,
            account: account.clone(),
            until,
        };
        all.change(&renew(3, &account), UnixMillis(50)).unwrap();
        all.change(&renew(4, &Name::parse("bob").unwrap()), UnixMillis(50))
            .unwrap_err();
        all.change(&renew(5, &account), UnixMillis(100)).unwrap_err();
        let ended = SignedOut {
            account,
            until: UnixMillis(90),
        };
        all.change(&Holding::SignOut { session: 7, ended }, UnixMillis(1))
            .unwrap();
        assert!(all.is_signed_out(7));
        assert_eq!(all.forget(UnixMillis(99), 100), [HeldKey::SignedOut(7)]);
        assert_eq!(all.forget(UnixMillis(100), 4).len(), 4);
        assert_eq!(all.forget(UnixMillis(100), 100).len(), 5);
        assert!(all.lock(3).is_some() && all.lock(4).is_none());
        assert_eq!(all.release_all(&Name::parse("alice").unwrap()), [HeldKey::Lock(3)]);
        assert_eq!(all, Held::default());
    }
}
