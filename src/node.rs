//! The composition root: builds and connects everything; start and stop order as a readable list.
//!
//! What each part does is left to its own room.

mod admin_ports;
mod bans;
mod holdings;
pub mod limits;
pub mod metrics;
mod open_port;
mod own_passwords;
mod reseal;
mod revocations;
mod seen;
mod staged;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_cluster::{Cluster, StartOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::peers::{Enforcement, EnforcementReport, Peers};
use crate::admin::{AdminApi, AdminParts, NodeHealth, Readiness};
use crate::auth::Authenticator;
use crate::catalog::{AgeSource, Catalog, ViewSource};
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::events::{Event, Journal};
use crate::listener::tls::SharedSecret;
use crate::listener::{Banned, Counts, Surroundings};
use crate::protocols;
use crate::reconcile::bans::Bans;
use crate::reconcile::expiry::Expiries;
use crate::reconcile::host_keys::HostKeys;
use crate::reconcile::ports::Ports;
use crate::reconcile::sessions::Sessions;
use crate::reconcile::tls::Handshakes;
use crate::reconcile::{Enforced, Reconciler};
use crate::session::{CloseReason, Registry};
use crate::vfs::Vfs;

/// A running node.
pub struct Node {
    cluster: Cluster<Catalog>,
    registry: Arc<Registry>,
    journal: Journal,
    stop: watch::Sender<bool>,
    reconciler: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts everything, in this order: journal, cluster (state recovered from disk), files, reconciler (which opens
    /// the ports once there is something to serve), admin API.
    pub async fn start(config: NodeConfig) -> Result<Self, String> {
        let clock = Clock::system();
        let journal =
            Journal::open(&config.events_folder(), &config.name, clock.clone()).map_err(|error| chain(&error))?;
        let registry = Arc::new(Registry::default());
        let (enforced, enforced_now) = watch::channel(Enforced::default());
        let enforcement = enforcement(enforced_now.clone());

        let options = StartOptions::new(config.cluster_folder(), config.peer_listen);
        let desk = bans::Desk::new(clock.clone(), config.name.clone());
        let peers = Peers::new(registry.clone(), enforcement.clone());
        let cluster = Cluster::<Catalog>::start(options, bans::NodePeers::new(peers, desk.clone()))
            .await
            .map_err(|error| chain(&error))?;
        desk.open(cluster.clone());
        let view: ViewSource = {
            let cluster = cluster.clone();
            Arc::new(move || cluster.view())
        };

        let vfs = Vfs::new(view.clone(), clock.clone(), journal.clone(), cluster.id().0);
        let leader = Arc::new(bans::DeskLeader(desk));
        let authenticator = Authenticator::led(view.clone(), clock.clone(), leader).map_err(|error| chain(&error))?;
        authenticator.change_passwords_through(Arc::new(own_passwords::OwnPasswords {
            cluster: cluster.clone(),
            clock: clock.clone(),
        }));
        let confirmed: AgeSource = {
            let cluster = cluster.clone();
            Arc::new(move || cluster.confirmed_age())
        };
        vfs.refuse_when_older(confirmed.clone());
        authenticator.refuse_when_older(confirmed);
        let connections = Arc::new(Counts::default());
        let surroundings = Surroundings {
            journal: journal.clone(),
            counts: connections.clone(),
            banned: banned(&view, &clock),
        };
        let holdings = Arc::new(holdings::Holdings {
            cluster: cluster.clone(),
            views: view.clone(),
            clock: clock.clone(),
        });
        let node = protocols::Node {
            name: config.name.clone(),
            views: view.clone(),
            registry: registry.clone(),
            vfs: vfs.clone(),
            journal: journal.clone(),
            clock: clock.clone(),
            authenticator,
            secret: shared_secret(&cluster),
            locks: holdings.clone(),
            ended: holdings,
        };
        let opener = open_port::PortOpener::new(node, surroundings);

        let (stop, stopped) = watch::channel(false);
        let reconciler = Reconciler {
            view: view.clone(),
            revisions: cluster.revisions(),
            sessions: Sessions {
                registry: registry.clone(),
                clock: clock.clone(),
                node: config.name.clone(),
            },
            host_keys: HostKeys::new(unseal(&cluster)),
            handshakes: Handshakes::new(unseal(&cluster), shared_secret(&cluster), clock.clone()),
            ports: Ports::new(
                Arc::new(opener),
                journal.clone(),
                config.name.clone(),
                config.service_address,
            ),
            bans: Bans::new(journal.clone(), clock.clone()),
            expiries: Expiries::new(journal.clone(), clock.clone()),
            enforced,
        };
        let reconciler = tokio::spawn({
            let (cluster, vfs, stopped) = (cluster.clone(), vfs.clone(), stopped.clone());
            async move {
                first_state(&cluster).await;
                staged::clean_at_start(&vfs).await;
                reconciler.run(stopped).await;
            }
        });

        let admin = AdminApi::new(AdminParts {
            cluster: Arc::new(cluster.clone()),
            registry: registry.clone(),
            journal: journal.clone(),
            clock: clock.clone(),
            node: config.name.clone(),
            health: health(&cluster, &registry, &journal, &enforced_now, &connections, &clock),
        });
        let mut tasks = admin_ports::open(&admin, &cluster, &config, &stopped).await?;
        let (members, used) = (cluster.clone(), registry.clone());
        let seeing = seen::run(members, used, clock.clone(), config.name.clone(), stopped.clone());
        tasks.push(tokio::spawn(seeing));
        let resealing = reseal::run(cluster.clone(), clock.clone(), config.name.clone(), stopped.clone());
        tasks.push(tokio::spawn(resealing));
        let revocations = revocations::Revocations::new(cluster.clone(), clock.clone(), journal.clone(), &config.name);
        tasks.push(tokio::spawn(revocations.run(stopped.clone())));
        let ended = bans::remove_ended(cluster.clone(), clock, config.name.clone(), stopped.clone());
        tasks.push(tokio::spawn(ended));
        tasks.push(tokio::spawn(staged::clean(vfs, cluster.clone(), view, stopped)));

        journal.record(Event::NodeStarted {
            version: env!("CARGO_PKG_VERSION"),
        });
        tracing::info!(node = %config.name, id = %cluster.id(), version = env!("CARGO_PKG_VERSION"), "the node serves");
        Ok(Self {
            cluster,
            registry,
            journal,
            stop,
            reconciler,
            tasks,
        })
    }

    /// Resolves when the node must stop by itself, with the reason.
    pub async fn failed(&self) -> String {
        self.cluster.failed().await
    }

    /// Stops in order: ports, sessions, admin API, cluster, journal.
    pub async fn stop(self, reason: &str) {
        tracing::info!(reason, "the node stops");
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(limits::STOP_PORTS_MAX, self.reconciler).await;
        for session in self.registry.list() {
            session.close(CloseReason::Stopping);
        }
        let ended = async {
            while self.registry.count() > 0 {
                tokio::time::sleep(limits::STOP_LOOK_EVERY).await;
            }
        };
        let _ = tokio::time::timeout(limits::STOP_STEP_MAX, ended).await;
        for task in self.tasks {
            let _ = tokio::time::timeout(limits::STOP_STEP_MAX, task).await;
        }
        self.cluster.stop().await;
        self.journal.record(Event::NodeStopped {
            reason: reason.to_owned(),
        });
        self.journal.stop();
    }
}

/// Waits until the state here is known to be current; a node that finds no leader serves from what it has.
async fn first_state(cluster: &Cluster<Catalog>) {
    let current = async {
        while let Err(error) = cluster.linearize(limits::ALONE_AFTER).await {
            tracing::debug!(%error, "waiting for the current state");
            tokio::time::sleep(limits::FIRST_STATE_PAUSE).await;
        }
    };
    if tokio::time::timeout(limits::ALONE_AFTER, current).await.is_err() {
        let revision = *cluster.revisions().borrow();
        tracing::warn!(
            revision,
            "no leader was found: serving from the last configuration that this node has"
        );
    }
}

/// Whom the listeners turn away.
fn banned(view: &ViewSource, clock: &Clock) -> Banned {
    let (view, clock) = (view.clone(), clock.clone());
    let bans = crate::auth::LatestBans::default();
    Arc::new(move |address| {
        let index = bans.of(&view());
        index
            .address(address, clock.now())
            .map(|kept| format!("{address} is {kept}"))
    })
}

/// What other members are told of the reconciler's work.
fn enforcement(enforced: watch::Receiver<Enforced>) -> Enforcement {
    Arc::new(move || {
        let now = enforced.borrow();
        let failures = now
            .failures
            .iter()
            .map(|(what, why)| format!("{what}: {why}"))
            .collect();
        EnforcementReport {
            revision: now.revision,
            failures,
        }
    })
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn unseal(cluster: &Cluster<Catalog>) -> crate::reconcile::host_keys::Unseal {
    let cluster = cluster.clone();
    Arc::new(move |context, sealed| {
        let cluster = cluster.clone();
        Box::pin(async move {
            cluster
                .unseal(&context, &sealed)
                .await
                .map_err(|error| error.to_string())
        })
    })
}

/// What tickets' keys are derived from: every member derives the same.
fn shared_secret(cluster: &Cluster<Catalog>) -> SharedSecret {
    let cluster = cluster.clone();
    Arc::new(move |context| cluster.derive(context))
}

/// Readiness asks only this node: a balancer must not take out the survivors of a lost quorum.
fn health(
    cluster: &Cluster<Catalog>,
    registry: &Arc<Registry>,
    journal: &Journal,
    enforced: &watch::Receiver<Enforced>,
    connections: &Arc<Counts>,
    clock: &Clock,
) -> NodeHealth {
    let ready = {
        let enforced = enforced.clone();
        let cluster = cluster.clone();
        move || {
            let mut reasons = Vec::new();
            reasons.extend(cluster.status().standing.not_ready);
            if enforced.borrow().revision == 0 {
                reasons.push("nothing is enforced yet: the node waits for its first state".to_owned());
            }
            if !cluster.view().services.is_empty() {
                reasons.extend(
                    enforced
                        .borrow()
                        .failures
                        .iter()
                        .map(|(what, why)| format!("{what}: {why}")),
                );
            }
            Readiness { reasons }
        }
    };
    let metrics = {
        let (cluster, registry, journal) = (cluster.clone(), registry.clone(), journal.clone());
        let (enforced, connections, clock) = (enforced.clone(), connections.clone(), clock.clone());
        move || {
            let mut sessions: BTreeMap<&'static str, u64> = BTreeMap::from([("sftp", 0)]);
            let mut live_bytes = (0, 0);
            for session in registry.list() {
                *sessions.entry(session.protocol()).or_default() += 1;
                live_bytes.0 += session.bytes_in.load(Ordering::Relaxed);
                live_bytes.1 += session.bytes_out.load(Ordering::Relaxed);
            }
            let sessions: Vec<_> = sessions.into_iter().collect();
            let enforced = enforced.borrow().clone();
            let view = cluster.view();
            let bans = bans::in_force(&view, clock.now());
            let certificates = metrics::certificate_ends(&view);
            metrics::render(&metrics::Scrape {
                cluster: &cluster.status(),
                enforced: enforced.revision,
                enforcement_failures: enforced.failures.len() as u64,
                counts: &journal.tally().counts(),
                sessions: &sessions,
                live_bytes,
                bans: &bans,
                certificates: &certificates,
                connections: &connections,
            })
        }
    };
    NodeHealth {
        ready: Arc::new(ready),
        metrics: Arc::new(metrics),
    }
}
