//! What must hold between objects: references, circles, contradictions. Judged in apply, after the change.
//!
//! What must hold within one object was judged at the border.

use std::collections::{BTreeMap, BTreeSet};

use super::administrator::Role;
use super::command::Refusal;
use super::inherit;
use super::limits::{BANS_MAX, INHERITED_MAX};
use super::service_tls;
use super::settings::SETTINGS_NAME;
use super::view::{Kind, ObjectKey, Shelf, View};
use super::{Account, Mount};
use crate::ids::Name;

/// What must hold between objects, whatever was changed.
pub(super) fn coherent(next: &View, touched: &BTreeMap<ObjectKey, Option<Vec<u8>>>) -> Result<(), Refusal> {
    for (key, value) in touched {
        match value {
            Some(_) => {
                let mut missing = None;
                references(next, key, |kind, name| {
                    if missing.is_none() && !next.contains(kind, name) {
                        let name = name.clone();
                        missing = Some(ObjectKey { kind, name });
                    }
                });
                if let Some(to) = missing {
                    return Err(Refusal::Dangling { from: key.clone(), to });
                }
            }
            None => {
                if let Some(by) = referrer(next, key) {
                    return Err(Refusal::InUse { key: key.clone(), by });
                }
            }
        }
    }
    for (key, _) in touched.iter().filter(|(key, _)| key.kind == Kind::Account) {
        let account = next.accounts.get(&key.name);
        if account.is_some_and(|account| !inherit::is_bounded(next, &account.spec)) {
            let reason = format!("{key} would inherit from more than {INHERITED_MAX} groups or roles; name fewer");
            return Err(Refusal::Invalid { reason });
        }
    }
    if touched.keys().any(|key| key.kind == Kind::Service) {
        ports_differ(next)?;
    }
    if touched
        .keys()
        .any(|key| matches!(key.kind, Kind::Service | Kind::Certificate | Kind::Authority))
    {
        service_tls::coherent(next)?;
    }
    if touched
        .keys()
        .any(|key| key.kind == Kind::Settings && key.name.as_str() != SETTINGS_NAME)
    {
        let reason = format!("there is one settings object, and its name is `{SETTINGS_NAME}`");
        return Err(Refusal::Invalid { reason });
    }
    if touched.keys().any(|key| matches!(key.kind, Kind::Group | Kind::Role)) {
        circles(next)?;
        members_bounded(next)?;
    }
    if next.bans.len() > BANS_MAX {
        let reason = format!("more than {BANS_MAX} bans at one time are not kept; remove some, or ban networks");
        return Err(Refusal::Invalid { reason });
    }
    let owners_touched = touched.keys().any(|key| key.kind == Kind::Administrator);
    if owners_touched
        && !next
            .administrators
            .values()
            .any(|who| who.spec.enabled && who.spec.role == Role::Owner)
    {
        let reason = "no enabled administrator with the role `owner` would be left; make another owner first";
        return Err(Refusal::Invalid {
            reason: reason.to_owned(),
        });
    }
    Ok(())
}

/// What an object refers to: kind and name of each.
fn references<'a>(view: &'a View, key: &ObjectKey, mut each: impl FnMut(Kind, &'a Name)) {
    fn all<'a>(kind: Kind, names: &'a [Name], each: &mut impl FnMut(Kind, &'a Name)) {
        names.iter().for_each(|name| each(kind, name));
    }
    fn mounts<'a>(mounts: &'a [Mount], each: &mut impl FnMut(Kind, &'a Name)) {
        mounts.iter().for_each(|mount| each(Kind::Storage, &mount.storage));
    }
    match key.kind {
        Kind::Account => {
            if let Some(account) = view.accounts.get(&key.name) {
                of_account(&account.spec, &mut each);
            }
        }
        Kind::Group => {
            if let Some(group) = view.groups.get(&key.name) {
                mounts(&group.spec.mounts, &mut each);
                all(Kind::Group, &group.spec.groups, &mut each);
                all(Kind::Role, &group.spec.roles, &mut each);
            }
        }
        Kind::Role => {
            if let Some(role) = view.roles.get(&key.name) {
                all(Kind::Role, &role.spec.roles, &mut each);
            }
        }
        Kind::ApiToken => {
            if let Some(token) = view.api_tokens.get(&key.name) {
                each(Kind::Administrator, &token.spec.administrator);
            }
        }
        // The accounts that a service names are no references: deleting an account must not wait for them.
        Kind::Service => {
            if let Some(service) = view.services.get(&key.name) {
                all(Kind::HostKey, &service.spec.host_keys, &mut each);
                all(Kind::Group, &service.spec.groups, &mut each);
                all(Kind::Authority, &service.spec.user_authorities, &mut each);
                all(Kind::Authority, &service.spec.tls.authorities, &mut each);
                all(Kind::Certificate, &service.spec.tls.certificates, &mut each);
            }
        }
        Kind::Administrator
        | Kind::HostKey
        | Kind::Storage
        | Kind::Settings
        | Kind::Authority
        | Kind::Ban
        | Kind::Certificate => {}
    }
}

fn of_account<'a>(account: &'a Account, each: &mut impl FnMut(Kind, &'a Name)) {
    for mount in account.mounts.iter().chain(&account.home) {
        each(Kind::Storage, &mount.storage);
    }
    for group in &account.groups {
        each(Kind::Group, group);
    }
    for role in &account.roles {
        each(Kind::Role, role);
    }
}

/// An object that refers to `key`, if any.
fn referrer(view: &View, key: &ObjectKey) -> Option<ObjectKey> {
    fn by<'a, T: 'a>(kind: Kind, shelf: &'a Shelf<T>) -> impl Iterator<Item = ObjectKey> + 'a {
        shelf.keys().map(move |name| ObjectKey {
            kind,
            name: name.clone(),
        })
    }
    let (groups, roles) = (by(Kind::Group, &view.groups), by(Kind::Role, &view.roles));
    let services = by(Kind::Service, &view.services);
    let refers = |candidate: &ObjectKey| {
        let mut found = false;
        references(view, candidate, |kind, name| {
            found |= kind == key.kind && *name == key.name;
        });
        found
    };
    // There may be very many of them.
    let account = || {
        let mut accounts = view.accounts.values();
        let by = accounts.find(|account| {
            let mut found = false;
            of_account(&account.spec, &mut |kind, name| {
                found |= kind == key.kind && *name == key.name;
            });
            found
        })?;
        Some(ObjectKey {
            kind: Kind::Account,
            name: by.name.clone(),
        })
    };
    match key.kind {
        Kind::Storage => groups.into_iter().find(refers).or_else(account),
        Kind::Group => services.chain(groups).find(refers).or_else(account),
        Kind::Role => roles.chain(groups).find(refers).or_else(account),
        Kind::Administrator => by(Kind::ApiToken, &view.api_tokens).find(refers),
        Kind::HostKey | Kind::Authority | Kind::Certificate => services.into_iter().find(refers),
        Kind::Account | Kind::ApiToken | Kind::Service | Kind::Settings | Kind::Ban => None,
    }
}

/// No group is a member of itself, no role includes itself, however far round; and none inherits without end.
fn circles(view: &View) -> Result<(), Refusal> {
    for start in view.groups.keys() {
        reached(Kind::Group, start, |name| {
            view.groups.get(name).map_or(&[][..], |group| &group.spec.groups)
        })?;
    }
    for start in view.roles.keys() {
        reached(Kind::Role, start, |name| {
            view.roles.get(name).map_or(&[][..], |role| &role.spec.roles)
        })?;
    }
    Ok(())
}

/// Follows `next` from `start` to its end.
fn reached<'a>(kind: Kind, start: &'a Name, next: impl Fn(&'a Name) -> &'a [Name]) -> Result<(), Refusal> {
    let mut seen: BTreeSet<&Name> = BTreeSet::new();
    let mut open: Vec<&'a Name> = vec![start];
    while let Some(name) = open.pop() {
        for reached in next(name) {
            if reached == start {
                let (kind, through) = (kind.word(), if name == start { "itself" } else { name.as_str() });
                let reason =
                    format!("{kind} `{start}` would inherit from itself, through `{through}`; break the circle");
                return Err(Refusal::Invalid { reason });
            }
            if seen.insert(reached) {
                open.push(reached);
            }
        }
        if seen.len() > INHERITED_MAX {
            let kind = kind.word();
            let reason = format!("{kind} `{start}` would inherit from more than {INHERITED_MAX} others");
            return Err(Refusal::Invalid { reason });
        }
    }
    Ok(())
}

/// A group or role that was changed brings no account above what may be inherited: it would be denied everything.
fn members_bounded(view: &View) -> Result<(), Refusal> {
    if view.groups.len() <= INHERITED_MAX && view.roles.len() <= INHERITED_MAX {
        return Ok(());
    }
    // Many accounts name the same ones: each combination is judged once.
    let mut judged: BTreeSet<(&[Name], &[Name])> = BTreeSet::new();
    for account in view.accounts.values() {
        let spec = &account.spec;
        let none = spec.groups.is_empty() && spec.roles.is_empty();
        if none || !judged.insert((&spec.groups, &spec.roles)) || inherit::is_bounded(view, spec) {
            continue;
        }
        let reason = format!(
            "account `{}` would inherit from more than {INHERITED_MAX} groups or roles, and so be denied everything; \
             take it out of some first, or name fewer here",
            account.name
        );
        return Err(Refusal::Invalid { reason });
    }
    Ok(())
}

/// Two enabled services never share a port: which of them would answer could not be said.
fn ports_differ(view: &View) -> Result<(), Refusal> {
    let mut ports: BTreeMap<u16, &Name> = BTreeMap::new();
    for service in view.services.values().filter(|service| service.spec.enabled) {
        if let Some(other) = ports.insert(service.spec.port, &service.name) {
            let reason = format!(
                "services `{other}` and `{}` both want port {}",
                service.name, service.spec.port
            );
            return Err(Refusal::Invalid { reason });
        }
    }
    Ok(())
}
