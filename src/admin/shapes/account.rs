//! The JSON of an account.
//!
//! ```json
//! {"enabled": true, "expires_at": null, "password": "write only", "keys": [{"key": "ssh-ed25519 AAAA comment"}],
//!  "home": {"storage": "files", "folder": "/alice"},
//!  "mounts": [{"at": "/shared", "storage": "files", "folder": "/shared",
//!              "grants": [{"path": "/shared", "allow": ["read", "list"], "deny": []}]}],
//!  "sources": ["10.0.0.0/8"], "sessions_max": 4}
//! ```
//!
//! `password` absent keeps the present one, null removes it; reads answer `password_set` instead.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::fields::{self, Fields};
use super::{Border, Built, moment};
use crate::admin::border::fingerprint;
use crate::admin::limits::SESSIONS_LIMIT_MAX;
use crate::admin::problem::Problem;
use crate::auth::parse_public_key;
use crate::catalog::limits::{GRANTS_MAX, KEYS_MAX, MOUNTS_MAX, SOURCES_MAX, TEXT_BYTES_MAX};
use crate::catalog::{Account, AuthorizedKey, Grant, Mount, Operation, Operations, Spec};
use crate::ids::Name;
use crate::path::VirtualPath;

/// The way in.
pub fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
    let present = border
        .view
        .accounts
        .get(name)
        .and_then(|object| object.spec.password.as_ref());
    let (password, kept) = border.password(fields, present)?;
    let keys = fields.list("keys", KEYS_MAX, key)?;
    let mut seen = BTreeSet::new();
    for (at, key) in keys.iter().enumerate() {
        if !seen.insert(&key.key) {
            let path = fields.at(&format!("keys[{at}]"));
            return Err(Problem::invalid(&path, "holds a key that stands before it already"));
        }
    }
    let home = home(fields)?;
    let mounts = fields.list("mounts", MOUNTS_MAX, further_mount)?;
    let mut seen = BTreeSet::new();
    for (at, mount) in mounts.iter().enumerate() {
        if !seen.insert(&mount.at) {
            let path = fields.at(&format!("mounts[{at}].at"));
            return Err(Problem::invalid(&path, "is the place of a mount before it already"));
        }
    }
    let sources = fields.list("sources", SOURCES_MAX, |value, path| {
        network(&fields::text(value, path)?, path)
    })?;
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
        password,
        keys,
        home,
        mounts,
        sources,
        sessions_max,
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
        "password_set": account.password.is_some(),
        "keys": keys,
        "home": account.home.as_ref().map(|home| {
            let mut shown = json!({ "storage": home.storage, "folder": path_text(&home.folder) });
            if let Some(grants) = &home.grants {
                shown["grants"] = show_grants(grants);
            }
            shown
        }),
        "mounts": account.mounts.iter().map(show_mount).collect::<Vec<_>>(),
        "sources": account.sources,
        "sessions_max": account.sessions_max,
    })
}

fn key(value: Value, path: &str) -> Result<AuthorizedKey, Problem> {
    // A bare line is the short form of an object that has only that.
    let value = if value.is_string() {
        json!({ "key": value })
    } else {
        value
    };
    let mut fields = Fields::of(value, path)?;
    let line: String = fields.need("key")?;
    let (key, in_line) = parse_public_key(&line)
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

fn home(fields: &mut Fields) -> Result<Option<Mount>, Problem> {
    let path = fields.at("home");
    match fields.raw("home") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let mut inner = Fields::of(value, &path)?;
            let mount = mount(&mut inner, VirtualPath::root())?;
            inner.done()?;
            Ok(Some(mount))
        }
    }
}

fn further_mount(value: Value, path: &str) -> Result<Mount, Problem> {
    let mut fields = Fields::of(value, path)?;
    let at = fields
        .virtual_path("at")?
        .ok_or_else(|| Problem::invalid(&fields.at("at"), "is missing"))?;
    if at.is_root() {
        return Err(Problem::invalid(&fields.at("at"), "is `/`, the place of `home`"));
    }
    let mount = mount(&mut fields, at)?;
    fields.done()?;
    Ok(mount)
}

fn mount(fields: &mut Fields, at: VirtualPath) -> Result<Mount, Problem> {
    let storage = fields.name("storage")?;
    let folder = fields.virtual_path("folder")?.unwrap_or_else(VirtualPath::root);
    let grants_path = fields.at("grants");
    let grants = match fields.raw("grants") {
        None | Some(Value::Null) => None,
        Some(grants) => {
            let mut inner = Fields::of(json!({ "grants": grants }), grants_path.trim_end_matches(".grants"))?;
            Some(inner.list("grants", GRANTS_MAX, |value, path| grant(value, path, &at))?)
        }
    };
    Ok(Mount {
        at,
        storage,
        folder,
        grants,
    })
}

fn grant(value: Value, path: &str, mount: &VirtualPath) -> Result<Grant, Problem> {
    let mut fields = Fields::of(value, path)?;
    let granted = fields.virtual_path("path")?.unwrap_or_else(|| mount.clone());
    if !granted.is_within(mount) {
        let reason = format!("is outside its mount at {mount}");
        return Err(Problem::invalid(&fields.at("path"), reason));
    }
    let allow = operations(&mut fields, "allow")?;
    let deny = operations(&mut fields, "deny")?;
    fields.done()?;
    Ok(Grant {
        path: granted,
        allow,
        deny,
    })
}

fn operations(fields: &mut Fields, name: &'static str) -> Result<Operations, Problem> {
    let sets = fields.list(name, Operation::ALL.len() + 1, |value, path| {
        let word = fields::text(value, path)?;
        if word == "all" {
            return Ok(Operations::ALL);
        }
        Operation::from_word(&word)
            .map(|operation| Operations::NONE.with(operation))
            .ok_or_else(|| {
                let known: Vec<_> = Operation::ALL.into_iter().map(Operation::word).collect();
                Problem::invalid(path, format!("is no operation; known are {} and all", known.join(", ")))
            })
    })?;
    Ok(sets.into_iter().flat_map(Operations::iter).collect())
}

/// Parses a network (`10.0.0.0/8`) or a single address.
pub fn network(text: &str, path: &str) -> Result<IpNet, Problem> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| Problem::invalid(path, "is neither a network such as 10.0.0.0/8 nor an address"))?;
    if network != network.trunc() {
        let reason = format!("has bits behind its prefix; {} may be meant", network.trunc());
        return Err(Problem::invalid(path, reason));
    }
    Ok(network)
}

fn show_mount(mount: &Mount) -> Value {
    let mut shown = json!({
        "at": path_text(&mount.at),
        "storage": mount.storage,
        "folder": path_text(&mount.folder),
    });
    if let Some(grants) = &mount.grants {
        shown["grants"] = show_grants(grants);
    }
    shown
}

fn show_grants(grants: &[Grant]) -> Value {
    let words = |operations: Operations| operations.iter().map(Operation::word).collect::<Vec<_>>();
    grants
        .iter()
        .map(|grant| json!({ "path": path_text(&grant.path), "allow": words(grant.allow), "deny": words(grant.deny) }))
        .collect()
}

fn path_text(path: &VirtualPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
