//! Counts of what happened, for `/metrics`. Made from the same events that the journal holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Event, line};

/// Upper bounds of the latency buckets, in seconds.
pub const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 600.0];

/// Counts since the node started.
#[derive(Debug, Default)]
pub struct Tally {
    logins: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    operations: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    seconds: Mutex<BTreeMap<&'static str, Histogram>>,
    connections_refused: AtomicU64,
    ended_bytes_in: AtomicU64,
    ended_bytes_out: AtomicU64,
    changes: AtomicU64,
    journal_failures: AtomicU64,
}

/// A latency histogram.
#[derive(Debug, Default, Clone, Copy)]
pub struct Histogram {
    /// How many were at most the bound of the same place in [`BUCKETS`] (not cumulative).
    pub counts: [u64; BUCKETS.len()],
    /// How many in all.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        if let Some(place) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            self.counts[place] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// All counts at one moment.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Logins by method and result (`accepted`, `refused`).
    pub logins: BTreeMap<(&'static str, &'static str), u64>,
    /// File operations by event name and outcome (`done`, `refused`).
    pub operations: BTreeMap<(&'static str, &'static str), u64>,
    /// Seconds from open to close of transfers, by event name.
    pub seconds: BTreeMap<&'static str, Histogram>,
    /// Connections refused before a login.
    pub connections_refused: u64,
    /// Bytes received in sessions that have ended.
    pub ended_bytes_in: u64,
    /// Bytes sent in sessions that have ended.
    pub ended_bytes_out: u64,
    /// Catalog changes made through this node.
    pub changes: u64,
    /// Events that could not be written or synced.
    pub journal_failures: u64,
}

impl Tally {
    pub(super) fn count(&self, event: &Event) {
        match event {
            Event::LoginAccepted { method, .. } => bump(&self.logins, (method, "accepted")),
            Event::LoginRefused { method, .. } => bump(&self.logins, (method, "refused")),
            Event::ConnectionRefused { .. } | Event::ConnectionBanned { .. } => {
                self.connections_refused.fetch_add(1, Ordering::Relaxed);
            }
            Event::SessionEnded {
                bytes_in, bytes_out, ..
            } => {
                self.ended_bytes_in.fetch_add(*bytes_in, Ordering::Relaxed);
                self.ended_bytes_out.fetch_add(*bytes_out, Ordering::Relaxed);
            }
            Event::FileOperation(operation) => {
                let name = line::verb_name(operation.verb);
                bump(
                    &self.operations,
                    (name, if operation.refused.is_some() { "refused" } else { "done" }),
                );
                if operation.refused.is_none() && operation.millis > 0 {
                    let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
                    seconds
                        .entry(name)
                        .or_default()
                        .observe(operation.millis as f64 / 1000.0);
                }
            }
            Event::CatalogChanged { .. } => {
                self.changes.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    pub(super) fn journal_failed(&self) {
        self.journal_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A copy of all counts.
    pub fn counts(&self) -> Counts {
        Counts {
            logins: self.logins.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            operations: self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            seconds: self.seconds.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            connections_refused: self.connections_refused.load(Ordering::Relaxed),
            ended_bytes_in: self.ended_bytes_in.load(Ordering::Relaxed),
            ended_bytes_out: self.ended_bytes_out.load(Ordering::Relaxed),
            changes: self.changes.load(Ordering::Relaxed),
            journal_failures: self.journal_failures.load(Ordering::Relaxed),
        }
    }
}

fn bump(map: &Mutex<BTreeMap<(&'static str, &'static str), u64>>, key: (&'static str, &'static str)) {
    *map.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(key)
        .or_default() += 1;
}
