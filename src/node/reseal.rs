//! Seals anew what an older data key has sealed: after a member was removed, whoever finished the removal, the leader
//! looks until nothing is left under a key that the removed member knows.

use std::sync::Arc;

use argosy_cluster::Cluster;
use tokio::sync::watch;

use super::limits;
use crate::catalog::{Actor, Catalog, Command, Expected, HostKey, Kind, Object, ObjectKey, Outcome, Spec, Transaction};
use crate::clock::Clock;
use crate::reconcile::host_keys;

/// Looks every [`limits::RESEAL_EVERY`] while this node leads, until `stop` turns true.
pub async fn run(cluster: Cluster<Catalog>, clock: Clock, node: String, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits::RESEAL_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if cluster.status().role != "leader" {
            continue;
        }
        let newest = cluster.data_key_id().to_be_bytes();
        let view = cluster.view();
        let stale = view
            .host_keys
            .values()
            .filter(|key| !key.spec.sealed_private.starts_with(&newest));
        for key in stale.cloned().collect::<Vec<_>>() {
            match reseal(&cluster, &clock, &node, &key).await {
                Ok(()) => tracing::info!(host_key = %key.name, "a host key is sealed with the newest data key"),
                Err(reason) => tracing::warn!(host_key = %key.name, reason, "a host key is not sealed anew yet"),
            }
        }
    }
}

async fn reseal(
    cluster: &Cluster<Catalog>,
    clock: &Clock,
    node: &str,
    key: &Arc<Object<HostKey>>,
) -> Result<(), String> {
    let context = host_keys::context(&key.name);
    let secret = cluster
        .unseal(&context, &key.spec.sealed_private)
        .await
        .map_err(|error| error.to_string())?;
    let sealed_private = cluster.seal(&context, &secret).map_err(|error| error.to_string())?;
    let this = ObjectKey {
        kind: Kind::HostKey,
        name: key.name.clone(),
    };
    let command = Command {
        actor: Actor::Root { node: node.to_owned() },
        from: None,
        at: clock.now(),
        transaction: Transaction {
            expected: vec![(this, Expected::Revision(key.revision))],
            puts: vec![(
                key.name.clone(),
                Spec::HostKey(HostKey {
                    sealed_private,
                    ..key.spec.clone()
                }),
            )],
            ..Transaction::default()
        },
    };
    let request = crate::admin::border::random::<16>()?;
    let proposed = cluster
        .propose(argosy_cluster::RequestId(request), command, limits::RESEAL_CHANGE_MAX)
        .await;
    match proposed.map_err(|error| error.to_string())?.outcome {
        Outcome::Applied => Ok(()),
        Outcome::Refused(refusal) => Err(refusal.to_string()),
    }
}
