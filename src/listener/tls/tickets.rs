//! What lets a client resume a session: tickets that any node reads, and a store for clients that know no tickets.
//!
//! A ticket's key is derived from a secret that all nodes share, the day, and what the service trusts: authorities,
//! revocation lists, whether clients are asked. So a session resumes on another node; the keys change every day by
//! themselves; and once anything of the trust is changed, or a node is removed, former tickets are noise everywhere,
//! and each client has to show its certificate again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use rustls::server::{ProducesTickets, StoresServerSessions};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::limits::{
    SESSION_BYTES_MAX, SESSIONS_STORED_MAX, TICKET_AHEAD_SECONDS_MAX, TICKET_KEY_SECONDS, TICKET_SECONDS,
};
use crate::clock::Clock;

/// Derives a secret for a context that all nodes derive alike; `None`: not yet.
pub type SharedSecret = Arc<dyn Fn(&[u8]) -> Option<Zeroizing<[u8; 32]>> + Send + Sync>;

const DAY_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const TIME_BYTES: usize = 8;

/// Tickets of one service while it trusts the same.
pub struct Tickets {
    secret: SharedSecret,
    clock: Clock,
    context: Vec<u8>,
}

impl Tickets {
    /// Those of `service` while its trust has the digest `trust`.
    pub fn new(secret: SharedSecret, clock: Clock, service: &str, trust: &[u8; 32]) -> Self {
        let mut context = b"tls-ticket\0".to_vec();
        context.extend_from_slice(trust);
        context.extend_from_slice(service.as_bytes());
        Self { secret, clock, context }
    }

    fn key(&self, day: u32) -> Option<RandomizedNonceKey> {
        let mut context = self.context.clone();
        context.extend_from_slice(&day.to_be_bytes());
        let secret = (self.secret)(&context)?;
        RandomizedNonceKey::new(&AES_256_GCM, &secret[..]).ok()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().0 / 1000).unwrap_or_default()
    }
}

fn day_of(seconds: u64) -> u32 {
    u32::try_from(seconds / TICKET_KEY_SECONDS).unwrap_or(u32::MAX)
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        TICKET_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let now = self.now();
        let day = day_of(now);
        let mut body = Zeroizing::new(Vec::with_capacity(TIME_BYTES + plain.len() + AES_256_GCM.tag_len()));
        body.extend_from_slice(&now.to_be_bytes());
        body.extend_from_slice(plain);
        let head = day.to_be_bytes();
        let nonce = self
            .key(day)?
            .seal_in_place_append_tag(Aad::from(head), &mut *body)
            .ok()?;
        let mut ticket = Vec::with_capacity(DAY_BYTES + NONCE_BYTES + body.len());
        ticket.extend_from_slice(&head);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.extend_from_slice(&body);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (head, rest) = ticket.split_first_chunk::<DAY_BYTES>()?;
        let (nonce, body) = rest.split_at_checked(NONCE_BYTES)?;
        let (day, now) = (u32::from_be_bytes(*head), self.now());
        // Of another day's key nothing is derived: a stranger must not cause work without end.
        if day.abs_diff(day_of(now)) > 1 {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self.key(day)?.open_in_place(nonce, Aad::from(*head), &mut body).ok()?;
        let (made, plain) = plain.split_first_chunk::<TIME_BYTES>()?;
        let made = u64::from_be_bytes(*made);
        let fresh = made <= now.saturating_add(TICKET_AHEAD_SECONDS_MAX)
            && now <= made.saturating_add(u64::from(TICKET_SECONDS));
        fresh.then(|| plain.to_vec())
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets(..)")
    }
}

/// Sessions by their ids, for clients of TLS 1.2 that know no tickets; on this node alone. One that is resumed stays:
/// FTP clients open many data connections from one session.
#[derive(Default)]
pub struct Sessions(Mutex<Stored>);

#[derive(Default)]
struct Stored {
    by_id: HashMap<Vec<u8>, (Instant, Zeroizing<Vec<u8>>)>,
    order: VecDeque<Vec<u8>>,
}

impl Sessions {
    fn lock(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        if value.len() > SESSION_BYTES_MAX {
            return false;
        }
        let mut stored = self.lock();
        while stored.order.len() >= SESSIONS_STORED_MAX {
            let Some(oldest) = stored.order.pop_front() else { break };
            stored.by_id.remove(&oldest);
        }
        let now = Instant::now();
        if stored.by_id.insert(key.clone(), (now, Zeroizing::new(value))).is_none() {
            stored.order.push_back(key);
        }
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let stored = self.lock();
        let (since, value) = stored.by_id.get(key)?;
        (since.elapsed().as_secs() <= u64::from(TICKET_SECONDS)).then(|| value.to_vec())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions(..)")
    }
}
