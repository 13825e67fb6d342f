//! Closes sessions that a change, or time, has taken the ground from. A task of its own: what somebody may no longer
//! have is taken away at once, whatever keys and ports wait for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::limits;
use crate::auth;
use crate::catalog::{View, ViewSource};
use crate::clock::Clock;
use crate::session::{CloseReason, Registry};

/// Judges every live session against each view.
pub struct Sessions {
    /// The node's sessions.
    pub registry: Arc<Registry>,
    /// For expiry.
    pub clock: Clock,
    /// This node's name, for services that are off here.
    pub node: String,
}

impl Sessions {
    /// Judges at each new view and on a timer, until `stop` turns true; tells in `judged` up to which revision.
    pub async fn run(
        self,
        view: ViewSource,
        mut revisions: watch::Receiver<u64>,
        judged: watch::Sender<u64>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut timer = tokio::time::interval(limits::PASS_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !*stop.borrow_and_update() {
            revisions.mark_unchanged();
            let now = view();
            let again_at = Instant::now() + limits::PASS_PAUSE;
            // A bug in one pass must not end enforcement: it is said, and the next pass tries again.
            match catch_unwind(AssertUnwindSafe(|| self.pass(&now))) {
                Ok(()) => {
                    judged.send_if_modified(|before| std::mem::replace(before, now.revision) != now.revision);
                }
                Err(_) => tracing::error!(
                    revision = now.revision,
                    "judging the sessions panicked; it is tried again"
                ),
            }
            tokio::select! {
                _ = revisions.changed() => {}
                _ = timer.tick() => {}
                _ = stop.changed() => {}
            }
            tokio::time::sleep_until(again_at).await;
        }
    }

    /// Closes every session when a host key was changed.
    #[cfg(feature = "planted")]
    fn drop_at_new_keys(&self, view: &View) {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEWEST: AtomicU64 = AtomicU64::new(u64::MAX);
        let newest = view.host_keys.iter().map(|(_, key)| key.revision).max().unwrap_or(0);
        let planted = crate::planted::is(crate::planted::Bug::DropAtNewKeys);
        if NEWEST.swap(newest, Ordering::Relaxed) < newest && planted {
            let sessions = self.registry.list();
            sessions
                .iter()
                .for_each(|session| session.close(CloseReason::Administrator));
        }
    }

    /// Judges all sessions once. A grant that was taken away ends nothing here: the Vfs asks at each operation.
    pub fn pass(&self, view: &View) {
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Bug::ForgetEviction) {
            return;
        }
        #[cfg(feature = "planted")]
        self.drop_at_new_keys(view);
        let now = self.clock.now();
        let bans = auth::Bans::of(view);
        for session in self.registry.list() {
            if let Err(reason) = auth::judge_among(&bans, view, &session, &self.node, now) {
                // A service that was switched off gives its sessions time; `ports` drains them.
                if reason == CloseReason::ServiceOff && view.services.contains_key(&session.service) {
                    continue;
                }
                tracing::info!(session = %session.id, account = %session.account(), %reason, "closing a session");
                session.close(reason);
            }
        }
    }
}
