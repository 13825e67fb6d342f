//! The JSON of an API token: `{"administrator": "anna", "expires_at": "2027-01-31T00:00:00Z"}`.
//!
//! The secret is made here when the token is new, or when `"rotate": true` asks for another one; it is answered
//! once, and only its hash goes on. `secret_hash` takes over the hash of an export instead.

use serde_json::{Value, json};

use super::fields::Fields;
use super::{Border, Built, moment};
use crate::admin::border::{new_token, sha256};
use crate::admin::problem::{Problem, ProblemKind};
use crate::catalog::{ApiToken, Spec};
use crate::ids::Name;

/// The way in.
pub fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
    let administrator = fields.name("administrator")?;
    let expires_at = fields.moment("expires_at")?;
    let rotate = fields.take("rotate")?.unwrap_or(false);
    let hash_path = fields.at("secret_hash");
    if let Some(hex) = fields.take::<String>("secret_hash")? {
        let secret_hash = parse_hash(&hex)
            .ok_or_else(|| Problem::invalid(&hash_path, "is not a hash that an export has: 64 hexadecimal digits"))?;
        return Ok(Built::plain(Spec::ApiToken(ApiToken {
            administrator,
            secret_hash,
            expires_at,
        })));
    }
    let present = border.view.api_tokens.get(name).filter(|_| !rotate);
    let (secret_hash, secret) = match present {
        Some(present) => (present.spec.secret_hash, None),
        None => {
            let secret = new_token().map_err(|reason| Problem::new(ProblemKind::Internal, reason))?;
            (sha256(secret.as_bytes()), Some(secret))
        }
    };
    Ok(Built {
        spec: Spec::ApiToken(ApiToken {
            administrator,
            secret_hash,
            expires_at,
        }),
        secret,
        kept: present.is_some(),
    })
}

fn parse_hash(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// The way out.
pub fn show(token: &ApiToken) -> Value {
    json!({ "administrator": token.administrator, "expires_at": moment(token.expires_at) })
}
