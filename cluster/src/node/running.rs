//! A running node: what it is made of, how it starts and how it stops.
//!
//! What it does is in the other files of this folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft_rt_tokio::TokioRuntime;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::admission::check_peer_address;
use super::carry::Forwards;
use super::confirmed::Confirmed;
use super::left_over::LeftOvers;
use super::link::Link;
use super::serve::{Door, Product};
use super::{InitOptions, NodeError, PeerService, StartOptions, keys, limits, membership};
use crate::identity::{
    Authority, ClusterId, Identity, KnownPeer, NodeKey, Vault, check_empty, check_node_name, fingerprint, new_data_key,
    random, sign_request,
};
use crate::raft::log::LogStats;
use crate::raft::{Core, CoreConfig, Fatal, NodeRecord, Role, Room, on_disk};
use crate::transport::{Client, Credentials, Listening, Peer, PeerTable, listen};
use crate::{NodeId, StateMachine, store};

/// Stands in the folder from `init` until the first start has founded the cluster. Without it a node with an empty
/// log never founds anything: a lost log must not make a second cluster.
const FOUNDING_FILE: &str = "founding";

/// The consensus of the product.
pub(super) type NodeCore<M> = Core<TokioRuntime, M>;

/// Everything that the node's parts share.
pub(super) struct Node<M: StateMachine> {
    pub(super) id: NodeId,
    pub(super) identity: Identity,
    pub(super) vault: Arc<Vault>,
    pub(super) core: NodeCore<M>,
    pub(super) client: Arc<Client>,
    pub(super) product: Product,
    /// Who is heard and called.
    pub(super) peers: watch::Sender<Arc<PeerTable>>,
    /// The applied revision, for whoever waits with tokio's own channel.
    pub(super) revisions: watch::Sender<u64>,
    /// The longest election timeout.
    pub(super) election_max: Duration,
    /// Held during a change of the membership.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// Held while a machine that wants to join is served.
    pub(super) admitting: Semaphore,
    /// While this node leads: nodes whose removal or admission was not brought to its end.
    pub(super) left_overs: Mutex<LeftOvers>,
    /// Proposals on their way to the leader.
    pub(super) forwards: Mutex<Forwards>,
    /// The runtime of consensus.
    pub(super) runtime: Handle,
    log_stats: LogStats,
    /// Members that others told of while this node hears no leader.
    learned: Mutex<Vec<KnownPeer>>,
    /// Whether this node leads and has heard a quorum lately.
    confirmed: Arc<AtomicBool>,
    /// When a leader was last heard that has heard a quorum.
    confirmed_heard: Mutex<Option<Instant>>,
    /// The same, across restarts.
    pub(super) confirmed_before: Confirmed,
}

/// A started node; ends with the last handle.
pub(super) struct Running<M: StateMachine> {
    pub(super) node: Arc<Node<M>>,
    ends: Mutex<Option<Ends>>,
}

/// What a stop takes apart.
struct Ends {
    listening: Listening,
    runtime: ConsensusRuntime,
}

/// The runtime of consensus. Dropping a `Runtime` inside another one panics, so this one is let go in the background.
struct ConsensusRuntime(Option<Runtime>);

impl Drop for ConsensusRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// See [`Cluster::init`](crate::Cluster::init).
pub(super) fn init(options: &InitOptions) -> Result<(), NodeError> {
    check_node_name(&options.name)?;
    check_peer_address(options.peer_address)?;
    check_empty(&options.folder)?;
    let (cluster, node) = (ClusterId(random()?), NodeId(1));
    let authority = Authority::generate(cluster)?;
    let key = NodeKey::generate()?;
    let (data_key_id, data_key) = new_data_key(0)?;
    let identity = Identity {
        cluster,
        node,
        name: options.name.clone(),
        peer_address: options.peer_address,
        peers: Vec::new(),
        certificate: sign_request(&authority, cluster, node, &key.request()?)?,
        authority: authority.certificate().clone(),
    };
    let authority_key = authority.to_pkcs8();
    identity.create(
        &options.folder,
        &key.to_pkcs8(),
        Some(&authority_key),
        Some((data_key_id, &data_key)),
    )?;
    let marker = options.folder.join(FOUNDING_FILE);
    std::fs::write(&marker, b"")
        .and_then(|()| std::fs::File::open(&options.folder)?.sync_all())
        .map_err(|e| NodeError(format!("cannot write {}: {e}", marker.display())))
}

impl<M: StateMachine> Running<M> {
    /// See [`Cluster::start`](crate::Cluster::start).
    pub(super) async fn start(options: StartOptions, service: Arc<dyn PeerService>) -> Result<Self, NodeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits::CONSENSUS_THREADS)
            .thread_name("argosy-raft")
            .enable_all()
            .build()
            .map(|runtime| ConsensusRuntime(Some(runtime)))
            .map_err(|e| NodeError(format!("cannot start the threads of consensus: {e}")))?;
        let product = Product::new(service, Handle::current());
        let handle = runtime.handle()?;
        let starting = handle.spawn(Self::assemble(options, product));
        let started = starting
            .await
            .map_err(|e| NodeError(format!("the start of the node was given up: {e}")))?;
        let (node, listening) = started?;
        Ok(Self {
            node,
            ends: Mutex::new(Some(Ends { listening, runtime })),
        })
    }

    /// Runs on the consensus runtime.
    async fn assemble(options: StartOptions, product: Product) -> Result<(Arc<Node<M>>, Listening), NodeError> {
        let identity = Identity::load(&options.folder)?;
        let vault = Arc::new(Vault::open(&options.folder)?);
        let credentials = Credentials {
            cluster: identity.cluster,
            certificate: identity.certificate.clone(),
            authority: identity.authority.clone(),
            key: vault.node_key(),
        };
        let (peers, table) = watch::channel(Arc::new(peer_table(&identity.peers)));
        let client = Arc::new(Client::new(&credentials, table.clone())?);
        let confirmed = Arc::new(AtomicBool::new(false));
        let fatal = Fatal::default();
        let (folder, alarm) = (options.folder.clone(), fatal.clone());
        let storage = keys::blocking(move || store::open(&folder, on_disk::<M>, &alarm)).await?;
        let log_stats = storage.log.stats();
        let storage_room = storage.room;
        let config = CoreConfig {
            node: identity.node,
            heartbeat: options.heartbeat,
            snapshot_every: options.snapshot_every,
            keep_behind_snapshot: options.snapshot_every.min(limits::KEEP_BEHIND_SNAPSHOT_MAX),
            compare_every: limits::COMPARE_EVERY,
        };
        let election_max = config.election_max();
        let link = Link::new(client.clone(), confirmed.clone());
        let core = NodeCore::<M>::start(config, link, storage.log, storage.state, fatal).await;
        let core = core.map_err(|e| NodeError(format!("cannot start the consensus of this node: {e}")))?;
        let node = Arc::new(Node {
            id: identity.node,
            vault,
            client,
            product,
            peers,
            revisions: watch::Sender::new(core.applied()),
            core,
            election_max,
            changing: tokio::sync::Mutex::new(()),
            admitting: Semaphore::new(1),
            left_overs: Mutex::default(),
            forwards: Mutex::default(),
            runtime: Handle::current(),
            log_stats,
            learned: Mutex::default(),
            confirmed,
            confirmed_heard: Mutex::default(),
            confirmed_before: Confirmed::open(&options.folder),
            identity,
        });
        node.refresh_peers();
        let door = Arc::new(Door(node.clone()));
        let listening = listen(options.peer_listen, &credentials, table, door).await?;
        node.found_once(&options.folder).await?;
        node.keep("tells of new revisions", follow_revisions(node.clone()));
        node.keep("keeps the table of peers", keep_current(node.clone()));
        node.keep("fetches keys", keys::keep_pulling(node.clone()));
        node.keep("keeps the membership", membership::keep_reconciling(node.clone()));
        node.keep("looks after the disk", keep_disk(node.clone(), storage_room));
        tracing::info!(
            node = %node.id,
            cluster = %node.identity.cluster,
            name = node.identity.name,
            address = %listening.address(),
            "this node takes part in the cluster"
        );
        Ok((node, listening))
    }

    /// See [`Cluster::stop`](crate::Cluster::stop).
    pub(super) async fn stop(&self) {
        let Some(ends) = self.ends.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        membership::hand_over_before_stop(&self.node, limits::HAND_OVER_MAX).await;
        ends.listening.close().await;
        if tokio::time::timeout(limits::STOP_MAX, self.node.core.stop())
            .await
            .is_err()
        {
            tracing::warn!("consensus did not end in time; the next start rebuilds what was not stored");
        }
        // Waits for the runtime's threads off the async ones, so that files and locks are free on return.
        let mut runtime = ends.runtime;
        let ending = move || {
            if let Some(runtime) = runtime.0.take() {
                runtime.shutdown_timeout(limits::STOP_MAX);
            }
        };
        let _ = tokio::task::spawn_blocking(ending).await;
    }
}

impl ConsensusRuntime {
    fn handle(&self) -> Result<Handle, NodeError> {
        let runtime = self
            .0
            .as_ref()
            .ok_or_else(|| NodeError("the threads of consensus have ended".into()))?;
        Ok(runtime.handle().clone())
    }
}

impl<M: StateMachine> Node<M> {
    /// Runs what must never end. Should it all the same (it panicked), the node stops: half a node would look healthy.
    pub(super) fn keep(&self, what: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let fatal = self.core.fatal().clone();
        tokio::spawn(async move {
            let ended = tokio::spawn(work).await;
            // Cancelled: the runtime itself ends.
            if ended.as_ref().is_ok() || ended.is_err_and(|error| error.is_panic()) {
                fatal.raise(format!(
                    "the part of this node that {what} has ended by a fault of the program: see the journal for the \
                     panic, report it, and start the node again"
                ));
            }
        });
    }

    /// Founds the cluster, if this is its first node's first start.
    async fn found_once(&self, folder: &Path) -> Result<(), NodeError> {
        let marker: PathBuf = folder.join(FOUNDING_FILE);
        if !marker.exists() {
            return Ok(());
        }
        let data_key = self.vault.ring().ids().first().copied().unwrap_or_default();
        let record = NodeRecord {
            name: self.identity.name.clone(),
            peer_address: self.identity.peer_address,
            fingerprint: fingerprint(&self.identity.certificate),
        };
        let founding = self.core.found(record, M::FEATURE_LEVEL_MAX, data_key);
        founding
            .await
            .map_err(|e| NodeError(format!("cannot found the cluster: {e}; start the node again")))?;
        std::fs::remove_file(&marker)
            .and_then(|()| std::fs::File::open(folder)?.sync_all())
            .map_err(|e| NodeError(format!("cannot remove {}: {e}", marker.display())))
    }

    /// Brings the table of peers up to date with the membership.
    pub(super) fn refresh_peers(&self) {
        let metrics = self.core.metrics();
        let mut table: PeerTable = metrics
            .members
            .iter()
            .map(|(id, record)| (*id, peer_of(record)))
            .collect();
        let member = table.contains_key(&self.id);
        if !member {
            // Not yet told of its own membership: the members that were named when it joined.
            for (id, peer) in peer_table(&self.identity.peers) {
                table.entry(id).or_insert(peer);
            }
        }
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if member && metrics.quorum {
            learned.clear();
        }
        for (id, peer) in peer_table(&learned) {
            table.entry(id).or_insert(peer);
        }
        table.remove(&self.id);
        self.peers.send_if_modified(|current| {
            let changed = **current != table;
            if changed {
                *current = Arc::new(table);
            }
            changed
        });
        let leads = metrics.role == Role::Leader && metrics.quorum;
        self.confirmed.store(leads, Ordering::Relaxed);
        if leads {
            self.confirmed_before.now();
        }
    }

    /// Members that another member named. They count while this node hears no leader: one of them may lead.
    pub(super) fn learn_members(&self, members: &[KnownPeer]) {
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = members.to_vec();
        self.refresh_peers();
    }

    /// The members as this node knows them, for others.
    pub(super) fn known_peers(&self) -> Vec<KnownPeer> {
        let metrics = self.core.metrics();
        let known = metrics.members.iter().map(|(id, record)| KnownPeer {
            node: *id,
            address: record.peer_address,
            fingerprint: record.fingerprint,
        });
        known.collect()
    }

    /// A leader that has heard a quorum has spoken.
    pub(super) fn confirmed_leader_was_heard(&self) {
        *self.confirmed_heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.confirmed_before.now();
    }

    /// Whether that was within one election timeout.
    pub(super) fn heard_confirmed_lately(&self) -> bool {
        let heard = *self.confirmed_heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|heard| heard.elapsed() < self.election_max)
    }

    /// Whether neither this node leads nor another one is heard.
    pub(super) fn hears_no_leader(&self) -> bool {
        let metrics = self.core.metrics();
        metrics.role != Role::Leader && !metrics.quorum
    }

    /// Fsyncs of the log so far, and the seconds that they took.
    pub(super) fn log_fsyncs(&self) -> (u64, f64) {
        self.log_stats.fsyncs()
    }
}

fn peer_of(record: &NodeRecord) -> Peer {
    Peer {
        address: record.peer_address,
        fingerprint: record.fingerprint,
    }
}

fn peer_table(known: &[KnownPeer]) -> PeerTable {
    let peer = |known: &KnownPeer| Peer {
        address: known.address,
        fingerprint: known.fingerprint,
    };
    known.iter().map(|known| (known.node, peer(known))).collect()
}

/// Hands each published revision on to tokio's channel.
async fn follow_revisions<M: StateMachine>(node: Arc<Node<M>>) {
    let mut seen = node.core.applied();
    loop {
        node.revisions.send_replace(seen);
        let before = seen;
        seen = node.core.revision().until(|revision| revision != before).await;
    }
}

/// Looks after the room on the disk, and writes down when a confirmed leader was last heard.
async fn keep_disk<M: StateMachine>(node: Arc<Node<M>>, room: Arc<Room>) {
    let mut looks = 0_u64;
    loop {
        let (looking, saving, due) = (
            room.clone(),
            node.clone(),
            looks.is_multiple_of(limits::CONFIRMED_SAVE_LOOKS),
        );
        let looked = tokio::task::spawn_blocking(move || {
            if due && let Err(error) = saving.confirmed_before.save() {
                tracing::warn!(%error, "cannot write down when a confirmed leader was last heard");
            }
            looking.look()
        });
        match looked.await {
            Ok(Ok(low)) => node.core.set_low_space(low),
            Ok(Err(error)) => tracing::warn!(%error, "cannot look at the room on the disk"),
            Err(error) => match error.try_into_panic() {
                // So does this, and the node stops.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => tracing::debug!("the runtime ends"),
            },
        }
        looks += 1;
        tokio::time::sleep(limits::DISK_LOOK_EVERY).await;
    }
}

/// Keeps what is derived from the consensus current: the table of peers, and what followers are told.
async fn keep_current<M: StateMachine>(node: Arc<Node<M>>) {
    loop {
        node.refresh_peers();
        tokio::time::sleep(limits::REFRESH_EVERY).await;
    }
}
