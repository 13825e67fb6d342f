//! Proofs that held a moment ago, so that a client that signs in ten times a second costs one hash, not ten.
//!
//! An entry is a keyed hash over account, stored hash and password: any change of the password misses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use tokio::time::Instant;

use super::limits::{VERIFIED_MAX, VERIFIED_SECONDS};
use super::password::random;

type Tag = [u8; 32];

/// The remembered proofs of this node, by a key that never leaves it.
pub(super) struct Verified {
    key: hmac::Key,
    entries: Mutex<HashMap<Tag, Instant>>,
}

impl Verified {
    pub(super) fn new() -> Result<Self, String> {
        let secret: [u8; 32] = random()?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            entries: Mutex::default(),
        })
    }

    fn tag(&self, account: &str, hash: &str, password: &str) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [account, hash, password] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// Whether this proof held within the last [`VERIFIED_SECONDS`].
    pub(super) fn contains(&self, account: &str, hash: &str, password: &str, now: Instant) -> bool {
        let tag = self.tag(account, hash, password);
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .get(&tag)
            .is_some_and(|at| now.duration_since(*at) < Duration::from_secs(VERIFIED_SECONDS))
    }

    /// Remembers a proof that held. A proof that is still remembered keeps its first time.
    pub(super) fn insert(&self, account: &str, hash: &str, password: &str, now: Instant) {
        let tag = self.tag(account, hash, password);
        let lifetime = Duration::from_secs(VERIFIED_SECONDS);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(&tag).is_some_and(|at| now.duration_since(*at) < lifetime) {
            return;
        }
        if entries.len() >= VERIFIED_MAX {
            entries.retain(|_, at| now.duration_since(*at) < lifetime);
        }
        // Still full of fresh ones: forget them all rather than search for the oldest at each login.
        if entries.len() >= VERIFIED_MAX {
            entries.clear();
        }
        entries.insert(tag, now);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_remembered_for_its_account_hash_and_password_only() {
        let verified = Verified::new().unwrap();
        let now = Instant::now();
        verified.insert("alice", "hash-1", "secret", now);
        assert!(verified.contains("alice", "hash-1", "secret", now));
        assert!(!verified.contains("alice", "hash-2", "secret", now));
        assert!(!verified.contains("alice", "hash-1", "Secret", now));
        assert!(!verified.contains("bob", "hash-1", "secret", now));
        assert!(!verified.contains("alicehash-1", "", "secret", now));
    }

    #[test]
    fn a_proof_is_forgotten_after_five_minutes_even_when_it_is_used() {
        let verified = Verified::new().unwrap();
        let start = Instant::now();
        verified.insert("alice", "hash", "secret", start);
        let later = start + Duration::from_secs(VERIFIED_SECONDS - 1);
        assert!(verified.contains("alice", "hash", "secret", later));
        verified.insert("alice", "hash", "secret", later);
        let end = start + Duration::from_secs(VERIFIED_SECONDS);
        assert!(!verified.contains("alice", "hash", "secret", end));
    }

    #[test]
    fn the_table_never_outgrows_its_bound() {
        let verified = Verified::new().unwrap();
        let now = Instant::now();
        for number in 0..=VERIFIED_MAX {
            verified.insert("alice", "hash", &number.to_string(), now);
        }
        assert!(verified.entries.lock().unwrap().len() <= VERIFIED_MAX);
    }
}
