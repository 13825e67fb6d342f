//! How FTP is spoken by a service: data connections and where TLS is required.
//!
//! What all services have is in `service`.

use std::net::Ipv4Addr;

use ipnet::IpNet;

/// How FTP is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FtpSettings {
    /// The ports of passive data connections: first and last, 1024 to 65535.
    pub passive_ports: (u16, u16),
    /// The address that clients are told for passive data connections.
    pub passive_address: PassiveAddress,
    /// Other addresses for clients of these networks; the first that holds the client counts.
    pub passive_networks: Vec<PassiveNetwork>,
    /// Whether the node connects to clients that ask for it (PORT and EPRT).
    pub active: bool,
    /// Whose passive data connections are taken.
    pub data_peer: DataPeer,
    /// Nobody signs in before AUTH TLS. A service of the kind `ftps-implicit` begins with TLS whatever this says.
    pub require_tls_control: bool,
    /// No data connection without TLS.
    pub require_tls_data: bool,
    /// Uploads whose TLS ends without close_notify are published all the same.
    pub lenient_tls_end: bool,
    /// Seconds in which a transfer must move a byte.
    pub data_idle_seconds: u32,
    /// Bytes a second that a peer must take or send on average; 0: any.
    pub minimum_rate: u64,
}

impl Default for FtpSettings {
    fn default() -> Self {
        Self {
            passive_ports: (50_000, 50_999),
            passive_address: PassiveAddress::Connection,
            passive_networks: Vec::new(),
            active: true,
            data_peer: DataPeer::SameAddress,
            require_tls_control: true,
            require_tls_data: true,
            lenient_tls_end: false,
            data_idle_seconds: 120,
            minimum_rate: 0,
        }
    }
}

/// The address that clients are told for passive data connections; they read it in the answer to PASV only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PassiveAddress {
    /// The one that the client's control connection came to.
    #[default]
    Connection,
    /// This one.
    Address(Ipv4Addr),
    /// What this name stands for at the time.
    Name(String),
}

/// Clients of a network and what they are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassiveNetwork {
    /// Where the clients are.
    pub clients: IpNet,
    /// What they are told.
    pub address: PassiveAddress,
}

/// Whose data connections are taken for a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataPeer {
    /// Those from the address of the control connection.
    #[default]
    SameAddress,
    /// Those from its network: the same /24, or /64 of IPv6.
    SameNetwork,
    /// Those whose TLS session resumes the control connection's, from any address. Without TLS on the data
    /// connection, those from the same address.
    Resumed,
}

impl DataPeer {
    /// What counts where the data connection has no TLS.
    pub fn without_tls(self) -> Self {
        match self {
            Self::Resumed => Self::SameAddress,
            other => other,
        }
    }
}
