//! Makes the world as the view says. Level-triggered: each pass compares the whole view with the whole world, on a
//! signal and on a timer; it takes no input, and a pass that changes nothing is cheap.
//!
//! A node that jumped over a change by a snapshot enforces it all the same: only the newest view counts.
//! Judging a session is left to `auth`; accepting connections, to `listener`.

pub mod host_keys;
pub mod limits;
pub mod ports;
pub mod sessions;

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::catalog::ViewSource;

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
    /// Opens and closes ports.
    pub ports: ports::Ports,
    /// Where the result is published.
    pub enforced: watch::Sender<Enforced>,
}

impl Reconciler {
    /// Runs until `stop` turns true; then closes the ports.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut timer = tokio::time::interval(limits::PASS_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !*stop.borrow_and_update() {
            self.pass().await;
            tokio::select! {
                _ = self.revisions.changed() => {}
                _ = timer.tick() => {}
                _ = stop.changed() => {}
            }
        }
        self.ports.close_all("the node is stopping").await;
    }

    /// One comparison of everything. Sessions first: taking away what somebody may no longer have is what hurries.
    async fn pass(&mut self) {
        self.revisions.mark_unchanged();
        let view = (self.view)();
        self.sessions.pass(&view);
        let mut failures = self.host_keys.pass(&view).await;
        failures.extend(self.ports.pass(&view, self.host_keys.opened()).await);
        let now = Enforced {
            revision: view.revision,
            failures,
        };
        self.enforced.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }
}
