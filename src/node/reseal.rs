//! Seals anew what an older data key has sealed: after a member was removed, whoever finished the removal, the leader
//! looks until nothing is left under a key that the removed member knows.

use argosy_cluster::Cluster;
use tokio::sync::watch;

use super::{bans, limits};
use crate::catalog::{
    Catalog, Certificate, CertificateKey, Expected, HostKey, Object, ObjectKey, Outcome, Spec, Transaction, certificate,
};
use crate::clock::Clock;
use crate::ids::Name;
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
        let is_stale = |sealed: &Vec<u8>| !sealed.starts_with(&newest);
        for key in view.host_keys.values().filter(|key| is_stale(&key.spec.sealed_private)) {
            match reseal_host_key(&cluster, &clock, &node, key).await {
                Ok(()) => tracing::info!(host_key = %key.name, "a host key is sealed with the newest data key"),
                Err(reason) => tracing::warn!(host_key = %key.name, reason, "a host key is not sealed anew yet"),
            }
        }
        for one in view.certificates.values() {
            if !keys(&one.spec).any(|key| is_stale(&key.sealed_private)) {
                continue;
            }
            match reseal_certificate(&cluster, &clock, &node, one).await {
                Ok(()) => tracing::info!(certificate = %one.name, "a certificate is sealed with the newest data key"),
                Err(reason) => tracing::warn!(certificate = %one.name, reason, "a certificate is not sealed anew yet"),
            }
        }
    }
}

/// The keys of a certificate: that of its chain, and that of its request.
fn keys(certificate: &Certificate) -> impl Iterator<Item = &CertificateKey> {
    let issued = certificate.issued.iter().map(|issued| &issued.key);
    issued.chain(certificate.requested.iter().map(|requested| &requested.key))
}

async fn reseal_host_key(
    cluster: &Cluster<Catalog>,
    clock: &Clock,
    node: &str,
    key: &Object<HostKey>,
) -> Result<(), String> {
    let spec = HostKey {
        sealed_private: anew(cluster, &host_keys::context(&key.name), &key.spec.sealed_private).await?,
        ..key.spec.clone()
    };
    put(cluster, clock, node, &key.name, key.revision, Spec::HostKey(spec)).await
}

async fn reseal_certificate(
    cluster: &Cluster<Catalog>,
    clock: &Clock,
    node: &str,
    one: &Object<Certificate>,
) -> Result<(), String> {
    let context = certificate::context(&one.name);
    let mut spec = one.spec.clone();
    if let Some(issued) = &mut spec.issued {
        issued.key.sealed_private = anew(cluster, &context, &issued.key.sealed_private).await?;
    }
    if let Some(requested) = &mut spec.requested {
        requested.key.sealed_private = anew(cluster, &context, &requested.key.sealed_private).await?;
    }
    put(cluster, clock, node, &one.name, one.revision, Spec::Certificate(spec)).await
}

/// What was sealed, sealed with the newest data key.
async fn anew(cluster: &Cluster<Catalog>, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, String> {
    let secret = cluster.unseal(context, sealed).await;
    let secret = secret.map_err(|error| error.to_string())?;
    cluster.seal(context, &secret).map_err(|error| error.to_string())
}

/// Replaces an object that nobody has changed meanwhile.
async fn put(
    cluster: &Cluster<Catalog>,
    clock: &Clock,
    node: &str,
    name: &Name,
    revision: u64,
    spec: Spec,
) -> Result<(), String> {
    let this = ObjectKey {
        kind: spec.kind(),
        name: name.clone(),
    };
    let transaction = Transaction {
        expected: vec![(this, Expected::Revision(revision))],
        puts: vec![(name.clone(), spec)],
        ..Transaction::default()
    };
    let proposed = bans::propose(cluster, node, clock.now(), transaction, limits::RESEAL_CHANGE_MAX);
    match proposed.await? {
        (_, Outcome::Applied) => Ok(()),
        (_, Outcome::Refused(refusal)) => Err(refusal.to_string()),
    }
}
