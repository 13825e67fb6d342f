//! The JSON of a ban: `{"network": "192.0.2.7/32", "reason": "abuse", "until": "2030-01-01T00:00:00Z"}`, or with an
//! `account` in the network's place.

use serde_json::{Value, json};

use super::fields::Fields;
use super::moment;
use super::restrictions::network;
use crate::admin::problem::Problem;
use crate::catalog::limits::TEXT_BYTES_MAX;
use crate::catalog::{Ban, BanTarget, Spec};
use crate::ids::Name;

/// The way in. `automatic` is read-only: what an administrator puts is an administrator's.
pub fn build(fields: &mut Fields) -> Result<Spec, Problem> {
    fields.read_only("automatic");
    let at = fields.at("network");
    let banned: Option<String> = fields.take("network")?;
    let account: Option<Name> = fields.take("account")?;
    let target = match (banned, account) {
        (Some(text), None) => BanTarget::Network(network(&text, &at)?),
        (None, Some(account)) => BanTarget::Account(account),
        _ => return Err(Problem::invalid(&at, "or `account` must be given, one of the two")),
    };
    let reason = fields.take::<String>("reason")?.unwrap_or_default();
    if reason.len() > TEXT_BYTES_MAX || reason.contains(char::is_control) {
        return Err(Problem::invalid(
            &fields.at("reason"),
            "is too long or holds a control character",
        ));
    }
    Ok(Spec::Ban(Ban {
        target,
        reason,
        until: fields.moment("until")?,
        automatic: false,
    }))
}

/// The way out.
pub fn show(ban: &Ban) -> Value {
    let mut shown = json!({ "reason": ban.reason, "until": moment(ban.until), "automatic": ban.automatic });
    match &ban.target {
        BanTarget::Network(network) => shown["network"] = network.to_string().into(),
        BanTarget::Account(account) => shown["account"] = account.as_str().into(),
    }
    shown
}
