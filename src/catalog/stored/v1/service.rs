//! Services in format version 1.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::restrictions::RestrictionsV1;
use super::service_ftp::{FtpSettingsV1, PassiveAddressV1};
use super::service_http::HttpSettingsV1;
use super::tls::TlsSettingsV1;
use super::{names, networks, show_names, show_networks};
use crate::catalog::{Service, ServiceKind, ServiceOverride, SshPolicy, SshSettings};

#[derive(Serialize, Deserialize)]
enum ServiceKindV1 {
    Sftp,
    Ftp,
    Ftps,
    FtpsImplicit,
    Http,
    Https,
}

impl From<ServiceKind> for ServiceKindV1 {
    fn from(kind: ServiceKind) -> Self {
        match kind {
            ServiceKind::Sftp => Self::Sftp,
            ServiceKind::Ftp => Self::Ftp,
            ServiceKind::Ftps => Self::Ftps,
            ServiceKind::FtpsImplicit => Self::FtpsImplicit,
            ServiceKind::Http => Self::Http,
            ServiceKind::Https => Self::Https,
        }
    }
}

impl From<ServiceKindV1> for ServiceKind {
    fn from(stored: ServiceKindV1) -> Self {
        match stored {
            ServiceKindV1::Sftp => Self::Sftp,
            ServiceKindV1::Ftp => Self::Ftp,
            ServiceKindV1::Ftps => Self::Ftps,
            ServiceKindV1::FtpsImplicit => Self::FtpsImplicit,
            ServiceKindV1::Http => Self::Http,
            ServiceKindV1::Https => Self::Https,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct ServiceV1 {
    enabled: bool,
    kind: ServiceKindV1,
    port: u16,
    address: Option<IpAddr>,
    host_keys: Vec<String>,
    banner: String,
    sessions_max: u32,
    unauthenticated_max: u32,
    unauthenticated_per_address_max: u32,
    connections_per_address_max: u32,
    login_grace_seconds: u32,
    login_attempts_max: u32,
    idle_seconds: u32,
    keepalive_seconds: u32,
    drain_seconds: u32,
    sources: Vec<String>,
    proxy_networks: Vec<String>,
    accounts: Vec<String>,
    groups: Vec<String>,
    restrictions: RestrictionsV1,
    user_authorities: Vec<String>,
    ssh: SshSettingsV1,
    tls: TlsSettingsV1,
    ftp: FtpSettingsV1,
    http: HttpSettingsV1,
    nodes: BTreeMap<String, ServiceOverrideV1>,
}

#[derive(Serialize, Deserialize)]
struct ServiceOverrideV1 {
    address: Option<IpAddr>,
    port: Option<u16>,
    enabled: Option<bool>,
    proxy_networks: Option<Vec<String>>,
    passive_address: Option<PassiveAddressV1>,
}

#[derive(Serialize, Deserialize)]
enum SshPolicyV1 {
    Modern,
    Standard,
    Compatible,
    FipsNames,
}

#[derive(Serialize, Deserialize)]
struct SshSettingsV1 {
    policy: SshPolicyV1,
    key_exchanges: Vec<String>,
    ciphers: Vec<String>,
    macs: Vec<String>,
    host_key_algorithms: Vec<String>,
    signature_algorithms: Vec<String>,
    legacy_dsa: bool,
    rekey_bytes: u64,
    rekey_seconds: u32,
}

impl From<&Service> for ServiceV1 {
    fn from(service: &Service) -> Self {
        let differs = |(node, differs): (&String, &ServiceOverride)| {
            let stored = ServiceOverrideV1 {
                address: differs.address,
                port: differs.port,
                enabled: differs.enabled,
                proxy_networks: differs.proxy_networks.as_deref().map(show_networks),
                passive_address: differs.passive_address.as_ref().map(Into::into),
            };
            (node.clone(), stored)
        };
        Self {
            enabled: service.enabled,
            kind: service.kind.into(),
            port: service.port,
            address: service.address,
            host_keys: show_names(&service.host_keys),
            banner: service.banner.clone(),
            sessions_max: service.sessions_max,
            unauthenticated_max: service.unauthenticated_max,
            unauthenticated_per_address_max: service.unauthenticated_per_address_max,
            connections_per_address_max: service.connections_per_address_max,
            login_grace_seconds: service.login_grace_seconds,
            login_attempts_max: service.login_attempts_max,
            idle_seconds: service.idle_seconds,
            keepalive_seconds: service.keepalive_seconds,
            drain_seconds: service.drain_seconds,
            sources: show_networks(&service.sources),
            proxy_networks: show_networks(&service.proxy_networks),
            accounts: show_names(&service.accounts),
            groups: show_names(&service.groups),
            restrictions: (&service.restrictions).into(),
            user_authorities: show_names(&service.user_authorities),
            ssh: (&service.ssh).into(),
            tls: (&service.tls).into(),
            ftp: (&service.ftp).into(),
            http: (&service.http).into(),
            nodes: service.nodes.iter().map(differs).collect(),
        }
    }
}

impl TryFrom<ServiceV1> for Service {
    type Error = String;
    fn try_from(stored: ServiceV1) -> Result<Self, String> {
        let differs = |(node, differs): (String, ServiceOverrideV1)| {
            let differs = ServiceOverride {
                address: differs.address,
                port: differs.port,
                enabled: differs.enabled,
                proxy_networks: differs.proxy_networks.map(networks).transpose()?,
                passive_address: differs.passive_address.map(Into::into),
            };
            Ok::<_, String>((node, differs))
        };
        Ok(Self {
            enabled: stored.enabled,
            kind: stored.kind.into(),
            port: stored.port,
            address: stored.address,
            host_keys: names(stored.host_keys)?,
            banner: stored.banner,
            sessions_max: stored.sessions_max,
            unauthenticated_max: stored.unauthenticated_max,
            unauthenticated_per_address_max: stored.unauthenticated_per_address_max,
            connections_per_address_max: stored.connections_per_address_max,
            login_grace_seconds: stored.login_grace_seconds,
            login_attempts_max: stored.login_attempts_max,
            idle_seconds: stored.idle_seconds,
            keepalive_seconds: stored.keepalive_seconds,
            drain_seconds: stored.drain_seconds,
            sources: networks(stored.sources)?,
            proxy_networks: networks(stored.proxy_networks)?,
            accounts: names(stored.accounts)?,
            groups: names(stored.groups)?,
            restrictions: stored.restrictions.try_into()?,
            user_authorities: names(stored.user_authorities)?,
            ssh: stored.ssh.into(),
            tls: stored.tls.try_into()?,
            ftp: stored.ftp.try_into()?,
            http: stored.http.into(),
            nodes: stored.nodes.into_iter().map(differs).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&SshSettings> for SshSettingsV1 {
    fn from(ssh: &SshSettings) -> Self {
        Self {
            policy: match ssh.policy {
                SshPolicy::Modern => SshPolicyV1::Modern,
                SshPolicy::Standard => SshPolicyV1::Standard,
                SshPolicy::Compatible => SshPolicyV1::Compatible,
                SshPolicy::FipsNames => SshPolicyV1::FipsNames,
            },
            key_exchanges: ssh.key_exchanges.clone(),
            ciphers: ssh.ciphers.clone(),
            macs: ssh.macs.clone(),
            host_key_algorithms: ssh.host_key_algorithms.clone(),
            signature_algorithms: ssh.signature_algorithms.clone(),
            legacy_dsa: ssh.legacy_dsa,
            rekey_bytes: ssh.rekey_bytes,
            rekey_seconds: ssh.rekey_seconds,
        }
    }
}

impl From<SshSettingsV1> for SshSettings {
    fn from(stored: SshSettingsV1) -> Self {
        Self {
            policy: match stored.policy {
                SshPolicyV1::Modern => SshPolicy::Modern,
                SshPolicyV1::Standard => SshPolicy::Standard,
                SshPolicyV1::Compatible => SshPolicy::Compatible,
                SshPolicyV1::FipsNames => SshPolicy::FipsNames,
            },
            key_exchanges: stored.key_exchanges,
            ciphers: stored.ciphers,
            macs: stored.macs,
            host_key_algorithms: stored.host_key_algorithms,
            signature_algorithms: stored.signature_algorithms,
            legacy_dsa: stored.legacy_dsa,
            rekey_bytes: stored.rekey_bytes,
            rekey_seconds: stored.rekey_seconds,
        }
    }
}
