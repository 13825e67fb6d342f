//! Looks after staged uploads that nobody will finish: this node's own at start, departed nodes' by age.

use std::time::Duration;

use argosy_cluster::Cluster;
use tokio::sync::watch;

use super::limits;
use crate::catalog::Catalog;
use crate::catalog::ViewSource;
use crate::vfs::Vfs;

/// Cleans at start, then every [`limits::CLEAN_STAGED_EVERY`], until `stop` turns true.
pub async fn clean(vfs: Vfs, cluster: Cluster<Catalog>, view: ViewSource, mut stop: watch::Receiver<bool>) {
    vfs.clean_at_start().await;
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
