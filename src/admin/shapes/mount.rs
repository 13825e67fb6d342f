//! The JSON of mounts and grants, which accounts, groups and roles share.
//!
//! A grant holds below a `path` (its mount's where it names none), or where a `glob` or a `regex` matches.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fields::{self, Fields};
use crate::admin::problem::Problem;
use crate::catalog::limits::{GRANTS_MAX, MOUNTS_MAX, TEXT_BYTES_MAX};
use crate::catalog::pattern::{Scope, Syntax};
use crate::catalog::{Grant, Mount, Operation, Operations, Pattern, Reach};
use crate::ids::Name;
use crate::path::VirtualPath;

/// The field `home`.
pub fn home(fields: &mut Fields) -> Result<Option<Mount>, Problem> {
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

/// One of `mounts`.
pub fn further_mount(value: Value, path: &str) -> Result<Mount, Problem> {
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

/// The field `mounts`: further mounts, each at a place of its own.
pub fn mounts(fields: &mut Fields) -> Result<Vec<Mount>, Problem> {
    let mounts = fields.list("mounts", MOUNTS_MAX, further_mount)?;
    let mut seen = BTreeSet::new();
    for (at, mount) in mounts.iter().enumerate() {
        if !seen.insert(&mount.at) {
            let path = fields.at(&format!("mounts[{at}].at"));
            return Err(Problem::invalid(&path, "is the place of a mount before it already"));
        }
    }
    Ok(mounts)
}

/// The field `grants` of what is no mount: over everything that is seen.
pub fn grants(fields: &mut Fields) -> Result<Vec<Grant>, Problem> {
    fields.list("grants", GRANTS_MAX, |value, path| {
        grant(value, path, &VirtualPath::root())
    })
}

/// A list of names, each once.
pub fn names(fields: &mut Fields, name: &'static str, max: usize) -> Result<Vec<Name>, Problem> {
    let mut seen = BTreeSet::new();
    fields.list(name, max, |value, path| {
        let name = Name::parse(&fields::text(value, path)?).map_err(|error| Problem::invalid(path, error.reason))?;
        if !seen.insert(name.clone()) {
            return Err(Problem::invalid(path, "is named twice"));
        }
        Ok(name)
    })
}

/// The field `description`: a text for people, without control characters but line breaks.
pub fn description(fields: &mut Fields) -> Result<String, Problem> {
    let text = fields.take::<String>("description")?.unwrap_or_default();
    let path = fields.at("description");
    if text.len() > TEXT_BYTES_MAX {
        let reason = format!("has {} bytes, over the limit of {TEXT_BYTES_MAX}", text.len());
        return Err(Problem::invalid(&path, reason));
    }
    if text
        .chars()
        .any(|character| character.is_control() && character != '\n')
    {
        return Err(Problem::invalid(&path, "holds a control character"));
    }
    Ok(text)
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
    let below = fields.virtual_path("path")?;
    let glob = pattern(&mut fields, "glob", Syntax::Glob)?;
    let regex = pattern(&mut fields, "regex", Syntax::Regex)?;
    let reach = match (below, glob, regex) {
        (None, Some(pattern), None) | (None, None, Some(pattern)) => Reach::Matching(pattern),
        (Some(path), None, None) => Reach::Below(path),
        (None, None, None) => Reach::Below(mount.clone()),
        _ => return Err(Problem::invalid(path, "must have one of `path`, `glob` and `regex`")),
    };
    if let Reach::Below(granted) = &reach
        && !granted.is_within(mount)
    {
        let reason = format!("is outside its mount at {mount}");
        return Err(Problem::invalid(&fields.at("path"), reason));
    }
    let allow = operations(&mut fields, "allow")?;
    let deny = operations(&mut fields, "deny")?;
    fields.done()?;
    Ok(Grant { reach, allow, deny })
}

fn pattern(fields: &mut Fields, name: &'static str, syntax: Syntax) -> Result<Option<Pattern>, Problem> {
    let source: Option<String> = fields.take(name)?;
    source
        .map(|source| Pattern::parse(syntax, Scope::Path, &source))
        .transpose()
        .map_err(|reason| Problem::invalid(&fields.at(name), reason))
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

/// A mount as JSON.
pub fn show_mount(mount: &Mount) -> Value {
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

/// Grants as JSON.
pub fn show_grants(grants: &[Grant]) -> Value {
    let words = |operations: Operations| operations.iter().map(Operation::word).collect::<Vec<_>>();
    grants
        .iter()
        .map(|grant| {
            let mut shown = json!({ "allow": words(grant.allow), "deny": words(grant.deny) });
            match &grant.reach {
                Reach::Below(path) => shown["path"] = path_text(path).into(),
                Reach::Matching(pattern) => match pattern.syntax() {
                    Syntax::Glob => shown["glob"] = pattern.source().into(),
                    Syntax::Regex => shown["regex"] = pattern.source().into(),
                },
            }
            shown
        })
        .collect()
}

/// A virtual path as text.
pub fn path_text(path: &VirtualPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
