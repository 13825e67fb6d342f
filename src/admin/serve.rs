//! The two ways in: a TLS port for everybody with a token, and a local socket for root.
//!
//! What is served is left to `routes`; the sockets are opened by the node.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use tokio::io::AsyncBufReadExt;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::caller::Origin;
use super::{connection, limits};
use crate::listener::Permits;

/// The TLS configuration of the admin port; swapping it changes what the next connection sees.
pub type TlsSource = Arc<ArcSwap<rustls::ServerConfig>>;

/// Serves `router` over TLS until `stop` turns true, then lets open requests end for [`limits::DRAIN_DEADLINE`].
pub async fn serve_tls(listener: TcpListener, tls: TlsSource, router: Router, mut stop: watch::Receiver<bool>) {
    let permits = Arc::new(Permits::default());
    let (alive, ended) = mpsc::channel(1);
    loop {
        let (stream, peer) = match until(&mut stop, listener.accept()).await {
            None => break,
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                pause_after(&error).await;
                continue;
            }
        };
        // Refused, not kept waiting: who holds every place must not hold the accept loop too.
        let permit = match permits.acquire(peer.ip(), limits::CONNECTIONS) {
            Ok(permit) => permit,
            Err(_) => {
                tracing::debug!(%peer, "a connection to the admin port is over a limit");
                continue;
            }
        };
        let acceptor = TlsAcceptor::from(tls.load_full());
        let (router, alive, stop) = (router.clone(), alive.clone(), stop.clone());
        tokio::spawn(async move {
            let _counted = (permit, alive);
            let _ = stream.set_nodelay(true);
            let opened = async {
                let mut stream = acceptor.accept(stream).await?;
                // What speaks first has no timer further in: a silent peer is cut off here.
                stream
                    .fill_buf()
                    .await
                    .map(|first| !first.is_empty())
                    .map(|speaks| (stream, speaks))
            };
            match tokio::time::timeout(limits::HANDSHAKE_DEADLINE, opened).await {
                Ok(Ok((stream, true))) => {
                    connection::serve(stream, router, Origin::Remote(peer), limits::IDLE_DEADLINE, stop).await;
                }
                Ok(Ok((_, false))) => {}
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a connection to the admin port stayed silent for too long"),
            }
        });
    }
    drain(alive, ended).await;
}

/// Serves `router` on the local socket, to root and to the node's own user, until `stop` turns true.
pub async fn serve_socket(listener: UnixListener, router: Router, mut stop: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(limits::SOCKET_CONNECTIONS_MAX));
    let (alive, ended) = mpsc::channel(1);
    loop {
        let Some(permit) = until(&mut stop, permits.clone().acquire_owned()).await else {
            break;
        };
        let Ok(permit) = permit else { break };
        let stream = match until(&mut stop, listener.accept()).await {
            None => break,
            Some(Ok((stream, _))) => stream,
            Some(Err(error)) => {
                pause_after(&error).await;
                continue;
            }
        };
        if let Err(reason) = peer_allowed(&stream) {
            tracing::warn!(reason, "a connection to the admin socket was refused");
            continue;
        }
        let (router, alive, stop) = (router.clone(), alive.clone(), stop.clone());
        tokio::spawn(async move {
            let _counted = (permit, alive);
            connection::serve(stream, router, Origin::Local, limits::IDLE_DEADLINE, stop).await;
        });
    }
    drain(alive, ended).await;
}

/// Opens the local socket at `path`, readable by its owner alone; a socket left behind by a killed node is replaced.
/// The caller holds the data folder's lock, so that no other node lives there.
pub fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    let told = |what: &str, error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot {what} the admin socket {}: {error}", path.display()),
        )
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told("replace", error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(|error| told("open", error))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|error| told("protect", error))?;
    Ok(listener)
}

fn peer_allowed(stream: &UnixStream) -> Result<(), String> {
    let peer = stream
        .peer_cred()
        .map_err(|error| format!("its peer credentials cannot be read: {error}"))?;
    let own = rustix::process::geteuid().as_raw();
    if peer.uid() == 0 || peer.uid() == own {
        Ok(())
    } else {
        Err(format!(
            "its user {} is neither root nor the node's own {own}",
            peer.uid()
        ))
    }
}

/// The outcome of `work`, or `None` once the node stops.
async fn until<T>(stop: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => None,
        done = work => Some(done),
    }
}

/// Out of file descriptors and the like: a moment's pause instead of a busy loop.
async fn pause_after(error: &io::Error) {
    tracing::error!(%error, "the admin API cannot accept connections");
    tokio::time::sleep(limits::UNREACHABLE_PAUSE).await;
}

/// Waits until every connection has ended.
async fn drain(alive: mpsc::Sender<()>, mut ended: mpsc::Receiver<()>) {
    drop(alive);
    let _ = tokio::time::timeout(limits::DRAIN_DEADLINE, ended.recv()).await;
}
