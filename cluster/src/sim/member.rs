//! One simulated node's consensus, whatever machine of whatever release it runs.
//!
//! How nodes reach one another is left to `net`, when they live and die to `world`.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::disk::{Disk, MemoryStore};
use super::net::Link;
use super::scoped::Scoped;
use crate::envelope::Answer;
use crate::raft::{
    Core, CoreConfig, CoreError, Fatal, Metrics, NodeRecord, Role, Rpc, SnapshotData, StateParts, on_disk,
};
use crate::{NodeId, StateMachine};

/// How many bytes of a snapshot are received at once.
const SNAPSHOT_CHUNK_BYTES: usize = 1_000;

type Asked<T> = BoxFuture<'static, Result<T, CoreError>>;

/// A running node.
pub(crate) trait Member: Send + Sync {
    fn handle(&self, rpc: Rpc, body: Bytes) -> Asked<Bytes>;
    fn receive(&self, head: Bytes, data: SnapshotData) -> Asked<Bytes>;
    fn propose(&self, envelope: Bytes) -> Asked<Answer>;
    fn read_index(&self) -> Asked<u64>;
    fn wait_applied(&self, index: u64, deadline: Duration) -> BoxFuture<'static, bool>;
    fn found(&self, record: NodeRecord) -> Asked<()>;
    fn add_learner(&self, node: NodeId, record: NodeRecord) -> Asked<()>;
    fn promote(&self, node: NodeId) -> Asked<()>;
    fn remove(&self, node: NodeId) -> Asked<()>;
    fn transfer_leadership(&self, to: NodeId) -> Asked<()>;
    fn snapshot(&self) -> Asked<()>;
    fn metrics(&self) -> Metrics;
    /// Who leads and whether this node does, at little cost.
    fn leads(&self) -> (bool, Option<NodeId>);
    fn view(&self) -> Arc<dyn Any + Send + Sync>;
    fn fatal(&self) -> Option<String>;
    #[cfg(test)]
    fn as_any(&self) -> &dyn Any;
}

/// The first feature level of all: what a cluster is founded with.
pub(crate) const FIRST_LEVEL: u32 = 1;

impl<M: StateMachine> Member for Core<Scoped, M> {
    fn handle(&self, rpc: Rpc, body: Bytes) -> Asked<Bytes> {
        let core = self.clone();
        async move { core.handle(rpc, body).await }.boxed()
    }

    fn receive(&self, head: Bytes, data: SnapshotData) -> Asked<Bytes> {
        let core = self.clone();
        async move {
            let unavailable = |error: std::io::Error| CoreError::Unavailable {
                reason: error.to_string(),
            };
            let mut sink = core.begin_snapshot()?;
            let mut offset = 0;
            while offset < data.len() {
                let chunk = data.chunk(offset, SNAPSHOT_CHUNK_BYTES).map_err(unavailable)?;
                sink.write(&chunk).map_err(unavailable)?;
                offset += chunk.len() as u64;
            }
            core.receive_snapshot(head, sink.finish().map_err(unavailable)?).await
        }
        .boxed()
    }

    fn propose(&self, envelope: Bytes) -> Asked<Answer> {
        let core = self.clone();
        async move { core.propose(envelope).await }.boxed()
    }

    fn read_index(&self) -> Asked<u64> {
        let core = self.clone();
        async move { core.read_index().await }.boxed()
    }

    fn wait_applied(&self, index: u64, deadline: Duration) -> BoxFuture<'static, bool> {
        let core = self.clone();
        async move { core.wait_applied(index, deadline).await }.boxed()
    }

    fn found(&self, record: NodeRecord) -> Asked<()> {
        let core = self.clone();
        async move { core.found(record, FIRST_LEVEL, 1).await }.boxed()
    }

    fn add_learner(&self, node: NodeId, record: NodeRecord) -> Asked<()> {
        let core = self.clone();
        async move { core.add_learner(node, record).await }.boxed()
    }

    fn promote(&self, node: NodeId) -> Asked<()> {
        let core = self.clone();
        async move { core.promote(node).await }.boxed()
    }

    fn remove(&self, node: NodeId) -> Asked<()> {
        let core = self.clone();
        async move { core.remove(node).await }.boxed()
    }

    fn transfer_leadership(&self, to: NodeId) -> Asked<()> {
        let core = self.clone();
        async move { core.transfer_leadership(Some(to)).await }.boxed()
    }

    fn snapshot(&self) -> Asked<()> {
        let core = self.clone();
        async move { core.snapshot().await }.boxed()
    }

    fn metrics(&self) -> Metrics {
        self.metrics()
    }

    fn leads(&self) -> (bool, Option<NodeId>) {
        let glance = self.glance();
        (glance.role == Role::Leader, glance.leader)
    }

    fn view(&self) -> Arc<dyn Any + Send + Sync> {
        self.view()
    }

    fn fatal(&self) -> Option<String> {
        self.fatal().reason()
    }

    #[cfg(test)]
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Starts a node; one per machine type, so that nodes of several releases live side by side.
pub(super) type Starter = fn(CoreConfig, Link, Disk) -> BoxFuture<'static, Result<Arc<dyn Member>, String>>;

/// The [`Starter`] of machine `M`.
pub(super) fn start<M: StateMachine>(
    config: CoreConfig,
    link: Link,
    disk: Disk,
) -> BoxFuture<'static, Result<Arc<dyn Member>, String>> {
    Box::pin(async move {
        let store = MemoryStore::new(on_disk::<M>);
        let state = StateParts {
            recovered: disk.recover(&store, on_disk::<M>).map_err(|error| error.to_string())?,
            applied: Arc::new(store),
            snapshots: Arc::new(disk.snapshots),
        };
        let core = Core::<Scoped, M>::start(config, link, disk.log, state, Fatal::default()).await;
        Ok(Arc::new(core.map_err(|error| error.to_string())?) as Arc<dyn Member>)
    })
}
