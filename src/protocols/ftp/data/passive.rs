//! Passive ports: listeners that sessions share. A connection goes to the session that waits for it, and to nobody
//! else.
//!
//! Two sessions wait on one port only if no connection could be meant for both.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};

use crate::catalog::DataPeer;
use crate::listener::{contains, limits::HEADER_DEADLINE, read_proxy_header};
use crate::protocols::ftp::limits::{DATA_BACKLOG, HEADERS_MAX, NETWORK_BITS_V4, NETWORK_BITS_V6, PORT_IDLE};

/// Whose connection a session waits for.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The client, as its control connection had it.
    pub client: IpAddr,
    /// How near its data connection has to be.
    pub peer: DataPeer,
    /// The control connection came with a PROXY header from one of these networks: so does this one. `None`: it had
    /// none, and neither has this one.
    pub balancers: Option<Arc<[IpNet]>>,
}

impl Expected {
    /// Whether a connection of `client` may be this session's.
    fn takes(&self, client: IpAddr) -> bool {
        match self.peer {
            DataPeer::SameAddress => same(self.client, client),
            DataPeer::SameNetwork => network(self.client) == network(client),
            // TLS tells.
            DataPeer::Resumed => true,
        }
    }

    /// Whether some connection could be meant for either.
    fn is_like(&self, other: &Self) -> bool {
        match (self.peer, other.peer) {
            (DataPeer::Resumed, _) | (_, DataPeer::Resumed) => true,
            (DataPeer::SameAddress, DataPeer::SameAddress) => same(self.client, other.client),
            _ => network(self.client) == network(other.client),
        }
    }

    fn is_behind(&self, balancer: IpAddr) -> bool {
        let networks = self.balancers.as_deref();
        networks.is_some_and(|networks| contains(networks, balancer))
    }
}

fn same(one: IpAddr, other: IpAddr) -> bool {
    one.to_canonical() == other.to_canonical()
}

fn network(address: IpAddr) -> Option<IpNet> {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() {
        NETWORK_BITS_V4
    } else {
        NETWORK_BITS_V6
    };
    IpNet::new(address, bits).ok().map(|network| network.trunc())
}

/// A connection that was given to its session.
#[derive(Debug)]
pub struct Given {
    /// The socket.
    pub socket: TcpStream,
    /// The client at its other end, perhaps behind a balancer.
    pub client: IpAddr,
    /// What came with a PROXY header.
    pub early: Vec<u8>,
}

struct Waiter {
    id: u64,
    expected: Expected,
    give: oneshot::Sender<Given>,
}

/// All passive ports of a node.
#[derive(Default)]
pub struct Passive {
    ports: Mutex<Ports>,
    headers: HeadersRead,
}

#[derive(Default)]
struct Ports {
    open: HashMap<SocketAddr, Vec<Waiter>>,
    last_id: u64,
}

/// Bounds the PROXY headers that are read at one time.
struct HeadersRead(Arc<Semaphore>);

impl Default for HeadersRead {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HEADERS_MAX)))
    }
}

/// A session's place at a port; dropping it gives the place back.
pub struct Lease {
    /// The port.
    pub port: u16,
    address: SocketAddr,
    id: u64,
    given: oneshot::Receiver<Given>,
    home: Arc<Passive>,
}

impl Lease {
    /// The connection, once it has come; `None`: the port failed.
    pub async fn given(mut self) -> Option<Given> {
        (&mut self.given).await.ok()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut ports = self.home.lock();
        if let Some(waiters) = ports.open.get_mut(&self.address) {
            waiters.retain(|waiter| waiter.id != self.id);
        }
    }
}

impl Passive {
    fn lock(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place at a port of `range` on the node's address `on`, from a random one on. Must be called on a runtime.
    ///
    /// # Errors
    /// No port is free.
    pub fn lease(self: &Arc<Self>, on: IpAddr, range: (u16, u16), expected: Expected) -> io::Result<Lease> {
        let mut random = [0; 4];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("the random generator failed"))?;
        let (first, last) = (u32::from(range.0), u32::from(range.1.max(range.0)));
        let count = last - first + 1;
        let start = u32::from_le_bytes(random) % count;
        let mut failure = None;
        let mut ports = self.lock();
        for step in 0..count {
            let port = u16::try_from(first + (start + step) % count).unwrap_or(range.0);
            let address = SocketAddr::new(on, port);
            match ports.open.get(&address) {
                Some(waiters) if waiters.iter().any(|waiter| waiter.expected.is_like(&expected)) => continue,
                Some(_) => {}
                None => match bind(address) {
                    Ok(listener) => {
                        ports.open.insert(address, Vec::new());
                        tokio::spawn(accept(self.clone(), listener, address));
                    }
                    Err(error) => {
                        failure = Some(error);
                        continue;
                    }
                },
            }
            ports.last_id += 1;
            let id = ports.last_id;
            let (give, given) = oneshot::channel();
            let waiters = ports.open.entry(address).or_default();
            waiters.push(Waiter { id, expected, give });
            return Ok(Lease {
                port,
                address,
                id,
                given,
                home: self.clone(),
            });
        }
        Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "all passive ports are in use")))
    }

    /// Whether who waits at `address` is behind the balancer `from`.
    fn awaits_header(&self, address: SocketAddr, from: IpAddr) -> bool {
        let ports = self.lock();
        let waiters = ports.open.get(&address).map(Vec::as_slice).unwrap_or_default();
        waiters.iter().any(|waiter| waiter.expected.is_behind(from))
    }

    /// Takes out who waits for a connection of `client`; `balancer`: the one whose header named the client.
    fn take(&self, address: SocketAddr, client: IpAddr, balancer: Option<IpAddr>) -> Option<Waiter> {
        let mut ports = self.lock();
        let waiters = ports.open.get_mut(&address)?;
        let is_meant = |waiter: &Waiter| {
            let way = match balancer {
                Some(balancer) => waiter.expected.is_behind(balancer),
                None => waiter.expected.balancers.is_none(),
            };
            way && waiter.expected.takes(client)
        };
        let at = waiters.iter().position(is_meant)?;
        Some(waiters.swap_remove(at))
    }

    /// Gives a connection to whom it is meant for; nobody's is closed.
    fn give(&self, address: SocketAddr, balancer: Option<IpAddr>, given: Given) {
        let client = given.client;
        match self.take(address, client, balancer) {
            Some(waiter) => {
                let _ = waiter.give.send(given);
            }
            None => tracing::info!(%address, %client, "a data connection that no session waits for was closed"),
        }
    }

    fn arrived(self: &Arc<Self>, address: SocketAddr, mut socket: TcpStream, from: IpAddr) {
        if !self.awaits_header(address, from) {
            let given = Given {
                socket,
                client: from,
                early: Vec::new(),
            };
            return self.give(address, None, given);
        }
        let Ok(room) = self.headers.0.clone().try_acquire_owned() else {
            tracing::warn!(%address, %from, "too many PROXY headers are being read; a data connection was closed");
            return;
        };
        let home = self.clone();
        tokio::spawn(async move {
            let until = Instant::now() + HEADER_DEADLINE;
            match read_proxy_header(&mut socket, until).await {
                Ok(Some((source, early))) => {
                    let client = source.map_or(from, |source| source.ip());
                    home.give(address, Some(from), Given { socket, client, early });
                }
                Ok(None) => {}
                Err(error) => tracing::info!(%address, %from, %error, "a data connection was closed"),
            }
            drop(room);
        });
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(DATA_BACKLOG)
}

/// Accepts at a port until nobody has waited on it for a while.
async fn accept(home: Arc<Passive>, listener: TcpListener, address: SocketAddr) {
    loop {
        match timeout(PORT_IDLE, listener.accept()).await {
            Ok(Ok((socket, from))) => home.arrived(address, socket, from.ip().to_canonical()),
            Ok(Err(error)) => {
                tracing::warn!(%address, %error, "a data connection could not be accepted");
                tokio::time::sleep(crate::listener::limits::ACCEPT_RETRY).await;
            }
            Err(_) => {
                let mut ports = home.lock();
                if ports.open.get(&address).is_none_or(Vec::is_empty) {
                    // Closed while the lock is held: who comes next may bind it again.
                    ports.open.remove(&address);
                    drop(listener);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
