//! The JSON of an authority.
//!
//! ```json
//! {"kind": "ssh-user", "keys": ["ssh-ed25519 AAAA"], "revoked_serials": [7], "revoked_ids": ["laptop"],
//!  "revoked_keys": ["SHA256:..."]}
//! ```

use serde_json::{Value, json};

use super::fields::{self, Fields};
use crate::admin::problem::Problem;
use crate::auth::parse_public_key;
use crate::catalog::limits::{AUTHORITY_KEYS_MAX, REVOKED_MAX, TEXT_BYTES_MAX};
use crate::catalog::{Authority, AuthorityKind, Spec};

/// The way in.
pub fn build(fields: &mut Fields) -> Result<Spec, Problem> {
    let keys = fields.list("keys", AUTHORITY_KEYS_MAX, |value, path| {
        let line = fields::text(value, path)?;
        let (key, _) =
            parse_public_key(&line).map_err(|reason| Problem::invalid(path, format!("is not acceptable: {reason}")))?;
        Ok(key)
    })?;
    if keys.is_empty() {
        let reason = "is empty; give the public key that signs, one line as in a `.pub` file";
        return Err(Problem::invalid(&fields.at("keys"), reason));
    }
    let short_text = |value: Value, path: &str| {
        let text = fields::text(value, path)?;
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(char::is_control) {
            return Err(Problem::invalid(
                path,
                "is empty, too long, or holds a control character",
            ));
        }
        Ok(text)
    };
    Ok(Spec::Authority(Authority {
        kind: fields.take("kind")?.unwrap_or(AuthorityKind::SshUser),
        keys,
        revoked_serials: fields.list("revoked_serials", REVOKED_MAX, |value, path| {
            value
                .as_u64()
                .ok_or_else(|| Problem::invalid(path, "must be a number from 0 to 2^64-1"))
        })?,
        revoked_ids: fields.list("revoked_ids", REVOKED_MAX, short_text)?,
        revoked_keys: fields.list("revoked_keys", REVOKED_MAX, |value, path| {
            let text = short_text(value, path)?;
            if !text.starts_with("SHA256:") {
                return Err(Problem::invalid(path, "must be a fingerprint such as `SHA256:...`"));
            }
            Ok(text)
        })?,
    }))
}

/// The way out.
pub fn show(authority: &Authority) -> Value {
    json!({
        "kind": authority.kind,
        "keys": authority.keys,
        "revoked_serials": authority.revoked_serials,
        "revoked_ids": authority.revoked_ids,
        "revoked_keys": authority.revoked_keys,
    })
}
