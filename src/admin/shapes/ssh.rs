//! The JSON of how a service speaks SSH; every field may be left out, and a list that is empty is the policy's.
//!
//! ```json
//! {"policy": "standard", "key_exchanges": [], "ciphers": ["aes256-gcm@openssh.com"], "macs": [],
//!  "host_key_algorithms": [], "signature_algorithms": [], "legacy_dsa": false,
//!  "rekey_bytes": 1073741824, "rekey_seconds": 3600}
//! ```

use serde_json::{Map, Value, json};

use super::fields::{self, Fields};
use crate::admin::limits::{REKEY_BYTES_MAX, REKEY_BYTES_MIN, REKEY_SECONDS_MAX, REKEY_SECONDS_MIN};
use crate::admin::problem::Problem;
use crate::auth::algorithms::{self, List};
use crate::catalog::limits::ALGORITHMS_MAX;
use crate::catalog::{SshSettings, View};
use crate::ids::Name;

/// The way in of the field `ssh` of a service that shows `host_keys`. Settings that leave nothing for the host keys
/// are refused; a host key that `view` does not know is made by the same change, or refused by the catalog.
pub fn build(service: &mut Fields, host_keys: &[Name], view: &View) -> Result<SshSettings, Problem> {
    let path = service.at("ssh");
    let given = service.raw("ssh").filter(|value| !value.is_null());
    let mut fields = Fields::of(given.unwrap_or_else(|| json!({})), &path)?;
    let default = SshSettings::default();
    let mut names = |field| fields.list(field, ALGORITHMS_MAX, fields::text);
    let mut settings = SshSettings {
        key_exchanges: names("key_exchanges")?,
        ciphers: names("ciphers")?,
        macs: names("macs")?,
        host_key_algorithms: names("host_key_algorithms")?,
        signature_algorithms: names("signature_algorithms")?,
        ..default
    };
    settings.policy = fields.take("policy")?.unwrap_or_default();
    settings.legacy_dsa = fields.take("legacy_dsa")?.unwrap_or_default();
    settings.rekey_bytes = rekey_bytes(&mut fields, settings.rekey_bytes)?;
    settings.rekey_seconds = fields.number(
        "rekey_seconds",
        settings.rekey_seconds,
        REKEY_SECONDS_MIN,
        REKEY_SECONDS_MAX,
    )?;
    fields.done()?;
    let known = host_keys.iter().filter_map(|name| view.host_keys.get(name));
    let known: Vec<&str> = known.map(|key| key.spec.algorithm.as_str()).collect();
    algorithms::check(&settings, &known)
        .map_err(|unfit| Problem::invalid(&format!("{path}.{}", unfit.field), unfit.reason))?;
    Ok(settings)
}

fn rekey_bytes(fields: &mut Fields, default: u64) -> Result<u64, Problem> {
    let bytes = fields.take::<u64>("rekey_bytes")?.unwrap_or(default);
    if (REKEY_BYTES_MIN..=REKEY_BYTES_MAX).contains(&bytes) {
        return Ok(bytes);
    }
    let reason = format!("is {bytes}, but must be from {REKEY_BYTES_MIN} to {REKEY_BYTES_MAX}");
    Err(Problem::invalid(&fields.at("rekey_bytes"), reason))
}

/// The fields as JSON Schema.
pub fn schema() -> Value {
    let names = |list: List| {
        json!({ "type": "array", "maxItems": ALGORITHMS_MAX, "items": { "type": "string" },
        "description": format!("Empty: the policy's. Known are {}.", list.known().join(", ")) })
    };
    let number = |min: u64, max: u64| json!({ "type": "integer", "minimum": min, "maximum": max });
    let mut fields = Map::new();
    let policies = ["modern", "standard", "compatible", "fips-names"];
    fields.insert("policy".to_owned(), json!({ "type": "string", "enum": policies }));
    for list in List::ALL {
        fields.insert(list.field().to_owned(), names(list));
    }
    fields.insert("legacy_dsa".to_owned(), json!({ "type": "boolean" }));
    fields.insert("rekey_bytes".to_owned(), number(REKEY_BYTES_MIN, REKEY_BYTES_MAX));
    let seconds = number(REKEY_SECONDS_MIN.into(), REKEY_SECONDS_MAX.into());
    fields.insert("rekey_seconds".to_owned(), seconds);
    super::schema::object(fields)
}

/// The way out.
pub fn show(settings: &SshSettings) -> Value {
    json!({
        "policy": settings.policy,
        "key_exchanges": settings.key_exchanges,
        "ciphers": settings.ciphers,
        "macs": settings.macs,
        "host_key_algorithms": settings.host_key_algorithms,
        "signature_algorithms": settings.signature_algorithms,
        "legacy_dsa": settings.legacy_dsa,
        "rekey_bytes": settings.rekey_bytes,
        "rekey_seconds": settings.rekey_seconds,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::{HostKey, Object, SshPolicy};
    use crate::clock::UnixMillis;

    fn built(ssh: Value) -> Result<SshSettings, String> {
        let name = Name::parse("main").unwrap();
        let mut view = View::default();
        let spec = HostKey {
            algorithm: "ssh-ed25519".to_owned(),
            public: String::new(),
            sealed_private: Vec::new(),
            certificate: None,
            created_at: UnixMillis(0),
        };
        let object = Object {
            name: name.clone(),
            spec,
            revision: 1,
            changed_by: String::new(),
            changed_at: UnixMillis(0),
        };
        view.host_keys.insert(name.clone(), Arc::new(object));
        let mut fields = Fields::of(json!({"ssh": ssh}), "").unwrap();
        build(&mut fields, &[name], &view).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn what_is_shown_can_be_sent_back() {
        for ssh in [
            json!(null),
            json!({}),
            json!({"policy": "modern"}),
            json!({"policy": "compatible", "ciphers": ["aes256-ctr"], "legacy_dsa": true, "rekey_bytes": 2_000_000}),
        ] {
            let settings = built(ssh).unwrap();
            assert_eq!(built(show(&settings)).unwrap(), settings);
        }
        assert_eq!(built(json!({"policy": "modern"})).unwrap().policy, SshPolicy::Modern);
    }

    #[test]
    fn a_refusal_names_the_field_the_reason_and_what_is_known() {
        for (ssh, words) in [
            (json!([]), &["ssh", "object"][..]),
            (json!({"policy": "paranoid"}), &["ssh.policy", "modern"]),
            (json!({"cyphers": []}), &["cyphers", "ciphers"]),
            (
                json!({"ciphers": ["aes256-cbc"]}),
                &["ssh.ciphers", "too weak", "aes256-gcm@openssh.com"],
            ),
            (
                json!({"key_exchanges": ["x"]}),
                &["ssh.key_exchanges", "mlkem768x25519-sha256"],
            ),
            (
                json!({"macs": ["hmac-sha2-256", "hmac-sha2-256"]}),
                &["ssh.macs", "twice"],
            ),
            (
                json!({"policy": "fips-names"}),
                &["ssh.host_key_algorithms", "leaves nothing", "ecdsa-nistp256"],
            ),
            (
                json!({"host_key_algorithms": ["rsa-sha2-512"]}),
                &["leaves nothing", "ssh-ed25519"],
            ),
            (json!({"signature_algorithms": ["ssh-dss"]}), &["legacy_dsa"]),
            (json!({"rekey_bytes": 5}), &["ssh.rekey_bytes", "must be from"]),
            (json!({"rekey_seconds": 0}), &["ssh.rekey_seconds", "must be from"]),
        ] {
            let error = built(ssh.clone()).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{ssh}: {error}");
            }
        }
    }
}
