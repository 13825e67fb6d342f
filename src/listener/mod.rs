//! One accept loop for all protocols: bind, permit, hand over; stop without touching what runs.
//!
//! What is said on a connection is left to `protocols`; which ports are open, to `reconcile`.

pub mod limits;
pub mod permit;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::events::{Event, Journal};
use crate::ids::Name;

pub use permit::{Permit, PermitLimits, Permits};

/// A connection that was let in to sign in.
#[derive(Debug)]
pub struct Accepted {
    /// The socket; small packets are sent at once.
    pub stream: TcpStream,
    /// The client; an IPv4 address never comes as a mapped IPv6 one.
    pub peer: SocketAddr,
    /// Where it came in.
    pub local: SocketAddr,
    /// To be dropped when the connection has signed in, or ends; an async block must move it in by name, or it is
    /// dropped before the first byte.
    pub permit: Permit,
}

/// What a connection does, from its first byte to its last.
pub type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A protocol, seen from the accept loop.
pub trait Serve: Send + Sync + 'static {
    /// Limits for the next connection, read at each accept; `Err` says why none is taken at all.
    fn limits(&self) -> Result<PermitLimits, String>;

    /// Serves one connection.
    fn serve(self: Arc<Self>, accepted: Accepted) -> Serving;
}

/// An open port. Dropping it closes the port; connections that run go on.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    permits: Arc<Permits>,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Opens `address` and serves what comes in by `serve`. Must be called on a runtime.
    ///
    /// # Errors
    /// The address is not this machine's, or taken, or its port needs a privilege.
    pub fn open(address: SocketAddr, service: Name, serve: Arc<dyn Serve>, journal: Journal) -> io::Result<Self> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(limits::BACKLOG)?;
        let address = listener.local_addr()?;
        let permits = Arc::new(Permits::default());
        let accepting = tokio::spawn(accept(listener, service, serve, journal, permits.clone()));
        Ok(Self {
            address,
            permits,
            accepting,
        })
    }

    /// The address that is open; with the port that the system chose, if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Connections that have not signed in.
    pub fn unauthenticated(&self) -> u32 {
        self.permits.count()
    }

    /// Closes the port and waits until it is closed; connections that run go on.
    pub async fn stop(mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, service: Name, serve: Arc<dyn Serve>, journal: Journal, permits: Arc<Permits>) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                failing = false;
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                admit(stream, peer, &service, &serve, &journal, &permits);
            }
            Err(error) => {
                if !failing {
                    tracing::error!(service = %service, %error, "no connection can be accepted; trying on");
                }
                failing = true;
                tokio::time::sleep(limits::ACCEPT_RETRY).await;
            }
        }
    }
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    service: &Name,
    serve: &Arc<dyn Serve>,
    journal: &Journal,
    permits: &Arc<Permits>,
) {
    let permit = serve.limits().and_then(|limits| permits.acquire(peer.ip(), limits));
    let permit = match permit {
        Ok(permit) => permit,
        Err(reason) => {
            journal.record(Event::ConnectionRefused {
                peer,
                service: service.clone(),
                reason,
            });
            return;
        }
    };
    let Ok(local) = stream.local_addr() else {
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the connection ended before it was served");
        return;
    }
    let serving = serve.clone().serve(Accepted {
        stream,
        peer,
        local,
        permit,
    });
    let service = service.clone();
    tokio::spawn(async move {
        if AssertUnwindSafe(serving).catch_unwind().await.is_err() {
            tracing::error!(service = %service, %peer, "serving a connection panicked; only it has ended");
        }
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Echoes; panics on `!`.
    struct Echo;

    impl Serve for Echo {
        fn limits(&self) -> Result<PermitLimits, String> {
            Ok(PermitLimits { all: 2, per_address: 2 })
        }

        fn serve(self: Arc<Self>, accepted: Accepted) -> Serving {
            Box::pin(async move {
                let Accepted {
                    mut stream,
                    permit: _permit,
                    ..
                } = accepted;
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    assert_ne!(&byte, b"!", "on purpose");
                    stream.write_all(&byte).await.unwrap();
                }
            })
        }
    }

    fn open() -> Listener {
        let address = "127.0.0.1:0".parse().unwrap();
        Listener::open(
            address,
            Name::parse("echo").unwrap(),
            Arc::new(Echo),
            Journal::default(),
        )
        .unwrap()
    }

    async fn echoes(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        stream.write_all(b"a").await.is_ok() && stream.read_exact(&mut byte).await.is_ok()
    }

    #[tokio::test]
    async fn connections_that_run_outlive_their_port() {
        let listener = open();
        let address = listener.local_addr();
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(echoes(&mut stream).await);
        listener.stop().await;
        assert!(TcpStream::connect(address).await.is_err());
        assert!(echoes(&mut stream).await);
        let address_again = TcpSocket::new_v4().unwrap();
        address_again.set_reuseaddr(true).unwrap();
        address_again.bind(address).unwrap();
    }

    #[tokio::test]
    async fn a_panic_ends_one_connection_only() {
        let listener = open();
        let mut doomed = TcpStream::connect(listener.local_addr()).await.unwrap();
        let mut other = TcpStream::connect(listener.local_addr()).await.unwrap();
        assert!(echoes(&mut other).await);
        doomed.write_all(b"!").await.unwrap();
        assert_eq!(doomed.read(&mut [0]).await.unwrap_or(0), 0);
        assert!(echoes(&mut other).await);
        let mut third = TcpStream::connect(listener.local_addr()).await.unwrap();
        assert!(echoes(&mut third).await);
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_is_closed() {
        let listener = open();
        let mut first = TcpStream::connect(listener.local_addr()).await.unwrap();
        let mut second = TcpStream::connect(listener.local_addr()).await.unwrap();
        assert!(echoes(&mut first).await && echoes(&mut second).await);
        let mut third = TcpStream::connect(listener.local_addr()).await.unwrap();
        assert!(!echoes(&mut third).await);
        assert_eq!(listener.unauthenticated(), 2);
    }
}
