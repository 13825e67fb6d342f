//! A simulated cluster: nodes that start, crash, stand still and start again, on one network and disks of their own.
//!
//! What is written, which faults come when, and what is made of it are left to the caller.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::Disk;
use super::member::{self, Starter};
use super::net::Net;
use super::scoped::Scope;
use crate::raft::{CoreConfig, NodeRecord};
use crate::{NodeId, StateMachine};

/// How the nodes of a simulated cluster are set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The leader is heard this often.
    pub heartbeat: Duration,
    /// How many log entries between snapshots.
    pub snapshot_every: u64,
    /// How many entries stay in the log behind a snapshot.
    pub keep_behind_snapshot: u64,
    /// How often a node compares its state with the others'.
    pub compare_every: Duration,
    /// How long a sync takes.
    pub sync_takes: Duration,
    /// The disks say "synced" before it is so.
    pub disks_lie: bool,
}

/// Nodes, their network and their disks. Clones are the same world.
#[derive(Clone)]
pub struct World {
    /// The network between the nodes.
    pub net: Net,
    setup: Setup,
    nodes: Arc<Mutex<BTreeMap<u64, Place>>>,
}

struct Place {
    disk: Disk,
    starter: Starter,
}

/// A node's entry in the membership.
pub(crate) fn record(id: u64) -> NodeRecord {
    NodeRecord {
        name: format!("node-{id}"),
        ..NodeRecord::default()
    }
}

impl World {
    /// A world without nodes. One seed derives what the network does.
    pub fn new(seed: u64, setup: Setup) -> Self {
        Self {
            net: Net::new(seed),
            setup,
            nodes: Arc::default(),
        }
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<u64, Place>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node with an empty disk, which will run machine `M`. It is not started. One that was there is gone.
    pub fn add_node<M: StateMachine>(&self, id: u64) {
        self.crash(id, true);
        let disk = Disk::new(self.setup.sync_takes, self.setup.disks_lie);
        let starter = member::start::<M>;
        self.nodes().insert(id, Place { disk, starter });
    }

    /// From its next start on, this node runs machine `M`: another release.
    pub fn install<M: StateMachine>(&self, id: u64) {
        if let Some(place) = self.nodes().get_mut(&id) {
            place.starter = member::start::<M>;
        }
    }

    /// A node that will not come back; its disk is gone.
    pub fn forget(&self, id: u64) {
        self.crash(id, true);
        self.nodes().remove(&id);
    }

    /// All nodes that there are, running or not.
    pub fn ids(&self) -> Vec<u64> {
        self.nodes().keys().copied().collect()
    }

    /// A node's disk.
    pub fn disk(&self, id: u64) -> Option<Disk> {
        self.nodes().get(&id).map(|place| place.disk.clone())
    }

    /// Whether the node runs.
    pub fn is_up(&self, id: u64) -> bool {
        self.net.up(id).is_some()
    }

    /// Starts a node from what its disk has.
    ///
    /// # Errors
    /// Why it could not start.
    pub async fn start(&self, id: u64) -> Result<(), String> {
        let Some((disk, starter)) = self.nodes().get(&id).map(|place| (place.disk.clone(), place.starter)) else {
            return Err(format!("there is no node {id}"));
        };
        let config = CoreConfig {
            node: NodeId(id),
            heartbeat: self.setup.heartbeat,
            snapshot_every: self.setup.snapshot_every,
            keep_behind_snapshot: self.setup.keep_behind_snapshot,
            compare_every: self.setup.compare_every,
        };
        let scope = Scope::default();
        let starting = scope.spawn(starter(config, self.net.link(id), disk));
        let member = starting.await.map_err(|error| error.to_string())??;
        self.net.node_is_up(id, member, scope);
        Ok(())
    }

    /// The node dies where it stands. Where the power fails with it, what was not synced is gone.
    pub fn crash(&self, id: u64, power_fails: bool) {
        if let Some(scope) = self.net.node_is_down(id) {
            scope.kill();
        }
        let Some(disk) = self.disk(id) else { return };
        if power_fails {
            disk.log.lose_unsynced();
        } else {
            disk.log.keep_unsynced();
        }
    }

    /// The node stands still, as under SIGSTOP.
    pub fn pause(&self, id: u64) {
        if let Some((_, scope)) = self.net.up(id) {
            scope.pause();
        }
    }

    /// It goes on.
    pub fn resume(&self, id: u64) {
        if let Some((_, scope)) = self.net.up(id) {
            scope.resume();
        }
    }

    /// From now on the node's clock runs at this rate, in thousandths of true time.
    pub fn set_clock_rate(&self, id: u64, permille: u64) {
        if let Some((_, scope)) = self.net.up(id) {
            scope.set_rate(permille);
        }
    }

    /// The first of the nodes that believe to lead.
    pub fn leader(&self) -> Option<u64> {
        self.leaders().first().copied()
    }

    /// All nodes that believe to lead; the one of the newest term comes last.
    pub fn leaders(&self) -> Vec<u64> {
        let running = self.net.running().into_iter();
        let mut leading: Vec<(u64, u64)> = running
            .filter_map(|id| {
                let member = self.net.member(id)?;
                member.leads().0.then(|| (member.metrics().term, id))
            })
            .collect();
        leading.sort_unstable();
        leading.into_iter().map(|(_, id)| id).collect()
    }
}
