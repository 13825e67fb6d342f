//! Opens the two ways to the admin API: the local socket at once, the HTTPS port once this node can show a certificate.
//!
//! What is served there is left to `admin`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use argosy_cluster::Cluster;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::limits;
use crate::admin::{AdminApi, serve};
use crate::catalog::Catalog;
use crate::config::NodeConfig;

/// Binds both; serves until `stop` turns true.
pub async fn open(
    admin: &Arc<AdminApi>,
    cluster: &Cluster<Catalog>,
    config: &NodeConfig,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, String> {
    let socket = serve::bind_socket(&config.admin_socket()).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(config.admin_address).await.map_err(|error| {
        format!(
            "the admin port {} cannot be opened: {error}; see `admin_address` in argosy.toml",
            config.admin_address
        )
    })?;
    let local = tokio::spawn(serve::serve_socket(socket, admin.router(), stop.clone()));
    let remote = tokio::spawn(serve_remote(
        listener,
        admin.clone(),
        cluster.clone(),
        names(config),
        stop.clone(),
    ));
    Ok(vec![local, remote])
}

/// A joiner holds no authority's key before it votes: its port accepts, and answers once there is a certificate.
async fn serve_remote(
    listener: TcpListener,
    admin: Arc<AdminApi>,
    cluster: Cluster<Catalog>,
    names: Vec<String>,
    mut stop: watch::Receiver<bool>,
) {
    let tls = loop {
        match cluster.server_tls(names.clone()) {
            Ok(tls) => break tls,
            Err(error) => tracing::debug!(%error, "the admin port waits for a certificate"),
        }
        tokio::select! {
            () = tokio::time::sleep(limits::CERTIFICATE_PAUSE) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    };
    serve::serve_tls(listener, Arc::new(ArcSwap::new(tls)), admin.router(), stop).await;
}

/// What the certificate of the admin port names: every name and address that a client might call it by.
fn names(config: &NodeConfig) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), config.name.clone()];
    names.extend(rustix::system::uname().nodename().to_str().ok().map(str::to_owned));
    let addresses = [
        config.admin_address.ip(),
        config.peer_address.ip(),
        config.service_address,
    ];
    names.extend(
        addresses
            .into_iter()
            .filter(|address| !address.is_unspecified())
            .map(|address| address.to_string()),
    );
    names.push("127.0.0.1".to_owned());
    // A node's name may hold what a certificate's cannot.
    names.retain(|name| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
    });
    names.sort();
    names.dedup();
    names
}
