//! The admin HTTP API: what administrators and the CLI ask of any node, under `/api/v1`, plus health and metrics.
//!
//! In reading order: `roles` (the golden table of who may do what), `caller` (who asks), `shapes` (JSON to catalog
//! types and back), `etag`, `query` and `select` (preconditions, options, pages), `merge` (patches), `change` (a transaction and its answer),
//! `certificates` (the border to X.509), `difference`, `plan`,
//! `history` and `rollback` (what would change, what was changed, going back), `enforced` (`wait=enforced`), `watch`
//! (what changed lately), `routes` (one file a noun), `peers` (what nodes ask of one another), `serve` (TLS
//! port and local socket) and `connection`. Deciding what a change may do is left to the catalog; enforcing it, to `reconcile`.

pub mod border;
pub mod caller;
pub mod certificates;
pub mod change;
pub mod connection;
pub mod difference;
pub mod enforced;
pub mod etag;
pub mod failures;
pub mod history;
pub mod limits;
pub mod merge;
pub mod openapi;
pub mod peers;
pub mod plan;
pub mod port;
pub mod problem;
pub mod query;
pub mod roles;
pub mod rollback;
pub mod routes;
pub mod select;
pub mod serve;
pub mod shapes;
pub mod tries;
pub mod watch;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use self::failures::Failures;
use self::port::ClusterPort;
use self::watch::{Changes, Follower};
use crate::clock::Clock;
use crate::events::Journal;
use crate::session::Registry;

/// Whether the node should be sent clients, and why not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Every reason against it; none: ready.
    pub reasons: Vec<String>,
}

/// What the node tells of its own health.
#[derive(Clone)]
pub struct NodeHealth {
    /// For `/health/ready`; must not depend on a quorum.
    pub ready: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// For `/metrics`: Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What an [`AdminApi`] is made of.
pub struct AdminParts {
    /// The cluster.
    pub cluster: Arc<dyn ClusterPort>,
    /// This node's sessions.
    pub registry: Arc<Registry>,
    /// Where events go.
    pub journal: Journal,
    /// The clock.
    pub clock: Clock,
    /// This node's name.
    pub node: String,
    /// This node's health.
    pub health: NodeHealth,
}

/// The admin API of a node.
pub struct AdminApi {
    pub(crate) cluster: Arc<dyn ClusterPort>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    pub(crate) node: String,
    pub(crate) health: NodeHealth,
    pub(crate) failures: Failures,
    pub(crate) builds: Arc<Semaphore>,
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) watch_pace: watch::Pace,
    following: OnceLock<(Arc<Changes>, Follower)>,
}

impl AdminApi {
    /// Puts it together; serves nothing yet.
    pub fn new(parts: AdminParts) -> Arc<Self> {
        Arc::new(Self {
            cluster: parts.cluster,
            registry: parts.registry,
            journal: parts.journal,
            clock: parts.clock,
            node: parts.node,
            health: parts.health,
            failures: Failures::default(),
            builds: Arc::new(Semaphore::new(limits::BUILDS_MAX)),
            watchers: Arc::new(Semaphore::new(limits::WATCHERS_MAX)),
            watch_pace: watch::Pace::default(),
            following: OnceLock::new(),
        })
    }

    /// The routes, guarded. Requests must carry a [`caller::Origin`] as extension, or they are refused. Begins to
    /// remember changes for watchers, so it must be called on the async runtime.
    pub fn router(self: &Arc<Self>) -> axum::Router {
        self.changes();
        routes::router(self.clone())
    }

    pub(crate) fn changes(&self) -> Arc<Changes> {
        let (changes, _) = self.following.get_or_init(|| watch::follow(self.cluster.clone()));
        changes.clone()
    }
}
