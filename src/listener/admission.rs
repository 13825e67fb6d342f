//! From an accepted socket to a connection that its protocol may serve: permits, PROXY header, source networks, bans,
//! TLS, in this order and before the protocol does anything.
//!
//! Accepting is left to the loop above; what is said on a connection, to `protocols`.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::drain::{Connections, Drain};
use super::limits::{DRAIN_GRACE, HANDSHAKE_DEADLINE, HEADER_DEADLINE};
use super::permit::{Counted, Permit, Permits};
use super::proxy::Claim;
use super::refusal::{Refusal, Register};
use super::stream::{Security, Stream};
use super::{Accepted, Banned, Serve, Terms, header};

/// What all connections of a listener share.
pub(super) struct Admission {
    pub(super) serve: Arc<dyn Serve>,
    pub(super) register: Arc<Register>,
    pub(super) banned: Banned,
    pub(super) permits: Arc<Permits>,
    pub(super) connections: Arc<Connections>,
}

/// A connection on its way in.
struct Arrival {
    socket: TcpStream,
    /// The socket's own peer: the client, or the balancer before it.
    from: SocketAddr,
    at: Instant,
    drain: Drain,
}

/// A peer that may come in.
struct Admitted {
    peer: SocketAddr,
    permit: Permit,
    counted: Counted,
}

impl Admission {
    /// Refuses at once, or serves in a task of its own.
    pub(super) fn arrive(self: &Arc<Self>, socket: TcpStream, from: SocketAddr) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let arrival = Arrival {
            socket,
            from,
            at: Instant::now(),
            drain: self.connections.drain(),
        };
        let terms = match self.serve.terms() {
            Ok(terms) => terms,
            Err(reason) => return self.register.refused(from, &Refusal::Unready(reason)),
        };
        let entered = self.permits.enter(terms.unauthenticated.all).map_err(Refusal::Over);
        if contains(&terms.proxy_networks, from.ip()) {
            match entered {
                Ok(permit) => self.spawn(arrival, Self::serve_behind_balancer, (permit, terms)),
                Err(refusal) => self.register.refused(from, &refusal),
            }
            return;
        }
        match entered.and_then(|permit| self.admit(from, permit, &terms)) {
            Ok(admitted) => self.spawn(arrival, Self::serve_directly, admitted),
            Err(refusal) => self.register.refused(from, &refusal),
        }
    }

    /// Runs `serving` with a wall round its panics and an end at the drain's deadline.
    fn spawn<T, F, S>(self: &Arc<Self>, arrival: Arrival, serving: S, with: T)
    where
        S: FnOnce(Arc<Self>, Arrival, T) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let (from, drain, register) = (arrival.from, arrival.drain.clone(), self.register.clone());
        let serving = serving(self.clone(), arrival, with);
        tokio::spawn(async move {
            let service = register.service();
            match AssertUnwindSafe(drain.bound(serving, DRAIN_GRACE)).catch_unwind().await {
                Ok(true) => {}
                Ok(false) => tracing::warn!(%service, %from, "a connection did not end in time and was dropped"),
                Err(_) => tracing::error!(%service, %from, "serving a connection panicked; only it has ended"),
            }
        });
    }

    async fn serve_behind_balancer(self: Arc<Self>, mut arrival: Arrival, (permit, terms): (Permit, Terms)) {
        let until = arrival.at + HEADER_DEADLINE;
        let read = header::read(&mut arrival.socket, until).await;
        let (claim, early) = match read {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(error) => return self.register.refused(arrival.from, &Refusal::Proxy(error)),
        };
        let (peer, destination) = match claim {
            Claim::Own => (arrival.from, None),
            Claim::Client { source, destination } => (source, Some(destination)),
        };
        match self.admit(peer, permit, &terms) {
            Ok(admitted) => self.serve(arrival, admitted, early, destination).await,
            Err(refusal) => self.register.refused(peer, &refusal),
        }
    }

    async fn serve_directly(self: Arc<Self>, arrival: Arrival, admitted: Admitted) {
        self.serve(arrival, admitted, Vec::new(), None).await;
    }

    /// Whether `peer` may come in: by its address, then by how many are here.
    fn admit(&self, peer: SocketAddr, mut permit: Permit, terms: &Terms) -> Result<Admitted, Refusal> {
        let address = peer.ip();
        if !terms.sources.is_empty() && !contains(&terms.sources, address) {
            return Err(Refusal::Source(address));
        }
        if let Some(reason) = (self.banned)(address) {
            return Err(Refusal::Banned(reason));
        }
        permit
            .claim(address, terms.unauthenticated.per_address)
            .map_err(Refusal::Over)?;
        let counted = self
            .permits
            .count_connection(address, terms.connections_per_address_max)
            .map_err(Refusal::Over)?;
        Ok(Admitted { peer, permit, counted })
    }

    async fn serve(
        self: Arc<Self>,
        arrival: Arrival,
        admitted: Admitted,
        early: Vec<u8>,
        destination: Option<SocketAddr>,
    ) {
        let Arrival {
            socket,
            from,
            at,
            drain,
        } = arrival;
        let Admitted { peer, permit, counted } = admitted;
        let Ok(local) = socket.local_addr() else { return };
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the connection ended before it was served");
            return;
        }
        let stream = Stream::new(socket, early, peer, self.register.clone());
        let stream = match self.secure(stream, at).await {
            Ok(stream) => stream,
            Err(reason) => return self.register.refused(peer, &Refusal::Tls(reason)),
        };
        self.register.accepted();
        let accepted = Accepted {
            stream,
            peer,
            local: destination.unwrap_or(local),
            balancer: (peer != from).then_some(from),
            at,
            permit,
            drain,
        };
        let _counted = counted;
        self.serve.clone().serve(accepted).await;
    }

    async fn secure(&self, stream: Stream, at: Instant) -> Result<Stream, String> {
        match self.serve.security()? {
            Security::Plain => Ok(stream),
            Security::Tls(config) => {
                let left = (at + HANDSHAKE_DEADLINE).saturating_duration_since(Instant::now());
                stream.secure(config, left).await.map_err(|error| error.to_string())
            }
        }
    }
}

/// Whether `address` lies in one of the networks; a mapped address is its IPv4 address, also in a network.
pub fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| match (network, address) {
        (IpNet::V6(network), IpAddr::V4(address)) => {
            network.prefix_len() >= 96 && network.contains(&address.to_ipv6_mapped())
        }
        (network, address) => network.contains(&address),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_lies_in_ipv4_networks_and_in_their_mapped_form() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("::/0", "10.1.2.3", false),
            ("::/0", "2001:db8::1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
        ] {
            let networks = [network.parse().unwrap()];
            assert_eq!(
                contains(&networks, address.parse().unwrap()),
                expected,
                "{address} in {network}"
            );
        }
    }
}
