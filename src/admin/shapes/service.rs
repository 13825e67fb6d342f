//! The JSON of a service; only `port` and, for SSH, `host_keys` must be given. `kind` is `sftp`, `ftp`, `ftps`,
//! `ftps-implicit`, `http` or `https`.
//!
//! ```json
//! {"kind": "sftp", "enabled": true, "port": 22, "address": null, "host_keys": ["main"], "banner": "",
//!  "sessions_max": 2000, "unauthenticated_max": 200, "unauthenticated_per_address_max": 20,
//!  "login_grace_seconds": 60, "login_attempts_max": 6, "idle_seconds": 900, "keepalive_seconds": 60,
//!  "ssh": {"policy": "standard", "ciphers": []}, "user_authorities": ["staff-ca"],
//!  "ftp": {"passive_ports": "50000-50999", "passive_address": "connection"},
//!  "http": {"file_manager": true, "webdav": false},
//!  "nodes": {"berlin-1": {"address": "10.0.0.5", "port": 2222, "enabled": false}}}
//! ```

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::{self, Fields};
use super::restrictions::networks;
use super::{Border, ftp, http, mount, restrictions, ssh, tls};
use crate::admin::limits::{
    IDLE_SECONDS_MAX, LOGIN_ATTEMPTS_MAX, LOGIN_GRACE_SECONDS_MAX, SERVICE_HOST_KEYS_MAX, SESSIONS_LIMIT_MAX,
};
use crate::admin::problem::Problem;
use crate::catalog::limits::{MEMBERSHIPS_MAX, OVERRIDES_MAX, SERVICE_LIST_MAX, TEXT_BYTES_MAX};
use crate::catalog::{Service, ServiceKind, ServiceOverride, Spec};
use crate::ids::Name;

/// The way in.
pub fn build(fields: &mut Fields, border: &Border<'_>) -> Result<Spec, Problem> {
    let kind = fields.take("kind")?.unwrap_or(ServiceKind::Sftp);
    let port = port(fields)?.ok_or_else(|| Problem::invalid(&fields.at("port"), "is missing"))?;
    let host_keys = fields.list("host_keys", SERVICE_HOST_KEYS_MAX, |value, path| {
        Name::parse(&fields::text(value, path)?).map_err(|error| Problem::invalid(path, error.reason))
    })?;
    let default = Service {
        host_keys,
        ..match kind {
            ServiceKind::Sftp => Service::sftp(port, Vec::new()),
            ServiceKind::Ftp | ServiceKind::Ftps | ServiceKind::FtpsImplicit => Service::ftp(kind, port),
            ServiceKind::Http | ServiceKind::Https => Service::http(kind, port),
        }
    };
    let mut limit = |name, default, min, max| fields.number(name, default, min, max);
    let service = Service {
        sessions_max: limit("sessions_max", default.sessions_max, 1, SESSIONS_LIMIT_MAX)?,
        unauthenticated_max: limit(
            "unauthenticated_max",
            default.unauthenticated_max,
            1,
            SESSIONS_LIMIT_MAX,
        )?,
        unauthenticated_per_address_max: limit(
            "unauthenticated_per_address_max",
            default.unauthenticated_per_address_max,
            1,
            SESSIONS_LIMIT_MAX,
        )?,
        connections_per_address_max: limit(
            "connections_per_address_max",
            default.connections_per_address_max,
            1,
            SESSIONS_LIMIT_MAX,
        )?,
        login_grace_seconds: limit(
            "login_grace_seconds",
            default.login_grace_seconds,
            1,
            LOGIN_GRACE_SECONDS_MAX,
        )?,
        login_attempts_max: limit("login_attempts_max", default.login_attempts_max, 1, LOGIN_ATTEMPTS_MAX)?,
        idle_seconds: limit("idle_seconds", default.idle_seconds, 0, IDLE_SECONDS_MAX)?,
        keepalive_seconds: limit("keepalive_seconds", default.keepalive_seconds, 0, IDLE_SECONDS_MAX)?,
        drain_seconds: limit("drain_seconds", default.drain_seconds, 0, IDLE_SECONDS_MAX)?,
        sources: networks(fields, "sources")?,
        proxy_networks: networks(fields, "proxy_networks")?,
        accounts: mount::names(fields, "accounts", SERVICE_LIST_MAX)?,
        groups: mount::names(fields, "groups", SERVICE_LIST_MAX)?,
        restrictions: restrictions::restrictions(fields)?,
        user_authorities: mount::names(fields, "user_authorities", MEMBERSHIPS_MAX)?,
        ssh: ssh::build(fields, &default.host_keys, border.view)?,
        tls: tls::build(fields, border.view)?,
        ftp: ftp::build(fields, default.ftp)?,
        http: http::build(fields, kind, default.http)?,
        enabled: fields.take("enabled")?.unwrap_or(true),
        address: fields.take("address")?,
        banner: banner(fields)?,
        nodes: overrides(fields)?,
        kind,
        port,
        host_keys: default.host_keys,
    };
    provable(&service, fields)?;
    Ok(Spec::Service(service))
}

/// A service must be able to prove to its clients who it is.
fn provable(service: &Service, fields: &Fields) -> Result<(), Problem> {
    let (field, reason) = match service.kind {
        ServiceKind::Sftp if service.host_keys.is_empty() => {
            let reason = "is empty, but SSH needs a host key; make one with `argosy host-key create NAME`";
            ("host_keys", reason)
        }
        kind if kind.is_tls() && service.tls.certificates.is_empty() => {
            let reason = "is empty, but TLS needs a certificate; make one with `argosy certificate create NAME`";
            ("tls.certificates", reason)
        }
        _ => return Ok(()),
    };
    Err(Problem::invalid(&fields.at(field), reason))
}

/// The way out.
pub fn show(service: &Service) -> Value {
    let nodes: BTreeMap<_, _> = service
        .nodes
        .iter()
        .map(|(node, differs)| {
            let shown = json!({
                "address": differs.address,
                "port": differs.port,
                "enabled": differs.enabled,
                "proxy_networks": differs.proxy_networks,
                "passive_address": differs.passive_address.as_ref().map(ftp::show_address),
            });
            (node, shown)
        })
        .collect();
    json!({
        "kind": service.kind,
        "enabled": service.enabled,
        "port": service.port,
        "address": service.address,
        "host_keys": service.host_keys,
        "banner": service.banner,
        "sessions_max": service.sessions_max,
        "unauthenticated_max": service.unauthenticated_max,
        "unauthenticated_per_address_max": service.unauthenticated_per_address_max,
        "connections_per_address_max": service.connections_per_address_max,
        "login_grace_seconds": service.login_grace_seconds,
        "login_attempts_max": service.login_attempts_max,
        "idle_seconds": service.idle_seconds,
        "keepalive_seconds": service.keepalive_seconds,
        "drain_seconds": service.drain_seconds,
        "sources": service.sources,
        "proxy_networks": service.proxy_networks,
        "accounts": service.accounts,
        "groups": service.groups,
        "restrictions": restrictions::show(&service.restrictions),
        "user_authorities": service.user_authorities,
        "ssh": ssh::show(&service.ssh),
        "tls": tls::show(&service.tls),
        "ftp": ftp::show(&service.ftp),
        "http": http::show(&service.http),
        "nodes": nodes,
    })
}

fn port(fields: &mut Fields) -> Result<Option<u16>, Problem> {
    let Some(number) = fields.take::<i64>("port")? else {
        return Ok(None);
    };
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    let reason = || format!("is {number}, but must be from 1 to 65535");
    port.map(Some)
        .ok_or_else(|| Problem::invalid(&fields.at("port"), reason()))
}

fn banner(fields: &mut Fields) -> Result<String, Problem> {
    let banner = fields.take::<String>("banner")?.unwrap_or_default();
    let path = fields.at("banner");
    if banner.len() > TEXT_BYTES_MAX {
        let reason = format!("has {} bytes, over the limit of {TEXT_BYTES_MAX}", banner.len());
        return Err(Problem::invalid(&path, reason));
    }
    if banner
        .chars()
        .any(|character| character.is_control() && !matches!(character, '\n' | '\t'))
    {
        return Err(Problem::invalid(
            &path,
            "holds a control character other than line breaks and tabs",
        ));
    }
    Ok(banner)
}

fn overrides(fields: &mut Fields) -> Result<BTreeMap<String, ServiceOverride>, Problem> {
    let path = fields.at("nodes");
    let map = match fields.raw("nodes") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(other) => {
            let reason = format!("must be an object of node names, not {}", fields::type_of(&other));
            return Err(Problem::invalid(&path, reason));
        }
    };
    if map.len() > OVERRIDES_MAX {
        let reason = format!("names {} nodes, over the limit of {OVERRIDES_MAX}", map.len());
        return Err(Problem::invalid(&path, reason));
    }
    map.into_iter()
        .map(|(node, value)| {
            let name = Name::parse(&node).map_err(|error| {
                Problem::invalid(&path, format!("names a node that cannot be: the name {}", error.reason))
            })?;
            let mut inner = Fields::of(value, &format!("{path}.{name}"))?;
            let differs = ServiceOverride {
                address: inner.take("address")?,
                port: port(&mut inner)?,
                enabled: inner.take("enabled")?,
                proxy_networks: if inner.has("proxy_networks") {
                    Some(networks(&mut inner, "proxy_networks")?)
                } else {
                    inner.read_only("proxy_networks");
                    None
                },
                passive_address: ftp::passive_address(&mut inner, "passive_address")?,
            };
            inner.done()?;
            Ok((node, differs))
        })
        .collect()
}
