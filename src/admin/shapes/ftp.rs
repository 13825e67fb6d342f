//! The JSON of how a service speaks FTP; every field may be left out.
//!
//! ```json
//! {"passive_ports": "50000-50999", "passive_address": "connection",
//!  "passive_networks": [{"clients": "10.0.0.0/8", "address": "ftp.example.org"}],
//!  "active": true, "data_peer": "same-address", "require_tls_control": true, "require_tls_data": true,
//!  "lenient_tls_end": false, "data_idle_seconds": 120, "minimum_rate": 0}
//! ```

use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::admin::limits::{IDLE_SECONDS_MAX, MINIMUM_RATE_MAX, PASSIVE_NETWORKS_MAX};
use crate::admin::problem::Problem;
use crate::catalog::{DataPeer, FtpSettings, PassiveAddress, PassiveNetwork};

/// The lowest port of a range: below lie ports that need a privilege.
const PORT_MIN: u16 = 1024;
/// Bytes of a host name (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

/// The way in of the field `ftp` of a service; `default` is what its kind has.
pub fn build(service: &mut Fields, default: FtpSettings) -> Result<FtpSettings, Problem> {
    let path = service.at("ftp");
    let given = service.raw("ftp").filter(|value| !value.is_null());
    let mut fields = Fields::of(given.unwrap_or_else(|| json!({})), &path)?;
    let settings = FtpSettings {
        passive_ports: ports(&mut fields, default.passive_ports)?,
        passive_address: passive_address(&mut fields, "passive_address")?.unwrap_or(default.passive_address),
        passive_networks: fields.list("passive_networks", PASSIVE_NETWORKS_MAX, network)?,
        active: fields.take("active")?.unwrap_or(default.active),
        data_peer: fields.take::<DataPeer>("data_peer")?.unwrap_or(default.data_peer),
        require_tls_control: fields
            .take("require_tls_control")?
            .unwrap_or(default.require_tls_control),
        require_tls_data: fields.take("require_tls_data")?.unwrap_or(default.require_tls_data),
        lenient_tls_end: fields.take("lenient_tls_end")?.unwrap_or(default.lenient_tls_end),
        data_idle_seconds: fields.number("data_idle_seconds", default.data_idle_seconds, 1, IDLE_SECONDS_MAX)?,
        minimum_rate: minimum_rate(&mut fields, default.minimum_rate)?,
    };
    fields.done()?;
    Ok(settings)
}

fn minimum_rate(fields: &mut Fields, default: u64) -> Result<u64, Problem> {
    let rate = fields.take::<u64>("minimum_rate")?.unwrap_or(default);
    if rate <= MINIMUM_RATE_MAX {
        return Ok(rate);
    }
    let reason = format!("is {rate}, but must be from 0 to {MINIMUM_RATE_MAX} bytes a second");
    Err(Problem::invalid(&fields.at("minimum_rate"), reason))
}

/// `50000-50999`.
fn ports(fields: &mut Fields, default: (u16, u16)) -> Result<(u16, u16), Problem> {
    let Some(text) = fields.take::<String>("passive_ports")? else {
        return Ok(default);
    };
    let parsed = text.split_once('-').and_then(|(first, last)| {
        let range = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (PORT_MIN <= range.0 && range.0 <= range.1).then_some(range)
    });
    parsed.ok_or_else(|| {
        let reason = format!("must be the first and the last port, from {PORT_MIN} to 65535, such as `50000-50999`");
        Problem::invalid(&fields.at("passive_ports"), reason)
    })
}

/// The field `name`: `connection`, an IPv4 address or a host's name; `None` where it is absent or null.
pub fn passive_address(fields: &mut Fields, name: &'static str) -> Result<Option<PassiveAddress>, Problem> {
    let Some(text) = fields.take::<String>(name)? else {
        return Ok(None);
    };
    if text == "connection" {
        return Ok(Some(PassiveAddress::Connection));
    }
    if let Ok(address) = text.parse() {
        return Ok(Some(PassiveAddress::Address(address)));
    }
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // What ends in a number would be an address, and is none.
    let numeric = text
        .rsplit('.')
        .next()
        .is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if text.len() > HOST_BYTES_MAX || !text.split('.').all(label) || numeric {
        let reason = "must be `connection`, an IPv4 address or the name of a host";
        return Err(Problem::invalid(&fields.at(name), reason));
    }
    Ok(Some(PassiveAddress::Name(text)))
}

fn network(value: Value, path: &str) -> Result<PassiveNetwork, Problem> {
    let mut fields = Fields::of(value, path)?;
    let clients: String = fields.need("clients")?;
    let clients = super::restrictions::network(&clients, &fields.at("clients"))?;
    let address = passive_address(&mut fields, "address")?;
    let missing = || Problem::invalid(&fields.at("address"), "is missing");
    let address = address.ok_or_else(missing)?;
    fields.done()?;
    Ok(PassiveNetwork { clients, address })
}

/// As it is read.
pub fn show_address(address: &PassiveAddress) -> Value {
    match address {
        PassiveAddress::Connection => json!("connection"),
        PassiveAddress::Address(address) => json!(address),
        PassiveAddress::Name(name) => json!(name),
    }
}

/// The way out.
pub fn show(ftp: &FtpSettings) -> Value {
    let (first, last) = ftp.passive_ports;
    let network = |of: &PassiveNetwork| json!({ "clients": of.clients, "address": show_address(&of.address) });
    json!({
        "passive_ports": format!("{first}-{last}"),
        "passive_address": show_address(&ftp.passive_address),
        "passive_networks": ftp.passive_networks.iter().map(network).collect::<Vec<_>>(),
        "active": ftp.active,
        "data_peer": ftp.data_peer,
        "require_tls_control": ftp.require_tls_control,
        "require_tls_data": ftp.require_tls_data,
        "lenient_tls_end": ftp.lenient_tls_end,
        "data_idle_seconds": ftp.data_idle_seconds,
        "minimum_rate": ftp.minimum_rate,
    })
}

/// The fields as JSON Schema.
pub fn schema() -> Value {
    let mut fields = Map::new();
    let address = json!({ "type": "string", "maxLength": HOST_BYTES_MAX,
        "description": "`connection`, an IPv4 address or the name of a host." });
    let on = json!({ "type": "boolean" });
    let mut put = |name: &str, schema: Value| fields.insert(name.to_owned(), schema);
    put(
        "passive_ports",
        json!({ "type": "string", "pattern": "^[0-9]{4,5}-[0-9]{4,5}$" }),
    );
    put("passive_address", address.clone());
    let mut network = Map::new();
    network.insert("clients".to_owned(), json!({ "type": "string" }));
    network.insert("address".to_owned(), address);
    put(
        "passive_networks",
        json!({ "type": "array", "maxItems": PASSIVE_NETWORKS_MAX, "items": super::schema::object(network) }),
    );
    put("active", on.clone());
    put(
        "data_peer",
        json!({ "type": "string", "enum": ["same-address", "same-network", "resumed"] }),
    );
    put("require_tls_control", on.clone());
    put("require_tls_data", on.clone());
    put("lenient_tls_end", on);
    put(
        "data_idle_seconds",
        json!({ "type": "integer", "minimum": 1, "maximum": IDLE_SECONDS_MAX }),
    );
    put(
        "minimum_rate",
        json!({ "type": "integer", "minimum": 0, "maximum": MINIMUM_RATE_MAX }),
    );
    super::schema::object(fields)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::catalog::{Service, ServiceKind};

    fn built(ftp: Value) -> Result<FtpSettings, String> {
        let mut fields = Fields::of(json!({ "ftp": ftp }), "").unwrap();
        build(&mut fields, Service::ftp(ServiceKind::Ftps, 21).ftp).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn what_is_shown_can_be_given_back() {
        for ftp in [
            json!({}),
            json!({"passive_ports": "2000-2000", "passive_address": "192.0.2.1", "active": false}),
            json!({"passive_address": "ftp.example.org", "data_peer": "resumed", "minimum_rate": 1000}),
            json!({"passive_networks": [{"clients": "10.0.0.0/8", "address": "10.0.0.5"}]}),
        ] {
            let settings = built(ftp).unwrap();
            assert_eq!(built(show(&settings)).unwrap(), settings);
        }
    }

    #[test]
    fn a_refusal_names_the_field_and_the_reason() {
        for (ftp, words) in [
            (json!([]), &["ftp", "object"][..]),
            (
                json!({"passive_ports": "50000"}),
                &["ftp.passive_ports", "first and the last"],
            ),
            (json!({"passive_ports": "1000-2000"}), &["ftp.passive_ports", "1024"]),
            (json!({"passive_ports": "3000-2000"}), &["ftp.passive_ports"]),
            (json!({"passive_ports": "3000-70000"}), &["ftp.passive_ports"]),
            (
                json!({"passive_address": "300.1.1.1"}),
                &["ftp.passive_address", "name of a host"],
            ),
            (json!({"passive_address": "a b"}), &["ftp.passive_address"]),
            (
                json!({"passive_networks": [{"clients": "10.0.0.0/8"}]}),
                &["passive_networks[0].address", "missing"],
            ),
            (
                json!({"passive_networks": [{"clients": "x", "address": "a"}]}),
                &["passive_networks[0].clients"],
            ),
            (json!({"data_peer": "any"}), &["ftp.data_peer", "same-address"]),
            (json!({"data_idle_seconds": 0}), &["ftp.data_idle_seconds"]),
            (json!({"ports": 1}), &["ftp.ports", "passive_ports"]),
        ] {
            let error = built(ftp.clone()).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{ftp}: {error}");
            }
        }
    }
}
