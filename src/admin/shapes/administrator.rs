//! The JSON of an administrator: `{"role": "operator", "enabled": true, "password": "write only"}`.
//!
//! `password` absent keeps the present one, null removes it; reads answer `password_set` instead.

use serde_json::{Value, json};

use super::fields::Fields;
use super::{Border, Built};
use crate::admin::problem::Problem;
use crate::catalog::{Administrator, Spec};
use crate::ids::Name;

/// The way in.
pub fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
    let present = border.view.administrators.get(name);
    let present = present.and_then(|object| object.spec.password.as_ref());
    let (password, kept) = border.password(fields, present)?;
    let administrator = Administrator {
        enabled: fields.take("enabled")?.unwrap_or(true),
        role: fields.need("role")?,
        password,
    };
    Ok(Built {
        spec: Spec::Administrator(administrator),
        secret: None,
        kept,
    })
}

/// The way out.
pub fn show(administrator: &Administrator) -> Value {
    json!({
        "role": administrator.role.word(),
        "enabled": administrator.enabled,
        "password_set": administrator.password.is_some(),
    })
}
