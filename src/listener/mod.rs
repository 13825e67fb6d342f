//! One accept loop for all protocols: permits, PROXY headers, source networks, bans, TLS; then the connection is handed
//! over. It stops without touching what runs, or drains it.
//!
//! What is said on a connection is left to `protocols`; which ports are open, to `reconcile`.

mod admission;
mod drain;
mod header;
pub mod limits;
pub mod permit;
pub mod proxy;
mod refusal;
mod stream;
pub mod tls;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::events::Journal;
use crate::ids::Name;

use admission::Admission;
use drain::Connections;
use refusal::Register;

pub use admission::contains;
pub use drain::Drain;
pub use header::read_proxy_header;
pub use permit::{Over, Permit, PermitLimits, Permits, network_of};
pub use refusal::{Counts, Refusal};
pub use stream::{Security, Stream};
pub use tls::TlsSource;

/// A connection that was let in to sign in.
#[derive(Debug)]
pub struct Accepted {
    /// Its bytes, inside TLS where the service begins with it; small packets are sent at once.
    pub stream: Stream,
    /// The client, by the PROXY header if there was one; an IPv4 address never comes as a mapped IPv6 one.
    pub peer: SocketAddr,
    /// Where the client connected to.
    pub local: SocketAddr,
    /// The balancer that speaks for the client.
    pub balancer: Option<SocketAddr>,
    /// When it came; what a client gets to sign in counts from here.
    pub at: Instant,
    /// To be dropped when the connection has signed in, or ends; an async block must move it in by name, or it is
    /// dropped before the first byte.
    pub permit: Permit,
    /// Tells when the connection has to end.
    pub drain: Drain,
}

/// What a service demands of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The most connections that have not signed in.
    pub unauthenticated: PermitLimits,
    /// The most connections of one address (IPv6: one /64), signed in or not; 0: as many as come.
    pub connections_per_address_max: u32,
    /// Balancers: from here a PROXY header must come, from elsewhere none may.
    pub proxy_networks: Vec<IpNet>,
    /// Where clients may come from; empty: from everywhere.
    pub sources: Vec<IpNet>,
}

/// What a connection does, from its first byte to its last.
pub type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A protocol, seen from the accept loop.
pub trait Serve: Send + Sync + 'static {
    /// The terms for the next connection, read at each accept; `Err` says why none is taken at all.
    fn terms(&self) -> Result<Terms, String>;

    /// How connections are secured before the protocol begins, read for each one; `Err` says why they cannot be.
    fn security(&self) -> Result<Security, String> {
        Ok(Security::Plain)
    }

    /// Serves one connection.
    fn serve(self: Arc<Self>, accepted: Accepted) -> Serving;
}

/// Why connections from an address are refused just now, if they are; asked at each accept.
pub type Banned = Arc<dyn Fn(IpAddr) -> Option<String> + Send + Sync>;

/// What a listener needs of the node.
#[derive(Clone)]
pub struct Surroundings {
    /// Where refused connections are told.
    pub journal: Journal,
    /// Where connections are counted; one for all listeners of a node.
    pub counts: Arc<Counts>,
    /// Who is banned.
    pub banned: Banned,
}

impl Surroundings {
    /// Where nobody is banned and nothing is counted by anybody else.
    pub fn alone(journal: Journal) -> Self {
        Self {
            journal,
            counts: Arc::default(),
            banned: Arc::new(|_| None),
        }
    }
}

/// An open port. Dropping it closes the port; connections that run go on.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    permits: Arc<Permits>,
    connections: Arc<Connections>,
    accepting: JoinHandle<()>,
}

/// The connections of a port that was closed. Dropping it lets them go on.
#[derive(Debug)]
pub struct Remaining {
    connections: Arc<Connections>,
}

impl Remaining {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.connections.count() == 0
    }

    /// Tells them to end by `within` from now; what does not is dropped [`limits::DRAIN_GRACE`] later. Telling them
    /// again can only make it sooner.
    pub fn drain(&self, within: Duration) {
        self.connections.begin(within);
    }

    /// Resolves when none is left.
    pub async fn ended(&self) {
        self.connections.ended().await;
    }

    /// Of a port that never had one.
    pub fn none() -> Self {
        Self {
            connections: Arc::new(Connections::new()),
        }
    }
}

impl Listener {
    /// Opens `address` for `service` and serves what comes in by `serve`. Must be called on a runtime.
    ///
    /// # Errors
    /// The address is not this machine's, or taken, or its port needs a privilege.
    pub fn open(
        address: SocketAddr,
        service: Name,
        serve: Arc<dyn Serve>,
        surroundings: Surroundings,
    ) -> io::Result<Self> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(limits::BACKLOG)?;
        let address = listener.local_addr()?;
        let (permits, connections) = (Arc::new(Permits::default()), Arc::new(Connections::new()));
        let Surroundings {
            journal,
            counts,
            banned,
        } = surroundings;
        let admission = Arc::new(Admission {
            serve,
            register: Arc::new(Register::new(service, journal, counts)),
            banned,
            permits: permits.clone(),
            connections: connections.clone(),
        });
        let accepting = tokio::spawn(accept(listener, admission));
        Ok(Self {
            address,
            permits,
            connections,
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

    /// Closes the port and waits until it is closed; connections that run go on, until they are drained.
    pub async fn stop(mut self) -> Remaining {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        Remaining {
            connections: self.connections.clone(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, admission: Arc<Admission>) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((socket, from)) => {
                failing = false;
                let arriving = catch_unwind(AssertUnwindSafe(|| admission.arrive(socket, from)));
                if arriving.is_err() {
                    tracing::error!(%from, "admitting a connection panicked; only it has ended");
                }
            }
            // The peer gave up while it waited to be accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !failing {
                    let service = admission.register.service();
                    tracing::error!(%service, %error, "no connection can be accepted; trying on");
                }
                failing = true;
                tokio::time::sleep(limits::ACCEPT_RETRY).await;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
