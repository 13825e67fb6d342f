//! Connections that are turned away before a protocol sees them: why, how many, and what the journal is told.
//!
//! Deciding is left to `admission`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::REFUSALS_RECORDED_PER_SECOND;
use super::permit::Over;
use super::proxy::ProxyError;
use crate::events::{Event, Journal};
use crate::ids::Name;

/// Why a connection is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The service takes none just now; the text says why.
    Unready(String),
    /// A limit is reached.
    Over(Over),
    /// The service is not for this address.
    Source(IpAddr),
    /// The address is banned; the text says by which ban and until when.
    Banned(String),
    /// Its PROXY header is not taken, or missing.
    Proxy(ProxyError),
    /// TLS was not agreed upon; the text says why.
    Tls(String),
}

impl Refusal {
    /// Its kind in one word, for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unready(_) => "unready",
            Self::Over(Over::All(_)) => "unauthenticated",
            Self::Over(Over::Address(..)) => "unauthenticated-per-address",
            Self::Over(Over::Connections(..)) => "connections-per-address",
            Self::Source(_) => "source",
            Self::Banned(_) => "banned",
            Self::Proxy(_) => "proxy",
            Self::Tls(_) => "tls",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unready(reason) | Self::Banned(reason) => f.write_str(reason),
            Self::Over(over) => over.fmt(f),
            Self::Source(address) => write!(f, "the service may not be used from {address}"),
            Self::Proxy(error) => error.fmt(f),
            Self::Tls(reason) => write!(f, "no TLS: {reason}"),
        }
    }
}

/// What the listeners of a node have counted since it started.
#[derive(Debug, Default)]
pub struct Counts {
    accepted: Mutex<BTreeMap<Name, u64>>,
    refused: Mutex<BTreeMap<(Name, &'static str), u64>>,
    proxy_errors: Mutex<BTreeMap<&'static str, u64>>,
}

fn bump<K: Ord>(counts: &Mutex<BTreeMap<K, u64>>, key: K) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry(key).or_default() += 1;
}

fn copy<K: Ord + Clone>(counts: &Mutex<BTreeMap<K, u64>>) -> BTreeMap<K, u64> {
    counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Counts {
    /// Connections handed to their protocol, by service.
    pub fn accepted(&self) -> BTreeMap<Name, u64> {
        copy(&self.accepted)
    }

    /// Connections turned away, by service and [`Refusal::word`].
    pub fn refused(&self) -> BTreeMap<(Name, &'static str), u64> {
        copy(&self.refused)
    }

    /// PROXY headers not taken, by [`ProxyError::word`].
    pub fn proxy_errors(&self) -> BTreeMap<&'static str, u64> {
        copy(&self.proxy_errors)
    }
}

/// Where one listener's accepted and refused connections are counted and told.
#[derive(Debug)]
pub(super) struct Register {
    service: Name,
    journal: Journal,
    counts: Arc<Counts>,
    told: Mutex<Told>,
}

/// How much of this second was told.
#[derive(Debug, Default)]
struct Told {
    since: Option<Instant>,
    recorded: u32,
    unsaid: u64,
}

impl Register {
    pub(super) fn new(service: Name, journal: Journal, counts: Arc<Counts>) -> Self {
        Self {
            service,
            journal,
            counts,
            told: Mutex::default(),
        }
    }

    pub(super) fn service(&self) -> &Name {
        &self.service
    }

    pub(super) fn accepted(&self) {
        bump(&self.counts.accepted, self.service.clone());
    }

    /// Counts a refusal, and records it unless there are too many of them in this second.
    pub(super) fn refused(&self, peer: SocketAddr, refusal: &Refusal) {
        bump(&self.counts.refused, (self.service.clone(), refusal.word()));
        if let Refusal::Proxy(error) = refusal {
            bump(&self.counts.proxy_errors, error.word());
        }
        let Some(unsaid) = self.turn(Instant::now()) else {
            return;
        };
        let mut reason = refusal.to_string();
        if unsaid > 0 {
            reason.push_str(&format!(
                " ({unsaid} further refusals before this one were not recorded)"
            ));
        }
        let service = self.service.clone();
        self.journal.record(match refusal {
            Refusal::Banned(_) => Event::ConnectionBanned { peer, service, reason },
            _ => Event::ConnectionRefused { peer, service, reason },
        });
    }

    /// Whether this refusal is to be recorded, and how many before it were not.
    fn turn(&self, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told
            .since
            .is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1))
        {
            told.since = Some(now);
            told.recorded = 0;
        }
        if told.recorded >= REFUSALS_RECORDED_PER_SECOND {
            told.unsaid += 1;
            return None;
        }
        told.recorded += 1;
        Some(std::mem::take(&mut told.unsaid))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_in_full_and_recorded_in_part() {
        let service = Name::parse("sftp").unwrap();
        let counts = Arc::new(Counts::default());
        let register = Register::new(service.clone(), Journal::default(), counts.clone());
        let start = Instant::now();
        let turns: Vec<_> = (0..25).map(|_| register.turn(start)).collect();
        assert_eq!(turns.iter().flatten().count(), REFUSALS_RECORDED_PER_SECOND as usize);
        assert_eq!(register.turn(start + Duration::from_secs(1)), Some(5));
        for _ in 0..300 {
            let refusal = Refusal::Proxy(ProxyError::Stranger);
            register.refused("192.0.2.1:5".parse().unwrap(), &refusal);
        }
        assert_eq!(counts.refused(), [((service, "proxy"), 300)].into());
        assert_eq!(counts.proxy_errors(), [("stranger", 300)].into());
    }
}
