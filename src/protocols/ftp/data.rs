//! Data connections: from the door that the session has opened to a stream that a transfer reads or writes.
//!
//! Passive ports are in `passive`; what moves over a connection is left to `transfer`.

pub mod passive;
pub mod stream;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::limits::{DATA_CONNECT_MAX, DATA_HANDSHAKE_MAX, TLS_UNSENT_BYTES_MAX};
use super::wire::Reply;
use crate::catalog::DataPeer;
use crate::x509::sha256;

use passive::{Given, Lease};
use stream::{DataStream, Gauge, Wire};

/// What TLS a data connection gets, taken over from the control connection.
#[derive(Clone)]
pub struct Privacy {
    /// The configuration of the control connection's own handshake: what was trusted then is trusted here.
    pub config: Arc<rustls::ServerConfig>,
    /// Tells the tickets of this control connection from all others.
    pub mark: [u8; 16],
    /// Whose data connections are taken.
    pub peer: DataPeer,
    /// Where the control connection comes from.
    pub client: IpAddr,
    /// The certificate that the client has shown there, if any (SHA-256).
    pub shown: Option<[u8; 32]>,
}

impl Privacy {
    /// Whether the TLS session is the control connection's, resumed. In TLS 1.2 a session cannot be told from another
    /// one of this service: there the address has to be the same too.
    fn is_own(&self, connection: &rustls::ServerConnection, client: IpAddr) -> bool {
        if connection.received_resumption_data() == Some(&self.mark[..]) {
            return true;
        }
        let resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        let old = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_2);
        old && resumed && client.to_canonical() == self.client.to_canonical()
    }
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The client.
    Up,
    /// The server.
    Down,
}

/// Where the connection comes from.
pub enum Opening {
    /// The client comes.
    Passive(Lease),
    /// We go there, from this address.
    Active(SocketAddr, IpAddr),
}

/// A TCP connection for data.
///
/// # Errors
/// The reply: none came, or could be made, in time.
pub async fn connect(opening: Opening) -> Result<Given, Reply> {
    let none = |what: &str| Reply::new(425, format!("No data connection: {what}."));
    match opening {
        Opening::Passive(lease) => match timeout(DATA_CONNECT_MAX, lease.given()).await {
            Ok(Some(given)) => Ok(given),
            Ok(None) => Err(none("the port was closed")),
            Err(_) => Err(none("nobody came in time")),
        },
        Opening::Active(to, from) => match timeout(DATA_CONNECT_MAX, go(to, from)).await {
            Ok(Ok(given)) => Ok(given),
            Ok(Err(error)) => Err(none(&error.kind().to_string())),
            Err(_) => Err(none("the client did not answer in time")),
        },
    }
}

async fn go(to: SocketAddr, from: IpAddr) -> io::Result<Given> {
    let from = from.to_canonical();
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // From the address that the client knows; where its family is another (a balancer), from any.
    if from.is_ipv4() == to.is_ipv4() {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let socket = socket.connect(to).await?;
    Ok(Given {
        socket,
        client: to.ip(),
        early: Vec::new(),
    })
}

/// Puts TLS round the connection where it is private, and sees that it is the control connection's own client.
///
/// # Errors
/// The reply: the handshake failed, or the session is another's.
pub async fn prepare(
    given: Given,
    privacy: Option<&Privacy>,
    direction: Direction,
    gauge: Arc<Gauge>,
) -> Result<DataStream, Reply> {
    let _ = given.socket.set_nodelay(true);
    let client = given.client;
    let wire = Wire::new(given.socket, given.early, gauge, privacy.is_some());
    let Some(privacy) = privacy else {
        return Ok(DataStream::plain(wire));
    };
    let config = match direction {
        Direction::Down => privacy.config.clone(),
        Direction::Up => {
            // A client that only sends reads nothing more: tickets that it has not read when it closes would have its
            // kernel reset the connection, and throw away what it has sent.
            let mut config = rustls::ServerConfig::clone(&privacy.config);
            config.send_tls13_tickets = 0;
            Arc::new(config)
        }
    };
    let acceptor = tokio_rustls::TlsAcceptor::from(config.clone());
    let mark = privacy.mark;
    let handshake = acceptor.accept_with(wire, |connection| {
        connection.set_resumption_data(&mark);
        connection.set_buffer_limit(Some(TLS_UNSENT_BYTES_MAX));
    });
    let stream = match within(DATA_HANDSHAKE_MAX, handshake).await {
        Ok(stream) => DataStream::secured(stream, config),
        Err(error) => return Err(Reply::new(425, format!("No TLS on the data connection: {error}."))),
    };
    let shown = stream.client_chain().first().map(|own| sha256(own));
    if privacy.shown.is_some() && privacy.shown != shown {
        let text = "The client certificate of the data connection must be the control connection's.";
        return Err(Reply::new(522, text));
    }
    let is_own = stream.tls().is_some_and(|tls| privacy.is_own(tls, client));
    if privacy.peer == DataPeer::Resumed && !is_own {
        let text = "The TLS session of the data connection must be the control connection's, resumed.";
        return Err(Reply::new(522, text));
    }
    Ok(stream)
}

async fn within<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
    timeout(time, work).await.unwrap_or_else(|_| Err(late()))
}
