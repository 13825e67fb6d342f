//! Makes the world as the view says. Level-triggered: each pass compares the whole view with the whole world, on a
//! signal and on a timer; it takes no input, and a pass that changes nothing is cheap.
//!
//! A node that jumped over a change by a snapshot enforces it all the same: only the newest view counts.
//! Judging a session is left to `auth`; accepting connections, to `listener`.

pub mod bans;
pub mod expiry;
pub mod host_keys;
pub mod limits;
pub mod ports;
pub mod sessions;
pub mod tls;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::catalog::{View, ViewSource};

/// What this node enforces; reported to whoever waits for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enforced {
    /// Everything up to this revision was tried.
    pub revision: u64,
    /// What could not be done, by service or key: for instance a port that is taken.
    pub failures: BTreeMap<String, String>,
}

/// Compares and mends until told to stop.
pub struct Reconciler {
    /// Gives the latest view.
    pub view: ViewSource,
    /// Signals a new view.
    pub revisions: watch::Receiver<u64>,
    /// Closes sessions whose reason to exist is gone.
    pub sessions: sessions::Sessions,
    /// Opens sealed host keys.
    pub host_keys: host_keys::HostKeys,
    /// Keeps configurations for TLS.
    pub handshakes: tls::Handshakes,
    /// Opens and closes ports.
    pub ports: ports::Ports,
    /// Tells which bans are kept.
    pub bans: bans::Bans,
    /// Tells which certificates end soon.
    pub expiries: expiry::Expiries,
    /// Where the result is published.
    pub enforced: watch::Sender<Enforced>,
}

impl Reconciler {
    /// Runs until `stop` turns true; then closes the ports.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (judged, mut sessions_judged) = watch::channel(0);
        let sessions = self
            .sessions
            .run(self.view.clone(), self.revisions.clone(), judged, stop.clone());
        let sessions = tokio::spawn(sessions);
        let mut doors = Doors {
            host_keys: self.host_keys,
            handshakes: self.handshakes,
            ports: self.ports,
            bans: self.bans,
            expiries: self.expiries,
        };
        let mut timer = tokio::time::interval(limits::PASS_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut tried = Enforced::default();
        while !*stop.borrow_and_update() {
            self.revisions.mark_unchanged();
            let view = (self.view)();
            let again_at = Instant::now() + limits::PASS_PAUSE;
            // A bug in one pass must not end enforcement: it is said, shown, and the next pass tries again.
            match AssertUnwindSafe(doors.pass(&view)).catch_unwind().await {
                Ok(failures) => {
                    tried = Enforced {
                        revision: view.revision,
                        failures,
                    }
                }
                Err(_) => {
                    tracing::error!(
                        revision = view.revision,
                        "a pass over keys and ports panicked; it is tried again"
                    );
                    tried
                        .failures
                        .insert("reconcile".to_owned(), "it panicked; see the log".to_owned());
                }
            }
            loop {
                publish(&self.enforced, &tried, *sessions_judged.borrow_and_update());
                tokio::select! {
                    // Sessions may be judged later than doors are tried: that alone needs no new pass.
                    changed = sessions_judged.changed(), if !sessions.is_finished() => {
                        if changed.is_ok() {
                            continue;
                        }
                    }
                    _ = self.revisions.changed() => {}
                    _ = timer.tick() => {}
                    _ = stop.changed() => {}
                }
                break;
            }
            tokio::time::sleep_until(again_at).await;
        }
        let view = (self.view)();
        doors.ports.close_all(&view, "the node is stopping").await;
        let _ = sessions.await;
    }
}

/// What lets connections in, or not: keys to show, ports to accept on, bans, and what ends soon.
struct Doors {
    host_keys: host_keys::HostKeys,
    handshakes: tls::Handshakes,
    ports: ports::Ports,
    bans: bans::Bans,
    expiries: expiry::Expiries,
}

impl Doors {
    async fn pass(&mut self, view: &View) -> BTreeMap<String, String> {
        self.bans.pass(view);
        self.expiries.pass(view);
        let mut failures = self.host_keys.pass(view).await;
        failures.extend(self.handshakes.pass(view).await);
        let material = ports::Opened {
            host_keys: self.host_keys.opened(),
            handshakes: &self.handshakes,
        };
        for (what, why) in self.ports.pass(view, &material).await {
            failures.entry(what).or_insert(why);
        }
        failures
    }
}

/// Enforced is what both were done for: sessions judged, doors tried.
fn publish(enforced: &watch::Sender<Enforced>, tried: &Enforced, judged: u64) {
    let now = Enforced {
        revision: tried.revision.min(judged),
        failures: tried.failures.clone(),
    };
    enforced.send_if_modified(|before| {
        let changed = *before != now;
        *before = now;
        changed
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
