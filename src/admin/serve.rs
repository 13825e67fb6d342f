//! The two ways in: a TLS port for everybody with a token, and a local socket for root.
//!
//! What is served is left to `routes`; the sockets are opened by the node.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::caller::Origin;
use super::limits;
use crate::listener::Permits;

/// The TLS configuration of the admin port; swapping it changes what the next connection sees.
pub type TlsSource = Arc<ArcSwap<rustls::ServerConfig>>;

/// Serves `router` over TLS until `stop` turns true, then lets open requests end for [`limits::DRAIN_DEADLINE`].
pub async fn serve_tls(listener: TcpListener, tls: TlsSource, router: Router, mut stop: watch::Receiver<bool>) {
    let permits = Arc::new(Permits::default());
    let graceful = GracefulShutdown::new();
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
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
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
                Ok(Ok((stream, true))) => serve_connection(stream, router, Origin::Remote(peer), watcher).await,
                Ok(Ok((_, false))) => {}
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a connection to the admin port stayed silent for too long"),
            }
        });
    }
    drain(graceful).await;
}

/// Serves `router` on the local socket, to root and to the node's own user, until `stop` turns true.
pub async fn serve_socket(listener: UnixListener, router: Router, mut stop: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(limits::SOCKET_CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
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
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            serve_connection(stream, router, Origin::Local, watcher).await;
        });
    }
    drain(graceful).await;
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

async fn serve_connection<S>(stream: S, router: Router, origin: Origin, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_DEADLINE)
        .max_buf_size(limits::HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(limits::HEADER_DEADLINE)
        .keep_alive_timeout(limits::HANDSHAKE_DEADLINE);
    let service = router.map_request(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(origin);
        request.map(axum::body::Body::new)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    // What breaks a connection is the peer's affair; refusals were answered.
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%origin, %error, "an admin connection broke");
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

async fn drain(graceful: GracefulShutdown) {
    let _ = tokio::time::timeout(limits::DRAIN_DEADLINE, graceful.shutdown()).await;
}
