//! Looks after staged uploads that nobody will finish: this node's own at start, departed nodes' by age.

use std::time::Duration;

use argosy_cluster::Cluster;
use tokio::sync::watch;

use super::limits;
use crate::catalog::{Catalog, ViewSource};
use crate::vfs::Vfs;

/// Puts in order what this node left behind when it ended, before its services open, so that nothing of now is taken
/// for something of then. A storage that hangs does not keep the services closed.
pub async fn clean_at_start(vfs: &Vfs) {
    if tokio::time::timeout(limits::CLEAN_AT_START_MAX, vfs.clean_at_start())
        .await
        .is_err()
    {
        tracing::warn!("a storage takes long to show what was left there; the services open without waiting for it");
    }
}

/// Cleans every [`limits::CLEAN_STAGED_EVERY`] until `stop` turns true.
pub async fn clean(vfs: Vfs, cluster: Cluster<Catalog>, view: ViewSource, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits::CLEAN_STAGED_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let members: Vec<u64> = cluster.status().members.keys().map(|node| node.0).collect();
        let age = Duration::from_secs(view().settings().staged_age_max_seconds.into());
        vfs.clean_departed(&members, age).await;
    }
}
