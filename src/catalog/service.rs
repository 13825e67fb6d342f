//! The service: a port that every node serves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::ids::Name;

/// A protocol on a port of every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// A service that is off has no port open; its sessions are closed.
    pub enabled: bool,
    /// The protocol.
    pub kind: ServiceKind,
    /// TCP port, 1 to 65535.
    pub port: u16,
    /// Where to listen; `None`: the node's own `service_address`.
    pub address: Option<IpAddr>,
    /// Host keys to show, the first the most preferred (SSH).
    pub host_keys: Vec<Name>,
    /// Shown before signing in; empty: none.
    pub banner: String,
    /// The most sessions at one time on one node.
    pub sessions_max: u32,
    /// The most connections that have not signed in, in all, on one node.
    pub unauthenticated_max: u32,
    /// The same for one address.
    pub unauthenticated_per_address_max: u32,
    /// Seconds to sign in.
    pub login_grace_seconds: u32,
    /// Failed tries before the connection is closed.
    pub login_attempts_max: u32,
    /// Seconds without a byte before a session is closed; 0: never.
    pub idle_seconds: u32,
    /// Seconds between keepalives; 0: none. Three without an answer close the connection.
    pub keepalive_seconds: u32,
    /// Differences for a named node.
    pub nodes: BTreeMap<String, ServiceOverride>,
}

/// What differs on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceOverride {
    /// Listen here instead.
    pub address: Option<IpAddr>,
    /// On this port instead.
    pub port: Option<u16>,
    /// Switch it off there.
    pub enabled: Option<bool>,
}

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// SSH with the SFTP subsystem.
    Sftp,
}

impl Service {
    /// An SFTP service with the defaults that the manual argues for.
    pub fn sftp(port: u16, host_keys: Vec<Name>) -> Self {
        Self {
            enabled: true,
            kind: ServiceKind::Sftp,
            port,
            address: None,
            host_keys,
            banner: String::new(),
            sessions_max: 2_000,
            unauthenticated_max: 200,
            unauthenticated_per_address_max: 20,
            login_grace_seconds: 60,
            login_attempts_max: 6,
            idle_seconds: 900,
            keepalive_seconds: 60,
            nodes: BTreeMap::new(),
        }
    }

    /// Whether it is on on the node `node`.
    pub fn is_enabled_on(&self, node: &str) -> bool {
        self.nodes
            .get(node)
            .and_then(|differs| differs.enabled)
            .unwrap_or(self.enabled)
    }

    /// Port and address on the node `node`, whose own address is `service_address`; `None` where it is off.
    pub fn endpoint(&self, node: &str, service_address: IpAddr) -> Option<std::net::SocketAddr> {
        let differs = self.nodes.get(node);
        let port = differs.and_then(|differs| differs.port).unwrap_or(self.port);
        let address = differs
            .and_then(|differs| differs.address)
            .or(self.address)
            .unwrap_or(service_address);
        self.is_enabled_on(node)
            .then(|| std::net::SocketAddr::new(address, port))
    }
}
