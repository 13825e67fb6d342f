//! How a service speaks FTP, in format version 1.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::catalog::{DataPeer, FtpSettings, PassiveAddress, PassiveNetwork};

#[derive(Serialize, Deserialize)]
pub(super) struct FtpSettingsV1 {
    passive_ports: (u16, u16),
    passive_address: PassiveAddressV1,
    passive_networks: Vec<PassiveNetworkV1>,
    active: bool,
    data_peer: DataPeerV1,
    require_tls_control: bool,
    require_tls_data: bool,
    lenient_tls_end: bool,
    data_idle_seconds: u32,
    minimum_rate: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) enum PassiveAddressV1 {
    Connection,
    Address(Ipv4Addr),
    Name(String),
}

#[derive(Serialize, Deserialize)]
struct PassiveNetworkV1 {
    clients: String,
    address: PassiveAddressV1,
}

#[derive(Serialize, Deserialize)]
enum DataPeerV1 {
    SameAddress,
    SameNetwork,
    Resumed,
}

impl From<&PassiveAddress> for PassiveAddressV1 {
    fn from(address: &PassiveAddress) -> Self {
        match address {
            PassiveAddress::Connection => Self::Connection,
            PassiveAddress::Address(address) => Self::Address(*address),
            PassiveAddress::Name(name) => Self::Name(name.clone()),
        }
    }
}

impl From<PassiveAddressV1> for PassiveAddress {
    fn from(stored: PassiveAddressV1) -> Self {
        match stored {
            PassiveAddressV1::Connection => Self::Connection,
            PassiveAddressV1::Address(address) => Self::Address(address),
            PassiveAddressV1::Name(name) => Self::Name(name),
        }
    }
}

impl From<&FtpSettings> for FtpSettingsV1 {
    fn from(ftp: &FtpSettings) -> Self {
        let network = |of: &PassiveNetwork| PassiveNetworkV1 {
            clients: of.clients.to_string(),
            address: (&of.address).into(),
        };
        Self {
            passive_ports: ftp.passive_ports,
            passive_address: (&ftp.passive_address).into(),
            passive_networks: ftp.passive_networks.iter().map(network).collect(),
            active: ftp.active,
            data_peer: match ftp.data_peer {
                DataPeer::SameAddress => DataPeerV1::SameAddress,
                DataPeer::SameNetwork => DataPeerV1::SameNetwork,
                DataPeer::Resumed => DataPeerV1::Resumed,
            },
            require_tls_control: ftp.require_tls_control,
            require_tls_data: ftp.require_tls_data,
            lenient_tls_end: ftp.lenient_tls_end,
            data_idle_seconds: ftp.data_idle_seconds,
            minimum_rate: ftp.minimum_rate,
        }
    }
}

impl TryFrom<FtpSettingsV1> for FtpSettings {
    type Error = String;

    fn try_from(stored: FtpSettingsV1) -> Result<Self, String> {
        let network = |of: PassiveNetworkV1| {
            let clients = of.clients.parse();
            Ok::<_, String>(PassiveNetwork {
                clients: clients.map_err(|error| format!("`{}` is no network: {error}", of.clients))?,
                address: of.address.into(),
            })
        };
        Ok(Self {
            passive_ports: stored.passive_ports,
            passive_address: stored.passive_address.into(),
            passive_networks: stored
                .passive_networks
                .into_iter()
                .map(network)
                .collect::<Result<_, _>>()?,
            active: stored.active,
            data_peer: match stored.data_peer {
                DataPeerV1::SameAddress => DataPeer::SameAddress,
                DataPeerV1::SameNetwork => DataPeer::SameNetwork,
                DataPeerV1::Resumed => DataPeer::Resumed,
            },
            require_tls_control: stored.require_tls_control,
            require_tls_data: stored.require_tls_data,
            lenient_tls_end: stored.lenient_tls_end,
            data_idle_seconds: stored.data_idle_seconds,
            minimum_rate: stored.minimum_rate,
        })
    }
}
