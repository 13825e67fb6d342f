//! The JSON of an account.
//!
//! ```json
//! {"enabled": true, "expires_at": null, "password": "write only", "keys": [{"key": "ssh-ed25519 AAAA comment"}],
//!  "home": {"storage": "files", "folder": "/alice"},
//!  "mounts": [{"at": "/shared", "storage": "files", "folder": "/shared",
//!              "grants": [{"path": "/shared", "allow": ["read", "list"], "deny": []}]}],
//!  "groups": ["partners"], "roles": [], "grants": [{"glob": "/in/**/*.csv", "allow": ["write"]}],
//!  "certificates": [{"subject": "CN=alice,O=Example"}, {"san": "email:alice@example.org"}],
//!  "proofs": "password+key", "principals": [], "password_must_change": true,
//!  "sources": ["10.0.0.0/8"], "sessions_max": 4, "restrictions": {"upload_bytes_max": 1000000}}
//! ```
//!
//! `password` absent keeps the present one, null removes it; reads answer `password_set` instead. A new one keeps the
//! settings' rules: a refusal names every rule that it breaks.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fields::{self, Fields};
use super::restrictions::networks;
use super::{Border, Built, moment, mount, restrictions};
use crate::admin::border::fingerprint;
use crate::admin::limits::{PRINCIPAL_BYTES_MAX, SESSIONS_LIMIT_MAX};
use crate::admin::problem::Problem;
use crate::auth::parse_users_key;
use crate::catalog::limits::{KEYS_MAX, MEMBERSHIPS_MAX, PRINCIPALS_MAX, TEXT_BYTES_MAX};
use crate::catalog::{Account, AuthorizedKey, CertificateRule, PasswordHash, PasswordState, Spec};
use crate::ids::Name;
use crate::x509::limits::NAME_BYTES_MAX;
use crate::x509::{hex, name, parse_fingerprint};

/// The way in.
pub fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
    let present = border.view.accounts.get(name);
    let present = present.as_ref().map(|object| &object.spec);
    let (password, kept) = border.account_password(fields, name, present)?;
    let password_state = password_state(fields, border, present, password.as_ref())?;
    let legacy_dsa = !border.quick && border.view.services.values().any(|service| service.spec.ssh.legacy_dsa);
    let keys = fields.list("keys", KEYS_MAX, |value, path| key(value, path, legacy_dsa))?;
    let mut seen = BTreeSet::new();
    for (at, key) in keys.iter().enumerate() {
        if !seen.insert(&key.key) {
            let path = fields.at(&format!("keys[{at}]"));
            return Err(Problem::invalid(&path, "holds a key that stands before it already"));
        }
    }
    let home = mount::home(fields)?;
    let mounts = mount::mounts(fields)?;
    let sources = networks(fields, "sources")?;
    let sessions_max = match fields.raw("sessions_max") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            let number = number
                .filter(|number| (1..=SESSIONS_LIMIT_MAX).contains(number))
                .ok_or_else(|| {
                    let reason =
                        format!("must be from 1 to {SESSIONS_LIMIT_MAX}, or null; `enabled` shuts an account out");
                    Problem::invalid(&fields.at("sessions_max"), reason)
                })?;
            Some(number)
        }
    };
    let account = Account {
        enabled: fields.take("enabled")?.unwrap_or(true),
        expires_at: fields.moment("expires_at")?,
        proofs: fields.take("proofs")?.unwrap_or_default(),
        password,
        password_state,
        keys,
        certificates: certificate_rules(fields)?,
        principals: principals(fields)?,
        groups: mount::names(fields, "groups", MEMBERSHIPS_MAX)?,
        roles: mount::names(fields, "roles", MEMBERSHIPS_MAX)?,
        home,
        mounts,
        grants: mount::grants(fields)?,
        sources,
        sessions_max,
        restrictions: restrictions::restrictions(fields)?.into(),
    };
    Ok(Built {
        spec: Spec::Account(account),
        secret: None,
        kept,
    })
}

/// The way out.
pub fn show(account: &Account) -> Value {
    let keys: Vec<_> = account
        .keys
        .iter()
        .map(|key| {
            json!({
                "key": key.key,
                "comment": key.comment,
                "expires_at": moment(key.expires_at),
                "fingerprint": fingerprint(&key.key),
            })
        })
        .collect();
    json!({
        "enabled": account.enabled,
        "expires_at": moment(account.expires_at),
        "proofs": account.proofs,
        "password_set": account.password.is_some(),
        "password_must_change": account.password_state.must_change,
        "password_changed_at": moment(account.password_state.changed_at),
        "keys": keys,
        "certificates": account.certificates.iter().map(show_rule).collect::<Vec<_>>(),
        "principals": account.principals,
        "groups": account.groups,
        "roles": account.roles,
        "home": account.home.as_ref().map(|home| {
            let mut shown = json!({ "storage": home.storage, "folder": mount::path_text(&home.folder) });
            if let Some(grants) = &home.grants {
                shown["grants"] = mount::show_grants(grants);
            }
            shown
        }),
        "mounts": account.mounts.iter().map(mount::show_mount).collect::<Vec<_>>(),
        "grants": mount::show_grants(&account.grants),
        "sources": account.sources,
        "sessions_max": account.sessions_max,
        "restrictions": restrictions::show(&account.restrictions),
    })
}

/// The state that goes with `password`: a new one is dated and the former remembered.
fn password_state(
    fields: &mut Fields,
    border: &Border<'_>,
    present: Option<&Account>,
    password: Option<&PasswordHash>,
) -> Result<PasswordState, Problem> {
    fields.read_only("password_changed_at");
    let before = present.and_then(|present| present.password.as_ref());
    let mut state = present
        .map(|present| present.password_state.clone())
        .unwrap_or_default();
    if password != before {
        let kept = border.view.settings().passwords.former_kept;
        state = state.renewed(before, border.now, kept);
        if password.is_none() {
            state.changed_at = None;
        }
    }
    if let Some(must_change) = fields.take("password_must_change")? {
        state.must_change = must_change;
    }
    Ok(state)
}

fn principals(fields: &mut Fields) -> Result<Vec<String>, Problem> {
    fields.list("principals", PRINCIPALS_MAX, |value, path| {
        let principal = fields::text(value, path)?;
        let length = 1..=PRINCIPAL_BYTES_MAX;
        if !length.contains(&principal.len()) || principal.contains([',', '\0']) || principal.contains(char::is_control)
        {
            let reason = format!("must have from 1 to {PRINCIPAL_BYTES_MAX} bytes, no comma and no control character");
            return Err(Problem::invalid(path, reason));
        }
        Ok(principal)
    })
}

fn certificate_rules(fields: &mut Fields) -> Result<Vec<CertificateRule>, Problem> {
    fields.list("certificates", KEYS_MAX, |value, path| {
        let mut inner = Fields::of(value, path)?;
        let mut given = Vec::new();
        for (field, parse) in RULES {
            let path = inner.at(field);
            if let Some(text) = inner.take::<String>(field)? {
                let long = text.len() > NAME_BYTES_MAX;
                let rule = if long {
                    Err("is too long".to_owned())
                } else {
                    parse(&text)
                };
                given.push(rule.map_err(|reason| Problem::invalid(&path, reason))?);
            }
        }
        inner.done()?;
        match (given.pop(), given.is_empty()) {
            (Some(rule), true) => Ok(rule),
            _ => Err(Problem::invalid(
                path,
                "must have one of `subject`, `san` and `fingerprint`",
            )),
        }
    })
}

type ParseRule = fn(&str) -> Result<CertificateRule, String>;

/// How a rule is written, by its field.
const RULES: [(&str, ParseRule); 3] = [
    ("subject", |text| name::canonical(text).map(CertificateRule::Subject)),
    ("san", |text| {
        name::canonical_alternative(text).map(CertificateRule::AlternativeName)
    }),
    ("fingerprint", |text| {
        let fingerprint = parse_fingerprint(text).map(CertificateRule::Fingerprint);
        fingerprint.ok_or_else(|| "must be a SHA-256 in 64 hexadecimal digits".to_owned())
    }),
];

fn show_rule(rule: &CertificateRule) -> Value {
    match rule {
        CertificateRule::Subject(subject) => json!({ "subject": subject }),
        CertificateRule::AlternativeName(name) => json!({ "san": name }),
        CertificateRule::Fingerprint(fingerprint) => json!({ "fingerprint": hex(fingerprint) }),
    }
}

fn key(value: Value, path: &str, legacy_dsa: bool) -> Result<AuthorizedKey, Problem> {
    // A bare line is the short form of an object that has only that.
    let value = if value.is_string() {
        json!({ "key": value })
    } else {
        value
    };
    let mut fields = Fields::of(value, path)?;
    let line: String = fields.need("key")?;
    let (key, in_line) = parse_users_key(&line, legacy_dsa)
        .map_err(|reason| Problem::invalid(&fields.at("key"), format!("is not acceptable: {reason}")))?;
    let comment = fields.take::<String>("comment")?.unwrap_or(in_line);
    let path = fields.at("comment");
    if comment.len() > TEXT_BYTES_MAX {
        let reason = format!("has {} bytes, over the limit of {TEXT_BYTES_MAX}", comment.len());
        return Err(Problem::invalid(&path, reason));
    }
    if comment.chars().any(char::is_control) {
        return Err(Problem::invalid(&path, "holds a control character"));
    }
    let expires_at = fields.moment("expires_at")?;
    fields.read_only("fingerprint");
    fields.done()?;
    Ok(AuthorizedKey {
        key,
        comment,
        expires_at,
    })
}
