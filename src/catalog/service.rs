//! The service: a port that every node serves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::restrictions::Restrictions;
use super::service_ftp::{FtpSettings, PassiveAddress};
use super::service_http::HttpSettings;
use super::service_tls::TlsSettings;
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
    /// The most connections of one address at one time on one node, signed in or not.
    pub connections_per_address_max: u32,
    /// Seconds to sign in.
    pub login_grace_seconds: u32,
    /// Failed tries before the connection is closed.
    pub login_attempts_max: u32,
    /// Seconds without a byte before a session is closed; 0: never.
    pub idle_seconds: u32,
    /// Seconds between keepalives; 0: none. Three without an answer close the connection.
    pub keepalive_seconds: u32,
    /// Seconds that running connections have to end by themselves when the service goes off or the node stops.
    pub drain_seconds: u32,
    /// Networks from which it may be used; empty: any.
    pub sources: Vec<IpNet>,
    /// Balancers: from these networks a PROXY header must come first, from all others none may.
    pub proxy_networks: Vec<IpNet>,
    /// Who may use it, together with the members of `groups`; both empty: every account.
    pub accounts: Vec<Name>,
    /// Whose members may use it.
    pub groups: Vec<Name>,
    /// Limits for everybody here, besides each account's own.
    pub restrictions: Restrictions,
    /// Authorities whose user certificates let in (SSH).
    pub user_authorities: Vec<Name>,
    /// Algorithms and rekeying (SSH).
    pub ssh: SshSettings,
    /// Certificates, versions and algorithms (TLS).
    pub tls: TlsSettings,
    /// Data connections and where TLS is required (FTP and FTPS).
    pub ftp: FtpSettings,
    /// What is served and for how long (HTTP and HTTPS).
    pub http: HttpSettings,
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
    /// Other balancers there.
    pub proxy_networks: Option<Vec<IpNet>>,
    /// Another address for passive data connections (FTP).
    pub passive_address: Option<PassiveAddress>,
}

/// How SSH is spoken. A list that is empty is the policy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSettings {
    /// What holds where a list says nothing.
    pub policy: SshPolicy,
    /// Key exchange methods, the preferred one first.
    pub key_exchanges: Vec<String>,
    /// Ciphers.
    pub ciphers: Vec<String>,
    /// Message authentication codes, for ciphers that need one.
    pub macs: Vec<String>,
    /// Signature algorithms of host keys.
    pub host_key_algorithms: Vec<String>,
    /// Signature algorithms of users' keys.
    pub signature_algorithms: Vec<String>,
    /// DSA keys of users are taken: a legacy setting for partners that have nothing else.
    pub legacy_dsa: bool,
    /// Bytes after which new keys are agreed.
    pub rekey_bytes: u64,
    /// Seconds after which new keys are agreed.
    pub rekey_seconds: u32,
}

/// A named choice of SSH algorithms; `manual` says which and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SshPolicy {
    /// Post-quantum key exchange only: clients of 2024 and later.
    Modern,
    /// Modern first, then curve25519 for clients before that.
    #[default]
    Standard,
    /// Standard first, then what older partners need: NIST curves, finite fields, CTR ciphers.
    Compatible,
    /// Algorithms with names that FIPS 140-3 approves; no claim of a validated module.
    FipsNames,
}

impl Default for SshSettings {
    fn default() -> Self {
        Self {
            policy: SshPolicy::default(),
            key_exchanges: Vec::new(),
            ciphers: Vec::new(),
            macs: Vec::new(),
            host_key_algorithms: Vec::new(),
            signature_algorithms: Vec::new(),
            legacy_dsa: false,
            rekey_bytes: 1 << 30,
            rekey_seconds: 3600,
        }
    }
}

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// SSH with the SFTP subsystem.
    Sftp,
    /// FTP in clear; with a certificate AUTH TLS is offered.
    Ftp,
    /// FTP that begins in clear and goes on in TLS by AUTH TLS.
    Ftps,
    /// FTP inside TLS from the first byte.
    FtpsImplicit,
    /// HTTP in clear.
    Http,
    /// HTTP inside TLS.
    Https,
}

impl ServiceKind {
    /// Whether it cannot do without a certificate.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Ftps | Self::FtpsImplicit | Self::Https)
    }

    /// Whether SSH is spoken.
    pub fn is_ssh(self) -> bool {
        matches!(self, Self::Sftp)
    }
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
            connections_per_address_max: 1_000,
            login_grace_seconds: 60,
            login_attempts_max: 6,
            idle_seconds: 900,
            keepalive_seconds: 60,
            drain_seconds: 30,
            sources: Vec::new(),
            proxy_networks: Vec::new(),
            accounts: Vec::new(),
            groups: Vec::new(),
            restrictions: Restrictions::default(),
            user_authorities: Vec::new(),
            ssh: SshSettings::default(),
            tls: TlsSettings::default(),
            ftp: FtpSettings::default(),
            http: HttpSettings::default(),
            nodes: BTreeMap::new(),
        }
    }

    /// An FTP service of one of the three kinds; a plain one requires no TLS.
    pub fn ftp(kind: ServiceKind, port: u16) -> Self {
        let plain = kind == ServiceKind::Ftp;
        Self {
            kind,
            ftp: FtpSettings {
                require_tls_control: !plain,
                require_tls_data: !plain,
                ..FtpSettings::default()
            },
            ..Self::sftp(port, Vec::new())
        }
    }

    /// An HTTP service, in clear or inside TLS.
    pub fn http(kind: ServiceKind, port: u16) -> Self {
        Self {
            kind,
            ..Self::sftp(port, Vec::new())
        }
    }

    /// What clients from `client` are told as the address of passive data connections on the node `node`.
    pub fn passive_address_for(&self, node: &str, client: std::net::IpAddr) -> &PassiveAddress {
        let of_network = self.ftp.passive_networks.iter().find(|of| of.clients.contains(&client));
        let of_node = self
            .nodes
            .get(node)
            .and_then(|differs| differs.passive_address.as_ref());
        of_network
            .map(|of| &of.address)
            .or(of_node)
            .unwrap_or(&self.ftp.passive_address)
    }

    /// Whether it is on on the node `node`.
    pub fn is_enabled_on(&self, node: &str) -> bool {
        self.nodes
            .get(node)
            .and_then(|differs| differs.enabled)
            .unwrap_or(self.enabled)
    }

    /// The balancers whose PROXY header counts on the node `node`.
    pub fn proxy_networks_on(&self, node: &str) -> &[IpNet] {
        self.nodes
            .get(node)
            .and_then(|differs| differs.proxy_networks.as_deref())
            .unwrap_or(&self.proxy_networks)
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
