//! The JSON of how a service speaks TLS; every field may be left out, and a list that is empty is the default's.
//!
//! ```json
//! {"certificates": ["main"], "version_min": "1.2", "version_max": "1.3", "cipher_suites": [], "groups": [],
//!  "client_certificates": "off", "authorities": []}
//! ```

use serde_json::{Map, Value, json};

use super::fields::{self, Fields};
use super::mount;
use crate::admin::problem::Problem;
use crate::catalog::limits::{ALGORITHMS_MAX, MEMBERSHIPS_MAX};
use crate::catalog::{ClientCertificates, TlsSettings, TlsVersion, View};
use crate::listener::tls::algorithms;
use crate::x509::KeyKind;

/// The way in of the field `tls` of a service. Settings that leave nothing to agree upon are refused.
pub fn build(service: &mut Fields, view: &View) -> Result<TlsSettings, Problem> {
    let path = service.at("tls");
    let given = service.raw("tls").filter(|value| !value.is_null());
    let mut fields = Fields::of(given.unwrap_or_else(|| json!({})), &path)?;
    let settings = TlsSettings {
        certificates: mount::names(&mut fields, "certificates", MEMBERSHIPS_MAX)?,
        version_min: fields.take("version_min")?.unwrap_or(TlsVersion::V12),
        version_max: fields.take("version_max")?.unwrap_or(TlsVersion::V13),
        cipher_suites: fields.list("cipher_suites", ALGORITHMS_MAX, fields::text)?,
        groups: fields.list("groups", ALGORITHMS_MAX, fields::text)?,
        client_certificates: fields.take("client_certificates")?.unwrap_or_default(),
        authorities: mount::names(&mut fields, "authorities", MEMBERSHIPS_MAX)?,
    };
    fields.done()?;
    if settings.client_certificates != ClientCertificates::Off && settings.authorities.is_empty() {
        let reason = "is empty, but clients are asked for certificates; name an authority that signs them";
        return Err(Problem::invalid(&fields_at(&path, "authorities"), reason));
    }
    let known = settings
        .certificates
        .iter()
        .filter_map(|name| view.certificates.get(name));
    let keys = known.filter_map(|object| object.spec.issued.as_ref());
    let keys: Vec<KeyKind> = keys.map(|issued| KeyKind::of(&issued.key.public)).collect();
    algorithms::provider(&settings, &keys)
        .map_err(|unfit| Problem::invalid(&fields_at(&path, unfit.field), unfit.reason))?;
    Ok(settings)
}

fn fields_at(path: &str, field: &str) -> String {
    format!("{path}.{field}")
}

/// The fields as JSON Schema.
pub fn schema() -> Value {
    let names = || json!({ "type": "array", "maxItems": MEMBERSHIPS_MAX, "items": super::schema::name() });
    let known = |known: Vec<String>| {
        json!({ "type": "array", "maxItems": ALGORITHMS_MAX, "items": { "type": "string" },
        "description": format!("Empty: the default's. Known are {}.", known.join(", ")) })
    };
    let version = || json!({ "type": "string", "enum": ["1.2", "1.3"] });
    super::schema::object(Map::from_iter([
        ("certificates".to_owned(), names()),
        ("version_min".to_owned(), version()),
        ("version_max".to_owned(), version()),
        ("cipher_suites".to_owned(), known(algorithms::suite_names())),
        ("groups".to_owned(), known(algorithms::group_names())),
        (
            "client_certificates".to_owned(),
            json!({ "type": "string", "enum": ["off", "optional", "required"] }),
        ),
        ("authorities".to_owned(), names()),
    ]))
}

/// The way out.
pub fn show(settings: &TlsSettings) -> Value {
    json!({
        "certificates": settings.certificates,
        "version_min": settings.version_min,
        "version_max": settings.version_max,
        "cipher_suites": settings.cipher_suites,
        "groups": settings.groups,
        "client_certificates": settings.client_certificates,
        "authorities": settings.authorities,
    })
}
