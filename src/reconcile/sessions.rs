//! Closes sessions that a change, or time, has taken the ground from.

use std::sync::Arc;

use crate::auth;
use crate::catalog::View;
use crate::clock::Clock;
use crate::session::{CloseReason, Registry, Session};

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
    /// Judges all sessions once. A grant that was taken away ends nothing here: the Vfs asks at each operation.
    pub fn pass(&self, view: &View) {
        let now = self.clock.now();
        for session in self.registry.list() {
            if let Err(reason) = self.judge(view, &session, now) {
                tracing::info!(session = %session.id, account = %session.account(), %reason, "closing a session");
                session.close(reason);
            }
        }
    }

    fn judge(&self, view: &View, session: &Session, now: crate::clock::UnixMillis) -> Result<(), CloseReason> {
        let enabled = view.services.get(&session.service).is_some_and(|service| {
            service
                .spec
                .nodes
                .get(&self.node)
                .and_then(|differs| differs.enabled)
                .unwrap_or(service.spec.enabled)
        });
        if !enabled {
            return Err(CloseReason::ServiceOff);
        }
        auth::judge(view, session, now)
    }
}
