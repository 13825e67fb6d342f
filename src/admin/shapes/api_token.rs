//! The JSON of an API token: `{"administrator": "anna", "expires_at": "2027-01-31T00:00:00Z"}`.
//!
//! The secret is made here when the token is new, or when `"rotate": true` asks for another one; it is answered
//! once, and only its hash goes on.

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

/// The way out.
pub fn show(token: &ApiToken) -> Value {
    json!({ "administrator": token.administrator, "expires_at": moment(token.expires_at) })
}
